//! How an answer travels: compressed as the client likes, or as a 304 that says it has not changed.
//!
//! Of every answer that is JSON the validator is a hash of what matters: the moment at which it was made (`generated_at`) is left
//! out, so a client that polls what does not change gets 304s (RFC 9110, section 13.1.2; weak, as two answers with one validator
//! may differ in that moment and in their coding). HEAD has the headers of GET. A text that is made while it is sent is compressed on the
//! way ([`press`](super::press)). What is short, is no text, or flows without an end (an event stream) is left as it is.

use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde::Serialize;
use tokio::sync::{OnceCell, Semaphore};

use super::error::ApiError;
use super::press;

/// Below it a coding saves no packet.
const SHORTEST: usize = 1024;
/// Above it the coding takes milliseconds, which belong to no thread that others wait for.
const LONG: usize = 64 * 1024;
/// Above it the fastest way is taken: 6 MB of beats take 17 ms instead of 58 with `br`, 14 instead of 38 with `gzip`, and become a tenth or
/// a fifth longer; `zstd` takes 7 instead of 10.
const HUGE: usize = 1 << 20;
/// Long answers that are being compressed at once; further ones wait.
static AT_WORK: Semaphore = Semaphore::const_new(2);
/// JSON, and the two forms of `/metrics`.
const TEXTS: [&[u8]; 3] = [
    b"application/json",
    b"application/openmetrics",
    b"text/plain",
];
const MOMENT: &[u8] = b"\"generated_at\":\"";
/// `2026-02-23T01:53:52.223350Z`.
const MOMENT_LENGTH: usize = 27;
/// How far from the beginning an answer may say its moment: after a target's id and name.
const MOMENT_WITHIN: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Zstd,
    Brotli,
    Gzip,
}

/// The body of an answer, and what was made of it: many readers may share it.
#[derive(Debug)]
pub struct Encoded {
    tag: HeaderValue,
    plain: Bytes,
    coded: [OnceCell<Bytes>; 3],
}

/// An answer that is JSON and shared.
pub struct SharedJson(pub Arc<Encoded>);

impl Encoded {
    pub fn new(plain: Bytes) -> Self {
        Self {
            tag: tag(&plain),
            plain,
            coded: Default::default(),
        }
    }

    pub fn json(value: &impl Serialize) -> Self {
        let plain = serde_json::to_vec(value).expect("plain values always serialise");
        Self::new(plain.into())
    }

    /// Compressed, once for all who ask; nothing where that failed or would not help.
    async fn coded(self: &Arc<Self>, coding: Coding) -> Option<Bytes> {
        if self.plain.len() < SHORTEST {
            return None;
        }
        let make = || async {
            if self.plain.len() <= LONG {
                return coding.compress(&self.plain);
            }
            let _turn = AT_WORK.acquire().await.ok();
            let plain = self.plain.clone();
            let work = tokio::task::spawn_blocking(move || coding.compress(&plain));
            work.await.map_err(std::io::Error::other)?
        };
        match self.coded[coding as usize].get_or_try_init(make).await {
            Ok(coded) if coded.len() < self.plain.len() => Some(coded.clone()),
            Ok(_) => None,
            Err(error) => {
                tracing::warn!(%error, "an answer could not be compressed");
                None
            }
        }
    }
}

impl IntoResponse for SharedJson {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        let body = Body::from(self.0.plain.clone());
        let mut response = ([(CONTENT_TYPE, json)], body).into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

impl Coding {
    /// The one that is taken where a client likes several the same.
    const BEST_FIRST: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    const fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// 400 KB of results become 20 to 30 KB.
    fn compress(self, plain: &[u8]) -> std::io::Result<Bytes> {
        let is_huge = plain.len() > HUGE;
        match self {
            Self::Zstd => zstd::bulk::compress(plain, if is_huge { 1 } else { 3 }).map(Bytes::from),
            Self::Brotli => {
                let quality = if is_huge { 1 } else { 4 };
                let mut coder = brotli::CompressorWriter::new(Vec::new(), 4096, quality, 20);
                coder.write_all(plain)?;
                Ok(coder.into_inner().into())
            }
            Self::Gzip => {
                let level = flate2::Compression::new(if is_huge { 1 } else { 4 });
                let mut coder = flate2::write::GzEncoder::new(Vec::new(), level);
                coder.write_all(plain)?;
                coder.finish().map(Bytes::from)
            }
        }
    }

