//! `/targets/{id}/series` and `/series`: the history of one target or of several as a chart needs it, in columns.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::{ApiError, ErrorBody};
use super::query::Parameters;
use super::{ApiState, Named};
use crate::model::{Mean, Summary, TargetId, Timestamp};
use crate::storage::{Resolution, history};

const DEFAULT_SPAN: Duration = Duration::from_secs(3600);

/// The most targets of one question.
const MOST_TARGETS: usize = 12;

/// A target's buckets of a span.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetSeries {
    target_id: Uuid,
    target_name: String,
    #[serde(flatten)]
    axis: Axis,
    #[serde(flatten)]
    columns: Columns,
}

/// Several targets on one axis.
#[derive(Debug, Serialize, ToSchema)]
pub struct SeveralSeries {
    #[serde(flatten)]
    axis: Axis,
    /// In the order of the question.
    items: Vec<NamedColumns>,
}

/// Whose columns these are.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamedColumns {
    target_id: Uuid,
    target_name: String,
    #[serde(flatten)]
    columns: Columns,
}

/// Which buckets there are.
#[derive(Debug, Serialize, ToSchema)]
pub struct Axis {
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// The width of a bucket; buckets are aligned to 1970.
    step_seconds: u64,
    /// The coarsest history that was read: `raw`, `5m` or `1h`.
    #[schema(example = "raw")]
    resolution: &'static str,
    /// When each bucket begins, in seconds since 1970.
    t: Vec<i64>,
}

/// A value for each bucket, in columns. A bucket without results is null, never zero.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Columns {
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
        (status = 200, body = TargetSeries), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 503, body = ErrorBody),
    ),
)]
pub async fn of_target(
    State(state): State<ApiState>,
    parameters: Parameters,
    Named(target): Named,
) -> Result<Json<TargetSeries>, ApiError> {
    let (axis, mut columns) = read(&state, &parameters, &[target.id]).await?;
    Ok(Json(TargetSeries {
        target_id: target.id.0,
        target_name: target.spec.name,
        axis,
        columns: columns.remove(0),
    }))
}

/// History of several targets on one axis
#[utoipa::path(
    get, path = "/series", tag = "history",
    params(
        ("target" = Vec<String>, Query, description = "the id or name of a target; 1 to 12 of them", min_items = 1, max_items = 12),
        ("since" = Option<String>, Query, description = "from this instant on (RFC 3339); default an hour before `until`"),
        ("until" = Option<String>, Query, description = "before this instant (RFC 3339); default now"),
        ("points" = Option<u64>, Query, description = "how many buckets at the most, 1 to 1000; default 300"),
    ),
    responses(
        (status = 200, body = SeveralSeries), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 503, body = ErrorBody),
    ),
)]
pub async fn of_several(
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<SeveralSeries>, ApiError> {
    let references: Vec<_> = parameters.all("target").take(MOST_TARGETS + 1).collect();
    if !(1..=MOST_TARGETS).contains(&references.len()) {
        let message = format!(
            "invalid target, expected it 1 to {MOST_TARGETS} times, each time with an id or name"
        );
        return Err(ApiError::bad_request("invalid_target", message));
    }
    let mut targets = Vec::with_capacity(references.len());
    for reference in references {
        let found = state.snapshots.target(reference).await?;
        let unknown = || ApiError::not_found("no target with one of these ids or names");
        targets.push(found.ok_or_else(unknown)?);
    }
    let ids: Vec<_> = targets.iter().map(|target| target.id).collect();
    let (axis, columns) = read(&state, &parameters, &ids).await?;
    let items = targets.into_iter().zip(columns);
    let items = items.map(|(target, columns)| NamedColumns {
        target_id: target.id.0,
        target_name: target.spec.name,
        columns,
    });
    Ok(Json(SeveralSeries {
        axis,
        items: items.collect(),
    }))
}

/// What the question's span says of each of these targets.
async fn read(
    state: &ApiState,
    parameters: &Parameters,
    targets: &[TargetId],
) -> Result<(Axis, Vec<Columns>), ApiError> {
    let (since, until) = parameters.span()?;
    let points = parameters.points()?;
    // of what is yet to come there is nothing
    let now = || state.clock.now().max(since.unwrap_or(Timestamp::MIN));
    let until = until.unwrap_or_else(now);
    let since = since.unwrap_or_else(|| until.saturating_sub(DEFAULT_SPAN));
    // history began when its database did: a span of centuries is the span that there is
    let since = since.max(Timestamp::from_micros(0));
    let tomorrow = state
        .clock
        .now()
        .saturating_add(Duration::from_secs(86_400));
    let until = until.min(tomorrow).max(since);
    let all = state.history.several(targets, since, until, points).await?;
    let resolution = all.iter().map(|series| series.resolution).max();
    let step = all.first().map_or(DEFAULT_SPAN, |series| series.step);
    let starts = || {
        let first = since.bucket(step);
        let starts = std::iter::successors(Some(first), |at| Some(at.saturating_add(step)));
        starts.take_while(|at| *at < until)
    };
    let axis = Axis {
        since,
        until,
        step_seconds: step.as_secs(),
        resolution: resolution.unwrap_or(Resolution::Raw).as_str(),
        t: starts()
            .map(|at| at.as_micros().div_euclid(1_000_000))
            .collect(),
    };
    let columns = all.iter().map(|series| Columns::new(series, starts()));
    Ok((axis, columns.collect()))
}

impl Columns {
    fn new(series: &history::Series, starts: impl Iterator<Item = Timestamp>) -> Self {
        let has_phases = series
            .buckets
            .iter()
            .any(|(_, summary)| summary.phases.iter().any(|mean| mean.count > 0));
        let mut columns = Self {
            phases: has_phases.then(PhaseColumns::default),
            ..Self::default()
        };
        let mut buckets = series.buckets.iter().peekable();
        for start in starts {
            let bucket = buckets.next_if(|(at, _)| *at == start);
            columns.push(bucket.map(|(_, summary)| summary));
        }
        columns
    }

    fn push(&mut self, summary: Option<&Summary>) {
        let latency = summary
            .map(|summary| &summary.latency)
            .filter(|latency| latency.count() > 0);
        let quantile = |q| latency.and_then(|latency| latency.quantile(q)).map(whole);
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

pub(super) fn whole(micros: f64) -> u64 {
    micros.round() as u64
}
