//! How many requests may be under way at once; a further one is refused at once, and waits in no queue.
//!
//! Those that read history share a smaller bound, so that they never keep what is answered from memory from its answer. What tells how
//! Pingu does (`/livez`, `/readyz`, `/health`, `/metrics`) is never refused. Event streams and sign-ins have bounds of their own.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::error::ApiError;
use crate::metrics::{Metrics, Shed};

/// Requests at once. Most are answered from memory and wait for one read that they share.
const ALL: usize = 1024;
/// The database answers four readers at a time. On a loaded machine with 720,000 rows it answered some 40 lists of results a second: so
/// many are answered within a third of the time that a request has.
const HISTORY: usize = 128;

/// What is under way.
#[derive(Clone)]
pub struct Load {
    all: Arc<Semaphore>,
    history: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Exempt,
    History,
    Other,
}

impl Kind {
    /// `route` is a template, such as `/targets/{id}`.
    fn of(route: &str) -> Self {
        let route = route.strip_prefix("/api/v1").unwrap_or(route);
        match route {
            "/livez" | "/readyz" | "/metrics" | "/health" | "/events" | "/session" => Self::Exempt,
            // one row for each target, which the database keeps beside the results
            "/results/latest-by-target" => Self::Other,
            _ if [
                "results",
                "series",
                "summary",
                "heatmap",
                "uptime",
                "incidents",
            ]
            .iter()
            .any(|word| route.split('/').any(|part| part == *word)) =>
            {
                Self::History
            }
            _ => Self::Other,
        }
    }
}

impl Load {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            all: Arc::new(Semaphore::new(ALL)),
            history: Arc::new(Semaphore::new(HISTORY)),
            metrics,
        }
    }
}

/// Lets a request in, or refuses it. The place is free again when its answer is made, not when it is read.
pub async fn bound(State(load): State<Load>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let kind = route.map_or(Kind::Other, |route| Kind::of(route.as_str()));
    let _history = match kind {
        Kind::Exempt => return next.run(request).await,
        Kind::Other => None,
        Kind::History => match load.history.try_acquire() {
            Ok(place) => Some(place),
            Err(_) => return refused(&load, Shed::History),
        },
    };
    let Ok(_place) = load.all.try_acquire() else {
        return refused(&load, Shed::All);
    };
    next.run(request).await
}

fn refused(load: &Load, bound: Shed) -> Response {
    load.metrics.serving.shed(bound);
    ApiError::overloaded().into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_share_the_bound_of_what_they_read() {
        for (route, kind) in [
            ("/health", Kind::Exempt),
            ("/api/v1/health", Kind::Exempt),
            ("/api/v1/events", Kind::Exempt),
            ("/targets/{id}/results", Kind::History),
            ("/api/v1/results/latest", Kind::History),
            ("/api/v1/targets/{id}/series", Kind::History),
            ("/summary/{id}", Kind::History),
            ("/results/latest-by-target", Kind::Other),
            ("/targets", Kind::Other),
        ] {
            assert_eq!(Kind::of(route), kind, "{route}");
        }
    }
}
