//! Where an answer sends us next.
//!
//! Promises that only `http` and `https` are followed, as often as the target allows, and never twice to the same place with the same
//! question: without cookies the answer there would be the same again. Credentials in a Location are dropped: nobody configured them.

use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::request::{Asked, Question};
use super::veil::Veil;
use crate::model::{ErrorText, Reason};
use crate::probe::wire::failure::Fault;

/// A Location longer than this is hostile (RFC 9110 section 4.1 asks for 8000 octets at least).
const LONGEST: usize = 16 * 1024;
/// Of a URL in a result, in bytes.
const KEPT: usize = 200;

/// The way of one probe.
pub(super) struct Route<'a> {
    question: &'a Question,
    visited: Vec<Url>,
    /// How many redirects are followed; none: no answer is a redirect.
    most: Option<u8>,
    /// What a redirect made of the question's own (RFC 9110 section 15.4).
    method: Method,
    has_body: bool,
    /// Where in `visited` the present method began: another question to the same place is no loop.
    since: usize,
}

impl<'a> Route<'a> {
    pub(super) fn new(first: &Url, question: &'a Question, most: Option<u8>) -> Self {
        let mut first = first.clone();
        clean(&mut first);
        Self {
            question,
            visited: vec![first],
            most,
            method: question.method().clone(),
            has_body: true,
            since: 0,
        }
    }

    /// The question as it is put here.
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            question: self.question,
            method: &self.method,
            has_body: self.has_body,
            is_at_home: self.is_at_home(),
        }
    }

    pub(super) fn here(&self) -> &Url {
        self.visited.last().expect("a route begins with a URL")
    }

    /// Whether the configured URL is of the same scheme, host and port: only there may its credentials go.
    fn is_at_home(&self) -> bool {
        self.visited[0].origin() == self.here().origin()
    }

    /// Moves on if the answer is a redirect with a place to go; otherwise the answer is the final one.
    pub(super) fn follow(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<bool, Fault> {
        let Some(most) = self.most else {
            return Ok(false);
        };
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
        if self.becomes_get(status) {
            self.method = Method::GET;
            self.has_body = false;
            self.since = self.visited.len();
        }
        if self.visited[self.since..].contains(&next) {
            return refuse(format!("redirect loop, back to {}", shown(&next)));
        }
        if self.visited.len() > usize::from(most) {
            let plural = if most == 1 { "" } else { "s" };
            return refuse(format!(
                "more than {most} redirect{plural}, the next to {}",
                shown(&next)
            ));
        }
        let leaves_home = next.origin() != self.visited[0].origin();
        if leaves_home && self.has_body && self.question.is_body_private() {
            return refuse(format!(
                "redirect to {}, which is not sent a body with secrets in it",
                shown(&next)
            ));
        }
        self.visited.push(next);
        Ok(true)
    }

    /// RFC 9110 sections 15.4.2 to 15.4.4: a POST that has moved, and whatever has its answer elsewhere.
    fn becomes_get(&self, status: StatusCode) -> bool {
        match status.as_u16() {
            301 | 302 => self.method == Method::POST,
            303 => self.method != Method::GET && self.method != Method::HEAD,
            _ => false,
        }
    }
}

