//! Values that are never shown, and the variables that they refer to.

use super::super::super::report::{Report, Span};
use super::super::super::yaml::{Shape, Value};
use crate::environment;
use crate::model::{BadReference, Secret};

/// The references of a target's secrets.
#[derive(Debug, Default)]
pub struct Secrets(Vec<Reference>);

/// A value that refers to a variable, and the key that it stands under.
#[derive(Debug)]
struct Reference {
    key: &'static str,
    variable: String,
    span: Span,
}

impl Secrets {
    /// A text that is never shown. Remembers the variables that it refers to.
    pub fn read(
        &mut self,
        key: &'static str,
        what: &str,
        value: Value<'_>,
        most: usize,
        is_line: bool,
        report: &mut Report,
    ) -> Option<Secret> {
        conceal(value, report);
        let span = value.span();
        let text = match value.shape() {
            Shape::Scalar(scalar) => scalar.text,
            Shape::Broken => return None,
            Shape::Nothing => {
                let hint = "write a text, or remove the key".to_owned();
                report.error(span, format!("{what} has no value"), hint);
                return None;
            }
            Shape::List(_) | Shape::Map(_) => {
                report.error(span, format!("{what} is not a text"), None);
                return None;
            }
        };
        let problem = if text.is_empty() && key != "headers" {
            Some((format!("{what} is empty"), None))
        } else if text.len() > most {
            let length = text.len();
            Some((
                format!("{what} is {length} bytes long: at most {most}"),
                None,
            ))
        } else if is_line && text.chars().any(char::is_control) {
            let hint = "write it in one line".to_owned();
            Some((
                format!("{what} holds a line break or another control character"),
                Some(hint),
            ))
        } else {
            None
        };
        if let Some((message, hint)) = problem {
            report.error(span, message, hint);
            return None;
        }
        let secret = match Secret::new(text) {
            Ok(secret) => secret,
            Err(error) => {
                let hint = match error {
                    BadReference::Open => {
                        "write ${NAME}; a ${ that is meant as it stands is written $${"
                    }
                    BadReference::Name => {
                        "expected letters, digits and _ like ${API_TOKEN}; a ${ that is meant as it stands is written $${"
                    }
                };
                report.error(span, format!("in {what} {error}"), hint.to_owned());
                return None;
            }
        };
        let references = secret.variables().map(|variable| Reference {
            key,
            variable: variable.to_owned(),
            span,
        });
        self.0.extend(references);
        Some(secret)
    }

    /// Tells of variables that the keys for which `is_used` holds refer to, and that are not set.
    pub fn tell_unset(&self, is_used: impl Fn(&str) -> bool, report: &mut Report) {
        for Reference {
            key,
            variable,
            span,
        } in &self.0
        {
            if is_used(key) && environment::variable(variable).is_none() {
                let message =
                    format!("`{key}` refers to the variable {variable}, which is not set");
                let hint = format!(
                    "set {variable} where Pingu runs, or in its .env file; a ${{ that is meant as it stands is written $${{"
                );
                report.error(*span, message, hint);
            }
        }
    }
}

/// Keeps a value, and what is in it, out of everything that is said of the file.
pub fn conceal(value: Value<'_>, report: &mut Report) {
    /// Deeper, and more of it, is no secret of this file's; an alias may stand for anything.
    const DEPTH: usize = 3;
    const MOST: usize = 200;
    fn within(value: Value<'_>, depth: usize, left: &mut usize, report: &mut Report) {
        if depth == 0 || *left == 0 {
            return;
        }
        *left -= 1;
        match value.shape() {
            Shape::Scalar(_) => report.conceal(value.span()),
            Shape::List(items) => {
                for item in items.iter() {
                    within(item, depth - 1, left, report);
                }
            }
            Shape::Map(map) => {
                for entry in map.iter() {
                    within(entry.value, depth - 1, left, report);
                }
            }
            Shape::Nothing | Shape::Broken => {}
        }
    }
    within(value, DEPTH, &mut { MOST }, report);
}
