//! One HTTP exchange.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Ask, Expect, Way};

/// One HTTP exchange.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSpec {
    /// `http` or `https`, with a host. It may hold a password: show [`HttpSpec::shown`] instead.
    pub url: Url,
    /// The URL as the file has it, letter by letter.
    pub written: String,
    #[serde(default, skip_serializing_if = "is_plain")]
    pub ask: Box<Ask>,
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub expect: Box<Expect>,
    /// How many redirects are followed, at most 20; none: the first answer is the final one, whatever it is.
    #[serde(
        default = "usual_redirects",
        skip_serializing_if = "are_usual_redirects"
    )]
    pub max_redirects: Option<u8>,
    /// How to get there. Boxed, because most specs have the plain way and some are no HTTP.
    #[serde(default, skip_serializing_if = "Way::is_plain")]
    pub way: Box<Way>,
}

impl HttpSpec {
    /// Redirects that are followed where nobody says how many.
    pub const REDIRECTS: u8 = 10;

    /// A plain GET of `url`, which the file has as `written`.
    pub fn new(url: Url, written: impl Into<String>) -> Self {
        Self {
            url,
            written: written.into(),
            ask: Box::default(),
            expect: Box::default(),
            max_redirects: usual_redirects(),
            way: Box::default(),
        }
    }

    /// The URL as the file has it, for people and the API: a password in it is `***`.
    pub fn shown(&self) -> String {
        let mask = || {
            let (scheme, rest) = self.written.split_once("://")?;
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (user, host) = rest[..end].rsplit_once('@')?;
            let (name, _) = user.split_once(':')?;
            Some(format!("{scheme}://{name}:***@{host}{}", &rest[end..]))
        };
        mask().unwrap_or_else(|| self.written.clone())
    }
}

impl fmt::Debug for HttpSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSpec")
            .field("url", &self.shown())
            .field("ask", &self.ask)
            .field("expect", &self.expect)
            .field("max_redirects", &self.max_redirects)
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the type of the field that it is the default of"
)]
const fn usual_redirects() -> Option<u8> {
    Some(HttpSpec::REDIRECTS)
}

fn is_plain(ask: &Ask) -> bool {
    ask.is_plain()
}

fn is_nothing(expect: &Expect) -> bool {
    expect.is_nothing()
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde takes"
)]
const fn are_usual_redirects(most: &Option<u8>) -> bool {
    matches!(most, Some(HttpSpec::REDIRECTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_never_shown() {
        let spec = |written: &str| HttpSpec::new(written.parse().unwrap(), written);
        for (written, shown) in [
            (
                "https://example.com/?a=b:c@d",
                "https://example.com/?a=b:c@d",
            ),
            ("http://user@example.com", "http://user@example.com"),
            ("http://user:se:c@ret@h:1/p?q", "http://user:***@h:1/p?q"),
            ("http://:secret@[::1]:8/", "http://:***@[::1]:8/"),
        ] {
            let spec = spec(written);
            assert_eq!(spec.shown(), shown);
            assert!(!format!("{spec:?}").contains("secret"));
        }
    }

    #[test]
    fn specs_of_before_are_read_and_plain_ones_stay_as_they_were() {
        let stored = r#"{"url":"https://a.example/","written":"https://a.example"}"#;
        let spec: HttpSpec = serde_json::from_str(stored).unwrap();
        let url = "https://a.example/".parse().unwrap();
        assert_eq!(spec, HttpSpec::new(url, "https://a.example"));
        assert_eq!(serde_json::to_string(&spec).unwrap(), stored);
        let unfollowed = HttpSpec {
            max_redirects: None,
            ..spec
        };
        let stored = serde_json::to_string(&unfollowed).unwrap();
        assert_eq!(
            serde_json::from_str::<HttpSpec>(&stored).unwrap(),
            unfollowed
        );
    }
}
