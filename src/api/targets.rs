//! `/targets`: what is watched.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::{ApiError, ErrorBody};
use super::query::Parameters;
use super::{ApiState, Named};
use crate::model::{Kind, ProbeSpec, StartTls, Target, Timestamp};

/// Targets, ordered by name.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetList {
    #[schema(value_type = String, format = DateTime)]
    generated_at: Timestamp,
    items: Vec<TargetItem>,
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
#[utoipa::path(
    get, path = "/targets", tag = "fixed",
    params(("status" = Option<String>, Query, description = "`enabled` (the default), `disabled` or `all`")),
    responses((status = 200, body = TargetList), (status = 400, body = ErrorBody), (status = 503, body = ErrorBody)),
)]
pub async fn list(
    State(state): State<ApiState>,
    parameters: Parameters,
) -> Result<Json<TargetList>, ApiError> {
    let targets = state.store.targets(parameters.status()?).await?;
    Ok(Json(TargetList {
        generated_at: state.clock.now(),
        items: targets.into_iter().map(TargetItem::from).collect(),
    }))
}

/// One target
#[utoipa::path(
    get, path = "/targets/{id}", tag = "fixed",
    params(("id" = String, Path, description = "the target's id or name")),
    responses((status = 200, body = TargetItem), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)),
)]
pub async fn one(Named(target): Named) -> Json<TargetItem> {
    Json(target.into())
}

impl From<Target> for TargetItem {
    fn from(Target { id, spec }: Target) -> Self {
        let kind = spec.probe.kind();
        let host = spec.probe.host().map(str::to_owned);
        let url = spec.probe.url();
        let special = Special::of(&spec.probe);
        Self {
            id: id.0,
            name: spec.name,
            r#type: kind,
            enabled: spec.enabled,
            interval_seconds: seconds(spec.interval),
            timeout_ms: spec.timeout.as_millis() as u64,
            host,
            url,
            special,
            group: spec.group,
            tags: spec.tags,
            description: spec.description,
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
