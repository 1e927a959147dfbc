//! `/targets`: what is watched.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::ToSchema;
use uuid::Uuid;

use super::beats::Told;
use super::error::{ApiError, ErrorBody};
use super::query::Parameters;
use super::representation::{Encoded, SharedJson};
use super::selection::Selection;
use super::{ApiState, Reference, unknown_target};
use crate::model::{
    Kind, Outcome, ProbeResult, ProbeSpec, StartTls, TargetId, TargetSpec, Timestamp,
};
use crate::storage::Latest;

/// Lists with beats that are made at once: of ten thousand targets each takes a core for a moment and 6 MB. Others wait.
static MAKING: Semaphore = Semaphore::const_new(2);

/// Targets, ordered by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetList {
    #[schema(value_type = String, format = DateTime)]
    generated_at: Timestamp,
    items: Vec<TargetItem>,
    /// Hand it back as `cursor` for the items that follow; absent where this is the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One target.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetItem {
    id: Uuid,
    #[schema(example = "bbc-uk")]
    name: String,
    #[schema(value_type = String, example = "http")]
    r#type: Kind,
    enabled: bool,
    /// A whole number where it is one.
    #[schema(value_type = f64, example = 60)]
    interval_seconds: serde_json::Number,
    #[schema(example = 3000)]
    timeout_ms: u64,
    /// Whom a target that is no URL talks to: of `dns` the name server, null for this machine's own.
    host: Option<String>,
    /// What an HTTP target fetches.
    url: Option<String>,
    #[serde(flatten)]
    special: Special,
    group: Option<String>,
    tags: Vec<String>,
    description: Option<String>,
    /// Only where `outcome` or `sort` looked at the newest results.
    #[serde(flatten)]
    newest: Option<Newest>,
    /// Only where `beats` was asked for.
    #[serde(flatten)]
    told: Option<Told>,
}

/// What the newest result of a target says; null of one that has none, or is disabled.
#[derive(Debug, Serialize, ToSchema)]
pub struct Newest {
    #[schema(value_type = Option<String>, example = "up")]
    outcome: Option<Outcome>,
    /// When the present outcome began.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    latency_us: Option<u64>,
}

/// What only some types have.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Special {
    /// Of `tcp`, `dns` and `tls`: the port that is connected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// Of `dns`: the name that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    /// Of `dns`: the type of record that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "A")]
    record: Option<&'static str>,
    /// Of `dns`: `udp`, `tcp` or `tls`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "udp")]
    transport: Option<&'static str>,
    /// Of `tls`: the protocol that begins in plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "smtp")]
    starttls: Option<&'static str>,
}

impl Special {
    fn of(probe: &ProbeSpec) -> Self {
        match probe {
            ProbeSpec::Icmp(_) | ProbeSpec::Http(_) => Self::default(),
            ProbeSpec::Tcp(tcp) => Self {
                port: Some(tcp.port),
                ..Self::default()
            },
            ProbeSpec::Dns(dns) => Self {
                port: Some(dns.port()),
                query: Some(dns.query.clone()),
                record: Some(dns.record.as_str()),
                transport: Some(dns.transport.as_str()),
                starttls: None,
            },
            ProbeSpec::Tls(tls) => Self {
                port: Some(tls.port),
                starttls: tls.starttls.map(StartTls::as_str),
                ..Self::default()
            },
        }
    }
}

