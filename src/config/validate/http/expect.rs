//! Keys that say what is expected: `expect_status`, `expect_body`, `expect_headers`, `expect_json`.

use serde_json::Value as Json;

use super::super::super::problem::quoted;
use super::super::super::report::Report;
use super::super::super::yaml::{Map, Shape, Value};
use super::super::value::{Answer, Field};
use crate::model::{HeaderMatch, JsonMatch, JsonPath, Pattern, Statuses};

const MAX_ENTRIES: usize = 50;
/// Of an expected value: parts of it within one another, and altogether.
const MAX_DEPTH: usize = 16;
const MAX_PARTS: usize = 500;

type Problem = (String, Option<String>);

/// What a target of this type said.
#[derive(Debug, Default)]
pub struct ExpectDraft {
    pub status: Answer<Statuses>,
    pub body: Answer<Pattern>,
    pub headers: Answer<Vec<HeaderMatch>>,
    pub json: Answer<Vec<JsonMatch>>,
}

impl ExpectDraft {
    pub fn read_status(&mut self, field: Field<'_>, report: &mut Report) {
        const EXPECTED: &str =
            "a status like 200, a range like 200-299, a class like 2xx, a list of these, or any";
        self.status = Answer::Wrong;
        let span = field.value.span();
        let items: Vec<Value<'_>> = match field.value.shape() {
            Shape::List(items) if items.iter().len() > MAX_ENTRIES => {
                let count = items.iter().len();
                let message = format!("`expect_status` has {count} entries: at most {MAX_ENTRIES}");
                report.error(span, message, None);
                return;
            }
            Shape::List(items) => items.iter().collect(),
            _ => vec![field.value],
        };
        if items.is_empty() {
            let hint = format!("expected {EXPECTED}");
            report.error(span, "`expect_status` is an empty list", hint);
            return;
        }
        let mut ranges = Vec::with_capacity(items.len());
        let mut wrong = false;
        for value in items {
            let text = Field { value, ..field }.text(EXPECTED, report);
            match text.checked(report, |text| statuses(text, EXPECTED)) {
                Answer::Said(range, _) => ranges.push(range),
                _ => wrong = true,
            }
        }
        if !wrong {
            self.status = Answer::Said(Statuses::new(ranges), span);
        }
    }

    pub fn read_body(&mut self, field: Field<'_>, report: &mut Report) {
        let text = field.text("a regular expression, like \"status: ok\"", report);
        self.body = text.checked(report, |text| pattern("`expect_body`", text));
    }

    pub fn read_headers(&mut self, field: Field<'_>, report: &mut Report) {
        self.headers = Answer::Wrong;
        let Some(map) = mapping(field, "{Content-Type: json}", report) else {
            return;
        };
        let mut matches: Vec<HeaderMatch> = Vec::new();
        let mut wrong = false;
        for entry in map.iter() {
            let name = entry.key;
            if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                let message = format!("{} cannot be the name of a header", quoted(name));
                let hint = "expected letters, digits and hyphens, like Content-Type".to_owned();
                report.error(entry.key_span, message, hint);
                wrong = true;
                continue;
            }
            let value = Field {
                value: entry.value,
                ..field
            };
            let text = value.text("a regular expression for each header", report);
            let what = format!("the pattern for {}", quoted(name));
            match text.checked(report, |text| pattern(&what, text)) {
                Answer::Said(pattern, _) => matches.push(HeaderMatch {
                    name: name.to_owned(),
                    pattern,
                }),
                _ => wrong = true,
            }
        }
        if !wrong {
            self.headers = Answer::Said(matches, field.value.span());
        }
    }

    pub fn read_json(&mut self, field: Field<'_>, report: &mut Report) {
        self.json = Answer::Wrong;
        let Some(map) = mapping(field, "{$.status: ok}", report) else {
            return;
        };
        let mut matches = Vec::new();
        let mut wrong = false;
        for entry in map.iter() {
            let path = JsonPath::new(entry.key).map_err(|fault| {
                let message = format!("{} cannot be a path: {fault}", quoted(entry.key));
                let hint = "expected JSONPath (RFC 9535), like $.status or $.parts[0].name";
                report.error(entry.key_span, message, hint.to_owned());
            });
            let value =
                json(entry.value, MAX_DEPTH, &mut { MAX_PARTS }).map_err(|(at, message)| {
                    report.error(at.span(), message, None);
                });
            match (path, value) {
                (Ok(path), Ok(value)) => matches.push(JsonMatch { path, value }),
                _ => wrong = true,
            }
        }
        if !wrong {
            self.json = Answer::Said(matches, field.value.span());
        }
    }
}

