//! Collects what is wrong in one file, so that all of it is told at once.
//!
//! Promises that each problem is told once, in the order of the file, and that memory stays bounded however bad the file is.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::problem::{Excerpt, Place, Problem};

/// A piece of the text: where it begins, and how many bytes it is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub offset: u32,
    pub line: u32,
    /// Counts from 1, in characters.
    pub column: u32,
    pub length: u32,
}

/// What was found so far.
#[derive(Debug, Default)]
pub struct Report {
    errors: Findings,
    warnings: Findings,
    secrets: Secrets,
}

/// Places of the text that are shown as `***`, by where they begin.
#[derive(Debug, Default)]
struct Secrets(BTreeMap<u32, u32>);

#[derive(Debug, Default)]
struct Findings {
    kept: Vec<Finding>,
    /// A mapping that is merged into a thousand targets is wrong once.
    seen: HashSet<(u32, String)>,
    omitted: usize,
}

#[derive(Debug)]
struct Finding {
    span: Span,
    message: String,
    hint: Option<String>,
}

/// The problems of a file: the first of them in full, and how many more there are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems {
    pub shown: Vec<Problem>,
    pub omitted: usize,
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self {
            shown: vec![problem],
            omitted: 0,
        }
    }
}

impl Report {
    /// How many problems are told in full: nobody reads more before fixing these.
    pub const SHOWN: usize = 50;
    /// How many are kept to find the first ones in the file's order; more are only counted.
    const KEPT: usize = 1000;

    pub fn error(
        &mut self,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.errors.push(span, message.into(), hint.into());
    }

    pub fn warning(
        &mut self,
        span: Span,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.warnings.push(span, message.into(), hint.into());
    }

    /// Never shows this piece of the text, whichever problem is told beside it.
    pub fn conceal(&mut self, span: Span) {
        let end = span.offset.saturating_add(span.length);
        let known = self.secrets.0.entry(span.offset).or_default();
        *known = end.max(*known);
    }

    pub fn has_errors(&self) -> bool {
        !self.errors.kept.is_empty()
    }

    /// The errors and the warnings, in the order of the file.
    pub fn finish(self, file: &str, text: &str) -> (Problems, Problems) {
        (
            self.errors.finish(file, text, &self.secrets),
            self.warnings.finish(file, text, &self.secrets),
        )
    }
}

impl Findings {
    fn push(&mut self, span: Span, message: String, hint: Option<String>) {
        if self.kept.len() >= Report::KEPT {
            self.omitted += 1;
        } else if self.seen.insert((span.offset, message.clone())) {
            self.kept.push(Finding {
                span,
                message,
                hint,
            });
        }
    }

    fn finish(mut self, file: &str, text: &str, secrets: &Secrets) -> Problems {
        // stable: problems of one place stay in the order in which they were found
        self.kept.sort_by_key(|finding| finding.span.offset);
        let omitted = self.omitted + self.kept.len().saturating_sub(Report::SHOWN);
        self.kept.truncate(Report::SHOWN);
        let shown = self
            .kept
            .into_iter()
            .map(|finding| finding.into_problem(file, text, secrets))
            .collect();
        Problems { shown, omitted }
    }
}

impl Secrets {
    /// Those that may be seen beside a place. Values of several lines, and those of one that is endless, begin far before it.
    fn around(&self, offset: u32) -> Vec<Range<usize>> {
        let reach = Excerpt::REACH as u32;
        let before = self.0.range(..offset.saturating_sub(reach));
        let last = before.map(|(start, end)| (*start, *end)).next_back();
        let within = self
            .0
            .range(offset.saturating_sub(reach)..=offset.saturating_add(reach));
        let within = within.map(|(start, end)| (*start, *end));
        last.into_iter()
            .chain(within)
            .map(|(start, end)| start as usize..end as usize)
            .collect()
    }
}

impl Finding {
    fn into_problem(self, file: &str, text: &str, secrets: &Secrets) -> Problem {
        let Span {
            offset,
            line,
            column,
            length,
        } = self.span;
        let located = line > 0;
        Problem {
            file: file.to_owned(),
            place: located.then_some(Place { line, column }),
            message: self.message,
            hint: self.hint,
            excerpt: located.then(|| {
                let secrets = secrets.around(offset);
                Excerpt::of(text, offset as usize, length as usize, &secrets)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_problems_is_counted_but_not_kept() {
        let mut report = Report::default();
        for offset in (0..5_000).rev() {
            report.error(
                Span {
                    offset,
                    line: 1,
                    column: 1,
                    length: 1,
                },
                "wrong",
                None,
            );
        }
        let (errors, _) = report.finish("targets.yaml", "");
        assert_eq!(errors.shown.len(), Report::SHOWN);
        assert_eq!(errors.omitted, 5_000 - Report::SHOWN);
    }

    #[test]
    fn the_same_problem_of_the_same_place_is_told_once() {
        let mut report = Report::default();
        for _ in 0..3 {
            report.error(Span::default(), "wrong", None);
        }
        report.error(Span::default(), "wrong in another way", None);
        let (errors, _) = report.finish("targets.yaml", "");
        assert_eq!((errors.shown.len(), errors.omitted), (2, 0));
    }
}
