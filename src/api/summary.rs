//! `/summary`: the figures of a window that ends now.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::cursor::{List, Position, Scope};
use super::error::{ApiError, ErrorBody};
use super::query::Parameters;
use super::{ApiState, Named};
use crate::model::{Summary, TargetId, Timestamp, Window};
use crate::storage::{Status, history};

/// Figures of every enabled target.
#[derive(Debug, Serialize, ToSchema)]
pub struct SummaryList {
    #[schema(example = "1h")]
    window: String,
    /// Where the window begins: as long ago as it says or, of a day and longer, up to five minutes earlier.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    items: Vec<SummaryItem>,
    /// Hand it back as `cursor` for the items that follow; absent where this is the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
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
    /// Failed packets among those sent, or failed probes where a probe is not made of packets.
    loss_percent: Option<f64>,
    min_latency_ms: Option<f64>,
    /// Half of the answers were not slower; within one percent, as p95 and p99.
    p50_latency_ms: Option<f64>,
    p95_latency_ms: Option<f64>,
    p99_latency_ms: Option<f64>,
    max_latency_ms: Option<f64>,
    /// The mean difference of latencies that follow one another.
    jitter_ms: Option<f64>,
}

/// Figures of one target and the window that they are of.
#[derive(Debug, Serialize, ToSchema)]
pub struct WindowedSummary {
    #[schema(example = "1h")]
    window: String,
    /// Where the window begins: as long ago as it says or, of a day and longer, up to five minutes earlier.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    #[serde(flatten)]
    figures: SummaryItem,
}

/// Summaries of all enabled targets
#[utoipa::path(
    get, path = "/summary", tag = "fixed",
    params(
        ("window" = Option<String>, Query, description = "a number and one of s, m, h, d, w, up to 400d; default 1h"),
        ("limit" = Option<u64>, Query, description = "1 to 1000: pages of so many; without it all in one answer"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before; `window` stays the same"),
    ),
    responses((status = 200, body = SummaryList), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)),
)]
pub async fn all(
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<SummaryList>, ApiError> {
    let window = parameters.window()?;
    let (since, now) = span(&state, &window);
    let scope = Scope::new(List::Summary).filtered("window", Some(&window));
    let limit = parameters.page()?;
    let after = match parameters.position(&scope)? {
        Some(Position::Place { name, id, .. }) => Some((name, id)),
        Some(Position::Instant { .. }) | None => None,
    };
    let listing = state.snapshots.listing().await?;
    let mut targets: Vec<_> = listing
        .targets(Status::Enabled)
        .filter(|it| {
            let after = after.as_ref().map(|(name, id)| (name, *id));
            after.is_none_or(|after| (&it.spec.name, it.id.0) > after)
        })
        .collect();
    let more = limit.is_some_and(|limit| targets.len() > limit);
    targets.truncate(limit.unwrap_or(usize::MAX));
    let last = targets.last().filter(|_| more);
    let next_cursor = last.map(|last| {
        scope.cursor(&Position::Place {
            rank: 0,
            name: last.spec.name.clone(),
            id: last.id.0,
        })
    });
    let mut summaries = state.history.summaries(None, since, now).await?;
    let items = targets.into_iter().map(|target| {
        let summary = summaries.remove(&target.id).unwrap_or_default();
        SummaryItem::new(target.id, target.spec.name.clone(), &summary)
    });
    Ok(Json(SummaryList {
        window: window.to_string(),
        since,
        items: items.collect(),
        next_cursor,
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
    let (since, now) = span(&state, &window);
    let mut summaries = state.history.summaries(Some(target.id), since, now).await?;
    let summary = summaries.remove(&target.id).unwrap_or_default();
    Ok(Json(WindowedSummary {
        window: window.to_string(),
        since,
        figures: SummaryItem::new(target.id, target.spec.name, &summary),
    }))
}

fn span(state: &ApiState, window: &Window) -> (Timestamp, Timestamp) {
    let now = state.clock.now();
    (history::beginning(now, window.length()), now)
}

impl SummaryItem {
    fn new(target: TargetId, name: String, summary: &Summary) -> Self {
        let latency = &summary.latency;
        let answered = latency.count() > 0;
        let quantile = |q| latency.quantile(q).map(millis);
        Self {
            target_id: target.0,
            target_name: name,
            uptime_percent: uptime_percent(summary),
            avg_latency_ms: latency.mean().map(millis),
            total_probes: summary.total,
            unknown_probes: summary.unknown,
            loss_percent: summary.loss_percent().map(rounded),
            min_latency_ms: answered.then(|| millis(latency.min as f64)),
            p50_latency_ms: quantile(0.5),
            p95_latency_ms: quantile(0.95),
            p99_latency_ms: quantile(0.99),
            max_latency_ms: answered.then(|| millis(latency.max as f64)),
            jitter_ms: summary.jitter.value().map(millis),
        }
    }
}

/// Microseconds as milliseconds with three decimals.
fn millis(micros: f64) -> f64 {
    micros.round() / 1000.0
}

fn rounded(percent: f64) -> f64 {
    (percent * 10_000.0).round() / 10_000.0
}

/// Four decimals, rounded down: 100 means that nothing failed.
pub(super) fn uptime_percent(summary: &Summary) -> Option<f64> {
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