/// Takes away what is not sent in the request line. Fails only for URLs without a host, which http and https always have.
fn clean(url: &mut Url) {
    url.set_fragment(None);
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

/// A URL for a result: without credentials, and with nothing of its query, which may hold secrets, but that there is one.
pub(super) fn kept(url: &Url, veil: &Veil) -> ErrorText {
    let query = if url.query().is_some() { "?…" } else { "" };
    let mut text = veil.over(&shown(url));
    if text.len() + query.len() > KEPT {
        let mut end = KEPT - query.len() - '…'.len_utf8();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    ErrorText::new(text + query)
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
    use crate::model::{Ask, HttpSpec, Method as Verb, Secret};

    /// A question that nobody asks, for as long as the tests run.
    fn question(ask: Ask) -> &'static Question {
        let mut spec = HttpSpec::new("http://a.example/".parse().unwrap(), "");
        *spec.ask = ask;
        Box::leak(Box::new(Question::new(&spec).ok().unwrap()))
    }

    fn follow_with(route: &mut Route<'_>, status: u16, location: &str) -> Result<bool, String> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(location.as_bytes()).unwrap();
        headers.insert(LOCATION, value);
        route
            .follow(StatusCode::from_u16(status).unwrap(), &headers)
            .map_err(|fault| fault.0.failure().unwrap().error.to_string())
    }

    fn follow(route: &mut Route<'_>, location: &str) -> Result<bool, String> {
        follow_with(route, 302, location)
    }

    fn from(url: &str) -> Route<'static> {
        Route::new(&url.parse().unwrap(), question(Ask::default()), Some(10))
    }

    fn post(url: &str, body: &str) -> Route<'static> {
        let ask = Ask {
            body: Some(Secret::new(body).unwrap()),
            ..Ask::default()
        };
        Route::new(&url.parse().unwrap(), question(ask), Some(10))
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
        for hop in 1..=10 {
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

    #[test]
    fn a_post_that_has_moved_becomes_a_get_and_others_stay() {
        for (status, method, body) in [
            (301, Method::GET, false),
            (302, Method::GET, false),
            (303, Method::GET, false),
            (307, Method::POST, true),
            (308, Method::POST, true),
        ] {
            let mut route = post("http://a.example/", "body");
            assert_eq!(follow_with(&mut route, status, "/x"), Ok(true));
            let asked = route.asked();
            assert_eq!((asked.method, asked.has_body), (&method, body), "{status}");
        }
        for (status, method) in [(301, Method::PUT), (303, Method::GET), (308, Method::PUT)] {
            let ask = Ask {
                method: Some(Verb::Put),
                ..Ask::default()
            };
            let url = "http://a.example/".parse().unwrap();
            let mut route = Route::new(&url, question(ask), Some(10));
            assert_eq!(follow_with(&mut route, status, "/x"), Ok(true));
            assert_eq!(route.asked().method, method, "{status}");
        }
    }

    #[test]
    fn the_same_place_with_another_method_is_no_loop() {
        let mut route = post("http://a.example/form", "body");
        assert_eq!(follow_with(&mut route, 303, "/form"), Ok(true));
        assert_eq!(
            follow_with(&mut route, 303, "/form"),
            Err("redirect loop, back to http://a.example/form".to_owned())
        );
        let mut route = post("http://a.example/form", "body");
        assert!(follow_with(&mut route, 307, "/form").is_err());
    }

    #[test]
    fn a_body_with_secrets_stays_at_home() {
        let mut route = post("http://a.example/", "${CARGO_PKG_NAME}");
        assert_eq!(follow_with(&mut route, 307, "/x"), Ok(true));
        assert_eq!(
            follow_with(&mut route, 307, "http://b.example/"),
            Err(
                "redirect to http://b.example/, which is not sent a body with secrets in it"
                    .to_owned()
            )
        );
        assert_eq!(follow_with(&mut route, 303, "http://b.example/"), Ok(true));
        let mut route = post("http://a.example/", "plain");
        assert_eq!(follow_with(&mut route, 307, "http://b.example/"), Ok(true));
    }

    #[test]
    fn as_many_are_followed_as_the_target_allows() {
        let url = "http://a.example/".parse().unwrap();
        let question = question(Ask::default());
        let mut none = Route::new(&url, question, None);
        assert_eq!(follow(&mut none, "/x"), Ok(false));
        let mut zero = Route::new(&url, question, Some(0));
        let error = follow(&mut zero, "/x").unwrap_err();
        assert_eq!(
            error,
            "more than 0 redirects, the next to http://a.example/x"
        );
        let mut one = Route::new(&url, question, Some(1));
        assert_eq!(follow(&mut one, "/x"), Ok(true));
        let error = follow(&mut one, "/y").unwrap_err();
        assert_eq!(
            error,
            "more than 1 redirect, the next to http://a.example/y"
        );
    }

    #[test]
    fn a_kept_url_is_bounded_and_without_secrets() {
        let kept = |url: &str| kept(&url.parse().unwrap(), &Veil::default()).to_string();
        assert_eq!(
            kept("http://u:p@a.example/x?token=y#z"),
            "http://a.example/x?…"
        );
        let long = kept(&format!("http://a.example/{}?q", "x".repeat(5000)));
        assert!(long.len() <= KEPT && long.ends_with("x…?…"), "{long}");
    }
}
