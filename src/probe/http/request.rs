//! What is asked of a URL, with the values of the variables that a target refers to.
//!
//! Promises that what identifies the asker is sent to the origin of the configured URL alone: credentials, and every header that is not
//! known to be harmless. A body that refers to variables goes nowhere else either.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL,
    CONNECTION, CONTENT_TYPE, HOST, PRAGMA, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::{Position, Url};

use super::stream::Notes;
use super::veil::Veil;
use crate::environment;
use crate::model::{Ask, Credentials, Header, HttpSpec, Secret};
use crate::probe::wire::failure::Fault;

const AGENT: &str = concat!("Pingu/", env!("CARGO_PKG_VERSION"));

/// Headers that say nothing of who asks: they follow a redirect to another origin.
const HARMLESS: &[HeaderName] = &[
    ACCEPT,
    ACCEPT_CHARSET,
    ACCEPT_ENCODING,
    ACCEPT_LANGUAGE,
    CACHE_CONTROL,
    CONTENT_TYPE,
    PRAGMA,
    USER_AGENT,
];

/// Everything that is sent, ready: values stand where the spec has references.
pub(super) struct Question {
    method: Method,
    /// For any origin.
    common: HeaderMap,
    /// For the origin of the configured URL.
    private: HeaderMap,
    body: Bytes,
    /// Whether the body has the value of a variable in it.
    is_body_private: bool,
    pub(super) veil: Veil,
}

/// The question as it is put at one hop.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) question: &'a Question,
    pub(super) method: &'a Method,
    /// False once a redirect has turned it into a GET (RFC 9110 section 15.4).
    pub(super) has_body: bool,
    /// At the origin of the configured URL.
    pub(super) is_at_home: bool,
}

impl Question {
    /// A variable that is not set, or that holds what no header can, is this process's fault.
    pub(super) fn new(spec: &HttpSpec) -> Result<Self, Fault> {
        let ask = &spec.ask;
        let mut question = Self {
            method: method(ask),
            common: HeaderMap::new(),
            private: HeaderMap::new(),
            body: Bytes::new(),
            is_body_private: false,
            veil: Veil::default(),
        };
        question
            .common
            .insert(USER_AGENT, HeaderValue::from_static(AGENT));
        question
            .common
            .insert(ACCEPT, HeaderValue::from_static("*/*"));
        if spec.expect.needs_body() {
            let plain = HeaderValue::from_static("identity");
            question.common.insert(ACCEPT_ENCODING, plain);
        }
        question.hide_variables(ask)?;
        question.identify(spec)?;
        for Header { name, value } in &ask.headers {
            question.add(name, value)?;
        }
        if let Some(body) = &ask.body {
            question.is_body_private = body.variables().next().is_some();
            question.body = value(body)?.expose_secret().to_owned().into();
        }
        Ok(question)
    }

    pub(super) const fn method(&self) -> &Method {
        &self.method
    }

    pub(super) const fn is_body_private(&self) -> bool {
        self.is_body_private
    }

    fn hide_variables(&mut self, ask: &Ask) -> Result<(), Fault> {
        for name in ask.secrets().flat_map(Secret::variables) {
            let value = environment::variable(name).ok_or_else(|| unset(name))?;
            self.veil.hide(value.expose_secret());
        }
        Ok(())
    }

    /// Credentials of the spec, or those that the URL carries.
    fn identify(&mut self, spec: &HttpSpec) -> Result<(), Fault> {
        let text = match &spec.ask.credentials {
            Some(Credentials::Basic { username, password }) => {
                let password = value(password)?;
                self.veil.hide(password.expose_secret());
                let mut plain = value(username)?.expose_secret().as_bytes().to_vec();
                plain.push(b':');
                plain.extend(password.expose_secret().as_bytes());
                format!("Basic {}", STANDARD.encode(plain))
            }
            Some(Credentials::Bearer(token)) => format!("Bearer {}", value(token)?.expose_secret()),
            None => match in_url(&spec.url) {
                Some(plain) => {
                    let raw = spec.url.password().unwrap_or_default();
                    self.veil.hide(raw);
                    self.veil.hide(&percent_decode_str(raw).decode_utf8_lossy());
                    format!("Basic {}", STANDARD.encode(plain))
                }
                None => return Ok(()),
            },
        };
        self.veil.hide_header(&text);
        let credentials = header_value("the credentials", &text)?;
        self.private.insert(AUTHORIZATION, credentials);
        Ok(())
    }

    fn add(&mut self, name: &str, written: &Secret) -> Result<(), Fault> {
        let text = value(written)?;
        let what = format!("the header {name}");
        let value = header_value(&what, text.expose_secret())?;
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Fault::local(format!("{what} has no name that can be sent")))?;
        if HARMLESS.contains(&name) && written.variables().next().is_none() {
            self.common.insert(name, value);
        } else {
            // in place of our own, which goes along without it elsewhere
            self.veil.hide_header(text.expose_secret());
            self.private.insert(name, value);
        }
        Ok(())
    }
}

