//! The keys of `type: http`.

use std::net::IpAddr;

use url::{Host, Url};

use super::super::problem::quoted;
use super::key::Key;
use super::value::{Answer, is_deceptive};
use crate::model::{HttpSpec, Kind, Way};

pub const KEYS: &[Key] = &[Key {
    name: "url",
    of: &[Kind::Http],
    has_default: false,
    read: |draft, field, report| {
        let text = field.text("a URL, like https://example.com/", report);
        draft.http.url = text.checked(report, checked);
        if let Answer::Said((url, _), span) = &draft.http.url
            && has_credentials(url)
        {
            let hint =
                "the API and the logs show *** in its place; the file and the database keep it"
                    .to_owned();
            report.warning(
                *span,
                "this URL holds a password that everyone who may read the API will see",
                hint,
            );
        }
    },
}];

/// Longer URLs are refused by servers (RFC 9110 §4.1 asks for 8000 bytes at least).
const MAX_URL: usize = 8000;

/// What a target of this type said.
#[derive(Debug, Default)]
pub struct HttpDraft {
    /// Parsed, and as written.
    url: Answer<(Url, String)>,
}

impl HttpDraft {
    /// The keys that must be there and are not.
    pub fn missing(&self) -> Option<(&'static str, &'static str)> {
        self.url.is_absent().then_some((
            "url",
            "add the address to fetch, like `url: https://example.com/`",
        ))
    }

    /// The address to connect to, if the URL has one instead of a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.url.said()?.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    pub fn finish(self, way: Way) -> Option<HttpSpec> {
        let (url, written) = self.url.into_said()?;
        Some(HttpSpec {
            url,
            written,
            way: Box::new(way),
        })
    }
}

fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// The parser follows browsers and forgives a lot (missing slashes, tabs, spaces); what it would silently change is refused here,
/// because it is a slip in a file.
fn checked(text: &str) -> Result<(Url, String), (String, Option<String>)> {
    let expected = "expected like https://example.com/path".to_owned();
    let shown = quoted(text);
    if text.is_empty() {
        return Err(("`url` is empty".to_owned(), Some(expected)));
    }
    if text.len() > MAX_URL {
        return Err((
            format!("the URL is {} bytes long: at most {MAX_URL}", text.len()),
            None,
        ));
    }
    if text.chars().any(|c| c.is_whitespace() || is_deceptive(c)) {
        let hint = "a space inside a URL is written %20".to_owned();
        return Err((
            format!("{shown} is no URL: it holds a space or an invisible character"),
            Some(hint),
        ));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        let is_bare = text.contains('.') && !text.starts_with('/') && !text.starts_with("http");
        let hint = if is_bare {
            format!("write the scheme: `https://{}`", shown.trim_matches('`'))
        } else {
            expected
        };
        return Err((format!("{shown} is no full URL"), Some(hint)));
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        let hint = "only http:// and https:// can be probed".to_owned();
        return Err((
            format!("the scheme of {shown} is neither http nor https"),
            Some(hint),
        ));
    }
    if rest.starts_with(['/', '\\', '?', '#']) || rest.is_empty() {
        return Err((format!("{shown} has no host"), Some(expected)));
    }
    let url = Url::parse(text)
        .map_err(|error| (format!("{shown} is no URL: {error}"), Some(expected)))?;
    if url.port() == Some(0) {
        return Err((
            format!("{shown} names port 0, which cannot be connected to"),
            None,
        ));
    }
    Ok((url, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_kept_as_written() {
        for text in [
            "https://example.com",
            "HTTP://[::1]:8080/a?b=c#d",
            "http://münchen.example/",
            "http://a_b.example/%20",
            "https://u:p@h/",
        ] {
            let (url, written) = checked(text).expect(text);
            assert_eq!(written, text);
            assert!(url.has_host());
        }
    }

    #[test]
    fn what_a_browser_would_forgive_is_refused() {
        for text in [
            "",
            "/path",
            "example.com",
            "//example.com/",
            "http:example.com",
            "http:/example.com",
            "http:///example.com",
            "http://",
            "http://?x",
            "http://exa mple.com",
            " http://example.com",
            "http://example.com\t/",
            "http://example.com:99999/",
            "http://example.com:0/",
            "http://[::1/",
            "http://a%00b/",
            "http://256.1.1.1/",
            "ftp://example.com/",
            "javascript:alert(1)",
            "file:///etc/passwd",
        ] {
            assert!(checked(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_not_in_the_message() {
        for text in [
            "https://admin:hunter2@exa mple.com",
            "ftp://admin:hunter2@x",
            "https://admin:hunter2@x:99999/",
        ] {
            let (message, hint) = checked(text).expect_err(text);
            assert!(
                !message.contains("hunter2") && !hint.unwrap_or_default().contains("hunter2"),
                "{message}"
            );
        }
    }
}
