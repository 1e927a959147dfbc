//! One HTTP exchange.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use super::Way;

/// One HTTP exchange.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSpec {
    /// `http` or `https`, with a host. It may hold a password: show [`HttpSpec::shown`] instead.
    pub url: Url,
    /// The URL as the file has it, letter by letter.
    pub written: String,
    /// How to get there. Boxed, because most specs have the plain way and some are no HTTP.
    #[serde(default, skip_serializing_if = "Way::is_plain")]
    pub way: Box<Way>,
}

impl HttpSpec {
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
        f.debug_tuple("HttpSpec").field(&self.shown()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_never_shown() {
        let spec = |written: &str| HttpSpec {
            url: written.parse().unwrap(),
            written: written.to_owned(),
            way: Box::default(),
        };
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
}
