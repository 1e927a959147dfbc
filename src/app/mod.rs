//! The wiring: starts the parts, connects them, stops them in order. It holds no logic of its own.
//!
//! Two halves on one [`site`]: the poller, and the API with its pages. [`run`] is both in one process; [`poller`] and [`api`] are one
//! half each, on one database.

mod database;
mod poller;
mod site;

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use crate::api::{self, ApiState};
use crate::config::{FileError, Loaded, Settings};
use crate::metrics::Metrics;
use crate::pages;
use crate::storage::spool::SpoolError;
use crate::storage::{Access, StoreError};
use poller::Poller;
use site::Site;

pub use database::{known_targets, migrate};

/// Why Pingu could not start, by what its user has to mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Targets(#[from] FileError),
    #[error("{0}")]
    Database(#[from] StoreError),
    #[error("{0}")]
    Spool(#[from] SpoolError),
    #[error("cannot listen on {address}: {error}; {advice}")]
    Listen {
        address: SocketAddr,
        error: std::io::Error,
        advice: &'static str,
    },
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

/// Everything in one process. Returns once `stop` has fired and everything is stored, or with what a person has to mend.
///
/// `ready` is called when serving has begun. While the database is away at the start, everything is as in an outage.
pub async fn run(
    settings: &Settings,
    loaded: Loaded,
    stop: CancellationToken,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), StartError> {
    let routes = |state| api::router(state, pages::router());
    probe(settings, loaded, stop, ready, routes).await
}

/// The half that probes. What it serves is about itself alone.
pub async fn poller(
    settings: &Settings,
    loaded: Loaded,
    stop: CancellationToken,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), StartError> {
    probe(settings, loaded, stop, ready, api::process_router).await
}

/// The half that answers readers, on the database that pollers fill. It needs no targets file, and writes nothing but the schema.
pub async fn api(
    settings: &Settings,
    stop: CancellationToken,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), StartError> {
    let mut site = Site::open(settings, Access::Read, Metrics::of_reader(), stop).await?;
    let routes = |state| api::router(state, pages::router());
    // another process probes: what it found is looked up while somebody listens
    let following = api::events::follow(Arc::clone(&site.events), site.store());
    tokio::spawn(site.once_reached(following));
    // nothing here can get stuck that would still answer
    ready(site.serve(settings, || true, None, routes));
    let outcome = site.stopped(pending()).await;
    site.close().await;
    tracing::info!("stopped");
    outcome
}

async fn probe(
    settings: &Settings,
    loaded: Loaded,
    stop: CancellationToken,
    ready: impl FnOnce(SocketAddr),
    routes: impl FnOnce(ApiState) -> Router,
) -> Result<(), StartError> {
    let mut site = Site::open(settings, Access::Write, Metrics::new(), stop).await?;
    let mut poller = Poller::start(&site, settings, loaded).await?;
    ready(site.serve(
        settings,
        poller.pulse(),
        Some(poller.probing(settings)),
        routes,
    ));
    let outcome = site.stopped(poller.failed()).await;
    poller.stop().await;
    let metrics = Arc::clone(&site.metrics);
    site.close().await;
    tracing::info!(
        results_produced = metrics.all_produced(),
        results_stored = metrics.stored.get(),
        "stopped"
    );
    outcome
}
