//! `/incidents`: spans in which targets were down, newest first, and the story of one.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::cursor::{List, Position, Scope};
use super::error::{ApiError, ErrorBody};
use super::query::Parameters;
use super::{ApiState, Named};
use crate::model::{Ending, Incident, Reason, StoredIncident, TargetId, Timestamp};
use crate::storage::IncidentQuery;

/// Spans in which targets were down.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentList {
    #[schema(value_type = String, format = DateTime)]
    generated_at: Timestamp,
    items: Vec<IncidentItem>,
    /// What continues where this page ends; null on the last one.
    next_cursor: Option<String>,
}

/// A span in which a target was down, as seen from one location.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentItem {
    /// Increases; fits in 53 bits.
    #[schema(example = 42)]
    id: i64,
    target_id: Uuid,
    #[schema(example = "website")]
    target_name: String,
    /// Where the poller stands that saw it.
    #[schema(example = "local")]
    location: String,
    /// Whether it goes on.
    open: bool,
    /// The slot of the first failure.
    #[schema(value_type = String, format = DateTime)]
    began_at: Timestamp,
    /// The slot of the failure that made it an incident: the `fail_after`th in a row.
    #[schema(value_type = String, format = DateTime)]
    opened_at: Timestamp,
    /// The slot of the first of the results that resolved it; null while it goes on.
    #[schema(value_type = Option<String>, format = DateTime)]
    ended_at: Option<Timestamp>,
    /// `recovered`: the target was up again; `removed`: it left the file or was disabled; `superseded`: nobody saw its end before
    /// the next one of the same target and location.
    #[schema(value_type = Option<String>, example = "recovered")]
    ended_by: Option<Ending>,
    /// From its beginning to its end, or so far.
    #[schema(example = 184.5)]
    duration_seconds: f64,
    /// Why the first probe failed, for programs.
    #[schema(value_type = String, example = "timeout")]
    reason: Reason,
    /// The same for people.
    error: String,
    /// Why the last probe failed that is stored; up to 10 s old while it goes on.
    #[schema(value_type = String, example = "refused")]
    last_reason: Reason,
    last_error: String,
    /// Failed results, of which not all need to be in a row; up to 10 s old while it goes on.
    failed_results: u64,
}

/// One incident and what happened in it.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentStory {
    #[schema(value_type = String, format = DateTime)]
    generated_at: Timestamp,
    #[serde(flatten)]
    incident: IncidentItem,
    /// The oldest first: at most 27.
    steps: Vec<Step>,
    /// Changes of the reason that are left out, as there were too many: the oldest.
    omitted_steps: u64,
}

/// Something that happened in an incident.
#[derive(Debug, Serialize, ToSchema)]
pub struct Step {
    #[schema(value_type = String, format = DateTime)]
    ts: Timestamp,
    /// `began`, `opened`, `changed` (fails for another reason), `recovered`, `removed` or `superseded`.
    #[schema(value_type = String, example = "changed")]
    what: &'static str,
    /// The reason from here on; null where it does not change.
    #[schema(value_type = Option<String>, example = "refused")]
    reason: Option<Reason>,
    /// The reason until then.
    #[schema(value_type = Option<String>, example = "timeout")]
    was: Option<Reason>,
    error: Option<String>,
}

/// Incidents of all targets
#[utoipa::path(
    get, path = "/incidents", tag = "incidents",
    params(
        ("target" = Option<String>, Query, description = "of one target: its id or name"),
        ("open" = Option<bool>, Query, description = "`true`: those that go on; `false`: those that have ended; both if not given"),
        ("since" = Option<String>, Query, description = "those of which some moment is at or after this instant (RFC 3339)"),
        ("until" = Option<String>, Query, description = "those that began before this instant (RFC 3339)"),
        ("limit" = Option<u64>, Query, description = "1 to 1000, default 200; more counts as 1000"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = IncidentList), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 503, body = ErrorBody),
    ),
)]
pub async fn list(
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<IncidentList>, ApiError> {
    let target = match parameters.text("target") {
        None => None,
        Some(reference) => {
            let unknown = || ApiError::not_found("no target with this id or name");
            let found = state.store.target(reference).await?;
            Some(found.ok_or_else(unknown)?.id)
        }
    };
    page(&state, &parameters, List::Incidents, target).await
}

/// Incidents of a target
#[utoipa::path(
    get, path = "/targets/{id}/incidents", tag = "incidents",
    params(
        ("id" = String, Path, description = "the target's id or name"),
        ("open" = Option<bool>, Query, description = "`true`: those that go on; `false`: those that have ended; both if not given"),
        ("since" = Option<String>, Query, description = "those of which some moment is at or after this instant (RFC 3339)"),
        ("until" = Option<String>, Query, description = "those that began before this instant (RFC 3339)"),
        ("limit" = Option<u64>, Query, description = "1 to 1000, default 200; more counts as 1000"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = IncidentList), (status = 400, body = ErrorBody),
        (status = 404, body = ErrorBody), (status = 503, body = ErrorBody),
    ),
)]
pub async fn of_target(
    State(state): State<ApiState>,
    parameters: Parameters,
    Named(target): Named,
) -> Result<Json<IncidentList>, ApiError> {
    page(&state, &parameters, List::TargetIncidents, Some(target.id)).await
}

