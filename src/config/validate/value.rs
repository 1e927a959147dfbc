//! Reads one value of a key as a text, a number, a boolean or a list of texts.
//!
//! Promises a message that names the key, shows what stands there, and says what is expected.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::problem::quoted;
use super::super::report::{Report, Span};
use super::super::yaml::{Scalar, Shape, Value};
use super::key::{either, meant};

/// A value and the name of its key.
#[derive(Debug, Clone, Copy)]
pub struct Field<'t> {
    pub name: &'static str,
    pub value: Value<'t>,
}

/// What a target says of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Answer<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// It is there, and its problem has been told.
    Wrong,
    Said(T, Span),
}

impl<T> Answer<T> {
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    pub const fn said(&self) -> Option<&T> {
        match self {
            Self::Said(value, _) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// Where it stands, if it is there and right.
    pub const fn span(&self) -> Option<Span> {
        match self {
            Self::Said(_, span) => Some(*span),
            Self::Absent | Self::Wrong => None,
        }
    }

    pub fn into_said(self) -> Option<T> {
        match self {
            Self::Said(value, _) => Some(value),
            Self::Absent | Self::Wrong => None,
        }
    }

    /// The value goes through a rule whose error is a message and a hint.
    pub fn checked<U>(
        self,
        report: &mut Report,
        rule: impl FnOnce(T) -> Result<U, (String, Option<String>)>,
    ) -> Answer<U> {
        match self {
            Self::Absent => Answer::Absent,
            Self::Wrong => Answer::Wrong,
            Self::Said(value, span) => match rule(value) {
                Ok(value) => Answer::Said(value, span),
                Err((message, hint)) => {
                    report.error(span, message, hint);
                    Answer::Wrong
                }
            },
        }
    }
}

impl<'t> Field<'t> {
    /// Anything that is not a list, a mapping or nothing; `expected` reads like "a number of seconds, like 30".
    fn scalar(self, expected: &str, report: &mut Report) -> Option<Scalar<'t>> {
        let name = self.name;
        let message = match self.value.shape() {
            Shape::Scalar(scalar) => return Some(scalar),
            Shape::Broken => return None,
            Shape::Nothing => {
                let hint = format!("write {expected}");
                report.error(self.value.span(), format!("`{name}` has no value"), hint);
                return None;
            }
            Shape::List(_) => format!("`{name}` is a list"),
            Shape::Map(_) => format!("`{name}` is a mapping"),
        };
        report.error(self.value.span(), message, format!("expected {expected}"));
        None
    }

    fn said<T>(self, value: T) -> Answer<T> {
        Answer::Said(value, self.value.span())
    }

    /// The text as it is written: `123` and `yes` are texts here too.
    pub fn text(self, expected: &str, report: &mut Report) -> Answer<&'t str> {
        match self.scalar(expected, report) {
            Some(scalar) => self.said(scalar.text),
            None => Answer::Wrong,
        }
    }

    /// A text of one line, without the spaces around it.
    pub fn line(self, max: usize, expected: &str, report: &mut Report) -> Answer<String> {
        let text = self.text(expected, report);
        text.checked(report, |text| one_line(self.name, text, max, expected))
    }

    pub fn boolean(self, report: &mut Report) -> Answer<bool> {
        let expected = "true or false";
        let Some(scalar) = self.scalar(expected, report) else {
            return Answer::Wrong;
        };
        self.said(scalar).checked(report, |scalar| {
            scalar.boolean().ok_or_else(|| {
                let message = format!(
                    "`{}` is neither true nor false: {}",
                    self.name,
                    quoted(scalar.text)
                );
                (message, None)
            })
        })
    }

    /// A number of seconds.
    pub fn seconds(self, report: &mut Report) -> Answer<f64> {
        let expected = "a number of seconds, like 30 or 0.5";
        let Some(scalar) = self.scalar(expected, report) else {
            return Answer::Wrong;
        };
        self.said(scalar).checked(report, |scalar| {
            scalar.number().ok_or_else(|| {
                let message = format!("`{}` is not a number: {}", self.name, quoted(scalar.text));
                let hint = duration(scalar.text).map_or_else(
                    || format!("expected {expected}"),
                    |duration| format!("write {}: the unit is seconds", duration.as_secs_f64()),
                );
                (message, Some(hint))
            })
        })
    }

    /// A whole number within bounds; `example` is one that people might write.
    pub fn whole(
        self,
        bounds: RangeInclusive<i128>,
        example: u32,
        report: &mut Report,
    ) -> Answer<i128> {
        let (least, most) = (bounds.start(), bounds.end());
        let expected = format!("a whole number from {least} to {most}, like {example}");
        let Some(scalar) = self.scalar(&expected, report) else {
            return Answer::Wrong;
        };
        self.said(scalar).checked(report, |scalar| {
            let (name, shown) = (self.name, quoted(scalar.text));
            match scalar.integer() {
                Some(whole) if bounds.contains(&whole) => Ok(whole),
                Some(_) => Err((format!("`{name}` is {shown}: from {least} to {most}"), None)),
                None => Err((
                    format!("`{name}` is not a whole number: {shown}"),
                    Some(format!("expected {expected}")),
                )),
            }
        })
    }

