//! Where an answer sends us next.
//!
//! Promises that only `http` and `https` are followed, at most [`MOST`] times, and never twice to the same place: without cookies the
//! answer there would be the same again. Credentials in a Location are dropped: nobody configured them.

use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use url::Url;

use crate::model::Reason;
use crate::probe::wire::failure::Fault;

/// How many redirects are followed; the next one is too many.
pub(super) const MOST: usize = 10;
/// A Location longer than this is hostile (RFC 9110 section 4.1 asks for 8000 octets at least).
const LONGEST: usize = 16 * 1024;

/// The way of one probe.
#[derive(Debug)]
pub(super) struct Route {
    visited: Vec<Url>,
}

impl Route {
    pub(super) fn new(first: &Url) -> Self {
        let mut first = first.clone();
        clean(&mut first);
        Self {
            visited: vec![first],
        }
    }

    pub(super) fn here(&self) -> &Url {
        self.visited.last().expect("a route begins with a URL")
    }

    /// Whether the configured URL is of the same scheme, host and port: only there may its credentials go.
    pub(super) fn is_at_home(&self) -> bool {
        self.visited[0].origin() == self.here().origin()
    }

    /// Moves on if the answer is a redirect with a place to go; otherwise the answer is the final one.
    pub(super) fn follow(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<bool, Fault> {
        if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(false);
        }
        let Some(location) = headers.get(LOCATION) else {
            return Ok(false);
        };
        let refuse = |error: String| Err(Fault::down(Reason::Redirect, error));
        let Some(mut next) = std::str::from_utf8(location.as_bytes())
            .ok()
            .filter(|text| text.len() <= LONGEST)
            .and_then(|text| self.here().join(text.trim()).ok())
        else {
            let shown = String::from_utf8_lossy(location.as_bytes());
            return refuse(format!("redirect to an invalid address: {shown}"));
        };
        if !matches!(next.scheme(), "http" | "https") {
            return refuse(format!(
                "redirect to {}: only http and https are followed",
                next.scheme()
            ));
        }
        clean(&mut next);
        if self.visited.contains(&next) {
            return refuse(format!("redirect loop, back to {}", shown(&next)));
        }
        if self.visited.len() > MOST {
            return refuse(format!(
                "more than {MOST} redirects, the next to {}",
                shown(&next)
            ));
        }
        self.visited.push(next);
        Ok(true)
    }
}

/// Takes away what is not sent in the request line. Fails only for URLs without a host, which http and https always have.
fn clean(url: &mut Url) {
    url.set_fragment(None);
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

/// A URL for people: without credentials and query, which may hold secrets.
pub(super) fn shown(url: &Url) -> String {
    let end = &url[url::Position::BeforeHost..url::Position::AfterPath];
    format!("{}://{end}", url.scheme())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn follow(route: &mut Route, location: &str) -> Result<bool, String> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(location.as_bytes()).unwrap();
        headers.insert(LOCATION, value);
        route
            .follow(StatusCode::FOUND, &headers)
            .map_err(|fault| fault.0.failure().unwrap().error.to_string())
    }

    fn from(url: &str) -> Route {
        Route::new(&url.parse().unwrap())
    }

    #[test]
    fn relative_places_are_resolved() {
        for (location, expected) in [
            ("/x", "http://a.example/x"),
            ("y?z=1", "http://a.example/p/y?z=1"),
            ("//b.example", "http://b.example/"),
            ("?q", "http://a.example/p/q?q"),
            (
                "https://user:secret@c.example:8443/#part",
                "https://c.example:8443/",
            ),
        ] {
            let mut route = from("http://a.example/p/q");
            assert_eq!(follow(&mut route, location), Ok(true), "{location}");
            assert_eq!(route.here().as_str(), expected);
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        for location in [
            "file:///etc/passwd",
            "ftp://a/",
            "javascript:alert(1)",
            "gopher://a/",
        ] {
            let error = follow(&mut from("http://a.example/"), location).unwrap_err();
            assert!(
                error.ends_with("only http and https are followed"),
                "{error}"
            );
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for location in ["http://", "http://[::1", "http://a:99999/"] {
            let error = follow(&mut from("https://a.example/"), location).unwrap_err();
            assert!(
                error.starts_with("redirect to an invalid address: "),
                "{location}: {error}"
            );
        }
    }

    #[test]
    fn a_loop_is_named_without_secrets() {
        let mut route = from("http://a.example/one?token=secret");
        assert_eq!(follow(&mut route, "/two"), Ok(true));
        assert_eq!(
            follow(&mut route, "/one?token=secret#part"),
            Err("redirect loop, back to http://a.example/one".to_owned())
        );
    }

    #[test]
    fn the_eleventh_redirect_is_one_too_many() {
        let mut route = from("http://a.example/0");
        for hop in 1..=MOST {
            assert_eq!(follow(&mut route, &format!("/{hop}")), Ok(true));
        }
        let error = follow(&mut route, "/11").unwrap_err();
        assert_eq!(
            error,
            "more than 10 redirects, the next to http://a.example/11"
        );
    }

    #[test]
    fn only_redirects_with_a_place_are_followed() {
        let mut route = from("http://a.example/");
        let empty = HeaderMap::new();
        assert!(!route.follow(StatusCode::FOUND, &empty).unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_static("/x"));
        for status in [200, 201, 300, 304] {
            let status = StatusCode::from_u16(status).unwrap();
            assert!(!route.follow(status, &headers).unwrap(), "{status}");
        }
    }

    #[test]
    fn credentials_stay_at_home() {
        let mut route = from("https://user:secret@a.example/");
        assert!(route.is_at_home());
        follow(&mut route, "/x").unwrap();
        assert!(route.is_at_home());
        follow(&mut route, "http://a.example/x").unwrap();
        assert!(!route.is_at_home());
    }
}
