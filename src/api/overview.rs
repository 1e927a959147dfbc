//! `/overview`: is all well? What a page says in its first line.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::error::{ApiError, ErrorBody};
use super::process::{REVISION, VERSION};
use super::summary::uptime_percent;
use crate::model::{Outcome, Summary, Timestamp};
use crate::storage::{Latest, Status, history};

const DAY: Duration = Duration::from_secs(86_400);

/// The whole at one glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct Overview {
    #[schema(value_type = String, format = DateTime)]
    generated_at: Timestamp,
    targets: TargetCounts,
    /// The share of up among up and down of all enabled targets in the last 24 hours, in percent; null when there was neither.
    #[schema(example = 99.98)]
    uptime_24h: Option<f64>,
    /// How many the intervals of the enabled targets ask for.
    #[schema(example = 4.2)]
    probes_per_second: f64,
    open_incidents: usize,
    /// Where the newest results of enabled targets were measured from.
    locations: Vec<String>,
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The commit it was built from, where the build knew it.
    revision: Option<&'static str>,
}

/// How many targets there are; of the enabled ones, what their newest results found.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct TargetCounts {
    enabled: usize,
    disabled: usize,
    up: usize,
    down: usize,
    unknown: usize,
    /// Without any result yet.
    pending: usize,
}

/// Everything at a glance
#[utoipa::path(
    get, path = "/overview", tag = "history",
    responses((status = 200, body = Overview), (status = 503, body = ErrorBody)),
)]
pub async fn overview(State(state): State<ApiState>) -> Result<Json<Overview>, ApiError> {
    let snapshot = state.snapshots.current().await?;
    let now = state.clock.now();
    let since = history::beginning(now, DAY);
    let sums = state.history.summaries(None, since, now).await?;
    let open = state.store.open_incidents().await?;
    let mut counts = TargetCounts {
        // targets that the file no longer has are past ones, not resting ones
        disabled: snapshot
            .listing
            .targets(Status::Disabled)
            .filter(|target| target.present)
            .count(),
        ..TargetCounts::default()
    };
    let (mut day, mut rate) = (Summary::default(), 0.0);
    let mut locations = BTreeSet::new();
    for (target, latest) in snapshot.enabled() {
        counts.add(latest);
        rate += 1.0 / target.spec.interval.as_secs_f64();
        locations.extend(latest.map(|latest| latest.stored.location.to_string()));
        if let Some(sum) = sums.get(&target.id) {
            day.total += sum.total;
            day.up += sum.up;
            day.unknown += sum.unknown;
        }
    }
    Ok(Json(Overview {
        generated_at: now,
        targets: counts,
        uptime_24h: uptime_percent(&day),
        probes_per_second: (rate * 1_000.0).round() / 1_000.0,
        open_incidents: open.len(),
        locations: locations.into_iter().collect(),
        version: VERSION,
        revision: REVISION,
    }))
}

impl TargetCounts {
    fn add(&mut self, latest: Option<&Latest>) {
        self.enabled += 1;
        let outcome = latest.map(|latest| latest.stored.result.outcome());
        let count = match outcome {
            Some(Outcome::Up) => &mut self.up,
            Some(Outcome::Down) => &mut self.down,
            Some(Outcome::Unknown) => &mut self.unknown,
            None => &mut self.pending,
        };
        *count += 1;
    }
}