    /// A whole number that fits its type.
    pub fn number<T: Into<i128> + TryFrom<i128>>(
        self,
        least: T,
        most: T,
        example: u32,
        report: &mut Report,
    ) -> Answer<T> {
        let whole = self.whole(least.into()..=most.into(), example, report);
        whole.checked(report, |whole| {
            T::try_from(whole).map_err(|_| (format!("`{}` is too large", self.name), None))
        })
    }

    /// One of a few words, in capitals or not; `synonyms` are other words that people use.
    pub fn choice<T: Copy>(
        self,
        words: &[(&'static str, T)],
        synonyms: &[(&'static str, T)],
        report: &mut Report,
    ) -> Answer<T> {
        let expected = either(words.iter().map(|(word, _)| *word));
        self.text(&expected, report).checked(report, |text| {
            let mut all = words.iter().chain(synonyms);
            let found = all.find(|(word, _)| text.eq_ignore_ascii_case(word));
            found.map(|(_, value)| *value).ok_or_else(|| {
                let message = format!("`{}` is {}", self.name, quoted(text));
                let known = words.iter().map(|(word, _)| *word);
                let hint = match meant(text, &known) {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => format!("expected {expected}"),
                };
                (message, Some(hint))
            })
        })
    }

    /// A whole number of milliseconds, at least one.
    pub fn milliseconds(self, report: &mut Report) -> Answer<u64> {
        let expected = "a whole number of milliseconds, like 1000";
        let Some(scalar) = self.scalar(expected, report) else {
            return Answer::Wrong;
        };
        let name = self.name;
        self.said(scalar).checked(report, |scalar| {
            let shown = quoted(scalar.text);
            let Some(whole) = scalar.integer() else {
                let hint = duration(scalar.text).map_or_else(
                    || format!("expected {expected}"),
                    |duration| format!("write {}: the unit is milliseconds", duration.as_millis()),
                );
                return Err((
                    format!("`{name}` is not a whole number: {shown}"),
                    Some(hint),
                ));
            };
            if whole < 1 {
                return Err((format!("`{name}` is {shown}: at least 1"), None));
            }
            Ok(u64::try_from(whole).unwrap_or(u64::MAX))
        })
    }

    /// A list of short texts, each once.
    pub fn lines(
        self,
        max_items: usize,
        max: usize,
        expected: &str,
        report: &mut Report,
    ) -> Answer<Vec<String>> {
        let name = self.name;
        let items = match self.value.shape() {
            Shape::List(items) => items,
            Shape::Broken => return Answer::Wrong,
            Shape::Scalar(scalar) => {
                let hint = format!(
                    "write a list: {name}: [{}]",
                    quoted(scalar.text).trim_matches('`')
                );
                report.error(self.value.span(), format!("`{name}` is not a list"), hint);
                return Answer::Wrong;
            }
            Shape::Nothing | Shape::Map(_) => {
                let hint = format!("expected {expected}");
                report.error(self.value.span(), format!("`{name}` is not a list"), hint);
                return Answer::Wrong;
            }
        };
        if items.iter().len() > max_items {
            let message = format!(
                "`{name}` has {} entries: at most {max_items}",
                items.iter().len()
            );
            report.error(self.value.span(), message, None);
            return Answer::Wrong;
        }
        let mut lines = Vec::with_capacity(items.iter().len());
        let mut wrong = false;
        for value in items.iter() {
            if matches!(
                value.shape(),
                Shape::List(_) | Shape::Map(_) | Shape::Nothing
            ) {
                report.error(
                    value.span(),
                    format!("an entry of `{name}` is no text"),
                    format!("expected {expected}"),
                );
                wrong = true;
                continue;
            }
            match (Field { name, value })
                .line(max, expected, report)
                .into_said()
            {
                Some(line) if lines.contains(&line) => {}
                Some(line) => lines.push(line),
                None => wrong = true,
            }
        }
        if wrong {
            Answer::Wrong
        } else {
            self.said(lines)
        }
    }
}

/// A text of one line: trimmed, with something in it, at most `max` characters, nothing invisible that would deceive a reader.
fn one_line(
    name: &str,
    text: &str,
    max: usize,
    expected: &str,
) -> Result<String, (String, Option<String>)> {
    let line = text.trim();
    let length = line.chars().count();
    let problem = if line.is_empty() {
        "is empty".to_owned()
    } else if length > max {
        format!("is {length} characters long: at most {max}")
    } else if let Some(bad) = line.chars().find(|&c| is_deceptive(c)) {
        format!("holds the invisible character U+{:04X}", bad as u32)
    } else {
        return Ok(line.to_owned());
    };
    Err((
        format!("`{name}` {problem}"),
        Some(format!("expected {expected}")),
    ))
}

/// Line breaks, other control characters, and marks that turn the direction of the text around them.
pub fn is_deceptive(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `30s`, `500 ms`, `5m`, `1.5h`: what people write where a bare number is expected.
fn duration(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
    let number: f64 = text[..at].parse().ok()?;
    let unit = match text[at..].trim() {
        "ms" | "msec" | "millis" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * unit).ok()
}
