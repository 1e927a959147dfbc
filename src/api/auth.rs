//! Who may read: anyone, or whoever shows the token.
//!
//! With a token every route asks for it but those that must answer a machine that has none (`/livez`, `/readyz`) and the files of the
//! page, which hold no data. The comparison takes the same time whatever is wrong with what was shown.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::ApiState;
use super::error::ApiError;

/// Refuses a request without the token.
pub async fn require_token(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let Some(token) = state.token.as_deref() else {
        return next.run(request).await;
    };
    if is_open(request.uri().path()) || shows(&request, token) {
        return next.run(request).await;
    }
    let refused = ApiError::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "this needs the header Authorization: Bearer with the token of API_TOKEN",
    );
    (
        [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))],
        refused,
    )
        .into_response()
}

/// Whether a path needs no token whoever asks.
fn is_open(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz")
}

fn shows(request: &Request, token: &SecretString) -> bool {
    let shown = request
        .headers()
        .get(AUTHORIZATION)
        .map(HeaderValue::as_bytes);
    let Some((scheme, shown)) = shown.and_then(|shown| shown.split_at_checked("Bearer ".len()))
    else {
        return false;
    };
    scheme.eq_ignore_ascii_case(b"Bearer ")
        && bool::from(shown.ct_eq(token.expose_secret().as_bytes()))
}
