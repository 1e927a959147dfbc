//! What is asked of a URL.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request};
use http_body_util::Empty;
use percent_encoding::percent_decode_str;
use url::{Position, Url};

use super::stream::Notes;

const AGENT: &str = concat!("Pingu/", env!("CARGO_PKG_VERSION"));

/// A GET of `url` in origin form (RFC 9112 section 3.2.1). Nothing if the URL cannot be written as a request.
pub(super) fn get(
    url: &Url,
    authorization: Option<&HeaderValue>,
    notes: Arc<Notes>,
) -> Option<Request<Empty<Bytes>>> {
    let mut request = Request::get(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close")
        .body(Empty::new())
        .ok()?;
    if let Some(authorization) = authorization {
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    hyper::ext::on_informational(&mut request, move |_| notes.interim());
    Some(request)
}

/// The credentials that a URL carries, for Basic authentication (RFC 7617).
pub(super) fn authorization(url: &Url) -> Option<HeaderValue> {
    let user = url.username();
    if user.is_empty() && url.password().is_none() {
        return None;
    }
    let mut plain: Vec<u8> = percent_decode_str(user).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(url.password().unwrap_or_default()));
    let encoded = format!("Basic {}", STANDARD.encode(plain));
    let mut value = HeaderValue::from_str(&encoded).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_names_the_host_and_the_path() {
        for (url, path, host) in [
            ("http://a.example", "/", "a.example"),
            ("http://a.example:80/x?y=z#part", "/x?y=z", "a.example"),
            (
                "https://a.example:8443/{}|^\"`?`<>|{}^\"'",
                "",
                "a.example:8443",
            ),
            ("http://[::1]:81/", "/", "[::1]:81"),
            ("http://user:secret@a.example/", "/", "a.example"),
        ] {
            let request = get(&url.parse().unwrap(), None, Arc::default()).unwrap();
            assert_eq!(request.headers()[HOST], host);
            if !path.is_empty() {
                assert_eq!(request.uri(), path);
            }
            assert!(request.headers().get(AUTHORIZATION).is_none());
        }
    }

    #[test]
    fn credentials_are_decoded_and_kept_out_of_sight() {
        let url = "http://us%40er:s%3Acret@a.example/".parse().unwrap();
        let value = authorization(&url).unwrap();
        let expected = format!("Basic {}", STANDARD.encode("us@er:s:cret"));
        assert_eq!(value.to_str().unwrap(), expected);
        assert_eq!(format!("{value:?}"), "Sensitive");
        assert_eq!(authorization(&"http://a.example/".parse().unwrap()), None);
    }
}
