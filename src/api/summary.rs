//! `/summary`: the figures of a window that ends now.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::{ApiError, ErrorBody};
use super::query::Parameters;
use super::{ApiState, Named};
use crate::model::Summary;
use crate::storage::TargetSummary;

/// Figures of every enabled target.
#[derive(Debug, Serialize, ToSchema)]
pub struct SummaryList {
    #[schema(example = "1h")]
    window: String,
    items: Vec<SummaryItem>,
}

/// Figures of one target.
#[derive(Debug, Serialize, ToSchema)]
pub struct SummaryItem {
    target_id: Uuid,
    target_name: String,
    /// The share of up among up and down; null when there was neither.
    #[schema(example = 100.0)]
    uptime_percent: Option<f64>,
    /// The mean over all answers; null when there was none.
    #[schema(example = 12.4)]
    avg_latency_ms: Option<f64>,
    /// Results of every outcome.
    total_probes: u64,
    /// Results that say nothing of the target, because the prober itself was at fault.
    unknown_probes: u64,
}

/// Figures of one target and the window that they are of.
#[derive(Debug, Serialize, ToSchema)]
pub struct WindowedSummary {
    #[schema(example = "1h")]
    window: String,
    #[serde(flatten)]
    figures: SummaryItem,
}

/// Summaries of all enabled targets
#[utoipa::path(
    get, path = "/summary", tag = "fixed",
    params(("window" = Option<String>, Query, description = "a number and one of s, m, h, d, w, up to 400d; default 1h")),
    responses((status = 200, body = SummaryList), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)),
)]
pub async fn all(
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<SummaryList>, ApiError> {
    let window = parameters.window()?;
    let now = state.clock.now();
    let since = now.saturating_sub(window.length());
    let summaries = state.store.summaries(None, since, now).await?;
    Ok(Json(SummaryList {
        window: window.to_string(),
        items: summaries.into_iter().map(SummaryItem::from).collect(),
    }))
}

/// Summary of one target
#[utoipa::path(
    get, path = "/summary/{id}", tag = "fixed",
    params(
        ("id" = String, Path, description = "the target's id or name"),
        ("window" = Option<String>, Query, description = "a number and one of s, m, h, d, w, up to 400d; default 1h"),
    ),
    responses(
        (status = 200, body = WindowedSummary), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 503, body = ErrorBody),
    ),
)]
pub async fn one(
    State(state): State<ApiState>,
    parameters: Parameters,
    Named(target): Named,
) -> Result<Json<WindowedSummary>, ApiError> {
    let window = parameters.window()?;
    let now = state.clock.now();
    let since = now.saturating_sub(window.length());
    let summaries = state.store.summaries(Some(target.id), since, now).await?;
    let summary = summaries.into_iter().next().ok_or_else(|| {
        // it was there a moment ago, and targets are never deleted
        ApiError::internal()
    })?;
    Ok(Json(WindowedSummary {
        window: window.to_string(),
        figures: summary.into(),
    }))
}

impl From<TargetSummary> for SummaryItem {
    fn from(of: TargetSummary) -> Self {
        let summary = of.summary;
        Self {
            target_id: of.target.0,
            target_name: of.name,
            uptime_percent: uptime_percent(&summary),
            avg_latency_ms: summary
                .avg_latency_ms()
                .map(|ms| (ms * 1000.0).round() / 1000.0),
            total_probes: summary.total,
            unknown_probes: summary.unknown,
        }
    }
}

/// Four decimals, rounded down: 100 means that nothing failed.
fn uptime_percent(summary: &Summary) -> Option<f64> {
    let judged = summary.total - summary.unknown;
    (judged > 0).then(|| (summary.up * 1_000_000 / judged) as f64 / 10_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_percent_is_never_reached_by_rounding() {
        let percent = |up: u64, judged: u64| {
            let summary = Summary {
                total: judged + 3,
                up,
                unknown: 3,
                ..Summary::default()
            };
            uptime_percent(&summary).map(|percent| percent.to_string())
        };
        assert_eq!(percent(10, 10).as_deref(), Some("100"));
        assert_eq!(percent(9_999_999, 10_000_000).as_deref(), Some("99.9999"));
        assert_eq!(percent(2, 3).as_deref(), Some("66.6666"));
        assert_eq!(percent(57, 10_000).as_deref(), Some("0.57"));
        assert_eq!(percent(0, 0), None);
    }
}
