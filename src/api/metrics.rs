//! `/metrics`: what Prometheus scrapes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::ApiState;
use super::error::ApiError;
use super::snapshot::Snapshot;
use crate::metrics::{Format, Shown, TargetFigures};
use crate::model::{TargetMap, Timestamp};

/// Pingu's own figures do not wait longer for those of targets.
const DATABASE_DEADLINE: Duration = Duration::from_secs(2);

/// Scrapes at once that show figures of targets: a slow reader keeps what it is shown, megabytes of many targets, until it has all of it.
/// Further ones wait as for the database.
static SHOWING: Semaphore = Semaphore::const_new(16);

/// Figures for Prometheus, of the process and of every enabled target
///
/// As `OpenMetrics` where `Accept` asks for it, otherwise in the text format 0.0.4. While the database is away, or many others are still
/// being shown them, the figures of targets are missing.
#[utoipa::path(
    get, path = "/metrics", tag = "process",
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub async fn of_all(State(state): State<ApiState>, headers: HeaderMap) -> Response {
    let figures = tokio::time::timeout(DATABASE_DEADLINE, Figures::read(&state)).await;
    let figures = figures.ok().and_then(|figures| {
        let told = |error: ApiError| tracing::debug!(?error, "a scrape without figures of targets");
        figures.map_err(told).ok()
    });
    exposed(&state, figures, &headers)
}

/// Pingu's own figures, for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "process",
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub async fn of_the_process(State(state): State<ApiState>, headers: HeaderMap) -> Response {
    exposed(&state, None, &headers)
}

/// What a scrape shows of targets.
struct Figures {
    snapshot: Arc<Snapshot>,
    expiries: TargetMap<Timestamp>,
    _place: SemaphorePermit<'static>,
}

impl Figures {
    async fn read(state: &ApiState) -> Result<Self, ApiError> {
        let place = SHOWING.acquire().await.map_err(|_| ApiError::internal())?;
        Ok(Self {
            snapshot: state.snapshots.current().await?,
            expiries: state.store.expiries().await?,
            _place: place,
        })
    }
}

impl TargetFigures for Figures {
    fn count(&self) -> usize {
        self.snapshot.all().len()
    }

    fn shown(&self, index: usize) -> Option<Shown<'_>> {
        let target = &self.snapshot.all()[index];
        let latest = self.snapshot.latest_of(target.id);
        target.spec.enabled.then(|| Shown {
            spec: &target.spec,
            newest: latest.map(|latest| &latest.stored.result),
            expires_at: self.expiries.get(&target.id).copied(),
        })
    }
}

/// Of few targets it is sent whole; of many a piece at a time is made, as the reader takes them, and no more than one is in memory.
fn exposed(state: &ApiState, figures: Option<Figures>, headers: &HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT);
    let accepted = accepted.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accepted);
    let mut pieces = state.metrics.expose(figures, format);
    let first = pieces.next().unwrap_or_default();
    let kind = [(header::CONTENT_TYPE, format.content_type())];
    let Some(second) = pieces.next() else {
        return (kind, first).into_response();
    };
    let pieces = [first, second].into_iter().chain(pieces);
    let pieces = stream::iter(pieces.map(|piece| Ok::<_, Infallible>(Bytes::from(piece))));
    (kind, Body::from_stream(pieces)).into_response()
}
