//! `/summary`: the figures of a window that ends now.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::cursor::{List, Position, Scope};
use super::error::{ApiError, ErrorBody};
use super::query::Parameters;
use super::{ApiState, Named, unknown_target};
use crate::model::{Outcome, ProbeResult, Slots, Summary, Timestamp, Window};
use crate::storage::{Existing, Latest, history};

/// What a result may take, after its probe has ended, until it can be read; and a target, after it is known, until it is probed.
const UNDER_WAY: Duration = Duration::from_secs(2);

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
#[derive(Debug, Clone, Serialize, ToSchema)]
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
    /// Slots since the target was first in the file that have no result, reckoned with its present interval: Pingu did not run, or could
    /// not start the probe before the next slot.
    missed_probes: u64,
    /// Down results times the target's present interval.
    downtime_seconds: f64,
    /// What the newest result found; null where there is none.
    #[schema(value_type = Option<String>, example = "up")]
    outcome: Option<Outcome>,
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
    let scope = Scope::new(List::Summary).filtered("window", Some(&window));
    let limit = parameters.page()?;
    let figures = state.tally.of(&window).await?;
    let rest = match parameters.position(&scope)? {
        Some(Position::Place { name, id, .. }) => {
            let place = (name.as_str(), id);
            let before = |it: &SummaryItem| it.place() <= place;
            &figures.items[figures.items.partition_point(before)..]
        }
        Some(Position::Instant { .. }) | None => &figures.items[..],
    };
    let page = &rest[..rest.len().min(limit.unwrap_or(usize::MAX))];
    let last = page.last().filter(|_| page.len() < rest.len());
    let next_cursor = last.map(|last| {
        scope.cursor(&Position::Place {
            rank: 0,
            name: last.target_name.clone(),
            id: last.target_id,
        })
    });
    Ok(Json(SummaryList {
        window: window.to_string(),
        since: figures.since,
        items: page.to_vec(),
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
    // before the results are counted: none may be newer than those
    let snapshot = state.snapshots.current().await?;
    let mut summaries = state.history.summaries(Some(target.id), since, now).await?;
    let summary = summaries.remove(&target.id).unwrap_or_default();
    let latest = snapshot.latest_of(target.id);
    let target = snapshot.listing.target(target.id);
    let target = target.ok_or_else(unknown_target)?;
    Ok(Json(WindowedSummary {
        window: window.to_string(),
        since,
        figures: SummaryItem::new(target, latest, &summary, (since, now)),
    }))
}

fn span(state: &ApiState, window: &Window) -> (Timestamp, Timestamp) {
    let now = state.clock.now();
    (history::beginning(now, window.length()), now)
}

impl SummaryItem {
    /// Where it stands in the list.
    fn place(&self) -> (&str, Uuid) {
        (&self.target_name, self.target_id)
    }

    pub(super) fn new(
        target: &Existing,
        latest: Option<&Latest>,
        summary: &Summary,
        span: (Timestamp, Timestamp),
    ) -> Self {
        let newest = latest.map(|latest| &latest.stored.result);
        let latency = &summary.latency;
        let answered = latency.count() > 0;
        let quantile = |q| latency.quantile(q).map(millis);
        Self {
            target_id: target.id.0,
            target_name: target.spec.name.clone(),
            uptime_percent: uptime_percent(summary),
            avg_latency_ms: latency.mean().map(millis),
            total_probes: summary.total,
            unknown_probes: summary.unknown,
            missed_probes: missed(target, newest.map(|it| it.slot), span, summary.total),
            downtime_seconds: summary.down() as f64 * target.spec.interval.as_secs_f64(),
            outcome: newest.map(ProbeResult::outcome),
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

/// How many slots of a span should have a result and have none, `total` being there.
fn missed(
    target: &Existing,
    newest: Option<Timestamp>,
    (since, now): (Timestamp, Timestamp),
    total: u64,
) -> u64 {
    if !target.spec.enabled {
        return 0;
    }
    let slots = Slots::new(target.id, target.spec.interval);
    let instant = Duration::from_micros(1);
    // a probe of a later slot may be under way, or its result on its way to the database
    let under_way = target.spec.timeout + UNDER_WAY;
    let newest = newest.map_or(Timestamp::MIN, |slot| slot.saturating_add(instant));
    let until = now.saturating_sub(under_way).max(newest).min(now);
    let first_at = |at: Timestamp| slots.after(at.saturating_sub(instant));
    // it is known for a moment before it is probed
    let probed = target.created_at.saturating_add(UNDER_WAY);
    let expected = slots.count(first_at(since.max(probed)), first_at(until));
    expected.saturating_sub(total)
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
