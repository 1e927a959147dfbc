//! Keys that say what is asked: `method`, `headers`, `body`, `basic_auth`, `bearer`.
//!
//! Promises that no value of them reaches a message or an excerpt: each is concealed before anything else is done with it.

use super::super::super::problem::quoted;
use super::super::super::report::Report;
use super::super::super::yaml::{Map, Shape};
use super::super::key::{listed, meant};
use super::super::value::{Answer, Field};
use super::secret::{Secrets, conceal};
use crate::model::{Credentials, Header, Method, Secret};

const MAX_HEADERS: usize = 50;
/// Of a header's value, in bytes: servers refuse more.
const MAX_VALUE: usize = 8000;
/// Of a request's body, in bytes: it is kept for each target.
const MAX_BODY: usize = 64 * 1024;

/// Names that HTTP itself needs (RFC 9110 section 7.6.1, RFC 9112): Pingu sets them, or must not.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What a target of this type said.
#[derive(Debug, Default)]
pub struct AskDraft {
    pub method: Answer<Method>,
    pub headers: Answer<Vec<Header>>,
    pub body: Answer<Secret>,
    pub basic: Answer<Credentials>,
    pub bearer: Answer<Credentials>,
    pub secrets: Secrets,
}

impl AskDraft {
    pub fn read_method(&mut self, field: Field<'_>, report: &mut Report) {
        let names = || Method::ALL.into_iter().map(Method::as_str);
        let text = field.text("a method, like GET or POST", report);
        self.method = text.checked(report, |text| {
            let found = Method::ALL
                .into_iter()
                .find(|method| text.eq_ignore_ascii_case(method.as_str()));
            found.ok_or_else(|| {
                let hint = meant(text, &names()).map_or_else(
                    || format!("known are {}", listed(names())),
                    |name| format!("did you mean `{name}`?"),
                );
                (
                    format!("`method` is {}, which is not asked", quoted(text)),
                    Some(hint),
                )
            })
        });
    }

    pub fn read_headers(&mut self, field: Field<'_>, report: &mut Report) {
        self.headers = Answer::Wrong;
        let example = "{Accept: application/json}";
        let Some(map) = mapping(field, example, report) else {
            return;
        };
        let count = map.iter().count();
        if count > MAX_HEADERS {
            let message = format!("`headers` has {count} entries: at most {MAX_HEADERS}");
            report.error(field.value.span(), message, None);
            return;
        }
        let mut headers: Vec<Header> = Vec::with_capacity(count);
        let mut wrong = false;
        for entry in map.iter() {
            let name = entry.key;
            if let Err((message, hint)) = header_name(name, &headers) {
                conceal(entry.value, report);
                report.error(entry.key_span, message, hint);
                wrong = true;
                continue;
            }
            let what = format!("the header {}", quoted(name));
            let value = self
                .secrets
                .read(field.name, &what, entry.value, MAX_VALUE, true, report);
            match value {
                Some(value) => headers.push(Header {
                    name: name.to_owned(),
                    value,
                }),
                None => wrong = true,
            }
        }
        if !wrong {
            self.headers = Answer::Said(headers, field.value.span());
        }
    }

    pub fn read_body(&mut self, field: Field<'_>, report: &mut Report) {
        self.body = Answer::Wrong;
        if let Shape::Map(_) | Shape::List(_) = field.value.shape() {
            conceal(field.value, report);
            let hint =
                "write JSON as a text: body: '{\"name\": \"value\"}', or in lines below `body: |`";
            report.error(field.value.span(), "`body` is not a text", hint.to_owned());
            return;
        }
        if let Some(body) =
            self.secrets
                .read("body", "`body`", field.value, MAX_BODY, false, report)
        {
            self.body = Answer::Said(body, field.value.span());
        }
    }

    pub fn read_bearer(&mut self, field: Field<'_>, report: &mut Report) {
        self.bearer = Answer::Wrong;
        let Some(token) =
            self.secrets
                .read("bearer", "`bearer`", field.value, MAX_VALUE, true, report)
        else {
            return;
        };
        let span = field.value.span();
        let scheme = |text: &str| {
            text.get(..7)
                .is_some_and(|it| it.eq_ignore_ascii_case("bearer "))
        };
        if let Shape::Scalar(scalar) = field.value.shape()
            && scheme(scalar.text)
        {
            let hint = "write the token alone: `Bearer` is put before it".to_owned();
            report.error(span, "`bearer` begins with the word Bearer", hint);
        } else {
            self.bearer = Answer::Said(Credentials::Bearer(token), span);
        }
    }

    pub fn read_basic(&mut self, field: Field<'_>, report: &mut Report) {
        const KEYS: [&str; 2] = ["username", "password"];
        self.basic = Answer::Wrong;
        let example = "{username: ada, password: '${PASSWORD}'}";
        let Some(map) = mapping(field, example, report) else {
            return;
        };
        let mut values = [None, None];
        let mut wrong = false;
        for entry in map.iter() {
            let Some(at) = KEYS.iter().position(|key| *key == entry.key) else {
                conceal(entry.value, report);
                let known = || KEYS.into_iter();
                let name = match entry.key {
                    "user" | "login" | "name" => Some(KEYS[0]),
                    "pass" | "secret" => Some(KEYS[1]),
                    other => meant(other, &known()),
                };
                let hint = name.map_or_else(
                    || format!("known are {}", listed(known())),
                    |name| format!("did you mean `{name}`?"),
                );
                let message = format!("`basic_auth` has no key {}", quoted(entry.key));
                report.error(entry.key_span, message, hint);
                wrong = true;
                continue;
            };
            let what = format!("`{}`", KEYS[at]);
            values[at] =
                self.secrets
                    .read("basic_auth", &what, entry.value, MAX_VALUE, true, report);
            wrong |= values[at].is_none();
        }
        let span = field.value.span();
        match values {
            _ if wrong => {}
            [Some(username), Some(password)] => {
                self.basic = Answer::Said(Credentials::Basic { username, password }, span);
            }
            [username, _] => {
                let missing = KEYS[usize::from(username.is_some())];
                let message = format!("`basic_auth` has no `{missing}`");
                report.error(span, message, format!("expected like {example}"));
            }
        }
    }
}

fn mapping<'t>(field: Field<'t>, example: &str, report: &mut Report) -> Option<Map<'t>> {
    match field.value.shape() {
        Shape::Map(map) => return Some(map),
        Shape::Broken => return None,
        Shape::Nothing | Shape::Scalar(_) | Shape::List(_) => {}
    }
    conceal(field.value, report);
    let message = format!("`{}` is not a mapping", field.name);
    report.error(
        field.value.span(),
        message,
        format!("expected like {example}"),
    );
    None
}

/// Checks the name of a header, which must be none of those `before` it.
fn header_name(name: &str, before: &[Header]) -> Result<(), (String, Option<String>)> {
    let shown = quoted(name);
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        let hint = "expected letters, digits and hyphens, like X-Api-Key".to_owned();
        return Err((
            format!("{shown} cannot be the name of a header"),
            Some(hint),
        ));
    }
    if RESERVED
        .iter()
        .any(|other| name.eq_ignore_ascii_case(other))
    {
        let hint = "remove it: what a connection needs is set by itself".to_owned();
        return Err((
            format!("the header {shown} is not yours to set"),
            Some(hint),
        ));
    }
    if before
        .iter()
        .any(|other| name.eq_ignore_ascii_case(&other.name))
    {
        let hint = "names of headers are the same in capitals and small letters".to_owned();
        return Err((format!("the header {shown} is here twice"), Some(hint)));
    }
    Ok(())
}
