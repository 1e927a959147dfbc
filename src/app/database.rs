//! From the setting to a database: opens it, or goes on without one that is away until it is back.
//!
//! A server that cannot be reached is waited for, and meanwhile every part works as it does in an outage. What a person has to mend
//! (a password, a database that is missing, a newer schema) is an error whenever it is found. A file of SQLite is here or it is not:
//! there is nothing to wait for.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{DatabaseUrl, Settings};
use crate::storage::postgres::{self, PostgresStore};
use crate::storage::sqlite::{self, SqliteStore};
use crate::storage::{Access, Awaited, Existing, Migrated, Store, StoreError};

/// How long a start waits for a server before it goes on without: a probe and an answer of `/health` must not wait any longer.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// From one trial to the next, growing from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// A database that is open, or will be.
#[derive(Debug)]
pub struct Database {
    pub store: Arc<dyn Store>,
    /// Fires when it is open.
    pub reached: CancellationToken,
    opening: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Database {
    /// Opens it. Fails only with what a person has to mend.
    pub async fn open(settings: &Settings, access: Access) -> Result<Self, StoreError> {
        let reached = CancellationToken::new();
        if matches!(settings.database, DatabaseUrl::Sqlite(_)) {
            reached.cancel();
            return Ok(Self {
                store: connect(settings, access).await?,
                reached,
                opening: None,
            });
        }
        let awaited = Arc::new(Awaited::default());
        let waiting = Waiting {
            store: Arc::clone(&awaited),
            reached: reached.clone(),
        };
        let mut opening = tokio::spawn(reach(settings.clone(), access, waiting));
        let opening = match tokio::time::timeout(FIRST_LOOK, &mut opening).await {
            Ok(opened) => {
                ended(opened)?;
                None
            }
            Err(_) => Some(opening),
        };
        Ok(Self {
            store: awaited,
            reached,
            opening,
        })
    }

    /// Says why a database that was away at the start cannot be used after all. Never ends if it can.
    pub async fn failed(&mut self) -> StoreError {
        if let Some(opening) = &mut self.opening {
            let opened = ended(opening.await);
            self.opening = None;
            if let Err(error) = opened {
                return error;
            }
        }
        pending().await
    }

    pub async fn close(self) {
        if let Some(opening) = self.opening {
            opening.abort();
        }
        self.store.close().await;
    }
}

fn ended(opened: Result<Result<(), StoreError>, tokio::task::JoinError>) -> Result<(), StoreError> {
    opened.unwrap_or_else(|error| Err(StoreError::Fault(format!("opening it failed: {error}"))))
}

/// What is waiting for the server.
struct Waiting {
    store: Arc<Awaited>,
    reached: CancellationToken,
}

/// Tries until the server answers.
async fn reach(settings: Settings, access: Access, waiting: Waiting) -> Result<(), StoreError> {
    let started = Instant::now();
    let mut said = None;
    let mut pause = FIRST_PAUSE;
    loop {
        match connect(&settings, access).await {
            Ok(store) => {
                if said.is_some() {
                    let seconds = started.elapsed().as_secs_f64();
                    tracing::info!(seconds, "the database is there");
                }
                waiting.store.arrive(store);
                waiting.reached.cancel();
                return Ok(());
            }
            Err(StoreError::Unavailable(reason)) => {
                // once for each reason: one line tells what is waited for, the next what changed
                if said.as_ref() != Some(&reason) {
                    tracing::warn!(database = %settings.database, %reason, "waiting for the database, trying again every second");
                    said = Some(reason);
                }
            }
            Err(error) => return Err(error),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

async fn connect(settings: &Settings, access: Access) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match (&settings.database, access) {
        (DatabaseUrl::Sqlite(path), _) => Arc::new(SqliteStore::open(path, &settings.location)?),
        (DatabaseUrl::Postgres(url), Access::Read) => {
            Arc::new(PostgresStore::open_for_reading(url).await?)
        }
        (DatabaseUrl::Postgres(url), Access::Write) => {
            Arc::new(PostgresStore::open(url, &settings.location).await?)
        }
    })
}

/// Brings the schema up to date. A server that is away is an error.
pub async fn migrate(settings: &Settings) -> Result<Migrated, StoreError> {
    match &settings.database {
        DatabaseUrl::Sqlite(path) => sqlite::migrate(path),
        DatabaseUrl::Postgres(url) => postgres::migrate(url).await,
    }
}

/// The targets that the database knows; nothing when there is no database yet.
pub async fn known_targets(settings: &Settings) -> Result<Option<Vec<Existing>>, StoreError> {
    match &settings.database {
        DatabaseUrl::Sqlite(path) => sqlite::known_targets(path),
        DatabaseUrl::Postgres(url) => postgres::known_targets(url).await,
    }
}
