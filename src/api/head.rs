//! The headers that every answer has, whatever made it: what browsers may do with it, and who may keep it.
//!
//! No header allows another site anything: there is no CORS. A page that sets a policy of its own keeps it.

use axum::extract::Request;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

/// Nothing is guessed, framed, sent on or run.
pub const SAFE: [(&str, &str); 4] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
];
/// Of errors: the next answer may be another one.
pub const UNSTORED: (&str, &str) = ("cache-control", "no-store");
/// Of everything else: a browser may keep it for its own user, and asks each time whether it is still right.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

pub async fn complete(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    let head = response.headers_mut();
    for (name, value) in SAFE {
        head.entry(HeaderName::from_static(name))
            .or_insert(HeaderValue::from_static(value));
    }
    if status.is_client_error() || status.is_server_error() {
        head.insert(CACHE_CONTROL, HeaderValue::from_static(UNSTORED.1));
    } else {
        head.entry(CACHE_CONTROL).or_insert(PRIVATE);
    }
    response
}
