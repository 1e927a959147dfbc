//! `/metrics`: what Prometheus scrapes.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;

use super::ApiState;
use crate::metrics::{Format, TargetFigures};
use crate::storage::{Status, StoreError};

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
        let told = |error| tracing::debug!(%error, "a scrape without figures of targets");
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

async fn targets(state: &ApiState) -> Result<TargetFigures, StoreError> {
    let targets = state.store.targets(Status::Enabled).await?;
    let latest = state.store.latest_by_target().await?;
    let newest = latest.into_iter().map(|latest| latest.stored.result);
    let expiries = state.store.expiries().await?;
    Ok(TargetFigures::new(targets, newest, &expiries))
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