/// List targets
///
/// Those that every filter takes. `outcome`, and `sort` by `outcome`, `latency` or `since`, look at the newest results, which the items
/// then show. `beats` adds to each item what a page draws of it: its newest results in two short texts, `s` and `q`, of all locations in
/// the order of their slots, and what the last day was like.
#[utoipa::path(
    get, path = "/targets", tag = "fixed",
    params(
        ("status" = Option<String>, Query, description = "`enabled` (the default), `disabled` or `all`"),
        ("q" = Option<String>, Query, description = "a part of the name, host, URL, description, group or a tag, in any case"),
        ("group" = Option<String>, Query, description = "the group; empty for targets without one"),
        ("tag" = Option<Vec<String>>, Query, description = "a tag; may be given several times, and all must be there"),
        ("type" = Option<String>, Query, description = "`icmp`, `http`, `tcp`, `dns` or `tls`"),
        ("outcome" = Option<String>, Query, description = "of the newest result: `up`, `down`, `unknown`, or `none` where there is none"),
        ("sort" = Option<String>, Query, description = "`name` (the default), `group`, `type`, `outcome` (down first), `latency`, `since`; with `-` the other way round"),
        ("beats" = Option<u64>, Query, description = "1 to 120: each item also tells so many of its newest results at the most"),
        ("limit" = Option<u64>, Query, description = "1 to 1000: pages of so many; without it all in one answer"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before; every other parameter but `limit` stays the same"),
    ),
    responses((status = 200, body = TargetList), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)),
)]
pub async fn list(
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let selection = Selection::of(&parameters)?;
    let limit = parameters.page()?;
    let scope = selection.scope();
    let after = parameters.position(&scope)?;
    if let Some(beats) = parameters.beats()? {
        let board = state.boards.current(beats).await?;
        let answer = match (limit, &after) {
            (None, None) => board.answer((scope.fingerprint(), beats)),
            _ => Arc::default(),
        };
        let make = || async move {
            // held until it is made, though who asked may have gone
            let place = MAKING.acquire().await.map_err(|_| ApiError::internal())?;
            let make = move || {
                let _place = place;
                let snapshot = &board.snapshot;
                let page = selection.page(&snapshot.listing, Some(snapshot), limit, after);
                let items = page.targets.iter().map(|target| TargetItem {
                    newest: Some(Newest::of(snapshot.latest_of(target.id))),
                    told: Some(board.told(target.id, &target.spec, beats)),
                    ..TargetItem::of(target.id, &target.spec)
                });
                Arc::new(Encoded::json(&TargetList {
                    generated_at: snapshot.at,
                    items: items.collect(),
                    next_cursor: page.next.map(|next| scope.cursor(&next)),
                }))
            };
            // thousands of targets take as long as compressing a long answer
            let made = tokio::task::spawn_blocking(make).await;
            made.map_err(|_| ApiError::internal())
        };
        let body = answer.get_or_try_init(make).await?;
        return Ok(SharedJson(Arc::clone(body)).into_response());
    }
    if selection.needs_results() {
        let snapshot = state.snapshots.current().await?;
        let page = selection.page(&snapshot.listing, Some(&snapshot), limit, after);
        let items = page.targets.iter().map(|target| TargetItem {
            newest: Some(Newest::of(snapshot.latest_of(target.id))),
            ..TargetItem::of(target.id, &target.spec)
        });
        return Ok(Json(TargetList {
            generated_at: snapshot.at,
            items: items.collect(),
            next_cursor: page.next.map(|next| scope.cursor(&next)),
        })
        .into_response());
    }
    let listing = state.snapshots.listing().await?;
    let answer = || {
        let page = selection.page(&listing, None, limit, after);
        let items = page.targets.iter();
        TargetList {
            generated_at: listing.at,
            items: items.map(|it| TargetItem::of(it.id, &it.spec)).collect(),
            next_cursor: page.next.map(|next| scope.cursor(&next)),
        }
    };
    if limit.is_none() && selection.is_plain() {
        let all = || async { Arc::new(Encoded::json(&answer())) };
        let body = listing.body.get_or_init(all).await;
        return Ok(SharedJson(Arc::clone(body)).into_response());
    }
    Ok(Json(answer()).into_response())
}

/// One target
#[utoipa::path(
    get, path = "/targets/{id}", tag = "fixed",
    params(("id" = String, Path, description = "the target's id or name")),
    responses((status = 200, body = TargetItem), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)),
)]
pub async fn one(
    State(state): State<ApiState>,
    Reference(reference): Reference,
) -> Result<Response, ApiError> {
    let listing = state.snapshots.listing().await?;
    if let Some((target, body)) = listing.find(&reference) {
        let item = || Arc::new(Encoded::json(&TargetItem::of(target.id, &target.spec)));
        return Ok(SharedJson(Arc::clone(body.get_or_init(item))).into_response());
    }
    let target = state.store.target(&reference).await?;
    let target = target.ok_or_else(unknown_target)?;
    Ok(Json(TargetItem::of(target.id, &target.spec)).into_response())
}

impl Newest {
    fn of(latest: Option<&Latest>) -> Self {
        let result = latest.map(|latest| &latest.stored.result);
        let latency = result.and_then(|result| result.observation.measurement.latency);
        Self {
            outcome: result.map(ProbeResult::outcome),
            since: latest.map(|latest| latest.since),
            latency_us: latency.map(|latency| latency.as_micros() as u64),
        }
    }
}

impl TargetItem {
    fn of(id: TargetId, spec: &TargetSpec) -> Self {
        Self {
            id: id.0,
            name: spec.name.clone(),
            r#type: spec.probe.kind(),
            enabled: spec.enabled,
            interval_seconds: seconds(spec.interval),
            timeout_ms: spec.timeout.as_millis() as u64,
            host: spec.probe.host().map(str::to_owned),
            url: spec.probe.url(),
            special: Special::of(&spec.probe),
            group: spec.group.clone(),
            tags: spec.tags.clone(),
            description: spec.description.clone(),
            newest: None,
            told: None,
        }
    }
}

/// 60 as `60`, half a second as `0.5`: the original wrote whole numbers.
fn seconds(interval: std::time::Duration) -> serde_json::Number {
    if interval.subsec_nanos() == 0 {
        interval.as_secs().into()
    } else {
        serde_json::Number::from_f64(interval.as_secs_f64()).unwrap_or_else(|| 0.into())
    }
}
