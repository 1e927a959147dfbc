//! What operators ask of the process: is it alive, is it ready, which version is it, how does it do.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::error::{ApiError, ErrorBody};

pub(super) const DATABASE_DEADLINE: Duration = Duration::from_millis(1500);

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");
pub(super) const REVISION: Option<&str> = option_env!("PINGU_REVISION");

/// A word that says yes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Yes {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Which Pingu this is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The commit it was built from, where the build knew it.
    revision: Option<&'static str>,
}

/// Alive: fails only if the scheduler is stuck
#[utoipa::path(
    get, path = "/livez", tag = "process",
    responses((status = 200, body = Yes), (status = 503, body = ErrorBody)),
)]
pub async fn livez(State(state): State<ApiState>) -> Result<Json<Yes>, ApiError> {
    if (state.alive)() {
        Ok(Json(Yes { status: "ok" }))
    } else {
        Err(ApiError::unavailable("the scheduler is stuck"))
    }
}

/// Ready: the database answers
#[utoipa::path(
    get, path = "/readyz", tag = "process",
    responses((status = 200, body = Yes), (status = 503, body = ErrorBody)),
)]
pub async fn readyz(State(state): State<ApiState>) -> Result<Json<Yes>, ApiError> {
    match tokio::time::timeout(DATABASE_DEADLINE, state.store.stats()).await {
        Ok(Ok(_)) => Ok(Json(Yes { status: "ok" })),
        Ok(Err(_)) | Err(_) => Err(ApiError::unavailable("the database does not answer")),
    }
}

/// Version
#[utoipa::path(get, path = "/version", tag = "process", responses((status = 200, body = Version)))]
pub async fn version() -> Json<Version> {
    Json(Version {
        version: VERSION,
        revision: REVISION,
    })
}
