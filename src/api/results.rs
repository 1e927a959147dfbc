//! `/results` and `/targets/{id}/results`: what was measured, newest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::cursor::{List, Position, Scope};
use super::error::{ApiError, ErrorBody};
use super::query::Parameters;
use super::representation::{Encoded, SharedJson};
use super::snapshot::Snapshot;
use super::{ApiState, Named};
use crate::model::{
    Hop, HttpVersion, Outcome, Packets, Phases, Reason, StoredResult, TargetId, Timestamp,
};
use crate::storage::{Latest, ResultQuery};

/// The results of one target.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetResults {
    target_id: Uuid,
    target_name: String,
    #[schema(value_type = String, format = DateTime)]
    generated_at: Timestamp,
    items: Vec<TargetResult>,
    /// Hand it back as `cursor` for the items that follow; absent where this is the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One result of a known target.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetResult {
    /// Increases; fits in 53 bits.
    id: i64,
    target_id: Uuid,
    #[serde(flatten)]
    measured: Measured,
}

/// Results of several targets.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResultList {
    #[schema(value_type = String, format = DateTime)]
    generated_at: Timestamp,
    items: Vec<NamedResult>,
    /// Hand it back as `cursor` for the items that follow; absent where this is the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One result and whose it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct NamedResult {
    target_id: Uuid,
    target_name: String,
    #[serde(flatten)]
    measured: Measured,
    /// When the present outcome began; only for the newest result of a target.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
}

/// What one probe measured.
#[derive(Debug, Serialize, ToSchema)]
pub struct Measured {
    /// The slot: the instant for which the probe was scheduled.
    #[schema(value_type = String, format = DateTime)]
    ts: Timestamp,
    /// Whether the outcome is `up`.
    success: bool,
    /// Rounded to a whole number; null without an answer.
    latency_ms: Option<u64>,
    /// The final HTTP status.
    status_code: Option<u16>,
    /// Why it was not up, for people.
    error: Option<String>,
    latency_us: Option<u64>,
    #[schema(value_type = String, example = "up")]
    outcome: Outcome,
    /// Why it was not up, for programs.
    #[schema(value_type = Option<String>, example = "timeout")]
    reason: Option<Reason>,
    /// Up, but slower than the target's `slow_ms`.
    slow: bool,
    /// Up, but some of its packets were lost.
    lossy: bool,
    /// How late the probe started after its slot.
    lag_us: u64,
    /// Where the poller stands.
    location: String,
    #[schema(value_type = Option<String>)]
    resolved_ip: Option<std::net::IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phases: Option<Phases>,
    #[serde(skip_serializing_if = "Option::is_none")]
    packets: Option<Packets>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    cert_expires_at: Option<Timestamp>,
    /// The way of an exchange that was redirected, with its last hop; of others nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    redirects: Vec<Hop>,
    /// The version of HTTP that the server answered in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "1.1")]
    http_version: Option<HttpVersion>,
}

/// Results of a target
#[utoipa::path(
    get, path = "/targets/{id}/results", tag = "fixed",
    params(
        ("id" = String, Path, description = "the target's id or name"),
        ("since" = Option<String>, Query, description = "from this instant on (RFC 3339)"),
        ("until" = Option<String>, Query, description = "before this instant (RFC 3339)"),
        ("limit" = Option<u64>, Query, description = "1 to 1000, default 200; more counts as 1000"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before; every other parameter but `limit` stays the same"),
    ),
    responses(
        (status = 200, body = TargetResults), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 503, body = ErrorBody),
    ),
)]
pub async fn of_target(
    State(state): State<ApiState>,
    parameters: Parameters,
    Named(target): Named,
) -> Result<Json<TargetResults>, ApiError> {
    let page = Page::read(&state, &parameters, Some(target.id)).await?;
    Ok(Json(TargetResults {
        target_id: target.id.0,
        target_name: target.spec.name,
        generated_at: state.clock.now(),
        next_cursor: page.next_cursor(),
        items: page
            .results
            .into_iter()
            .map(|stored| TargetResult {
                id: stored.id,
                target_id: stored.result.target.0,
                measured: stored.into(),
            })
            .collect(),
    }))
}

