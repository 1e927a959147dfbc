//! The keys of `type: http`.

mod ask;
mod expect;
mod secret;
mod url;

use std::net::IpAddr;

use ::url::{Host, Url};

use super::super::report::Report;
use super::key::Key;
use super::value::{Answer, Field};
use crate::model::{Ask, Credentials, Expect, Header, HttpSpec, Kind, Method, Way};
use ask::AskDraft;
use expect::ExpectDraft;
pub use secret::conceal;
use url::{checked, has_credentials};

pub const KEYS: &[Key] = &[
    Key {
        name: "url",
        of: &[Kind::Http],
        has_default: false,
        read: |draft, field, report| draft.http.read_url(field, report),
    },
    Key {
        name: "method",
        of: &[Kind::Http],
        has_default: false,
        read: |draft, field, report| draft.http.ask.read_method(field, report),
    },
    Key {
        name: "headers",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.http.ask.read_headers(field, report),
    },
    Key {
        name: "body",
        of: &[Kind::Http],
        has_default: false,
        read: |draft, field, report| draft.http.ask.read_body(field, report),
    },
    Key {
        name: "basic_auth",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.http.ask.read_basic(field, report),
    },
    Key {
        name: "bearer",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.http.ask.read_bearer(field, report),
    },
    Key {
        name: "follow_redirects",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.http.follows = field.boolean(report),
    },
    Key {
        name: "max_redirects",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.http.read_max_redirects(field, report),
    },
    Key {
        name: "expect_status",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.http.expect.read_status(field, report),
    },
    Key {
        name: "expect_body",
        of: &[Kind::Http],
        has_default: false,
        read: |draft, field, report| draft.http.expect.read_body(field, report),
    },
    Key {
        name: "expect_headers",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.http.expect.read_headers(field, report),
    },
    Key {
        name: "expect_json",
        of: &[Kind::Http],
        has_default: false,
        read: |draft, field, report| draft.http.expect.read_json(field, report),
    },
];

/// Keys below which secrets stand. Where one of them is out of place its values are not shown either.
pub const SECRET_KEYS: &[&str] = &["headers", "body", "basic_auth", "bearer", "proxy"];

/// Browsers give up after as many.
const MAX_REDIRECTS: i128 = 20;

/// What a target of this type said.
#[derive(Debug, Default)]
pub struct HttpDraft {
    /// Parsed, and as written.
    url: Answer<(Url, String)>,
    follows: Answer<bool>,
    max_redirects: Answer<u8>,
    ask: AskDraft,
    expect: ExpectDraft,
}

impl HttpDraft {
    /// The keys that must be there and are not.
    pub fn missing(&self) -> Option<(&'static str, &'static str)> {
        self.url.is_absent().then_some((
            "url",
            "add the address to fetch, like `url: https://example.com/`",
        ))
    }

    fn read_url(&mut self, field: Field<'_>, report: &mut Report) {
        let text = field.text("a URL, like https://example.com/", report);
        self.url = text.checked(report, checked);
        if let Answer::Said((url, _), span) = &self.url
            && has_credentials(url)
        {
            let hint = "the API and the logs show *** in its place; the file and the database keep it. `basic_auth` may refer to a variable"
                .to_owned();
            report.warning(*span, "this URL holds a name or a password", hint);
        }
    }

    fn read_max_redirects(&mut self, field: Field<'_>, report: &mut Report) {
        let whole = field.whole(0..=MAX_REDIRECTS, 10, report);
        self.max_redirects = whole.checked(report, |whole| {
            u8::try_from(whole).map_err(|_| ("`max_redirects` is too large".to_owned(), None))
        });
    }

