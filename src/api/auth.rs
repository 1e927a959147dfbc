//! Who may read: anyone, or whoever shows the token or a session that was opened with it.
//!
//! With a token every route asks for it but those that must answer a machine that has none (`/livez`, `/readyz`), those that open a
//! session, and the files of the page, which hold no data. Comparisons take the same time whatever is wrong with what was shown.
//! A wrong token is answered late. A right one never waits, whoever else guesses: what keeps a guesser out is the token's length.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use super::ApiState;
use super::error::ApiError;
use super::session;

/// How long a wrong token waits for its refusal, and how many may at once. Further ones are refused at once: waiting would only hold
/// connections that others need.
const PAUSE: Duration = Duration::from_millis(100);
static WAITING: Semaphore = Semaphore::const_new(64);

/// Refuses a request without the token.
pub async fn require_token(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    if is_open(request.method(), request.uri().path()) || may_read(&state, request.headers()) {
        return next.run(request).await;
    }
    if request.headers().contains_key(AUTHORIZATION) || session::is_shown(request.headers()) {
        slow_down().await;
    }
    let refused = ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "this needs the header Authorization: Bearer with the token of API_TOKEN, or a session",
    );
    (
        [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))],
        refused,
    )
        .into_response()
}

/// Whether a route needs no token whoever asks.
fn is_open(method: &Method, path: &str) -> bool {
    match path {
        "/livez" | "/readyz" => true,
        "/api/v1/session" => [Method::GET, Method::HEAD, Method::POST].contains(method),
        _ => false,
    }
}

/// Whether whoever sent these headers may read.
pub fn may_read(state: &ApiState, headers: &HeaderMap) -> bool {
    state.token.as_deref().is_none_or(|token| {
        bearer(headers).is_some_and(|shown| is_token(shown, token))
            || session::is_open(headers, token, state.clock.now())
    })
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let shown = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, shown) = shown.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(shown)
}

/// Compares digests, so that not even the length is told by the time that it takes.
pub fn is_token(shown: &[u8], token: &SecretString) -> bool {
    let expected = Sha256::digest(token.expose_secret().as_bytes());
    Sha256::digest(shown).ct_eq(&expected).into()
}

/// Lets one who guessed wrong wait.
pub async fn slow_down() {
    if let Ok(_place) = WAITING.try_acquire() {
        tokio::time::sleep(PAUSE).await;
    }
}
