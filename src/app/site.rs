//! What both halves stand on: the clock, the figures, the database, the listener, and the one signal to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::StartError;
use super::database::Database;
use crate::api::about::{Facts, Probing};
use crate::api::events::{Feed, Handed, Teller};
use crate::api::{self, ApiState, Boards, Snapshots, Tally};
use crate::clock::Clock;
use crate::config::{DatabaseUrl, Settings};
use crate::metrics::Metrics;
use crate::storage::history::History;
use crate::storage::{Access, Store, StoreError};

/// Opened before anything else, closed after everything else.
pub struct Site {
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    pub stop: CancellationToken,
    /// Where those who listen are told of what happens.
    pub events: Arc<Feed>,
    handed: Option<mpsc::Receiver<Handed>>,
    database: Database,
    listener: Option<TcpListener>,
    address: SocketAddr,
    serving: Option<JoinHandle<()>>,
}

impl Site {
    pub async fn open(
        settings: &Settings,
        access: Access,
        metrics: Arc<Metrics>,
        stop: CancellationToken,
    ) -> Result<Self, StartError> {
        raise_descriptor_limit();
        let clock = Clock::start();
        let (listener, address) = listen(settings.listen).await?;
        let (events, handed) = Feed::new(&settings.location, Arc::clone(&metrics), stop.clone());
        Ok(Self {
            clock,
            metrics,
            stop,
            events,
            handed: Some(handed),
            database: Database::open(settings, access).await?,
            listener: Some(listener),
            address,
            serving: None,
        })
    }

    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.database.store)
    }

    /// Does the work once the database is there; nothing if Pingu stops before.
    pub fn once_reached<F>(&self, work: F) -> impl Future<Output = ()> + Send + use<F>
    where
        F: Future<Output = ()> + Send,
    {
        let (reached, stop) = (self.database.reached.clone(), self.stop.clone());
        async move {
            tokio::select! {
                () = reached.cancelled() => work.await,
                () = stop.cancelled() => {}
            }
        }
    }

    /// Answers requests from now on, and says where. `alive` is what `/livez` reports, `probing` what `/about` says of the half that probes.
    pub fn serve(
        &mut self,
        settings: &Settings,
        alive: impl Fn() -> bool + Send + Sync + 'static,
        probing: Option<Probing>,
        routes: impl FnOnce(ApiState) -> Router,
    ) -> SocketAddr {
        let (store, clock) = (self.store(), self.clock);
        let history = Arc::new(History::new(Arc::clone(&store)));
        let snapshots = Arc::new(Snapshots::new(Arc::clone(&store), clock));
        let state = ApiState {
            boards: Boards::new(
                Arc::clone(&store),
                Arc::clone(&snapshots),
                Arc::clone(&history),
                clock,
            ),
            tally: Arc::new(Tally::new(
                Arc::clone(&history),
                Arc::clone(&snapshots),
                clock,
            )),
            store,
            history,
            snapshots,
            clock,
            metrics: Arc::clone(&self.metrics),
            started: self.clock.now(),
            token: settings.api_token.clone().map(Arc::new),
            alive: Arc::new(alive),
            events: Arc::clone(&self.events),
            about: Arc::new(facts(settings, probing)),
        };
        if let Some(inbox) = self.handed.take() {
            let (feed, store) = (Arc::clone(&self.events), self.store());
            let teller = Teller { feed, store, inbox };
            // it ends with `stop`, and nothing waits for what it tells
            tokio::spawn(teller.run());
        }
        if let Some(listener) = self.listener.take() {
            let metrics = Arc::clone(&self.metrics);
            let serving = api::serve(listener, routes(state), metrics, self.stop.clone());
            self.serving = Some(tokio::spawn(serving));
        }
        self.address
    }

    /// Until `stop`, or until `failed` or the database turns out to be something that a person has to mend.
    pub async fn stopped(
        &mut self,
        failed: impl Future<Output = StoreError>,
    ) -> Result<(), StartError> {
        let outcome = tokio::select! {
            () = self.stop.cancelled() => Ok(()),
            error = self.database.failed() => Err(error.into()),
            error = failed => Err(error.into()),
        };
        self.stop.cancel();
        outcome
    }

    pub async fn close(self) {
        if let Some(serving) = self.serving {
            told(serving.await);
        }
        self.database.close().await;
    }
}

fn facts(settings: &Settings, probing: Option<Probing>) -> Facts {
    Facts {
        database: match settings.database {
            DatabaseUrl::Sqlite(_) => "sqlite",
            DatabaseUrl::Postgres(_) => "postgres",
        },
        probing,
    }
}

/// Says so if a part ended by a fault.
pub fn told(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a part of Pingu ended badly");
    }
}

/// Lets this process have as many descriptors as its user may: a probe over HTTP can take several while it tries addresses.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
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
                "another program, or another Pingu, uses this port: stop it, or set LISTEN to another, such as 127.0.0.1:8001 \
                 (pingu poller and pingu api on one machine need one each)"
            }
            std::io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a permission: set LISTEN to a higher one, such as 127.0.0.1:8000"
            }
            _ => "set LISTEN to an address of this machine, such as 127.0.0.1:8000",
        },
        error,
    })
}