    /// Tells what does not fit together, and which variables are not set where the target `is_enabled`.
    pub fn cross_check(&self, defaults: &Self, is_enabled: bool, report: &mut Report) {
        self.check_credentials(report);
        if let (Answer::Said(false, _), Answer::Said(_, at)) = (&self.follows, &self.max_redirects)
        {
            let hint = "remove one of them".to_owned();
            report.warning(
                *at,
                "`max_redirects` has no effect where `follow_redirects` is false",
                hint,
            );
        }
        if self.ask.method.said() == Some(&Method::Head) {
            if let Some(at) = self.ask.body.span() {
                let hint = "write `method: POST`, or remove one of the two".to_owned();
                report.error(at, "a HEAD has no `body`", hint);
            }
            let spans = [
                ("expect_body", self.expect.body.span()),
                ("expect_json", self.expect.json.span()),
            ];
            for (name, at) in spans {
                if let Some(at) = at {
                    let message = format!("`{name}` cannot hold: an answer to HEAD has no body");
                    report.error(at, message, "write `method: GET`".to_owned());
                }
            }
        }
        // a target that is not probed needs no variables; those of the defaults count where they are used
        if is_enabled {
            self.ask.secrets.tell_unset(|_| true, report);
            let identifies = self.identifies();
            let is_used = |key: &str| match key {
                "headers" => self.ask.headers.is_absent(),
                _ => !identifies,
            };
            defaults.ask.secrets.tell_unset(is_used, report);
        }
    }

    /// Only one of the ways to say who asks.
    pub fn check_credentials(&self, report: &mut Report) {
        let of_url = self.url.said().is_some_and(|(url, _)| has_credentials(url));
        let of_url = self.url.span().filter(|_| of_url);
        let of_headers = self.ask.headers.span().filter(|_| self.authorizes());
        let ways = [
            ("the URL", of_url),
            ("a header Authorization", of_headers),
            ("`basic_auth`", self.ask.basic.span()),
            ("`bearer`", self.ask.bearer.span()),
        ];
        let mut said = ways.into_iter().filter_map(|(way, at)| Some((way, at?)));
        if let Some((first, _)) = said.next() {
            for (other, at) in said {
                let message = format!("{first} and {other} both say who asks");
                report.error(at, message, "remove one of them".to_owned());
            }
        }
    }

    /// Whether it has a header of its own that says who asks.
    fn authorizes(&self) -> bool {
        let headers = self.ask.headers.said();
        headers.is_some_and(|headers| headers.iter().any(is_authorization))
    }

    /// Whether it says itself who asks, so that the defaults do not.
    fn identifies(&self) -> bool {
        self.authorizes()
            || !self.ask.basic.is_absent()
            || !self.ask.bearer.is_absent()
            || (self.url.said()).is_some_and(|(url, _)| has_credentials(url))
    }

    /// The address to connect to, if the URL has one instead of a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.url.said()?.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    pub fn finish(self, defaults: &Self, way: Way) -> Option<HttpSpec> {
        let identifies = self.identifies();
        let (ask, expect) = (self.ask, self.expect);
        let default_credentials = || {
            let said = defaults.ask.basic.said().or(defaults.ask.bearer.said());
            said.filter(|_| !identifies).cloned()
        };
        let credentials: Option<Credentials> = (ask.basic.into_said())
            .or(ask.bearer.into_said())
            .or_else(default_credentials);
        let own_headers = !ask.headers.is_absent();
        let mut headers = (ask.headers.into_said())
            .or_else(|| defaults.ask.headers.said().cloned())
            .unwrap_or_default();
        if identifies && !own_headers {
            headers.retain(|header| !is_authorization(header));
        }
        let follows = self
            .follows
            .into_said()
            .or(defaults.follows.said().copied());
        let most = self.max_redirects.into_said();
        let most = most.or(defaults.max_redirects.said().copied());
        let (url, written) = self.url.into_said()?;
        Some(HttpSpec {
            way: Box::new(way),
            ask: Box::new(Ask {
                method: ask.method.into_said(),
                headers,
                body: ask.body.into_said(),
                credentials,
            }),
            expect: Box::new(Expect {
                status: (expect.status.into_said())
                    .or_else(|| defaults.expect.status.said().cloned()),
                body: expect.body.into_said(),
                headers: (expect.headers.into_said())
                    .or_else(|| defaults.expect.headers.said().cloned())
                    .unwrap_or_default(),
                json: expect.json.into_said().unwrap_or_default(),
            }),
            max_redirects: follows
                .unwrap_or(true)
                .then_some(most.unwrap_or(HttpSpec::REDIRECTS)),
            ..HttpSpec::new(url, written)
        })
    }
}

fn is_authorization(header: &Header) -> bool {
    header.name.eq_ignore_ascii_case("authorization")
}
