//! `/targets/{id}/certificate`: what a target presented last to prove who it is.
//!
//! It stays when the target cannot be connected to any more. Of several locations, the one that saw it last.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::{ApiError, ErrorBody};
use super::{ApiState, Named};
use crate::model::{Certificate, Timestamp};

/// The certificates of the last handshake, and whether they are trusted.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetCertificate {
    target_id: Uuid,
    target_name: String,
    #[schema(value_type = String, format = DateTime)]
    generated_at: Timestamp,
    /// When these were seen: written when they change and once a day, so up to a day before they were seen last.
    #[schema(value_type = String, format = DateTime)]
    seen_at: Timestamp,
    /// Where the poller stands that saw them.
    location: String,
    /// Whether they are trusted for this host.
    verified: bool,
    /// Why they are not.
    error: Option<String>,
    /// The server's own first; at most 10.
    chain: Vec<Certificate>,
    /// How many more the server sent.
    omitted: u32,
}

/// The certificates of a target
#[utoipa::path(
    get, path = "/targets/{id}/certificate", tag = "targets",
    params(("id" = String, Path, description = "the target's id or name")),
    responses(
        (status = 200, body = TargetCertificate), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody),
    ),
)]
pub async fn of_target(
    State(state): State<ApiState>,
    Named(target): Named,
) -> Result<Json<TargetCertificate>, ApiError> {
    let seen = state.store.certificates(target.id).await?;
    let newest = seen.into_iter().next().ok_or_else(|| {
        let message = "no certificate of this target was seen yet";
        ApiError::new(StatusCode::NOT_FOUND, "no_certificate", message)
    })?;
    Ok(Json(TargetCertificate {
        target_id: target.id.0,
        target_name: target.spec.name,
        generated_at: state.clock.now(),
        seen_at: newest.seen_at,
        location: newest.location.to_string(),
        verified: newest.distrust.is_none(),
        error: newest.distrust.map(|text| text.to_string()),
        chain: newest.certificates,
        omitted: newest.omitted,
    }))
}