/// One incident and what happened in it
#[utoipa::path(
    get, path = "/incidents/{id}", tag = "incidents",
    params(("id" = i64, Path, description = "the incident's id")),
    responses((status = 200, body = IncidentStory), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)),
)]
pub async fn one(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<IncidentStory>, ApiError> {
    let unknown = || ApiError::not_found("no incident with this id");
    let id = id.parse().map_err(|_| unknown())?;
    let found = state.store.incident(id).await?.ok_or_else(unknown)?;
    let now = state.clock.now();
    Ok(Json(IncidentStory {
        generated_at: now,
        steps: steps(&found.incident),
        omitted_steps: found.incident.changes.omitted,
        incident: item(found, now),
    }))
}

async fn page(
    state: &ApiState,
    parameters: &Parameters,
    list: List,
    target: Option<TargetId>,
) -> Result<Json<IncidentList>, ApiError> {
    let (since, until) = parameters.span()?;
    let open = parameters.open()?;
    let limit = parameters.limit()?;
    let scope = Scope::new(list)
        .filtered("target", target)
        .filtered("open", open)
        .filtered("since", since)
        .filtered("until", until);
    let after = match parameters.position(&scope)? {
        Some(Position::Instant { at, id }) => Some((at, id)),
        // no cursor of this list says anything else
        Some(Position::Place { .. }) | None => None,
    };
    let query = IncidentQuery {
        target,
        open,
        since,
        until,
        after,
        // one more tells whether there is another page
        limit: limit + 1,
    };
    let mut found = state.store.incidents(&query).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.map(|last| {
        scope.cursor(&Position::Instant {
            at: last.incident.began,
            id: last.id,
        })
    });
    let now = state.clock.now();
    Ok(Json(IncidentList {
        generated_at: now,
        items: found.into_iter().map(|it| item(it, now)).collect(),
        next_cursor,
    }))
}

fn item(stored: StoredIncident, now: Timestamp) -> IncidentItem {
    let incident = stored.incident;
    let until = incident.ended.map_or(now, |ended| ended.at);
    IncidentItem {
        id: stored.id,
        target_id: incident.target.0,
        target_name: stored.target_name,
        location: stored.location,
        open: incident.is_open(),
        began_at: incident.began,
        opened_at: incident.opened,
        ended_at: incident.ended.map(|ended| ended.at),
        ended_by: incident.ended.map(|ended| ended.by),
        duration_seconds: until.since(incident.began).as_secs_f64(),
        reason: incident.first.reason,
        error: incident.first.error.as_str().to_owned(),
        last_reason: incident.last.reason,
        last_error: incident.last.error.as_str().to_owned(),
        failed_results: incident.failed,
    }
}

fn steps(incident: &Incident) -> Vec<Step> {
    let plain = |ts, what| Step {
        ts,
        what,
        reason: None,
        was: None,
        error: None,
    };
    let mut steps = vec![Step {
        reason: Some(incident.first.reason),
        error: Some(incident.first.error.as_str().to_owned()),
        ..plain(incident.began, "began")
    }];
    steps.extend(incident.changes.kept.iter().map(|change| Step {
        reason: Some(change.to),
        was: Some(change.from),
        error: Some(change.error.as_str().to_owned()),
        ..plain(change.at, "changed")
    }));
    steps.push(plain(incident.opened, "opened"));
    steps.extend(
        incident
            .ended
            .map(|ended| plain(ended.at, ended.by.as_str())),
    );
    // stable: what is at one instant stays in this order
    steps.sort_by_key(|step| step.ts);
    steps
}
