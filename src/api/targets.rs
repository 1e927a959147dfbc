//! `/targets`: what is watched.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::{ApiError, ErrorBody};
use super::query::Parameters;
use super::{ApiState, Named};
use crate::model::{Kind, ProbeSpec, Target, Timestamp};

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
    /// What an ICMP target pings.
    host: Option<String>,
    /// What an HTTP target fetches.
    url: Option<String>,
    group: Option<String>,
    tags: Vec<String>,
    description: Option<String>,
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
        let (host, url) = match spec.probe {
            ProbeSpec::Icmp(icmp) => (Some(icmp.host.into()), None),
            ProbeSpec::Http(http) => (None, Some(http.shown())),
        };
        Self {
            id: id.0,
            name: spec.name,
            r#type: kind,
            enabled: spec.enabled,
            interval_seconds: seconds(spec.interval),
            timeout_ms: spec.timeout.as_millis() as u64,
            host,
            url,
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
