//! `/metrics`: what Prometheus scrapes.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;

use super::ApiState;
use super::error::ApiError;
use crate::metrics::{Format, TargetFigures};

/// Pingu's own figures do not wait longer for those of targets.
const DATABASE_DEADLINE: Duration = Duration::from_secs(2);

/// Figures for Prometheus, of the process and of every enabled target
///
/// As `OpenMetrics` where `Accept` asks for it, otherwise in the text format 0.0.4. While the database is away the figures of targets
/// are missing.
#[utoipa::path(
    get, path = "/metrics", tag = "process",
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub async fn of_all(State(state): State<ApiState>, headers: HeaderMap) -> impl IntoResponse {
    let targets = tokio::time::timeout(DATABASE_DEADLINE, targets(&state)).await;
    let targets = targets.ok().and_then(|targets| {
        let told = |error: ApiError| tracing::debug!(?error, "a scrape without figures of targets");
        targets.map_err(told).ok()
    });
    exposed(&state, targets, &headers)
}

/// Pingu's own figures, for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "process",
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub async fn of_the_process(
    State(state): State<ApiState>,
    headers: HeaderMap,
) -> impl IntoResponse {
    exposed(&state, None, &headers)
}

async fn targets(state: &ApiState) -> Result<TargetFigures, ApiError> {
    let snapshot = state.snapshots.current().await?;
    let expiries = state.store.expiries().await?;
    let targets = snapshot.enabled().map(|(target, latest)| {
        let newest = latest.map(|latest| latest.stored.result.clone());
        (&target.spec, newest, expiries.get(&target.id).copied())
    });
    Ok(TargetFigures::new(targets))
}

fn exposed(
    state: &ApiState,
    targets: Option<TargetFigures>,
    headers: &HeaderMap,
) -> impl IntoResponse + use<> {
    let accepted = headers.get(header::ACCEPT);
    let accepted = accepted.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accepted);
    let text = state.metrics.expose(targets, format);
    ([(header::CONTENT_TYPE, format.content_type())], text)
}
