//! The wiring: starts the parts, connects them, stops them in order. It holds no logic of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::{self, ApiState};
use crate::clock::Clock;
use crate::config::{self, DatabaseUrl, FileError, Loaded, Settings};
use crate::metrics::Metrics;
use crate::pages;
use crate::pipeline;
use crate::probe::http::{HttpProber, Roots};
use crate::probe::icmp::IcmpProber;
use crate::probe::resolve::Resolver;
use crate::scheduler::{Dispatch, Scheduler};
use crate::storage::postgres::{self, PostgresStore};
use crate::storage::recorder::{self, Pace, Recorder};
use crate::storage::retention::{self, Keep};
use crate::storage::spool::{Place, SpoolError};
use crate::storage::sqlite::{self, SqliteStore};
use crate::storage::{Existing, Store, StoreError, rollup};
use crate::sync::Syncer;

/// Descriptors that are never left to probes: sockets, database, and connections of readers.
const OWN_DESCRIPTORS: usize = 48;

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

/// Everything in one process: poller, API and page. Returns once `stop` has fired and everything is stored.
///
/// `ready` is called when probing and serving have begun.
pub async fn run(
    settings: &Settings,
    loaded: Loaded,
    stop: CancellationToken,
    ready: impl FnOnce(SocketAddr),
) -> Result<(), StartError> {
    let http_at_once = raise_descriptor_limit(settings.http_concurrency);
    let clock = Clock::start();
    let metrics = Metrics::new();
    let (listener, address) = listen(settings.listen).await?;
    let store = open(settings).await?;

    let (to_recorder, recorded) = mpsc::channel(recorder::BATCH);
    let (to_pipeline, finished) = mpsc::channel(pipeline::QUEUE);
    let place = Place {
        path: settings.spool_path.clone(),
        max_bytes: settings.spool_max_bytes,
        location: settings.location.clone(),
    };
    let recorder = Recorder {
        store: Arc::clone(&store),
        metrics: Arc::clone(&metrics),
        spool: recorder::open_spool(&place)?,
        place,
        pace: Pace::default(),
    };
    let recording = tokio::spawn(recorder.run(recorded));
    let deciding = tokio::spawn(pipeline::run(finished, to_recorder));

    let resolver = Resolver::new();
    let dispatch = Arc::new(Dispatch::new(
        clock,
        Arc::clone(&metrics),
        HttpProber::new(resolver.clone(), &Roots::of_this_machine()),
        http_at_once,
        to_pipeline,
        |sink| IcmpProber::start(resolver, sink),
    ));
    let launcher = Arc::clone(&dispatch);
    let scheduler = Scheduler::start(clock, Arc::clone(&metrics), move |due| launcher.launch(due))
        .context("starting the scheduler")?;
    let scheduler = Arc::new(scheduler);

    let syncer = Syncer {
        store: Arc::clone(&store),
        scheduler: Arc::clone(&scheduler),
        clock,
        metrics: Arc::clone(&metrics),
    };
    syncer.apply(&loaded).await?;
    let watch = config::watch(&settings.targets_path, &loaded, stop.clone());
    let following = tokio::spawn(syncer.follow(watch));

    let rolling = rollup::run(Arc::clone(&store), move || clock.now(), stop.clone());
    let rolling = tokio::spawn(rolling);
    let keep = Keep {
        raw: settings.retention_days,
        five_minutes: settings.rollup_5m_retention_days,
        hours: settings.rollup_1h_retention_days,
    };
    let (kept, counted) = (Arc::clone(&store), Arc::clone(&metrics));
    let retaining = retention::run(kept, counted, keep, move || clock.now(), stop.clone());
    let retaining = tokio::spawn(retaining);

    let watched = Arc::downgrade(&scheduler);
    let state = ApiState {
        store: Arc::clone(&store),
        clock,
        metrics: Arc::clone(&metrics),
        started: clock.now(),
        token: settings.api_token.clone().map(Arc::new),
        alive: Arc::new(move || watched.upgrade().is_some_and(|it| !it.is_stuck())),
    };
    let serving = tokio::spawn(api::serve(
        listener,
        api::router(state, pages::router()),
        stop.clone(),
    ));
    ready(address);

    stop.cancelled().await;
    tracing::info!("stopping: waiting for probes that are under way");
    // in the order of a result's way, so that each part leaves nothing behind for the next
    scheduler.stop();
    following.abort();
    dispatch.finish().await;
    drop((dispatch, scheduler));
    for ended in [
        deciding.await,
        recording.await,
        rolling.await,
        retaining.await,
        serving.await,
    ] {
        if let Err(error) = ended {
            tracing::error!(%error, "a part of Pingu ended badly");
        }
    }
    store.close().await;
    tracing::info!(
        results_produced = metrics.all_produced(),
        results_stored = metrics.stored.get(),
        "stopped"
    );
    Ok(())
}

/// The targets that the database knows; nothing when there is no database yet.
pub async fn known_targets(settings: &Settings) -> Result<Option<Vec<Existing>>, StoreError> {
    match &settings.database {
        DatabaseUrl::Sqlite(path) => sqlite::known_targets(path),
        DatabaseUrl::Postgres(url) => postgres::known_targets(url).await,
    }
}

async fn open(settings: &Settings) -> Result<Arc<dyn Store>, StoreError> {
    let location = &settings.location;
    Ok(match &settings.database {
        DatabaseUrl::Sqlite(path) => Arc::new(SqliteStore::open(path, location)?),
        DatabaseUrl::Postgres(url) => Arc::new(PostgresStore::open(url, location).await?),
    })
}

/// Lets this process have as many descriptors as its user may: a probe over HTTP can take several while it tries addresses.
/// Says how many HTTP probes then fit beside everything else, `wanted` at the most.
fn raise_descriptor_limit(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
    let descriptors = getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        });
    let fitting = (descriptors.saturating_sub(OWN_DESCRIPTORS) / 2).max(1);
    if fitting < wanted {
        tracing::warn!(
            descriptors,
            "HTTP_CONCURRENCY is {wanted}, but so few open files are allowed (ulimit -n) that {fitting} probes at once are safe"
        );
    }
    fitting.min(wanted)
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = match TcpListener::bind(address).await {
        Ok(listener) => listener.local_addr().map(|address| (listener, address)),
        Err(error) => Err(error),
    };
    bound.map_err(|error| StartError::Listen {
        address,
        advice: match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "another program uses this port: stop it, or set LISTEN to another, such as 127.0.0.1:8001"
            }
            std::io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a permission: set LISTEN to a higher one, such as 127.0.0.1:8000"
            }
            _ => "set LISTEN to an address of this machine, such as 127.0.0.1:8000",
        },
        error,
    })
}
