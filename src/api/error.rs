//! Every error of the API: `{"error": "for people", "code": "for_programs"}` with a status.
//!
//! A 500 says nothing of the inside; the log does.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::storage::StoreError;

/// What a request got instead of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// The body of every error.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// One sentence for people.
    #[schema(example = "invalid window format, expected like 15m, 1h, 7d")]
    error: String,
    /// A stable code for programs.
    #[schema(example = "invalid_window")]
    code: String,
}

impl ApiError {
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "internal error; the server's log has the details",
        )
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// The error form of a status that a library answered with in its own way.
    pub fn of_status(status: StatusCode) -> Self {
        let (code, message) = match status {
            StatusCode::METHOD_NOT_ALLOWED => (
                "method_not_allowed",
                "this route does not take that method; the Allow header lists those it takes",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("payload_too_large", "the body is larger than 64 KiB")
            }
            StatusCode::URI_TOO_LONG => ("uri_too_long", "the request line is longer than 8 KiB"),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (
                "headers_too_large",
                "the headers are longer than 64 KiB, or more than 100",
            ),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => (
                "unsupported_media_type",
                "the body has to come with content-type: application/json",
            ),
            StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => {
                return Self::unavailable("the answer took longer than 10 s; try again later");
            }
            StatusCode::NOT_FOUND => ("not_found", "there is nothing at this path"),
            status if status.is_client_error() => ("bad_request", "the request is malformed"),
            _ => return Self::internal(),
        };
        Self::new(status, code, message)
    }
}

impl ApiError {
    /// More requests are under way than there is room for: of those that read history, or of all.
    pub fn overloaded() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "overloaded",
            "too many requests at once; try again later",
        )
    }

    /// The body as it is sent where no handler can answer.
    pub fn text(&self) -> String {
        let body = ErrorBody {
            error: self.message.clone(),
            code: self.code.to_owned(),
        };
        serde_json::to_string(&body).expect("two texts always serialise")
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "a request found the database unavailable");
                Self::unavailable("the database is unavailable; try again later")
            }
            StoreError::Unusable(_) | StoreError::Conflict(_) | StoreError::Fault(_) => {
                tracing::error!(%error, "a request failed");
                Self::internal()
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: self.message,
            code: self.code.to_owned(),
        };
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}
