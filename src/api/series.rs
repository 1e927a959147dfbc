//! `/targets/{id}/series`: a target's history as a chart needs it, in columns.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::{ApiError, ErrorBody};
use super::query::Parameters;
use super::{ApiState, Named};
use crate::model::{Mean, Summary, Timestamp};
use crate::storage::history;

const DEFAULT_SPAN: Duration = Duration::from_secs(3600);

/// The buckets of a span, a column each; all columns are of one length. A bucket without results is null, never zero.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeriesColumns {
    target_id: Uuid,
    target_name: String,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// The width of a bucket; buckets are aligned to 1970.
    step_seconds: u64,
    /// The coarsest history that was read: `raw`, `5m` or `1h`.
    resolution: &'static str,
    /// When each bucket begins, in seconds since 1970.
    t: Vec<i64>,
    total: Vec<Option<u64>>,
    failed: Vec<Option<u64>>,
    unknown: Vec<Option<u64>>,
    min_us: Vec<Option<u64>>,
    p25_us: Vec<Option<u64>>,
    p50_us: Vec<Option<u64>>,
    p75_us: Vec<Option<u64>>,
    p95_us: Vec<Option<u64>>,
    max_us: Vec<Option<u64>>,
    /// The mean time of each phase; null for a target that has none in the span.
    phases: Option<PhaseColumns>,
}

/// Mean microseconds of each phase.
#[expect(
    clippy::struct_field_names,
    reason = "the unit is part of each field's name in the API"
)]
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct PhaseColumns {
    dns_us: Vec<Option<u64>>,
    connect_us: Vec<Option<u64>>,
    tls_us: Vec<Option<u64>>,
    ttfb_us: Vec<Option<u64>>,
    transfer_us: Vec<Option<u64>>,
}

/// History of a target for a chart
#[utoipa::path(
    get, path = "/targets/{id}/series", tag = "history",
    params(
        ("id" = String, Path, description = "the target's id or name"),
        ("since" = Option<String>, Query, description = "from this instant on (RFC 3339); default an hour before `until`"),
        ("until" = Option<String>, Query, description = "before this instant (RFC 3339); default now"),
        ("points" = Option<u64>, Query, description = "how many buckets at the most, 1 to 1000; default 300"),
    ),
    responses(
        (status = 200, body = SeriesColumns), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 503, body = ErrorBody),
    ),
)]
pub async fn of_target(
    State(state): State<ApiState>,
    parameters: Parameters,
    Named(target): Named,
) -> Result<Json<SeriesColumns>, ApiError> {
    let (since, until) = parameters.span()?;
    let points = parameters.points()?;
    let until = until.unwrap_or_else(|| state.clock.now());
    let since = since.unwrap_or_else(|| until.saturating_sub(DEFAULT_SPAN));
    if since > until {
        return Err(ApiError::bad_request(
            "invalid_range",
            "since must not be after until",
        ));
    }
    // history began when its database did: a span of centuries is the span that there is
    let since = since.max(Timestamp::from_micros(0));
    let until = until
        .min(
            state
                .clock
                .now()
                .saturating_add(Duration::from_secs(86_400)),
        )
        .max(since);
    let series = state.history.series(target.id, since, until, points);
    let series = series.await?;
    let mut columns = SeriesColumns::new(target.id.0, target.spec.name, (since, until), &series);
    let mut buckets = series.buckets.iter().peekable();
    let mut at = since.bucket(series.step);
    while at < until {
        let bucket = buckets.next_if(|(start, _)| *start == at);
        columns.push(at, bucket.map(|(_, summary)| summary));
        at = at.saturating_add(series.step);
    }
    Ok(Json(columns))
}

impl SeriesColumns {
    fn new(
        id: Uuid,
        name: String,
        (since, until): (Timestamp, Timestamp),
        series: &history::Series,
    ) -> Self {
        let has_phases = series
            .buckets
            .iter()
            .any(|(_, summary)| summary.phases.iter().any(|mean| mean.count > 0));
        Self {
            target_id: id,
            target_name: name,
            since,
            until,
            step_seconds: series.step.as_secs(),
            resolution: series.resolution.as_str(),
            t: Vec::new(),
            total: Vec::new(),
            failed: Vec::new(),
            unknown: Vec::new(),
            min_us: Vec::new(),
            p25_us: Vec::new(),
            p50_us: Vec::new(),
            p75_us: Vec::new(),
            p95_us: Vec::new(),
            max_us: Vec::new(),
            phases: has_phases.then(PhaseColumns::default),
        }
    }

    fn push(&mut self, at: Timestamp, summary: Option<&Summary>) {
        let latency = summary
            .map(|summary| &summary.latency)
            .filter(|latency| latency.count() > 0);
        let quantile = |q| latency.and_then(|latency| latency.quantile(q)).map(whole);
        self.t.push(at.as_micros().div_euclid(1_000_000));
        self.total.push(summary.map(|summary| summary.total));
        self.failed.push(summary.map(Summary::down));
        self.unknown.push(summary.map(|summary| summary.unknown));
        self.min_us.push(latency.map(|latency| latency.min));
        self.p25_us.push(quantile(0.25));
        self.p50_us.push(quantile(0.5));
        self.p75_us.push(quantile(0.75));
        self.p95_us.push(quantile(0.95));
        self.max_us.push(latency.map(|latency| latency.max));
        if let Some(phases) = &mut self.phases {
            let columns = [
                &mut phases.dns_us,
                &mut phases.connect_us,
                &mut phases.tls_us,
                &mut phases.ttfb_us,
                &mut phases.transfer_us,
            ];
            for (position, column) in columns.into_iter().enumerate() {
                let mean = summary.and_then(|summary| Mean::value(summary.phases[position]));
                column.push(mean.map(whole));
            }
        }
    }
}

fn whole(micros: f64) -> u64 {
    micros.round() as u64
}
