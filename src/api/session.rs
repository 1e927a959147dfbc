//! `/api/v1/session`: a page shows the token once, and from then on a cookie that only its browser can send.
//!
//! The cookie is an expiry and a MAC of it (HMAC-SHA-256, RFC 2104) keyed by the token. So it does not hold the token, outlives a restart,
//! counts in every process with the same token, and ends with the token. Nothing is kept here: signing out makes the browser forget its
//! cookie, and only a new token ends a session that somebody has copied. `HttpOnly` and `SameSite=Strict` (RFC 6265bis §4.1.2) keep
//! scripts and other sites from it.

use std::time::Duration;

use axum::Json;
use axum::body::{self, Body};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use utoipa::ToSchema;

use super::ApiState;
use super::auth;
use super::error::{ApiError, ErrorBody};
use crate::model::Timestamp;

pub(super) const NAME: &str = "pingu_session";
/// As long as people are used to stay signed in to what they look at each week.
const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Room for the longest token and its JSON.
const BODY: usize = 4 * 1024;
/// A body of a few hundred bytes has come by then, or never will.
const BODY_DEADLINE: Duration = Duration::from_secs(5);

/// Whether a reader has to sign in, and has.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// `API_TOKEN` is set.
    token_needed: bool,
    /// What this request showed is enough to read.
    signed_in: bool,
}

/// What signs in.
#[derive(Deserialize, ToSchema)]
pub struct SignIn {
    /// The value of `API_TOKEN`.
    #[schema(example = "put-a-long-random-text-here")]
    token: String,
}

/// Is a token needed?
#[utoipa::path(
    get, path = "/session", tag = "session",
    description = "Needs no token itself, and says nothing else.",
    responses((status = 200, body = Session)),
)]
pub async fn state(State(state): State<ApiState>, headers: HeaderMap) -> impl IntoResponse {
    let session = Session {
        token_needed: state.token.is_some(),
        signed_in: auth::may_read(&state, &headers),
    };
    ([(CACHE_CONTROL, "no-store")], Json(session))
}

/// Sign in
#[utoipa::path(
    post, path = "/session", tag = "session",
    description = "Sets the cookie `pingu_session` for 30 days; it authorises every route as the token does. Where no token is set there is \
                   nothing to sign in to: 204 without a cookie.",
    request_body(content = SignIn, content_type = "application/json"),
    responses(
        (status = 204, description = "signed in", headers(("set-cookie" = String, description = "the session"))),
        (status = 400, body = ErrorBody, description = "the body is not what is expected: `invalid_body`"),
        (status = 401, body = ErrorBody, description = "the token is wrong"),
        (status = 408, body = ErrorBody, description = "the body did not come: `timeout`"),
        (status = 413, body = ErrorBody), (status = 415, body = ErrorBody),
    ),
)]
pub async fn sign_in(
    State(state): State<ApiState>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let shown = token(&parts.headers, body).await?;
    let done = [(CACHE_CONTROL, "no-store")];
    let Some(token) = state.token.as_deref() else {
        return Ok((StatusCode::NO_CONTENT, done).into_response());
    };
    if !auth::is_token(shown.expose_secret().as_bytes(), token) {
        auth::slow_down().await;
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "this is not the token of API_TOKEN",
        ));
    }
    let expires = seconds(state.clock.now().saturating_add(LIFE));
    let cookie = cookie(&seal(token, expires), LIFE, &parts.headers);
    Ok((StatusCode::NO_CONTENT, done, [(SET_COOKIE, cookie)]).into_response())
}

/// Sign out
#[utoipa::path(
    delete, path = "/session", tag = "session",
    description = "Makes the browser forget its cookie.",
    responses(
        (status = 204, description = "signed out", headers(("set-cookie" = String, description = "an empty session"))),
        (status = 401, body = ErrorBody),
    ),
)]
pub async fn sign_out(headers: HeaderMap) -> impl IntoResponse {
    let cookie = cookie("", Duration::ZERO, &headers);
    (
        StatusCode::NO_CONTENT,
        [(CACHE_CONTROL, "no-store".to_owned()), (SET_COOKIE, cookie)],
    )
}

async fn token(headers: &HeaderMap, body: Body) -> Result<SecretString, ApiError> {
    // no form of another site can send this type without asking first
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    if !is_json {
        return Err(ApiError::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let read = tokio::time::timeout(BODY_DEADLINE, body::to_bytes(body, BODY));
    let read = read.await.map_err(|_| {
        let message = "the body did not come within 5 s";
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", message)
    })?;
    let bytes = read.map_err(|_| {
        let message = "the body is longer than 4 KiB, or broke off";
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
    })?;
    let parsed: Result<SignIn, _> = serde_json::from_slice(&bytes);
    // what serde says of it may quote the token
    let parsed = parsed.map_err(|_| {
        ApiError::bad_request("invalid_body", r#"the body has to be {"token": "…"}"#)
    })?;
    Ok(SecretString::from(parsed.token))
}

/// Whether these headers carry a session of this token that has not expired.
pub fn is_open(headers: &HeaderMap, token: &SecretString, now: Timestamp) -> bool {
    cookies(headers).any(|value| is_valid(value, token, seconds(now)))
}

/// Whether these headers carry anything that claims to be a session.
pub fn is_shown(headers: &HeaderMap) -> bool {
    cookies(headers).next().is_some()
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(NAME)?.strip_prefix('='))
}

fn is_valid(value: &str, token: &SecretString, now: u64) -> bool {
    let Some((expires, shown)) = value.split_once('.') else {
        return false;
    };
    let Ok(expires) = expires.parse::<u64>() else {
        return false;
    };
    let Ok(shown) = URL_SAFE_NO_PAD.decode(shown) else {
        return false;
    };
    mac(token, expires).verify_slice(&shown).is_ok() && now < expires
}

fn seal(token: &SecretString, expires: u64) -> String {
    let tag = mac(token, expires).finalize().into_bytes();
    format!("{expires}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn mac(token: &SecretString, expires: u64) -> Hmac<Sha256> {
    let key = token.expose_secret().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    // the purpose is part of it, so that no other MAC of this token ever passes for a session
    mac.update(b"pingu session 1\n");
    mac.update(&expires.to_be_bytes());
    mac
}

/// `Secure` where a proxy says that the browser came by https. A client that lies here changes its own cookie alone.
fn cookie(value: &str, life: Duration, headers: &HeaderMap) -> String {
    let by_https = headers
        .get("x-forwarded-proto")
        .is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    let secure = if by_https { "; Secure" } else { "" };
    let seconds = life.as_secs();
    format!("{NAME}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

fn seconds(time: Timestamp) -> u64 {
    time.as_micros().unsigned_abs() / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_counts_until_it_expires_and_for_its_token_alone() {
        let token = SecretString::from("correct-horse-battery-staple");
        let other = SecretString::from("correct-horse-battery-stapler");
        let sealed = seal(&token, 1000);
        assert!(is_valid(&sealed, &token, 999));
        assert!(!is_valid(&sealed, &token, 1000));
        assert!(!is_valid(&sealed, &other, 999));
        let (_, tag) = sealed.split_once('.').unwrap();
        for forged in [
            String::new(),
            ".".to_owned(),
            format!("2000.{tag}"),
            format!("1000.{}", &tag[1..]),
            "1000.".to_owned(),
            format!("-1.{tag}"),
            format!("99999999999999999999.{tag}"),
        ] {
            assert!(!is_valid(&forged, &token, 1), "{forged}");
        }
    }
}