fn mapping<'t>(field: Field<'t>, example: &str, report: &mut Report) -> Option<Map<'t>> {
    let name = field.name;
    let message = match field.value.shape() {
        Shape::Broken => return None,
        Shape::Map(map) => match map.iter().count() {
            0 => format!("`{name}` is an empty mapping"),
            1..=MAX_ENTRIES => return Some(map),
            count => format!("`{name}` has {count} entries: at most {MAX_ENTRIES}"),
        },
        Shape::Nothing | Shape::Scalar(_) | Shape::List(_) => {
            format!("`{name}` is not a mapping")
        }
    };
    report.error(
        field.value.span(),
        message,
        format!("expected like {example}"),
    );
    None
}

/// One entry of `expect_status`.
fn statuses(text: &str, expected: &str) -> Result<(u16, u16), Problem> {
    let text = text.trim();
    let code = |text: &str| {
        let text = text.trim();
        let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let code = is_code.then(|| text.parse::<u16>().ok()).flatten();
        code.filter(|code| *code >= Statuses::LEAST)
    };
    if text.eq_ignore_ascii_case("any") {
        return Ok((Statuses::LEAST, Statuses::MOST));
    }
    if let [class @ b'1'..=b'9', b'x' | b'X', b'x' | b'X'] = text.as_bytes() {
        let first = u16::from(class - b'0') * 100;
        return Ok((first, first + 99));
    }
    if let Some(code) = code(text) {
        return Ok((code, code));
    }
    if let Some((first, last)) = text.split_once('-')
        && let (Some(first), Some(last)) = (code(first), code(last))
    {
        if first <= last {
            return Ok((first, last));
        }
        let hint = format!("did you mean {last}-{first}?");
        return Err((format!("the range {} is empty", quoted(text)), Some(hint)));
    }
    let hint = if text.contains(',') {
        format!("write a list: [{text}]")
    } else {
        format!("expected {expected}")
    };
    Err((format!("{} is no status", quoted(text)), Some(hint)))
}

fn pattern(what: &str, text: &str) -> Result<Pattern, Problem> {
    let length = text.chars().count();
    if text.is_empty() {
        let hint = "an empty pattern is found everywhere: write what must be there".to_owned();
        return Err((format!("{what} is empty"), Some(hint)));
    }
    if length > Pattern::MAX {
        let most = Pattern::MAX;
        return Err((
            format!("{what} is {length} characters long: at most {most}"),
            None,
        ));
    }
    Pattern::new(text).map_err(|fault| {
        let hint = "letters that stand for themselves need no care; \\ before any of .+*?()|[]{}^$ takes its meaning away".to_owned();
        (format!("{what} is no regular expression: {fault}"), Some(hint))
    })
}

/// A value as JSON has it: what is plain may be a number, a boolean or null, what is quoted is a text.
fn json<'t>(value: Value<'t>, depth: usize, left: &mut usize) -> Result<Json, (Value<'t>, String)> {
    if depth == 0 || *left == 0 {
        let message = "this expected value is too large: name what matters by its own path";
        return Err((value, message.to_owned()));
    }
    *left -= 1;
    Ok(match value.shape() {
        Shape::Nothing => Json::Null,
        Shape::Broken => return Err((value, "this value cannot be read".to_owned())),
        Shape::Scalar(scalar) => scalar
            .json()
            .ok_or_else(|| (value, "JSON has no such number".to_owned()))?,
        Shape::List(items) => {
            let items = items.iter().map(|item| json(item, depth - 1, left));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        Shape::Map(map) => {
            let members = map.iter().map(|entry| {
                let value = json(entry.value, depth - 1, left)?;
                Ok((entry.key.to_owned(), value))
            });
            Json::Object(members.collect::<Result<_, _>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_codes_ranges_and_classes() {
        for (text, range) in [
            ("200", (200, 200)),
            ("200-299", (200, 299)),
            ("200 - 204", (200, 204)),
            ("2xx", (200, 299)),
            ("5XX", (500, 599)),
            ("any", (100, 999)),
            ("ANY", (100, 999)),
            ("999", (999, 999)),
        ] {
            assert_eq!(statuses(text, ""), Ok(range), "{text}");
        }
        for text in [
            "",
            "20",
            "099",
            "2000",
            "0x0",
            "-200",
            "200-",
            "299-200",
            "xx2",
            "ok",
            "200,204",
            "２００",
        ] {
            assert!(statuses(text, "").is_err(), "{text}");
        }
    }
}