impl Asked<'_> {
    /// The request in origin form (RFC 9112 section 3.2.1). Nothing if the URL cannot be written as one.
    pub(super) fn request(&self, url: &Url, notes: Arc<Notes>) -> Option<Request<Full<Bytes>>> {
        let body = if self.has_body {
            self.question.body.clone()
        } else {
            Bytes::new()
        };
        let mut request = Request::builder()
            .method(self.method)
            .uri(&url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
            .header(CONNECTION, "close")
            .body(Full::new(body))
            .ok()?;
        let headers = request.headers_mut();
        headers.extend(self.question.common.clone());
        if self.is_at_home {
            for (name, value) in &self.question.private {
                headers.insert(name, value.clone());
            }
        }
        if !self.has_body {
            headers.remove(CONTENT_TYPE);
        }
        hyper::ext::on_informational(&mut request, move |_| notes.interim());
        Some(request)
    }
}

fn method(ask: &Ask) -> Method {
    let name = ask.method().as_str();
    Method::from_bytes(name.as_bytes()).expect("the names of methods are tokens")
}

fn value(secret: &Secret) -> Result<SecretString, Fault> {
    secret
        .resolve(environment::variable)
        .map_err(|missing| unset(&missing.0))
}

fn unset(name: &str) -> Fault {
    Fault::local(format!("the variable {name} is not set in this process"))
}

fn header_value(what: &str, text: &str) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(text)
        .or_else(|_| HeaderValue::from_bytes(text.as_bytes()))
        .map_err(|_| {
            Fault::local(format!(
                "{what} cannot be sent: a line break or another control character is in it"
            ))
        })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The credentials that a URL carries, for Basic authentication (RFC 7617).
fn in_url(url: &Url) -> Option<Vec<u8>> {
    let user = url.username();
    if user.is_empty() && url.password().is_none() {
        return None;
    }
    let mut plain: Vec<u8> = percent_decode_str(user).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(url: &str) -> HttpSpec {
        HttpSpec::new(url.parse().unwrap(), url)
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text).unwrap()
    }

    fn header(name: &str, value: &str) -> Header {
        Header {
            name: name.to_owned(),
            value: secret(value),
        }
    }

    fn request(question: &Question, url: &str, is_at_home: bool) -> Request<Full<Bytes>> {
        let asked = Asked {
            question,
            method: question.method(),
            has_body: !question.body.is_empty(),
            is_at_home,
        };
        asked
            .request(&url.parse().unwrap(), Arc::default())
            .unwrap()
    }

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
            let question = Question::new(&spec(url)).unwrap();
            let request = request(&question, url, false);
            assert_eq!(request.headers()[HOST], host);
            assert_eq!(request.method(), Method::GET);
            if !path.is_empty() {
                assert_eq!(request.uri(), path);
            }
            assert!(request.headers().get(AUTHORIZATION).is_none());
        }
    }

    #[test]
    fn credentials_are_decoded_and_kept_out_of_sight() {
        let url = "http://us%40er:s%3Acret@a.example/";
        let question = Question::new(&spec(url)).unwrap();
        let request = request(&question, url, true);
        let value = &request.headers()[AUTHORIZATION];
        let expected = format!("Basic {}", STANDARD.encode("us@er:s:cret"));
        assert_eq!(value.to_str().unwrap(), expected);
        assert_eq!(format!("{value:?}"), "Sensitive");
        assert_eq!(question.veil.over("s%3Acret s:cret"), "*** ***");
    }

    #[test]
    fn what_identifies_the_asker_stays_at_home() {
        let mut spec = spec("https://a.example/");
        spec.ask.headers = vec![
            header("Cookie", "session=12345678"),
            header("X-Api-Key", "${CARGO_PKG_NAME}"),
            header("Accept-Language", "fr"),
            header("User-Agent", "agent ${CARGO_PKG_NAME}"),
            header("Host", "b.example"),
        ];
        spec.ask.credentials = Some(Credentials::Bearer(secret("${CARGO_PKG_NAME}!")));
        let question = Question::new(&spec).unwrap();
        let home = request(&question, "https://a.example/", true);
        for (name, value) in [
            ("cookie", "session=12345678"),
            ("x-api-key", "pingu"),
            ("accept-language", "fr"),
            ("user-agent", "agent pingu"),
            ("authorization", "Bearer pingu!"),
            ("host", "b.example"),
        ] {
            let values: Vec<_> = home.headers().get_all(name).iter().collect();
            assert_eq!(values, [value]);
        }
        let away = request(&question, "https://c.example/", false);
        for name in ["cookie", "x-api-key", "authorization"] {
            assert!(away.headers().get(name).is_none(), "{name}");
        }
        assert_eq!(away.headers()[USER_AGENT], AGENT);
        assert_eq!(away.headers()[HOST], "c.example");
        assert_eq!(away.headers()[ACCEPT_LANGUAGE], "fr");
    }

    #[test]
    fn what_cannot_be_sent_is_our_own_fault() {
        let mut unset = spec("http://a.example/");
        unset.ask.body = Some(secret("${PINGU_NOBODY_SET_THIS}"));
        let mut broken = spec("http://a.example/");
        broken.ask.headers = vec![header("X-A", "a\nb")];
        for (spec, error) in [
            (
                unset,
                "the variable PINGU_NOBODY_SET_THIS is not set in this process",
            ),
            (
                broken,
                "the header X-A cannot be sent: a line break or another control character is in it",
            ),
        ] {
            let fault = Question::new(&spec).err().unwrap();
            assert!(fault.is_local());
            assert_eq!(fault.0.failure().unwrap().error.as_str(), error);
        }
    }
}