/// Newest results of all targets
#[utoipa::path(
    get, path = "/results/latest", tag = "fixed",
    params(
        ("since" = Option<String>, Query, description = "from this instant on (RFC 3339)"),
        ("until" = Option<String>, Query, description = "before this instant (RFC 3339)"),
        ("limit" = Option<u64>, Query, description = "1 to 1000, default 200; more counts as 1000"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before; every other parameter but `limit` stays the same"),
    ),
    responses((status = 200, body = ResultList), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)),
)]
pub async fn latest(
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<ResultList>, ApiError> {
    let page = Page::read(&state, &parameters, None).await?;
    Ok(Json(ResultList {
        generated_at: state.clock.now(),
        next_cursor: page.next_cursor(),
        items: page
            .results
            .into_iter()
            .map(|stored| named(stored, None))
            .collect(),
    }))
}

/// The newest result of every enabled target
///
/// The newest of them first, or ordered by name where there is a limit: no target then changes its place while pages are read.
#[utoipa::path(
    get, path = "/results/latest-by-target", tag = "fixed",
    params(
        ("limit" = Option<u64>, Query, description = "1 to 1000: pages of so many, ordered by name; without it all in one answer"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = ResultList), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)),
)]
pub async fn latest_by_target(
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let snapshot = state.snapshots.current().await?;
    let Some(limit) = parameters.page()? else {
        let all = || async { Arc::new(Encoded::json(&everything(&snapshot))) };
        let body = snapshot.body.get_or_init(all).await;
        return Ok(SharedJson(Arc::clone(body)).into_response());
    };
    let scope = Scope::new(List::LatestByTarget);
    let after = match parameters.position(&scope)? {
        Some(Position::Place { name, id, .. }) => Some((name, id)),
        Some(Position::Instant { .. }) | None => None,
    };
    let place = |latest: &Latest| {
        (
            latest.stored.target_name.to_string(),
            latest.stored.result.target.0,
        )
    };
    let mut rest: Vec<_> = snapshot
        .latest
        .iter()
        .map(|latest| (place(latest), latest))
        .filter(|(place, _)| after.as_ref().is_none_or(|after| place > after))
        .collect();
    rest.sort_by(|(a, _), (b, _)| a.cmp(b));
    let more = rest.len() > limit;
    rest.truncate(limit);
    let next_cursor = rest.last().filter(|_| more).map(|((name, id), _)| {
        let name = name.clone();
        scope.cursor(&Position::Place {
            rank: 0,
            name,
            id: *id,
        })
    });
    let items = rest.into_iter().map(|(_, latest)| newest(latest)).collect();
    Ok(Json(ResultList {
        generated_at: snapshot.at,
        items,
        next_cursor,
    })
    .into_response())
}

fn everything(snapshot: &Snapshot) -> ResultList {
    ResultList {
        generated_at: snapshot.at,
        items: snapshot.latest.iter().map(newest).collect(),
        next_cursor: None,
    }
}

fn newest(latest: &Latest) -> NamedResult {
    named(latest.stored.clone(), Some(latest.since))
}

/// Results of one page, and where the next one begins.
struct Page {
    scope: Scope,
    results: Vec<StoredResult>,
    more: bool,
}

impl Page {
    async fn read(
        state: &ApiState,
        parameters: &Parameters,
        target: Option<TargetId>,
    ) -> Result<Self, ApiError> {
        let (since, until) = parameters.span()?;
        let limit = parameters.limit()?;
        let list = match target {
            Some(_) => List::TargetResults,
            None => List::Results,
        };
        let scope = Scope::new(list)
            .filtered("target", target)
            .filtered("since", since)
            .filtered("until", until);
        let after = match parameters.position(&scope)? {
            Some(Position::Instant { at, id }) => Some((at, id)),
            Some(Position::Place { .. }) | None => None,
        };
        let query = ResultQuery {
            target,
            since,
            until,
            after,
            // one more tells whether there is a next page
            limit: limit + 1,
        };
        let mut results = state.store.results(&query).await?;
        let more = results.len() > limit;
        results.truncate(limit);
        Ok(Self {
            scope,
            results,
            more,
        })
    }

    fn next_cursor(&self) -> Option<String> {
        let last = self.results.last().filter(|_| self.more)?;
        let (at, id) = (last.result.slot, last.id);
        Some(self.scope.cursor(&Position::Instant { at, id }))
    }
}

fn named(stored: StoredResult, since: Option<Timestamp>) -> NamedResult {
    NamedResult {
        target_id: stored.result.target.0,
        target_name: stored.target_name.to_string(),
        measured: stored.into(),
        since,
    }
}

impl From<StoredResult> for Measured {
    fn from(stored: StoredResult) -> Self {
        let result = stored.result;
        let (outcome, lossy) = (result.outcome(), result.lossy());
        let failure = result.observation.verdict.failure();
        let measurement = result.observation.measurement.clone();
        let latency_us = measurement
            .latency
            .map(|latency| latency.as_micros() as u64);
        let detail = measurement.detail.map(|detail| *detail).unwrap_or_default();
        Self {
            ts: result.slot,
            success: outcome == Outcome::Up,
            latency_ms: latency_us.map(|us| (us + 500) / 1000),
            status_code: measurement.status_code,
            error: failure.map(|failure| failure.error.as_str().to_owned()),
            latency_us,
            outcome,
            reason: failure.map(|failure| failure.reason),
            slow: result.slow,
            lossy,
            lag_us: result.lag.as_micros() as u64,
            location: stored.location.to_string(),
            resolved_ip: measurement.resolved_ip,
            phases: detail.phases,
            packets: detail.packets,
            cert_expires_at: detail.cert_expires_at,
            redirects: detail.redirects,
            http_version: detail.http_version,
        }
    }
}