    /// What a client likes best (RFC 9110, section 12.5.3); nothing where it likes it plain.
    fn wanted(headers: &HeaderMap) -> Option<Self> {
        let mut offers = Vec::new();
        for value in headers.get_all(ACCEPT_ENCODING) {
            let text = value.to_str().unwrap_or_default();
            offers.extend(text.split(',').map(offer));
        }
        let weight = |name: &str| {
            let named = offers.iter().rfind(|(it, _)| it.eq_ignore_ascii_case(name));
            named.map(|(_, weight)| *weight)
        };
        let any = weight("*").unwrap_or(0);
        let weight_of = |coding: Self| weight(coding.name()).unwrap_or(any);
        let mut best = None;
        let mut most = weight("identity").unwrap_or(0).max(1) - 1;
        for coding in Self::BEST_FIRST {
            if weight_of(coding) > most {
                (best, most) = (Some(coding), weight_of(coding));
            }
        }
        best
    }
}

/// A coding and how much it is liked, in thousandths.
fn offer(text: &str) -> (&str, u32) {
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    let weight = parameters
        .trim()
        .strip_prefix("q=")
        .map(|weight| weight.parse::<f32>().unwrap_or(0.0));
    let thousandths = weight.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0;
    (name.trim(), thousandths as u32)
}

/// Gives every answer to GET and HEAD its validator and the coding that the client likes.
pub async fn represent(mut request: Request, next: Next) -> Response {
    let is_head = request.method() == Method::HEAD;
    if !is_head && request.method() != Method::GET {
        return next.run(request).await;
    }
    // what answers GET knows nothing of HEAD, and has the same headers
    *request.method_mut() = Method::GET;
    let coding = Coding::wanted(request.headers());
    let asked = request.headers_mut().remove(IF_NONE_MATCH);
    let response = next.run(request).await;
    let mut response = if has_representations(&response) {
        let whole = represented(response, coding, asked.as_ref()).await;
        whole.unwrap_or_else(|error| {
            tracing::error!(%error, "an answer could not be put together");
            ApiError::internal().into_response()
        })
    } else if is_text(&response) {
        flowing(response, coding)
    } else {
        response
    };
    if is_head {
        let length = response.body().size_hint().exact();
        if let (Some(length), false) = (length, response.status() == StatusCode::NOT_MODIFIED) {
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        *response.body_mut() = Body::empty();
    }
    response
}

/// Whether it is a whole text of this API.
fn has_representations(response: &Response) -> bool {
    is_text(response) && response.body().size_hint().exact().is_some()
}

fn is_text(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    let kind = kind.map(HeaderValue::as_bytes).unwrap_or_default();
    response.status() == StatusCode::OK
        && TEXTS.iter().any(|text| kind.starts_with(text))
        && !response.headers().contains_key(CONTENT_ENCODING)
}

/// A text that is made while it is sent, compressed on the way.
fn flowing(mut response: Response, coding: Option<Coding>) -> Response {
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    let Some(coding) = coding else {
        return response;
    };
    let name = HeaderValue::from_static(coding.name());
    headers.insert(CONTENT_ENCODING, name);
    response.map(|body| Body::from_stream(press::pressed(body, coding)))
}

async fn represented(
    response: Response,
    coding: Option<Coding>,
    asked: Option<&HeaderValue>,
) -> Result<Response, axum::Error> {
    let (mut head, body) = response.into_parts();
    let encoded = match head.extensions.remove::<Arc<Encoded>>() {
        Some(shared) => shared,
        None => Arc::new(Encoded::new(body.collect().await?.to_bytes())),
    };
    let headers = &mut head.headers;
    headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    let is_json = headers.get(CONTENT_TYPE) == Some(&HeaderValue::from_static("application/json"));
    if is_json {
        headers.insert(ETAG, encoded.tag.clone());
        add(headers, CACHE_CONTROL, "private, no-cache");
        if asked.is_some_and(|asked| names(asked, &encoded.tag)) {
            headers.remove(CONTENT_LENGTH);
            headers.remove(CONTENT_TYPE);
            head.status = StatusCode::NOT_MODIFIED;
            return Ok(Response::from_parts(head, Body::empty()));
        }
    }
    let coded = match coding {
        Some(coding) => encoded.coded(coding).await.map(|coded| (coding, coded)),
        None => None,
    };
    let body = match coded {
        Some((coding, coded)) => {
            let name = HeaderValue::from_static(coding.name());
            headers.insert(CONTENT_ENCODING, name);
            coded
        }
        None => encoded.plain.clone(),
    };
    headers.insert(CONTENT_LENGTH, body.len().into());
    Ok(Response::from_parts(head, body.into()))
}

fn add(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers
        .entry(name)
        .or_insert(HeaderValue::from_static(value));
}

/// Whether a client has one of the answers that this validator is of.
fn names(asked: &HeaderValue, tag: &HeaderValue) -> bool {
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let tag = plain(tag.to_str().unwrap_or_default());
    let asked = asked.to_str().unwrap_or_default();
    asked
        .split(',')
        .map(plain)
        .any(|asked| asked == tag || asked == "*")
}

/// Equal for answers that say the same, whenever they were made.
fn tag(body: &[u8]) -> HeaderValue {
    let start = &body[..body.len().min(MOMENT_WITHIN)];
    let moment = start
        .windows(MOMENT.len())
        .position(|window| window == MOMENT)
        .map(|at| at + MOMENT.len())
        .filter(|at| at + MOMENT_LENGTH <= body.len());
    let (before, after) = match moment {
        Some(at) => (&body[..at], &body[at + MOMENT_LENGTH..]),
        None => (body, &[][..]),
    };
    let mut hasher = DefaultHasher::new();
    hasher.write(before);
    hasher.write(after);
    let text = format!("W/\"{:016x}\"", hasher.finish());
    HeaderValue::from_str(&text).expect("hexadecimal digits are a header's text")
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn headers(accepted: &[&'static str]) -> HeaderMap {
        let values = accepted.iter().map(|it| HeaderValue::from_static(it));
        values.map(|value| (ACCEPT_ENCODING, value)).collect()
    }

    #[test]
    fn a_client_gets_the_coding_that_it_likes_best() {
        for (accepted, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["identity"], None),
            (&["deflate"], None),
            (&["gzip"], Some("gzip")),
            (&["GZIP"], Some("gzip")),
            (&["gzip, deflate, br"], Some("br")),
            (&["gzip, deflate, br, zstd"], Some("zstd")),
            (&["gzip", "br"], Some("br")),
            (&["zstd;q=0.1, gzip;q=0.9"], Some("gzip")),
            (&["br;q=0, gzip"], Some("gzip")),
            (&["gzip;q=0"], None),
            (&["gzip;q=0.000"], None),
            (&["*"], Some("zstd")),
            (&["zstd;q=0, *"], Some("br")),
            (&["*;q=0"], None),
            (&["identity, gzip"], Some("gzip")),
            (&["identity;q=1, gzip;q=0.5"], None),
            (&["gzip;q=nonsense"], None),
            (&["gzip; q=0.5"], Some("gzip")),
        ] {
            let wanted = Coding::wanted(&headers(accepted)).map(Coding::name);
            assert_eq!(wanted, expected, "{accepted:?}");
        }
    }

    #[test]
    fn a_validator_is_of_everything_but_the_moment() {
        let body = |moment: &str, rest: &str| {
            tag(
                format!(r#"{{"target_name":"a","generated_at":"{moment}","items":[{rest}]}}"#)
                    .as_bytes(),
            )
        };
        let (one, other) = ("2026-02-23T01:53:52.223350Z", "2026-02-23T01:53:53.000000Z");
        assert_eq!(body(one, "1"), body(other, "1"));
        assert_ne!(body(one, "1"), body(one, "2"));
        assert_ne!(tag(b"{}"), tag(b"[]"));
        // a body that ends too early for a moment is hashed as it is
        assert_ne!(tag(br#"{"generated_at":"1"#), tag(br#"{"generated_at":"2"#));
    }

    #[test]
    fn a_validator_is_known_in_any_spelling() {
        let tag = HeaderValue::from_static("W/\"0123\"");
        for known in ["W/\"0123\"", "\"0123\"", "\"x\", W/\"0123\"", "*"] {
            assert!(names(&HeaderValue::from_static(known), &tag), "{known}");
        }
        for other in ["", "0123", "W/\"012\"", "\"x\""] {
            assert!(!names(&HeaderValue::from_static(other), &tag), "{other}");
        }
    }

    #[tokio::test]
    async fn what_is_short_or_does_not_shrink_stays_as_it_is() {
        let short = Arc::new(Encoded::new(vec![b' '; SHORTEST - 1].into()));
        assert_eq!(short.coded(Coding::Gzip).await, None);
        for length in [SHORTEST, LONG + 1] {
            let long = Arc::new(Encoded::new(vec![b' '; length].into()));
            for coding in Coding::BEST_FIRST {
                let coded = long.coded(coding).await;
                assert!(coded.is_some_and(|coded| coded.len() < 200), "{coding:?}");
            }
        }
        let noise: Vec<u8> = (0..64_u8)
            .flat_map(|block| Sha256::digest([block]))
            .collect();
        let noise = Arc::new(Encoded::new(noise.into()));
        assert_eq!(noise.coded(Coding::Gzip).await, None);
    }
}
