//! Postgres, 14 or newer: the backend for more than one process, and for those who query results with SQL.
//!
//! One pool of connections reads, another writes, so that neither waits for the other; everything has a deadline. A day of results
//! is a partition ([`days`]). A poller behind PgBouncer in transaction mode works as it does without.
//!
//! A batch that returned is as durable as the server's `synchronous_commit` says.

mod codec;
mod days;
mod error;
mod figures;
mod read;
mod schema;
mod server;
mod session;
mod targets;
mod tls;
mod verdict;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::{
    Access, Change, Existing, Figures, FiguresQuery, Latest, Migrated, Recorded, ResultQuery,
    Stale, Stats, Status, Store, StoreError,
};
use crate::model::{Declared, ProbeResult, StoredResult, Target, Timestamp};
use error::{Failed, locate};
use server::Server;
use session::{Purpose, Session, Sessions};
use write::Writer;

/// Connections that read, and so queries that run at once.
const READERS: usize = 4;
/// One for batches, one for syncs, one for roll-ups.
const WRITERS: usize = 3;
/// A query is given up by the server after five seconds; this is for a server that says nothing any more.
const READ_DEADLINE: Duration = Duration::from_secs(8);
/// How long to wait for another process that migrates.
const MIGRATION_DEADLINE: Duration = Duration::from_secs(60);

/// A database on a server.
#[derive(Debug)]
pub struct PostgresStore {
    reading: Sessions,
    writing: Sessions,
    writer: Writer,
}

impl PostgresStore {
    /// Connects, creating and migrating the schema as needed. `location` is the name under which this process stores results.
    pub async fn open(url: &SecretString, location: &str) -> Result<Self, StoreError> {
        Self::open_to(Access::Write, url, location).await
    }

    /// The same for those who do not record: a server that takes no writes is enough where its schema is current.
    pub async fn open_for_reading(url: &SecretString) -> Result<Self, StoreError> {
        Self::open_to(Access::Read, url, "").await
    }

    async fn open_to(
        access: Access,
        url: &SecretString,
        location: &str,
    ) -> Result<Self, StoreError> {
        let server = Server::parse(url.expose_secret())?;
        let writing = Sessions::new(&server, WRITERS);
        bring_up_to_date(&server, &writing, access).await?;
        Ok(Self {
            reading: Sessions::new(&server, READERS),
            writing,
            writer: Writer::new(location),
        })
    }

    /// Runs a query in a transaction of its own.
    async fn read<T>(
        &self,
        query: impl AsyncFnOnce(&mut Session) -> Result<T, Failed>,
    ) -> Result<T, StoreError> {
        read(&self.reading, query).await
    }
}

/// Brings the schema up to date and does nothing else.
pub async fn migrate(url: &SecretString) -> Result<Migrated, StoreError> {
    let server = Server::parse(url.expose_secret())?;
    bring_up_to_date(&server, &Sessions::new(&server, 1), Access::Write).await
}

async fn bring_up_to_date(
    server: &Server,
    sessions: &Sessions,
    access: Access,
) -> Result<Migrated, StoreError> {
    let session = sessions.open(Purpose::Change).await?;
    let migrated = tokio::time::timeout(MIGRATION_DEADLINE, schema::migrate(session, access)).await;
    let late = |_| StoreError::Unavailable("another process is still migrating it".to_owned());
    migrated
        .map_err(late)
        .and_then(|migrated| migrated.map_err(StoreError::from))
        .map_err(|error| locate(error, &server.place))
}

async fn read<T>(
    sessions: &Sessions,
    query: impl AsyncFnOnce(&mut Session) -> Result<T, Failed>,
) -> Result<T, StoreError> {
    let work = async {
        let mut session = sessions.open(Purpose::Read).await?;
        let answer = query(&mut session).await?;
        session.finish().await?;
        Ok::<_, Failed>(answer)
    };
    let late = |_| StoreError::Unavailable("took too long".to_owned());
    let answer = tokio::time::timeout(READ_DEADLINE, work).await;
    Ok(answer.map_err(late)??)
}

#[async_trait]
impl Store for PostgresStore {
    async fn sync_targets(
        &self,
        declared: &[Declared],
        now: Timestamp,
    ) -> Result<Vec<Change>, StoreError> {
        targets::sync(&self.writing, declared, now).await
    }

    async fn targets(&self, status: Status) -> Result<Vec<Target>, StoreError> {
        self.read(async |session| targets::list(session, status).await)
            .await
    }

    async fn target(&self, reference: &str) -> Result<Option<Target>, StoreError> {
        self.read(async |session| targets::find(session, reference).await)
            .await
    }

    async fn record(&self, batch: Arc<[ProbeResult]>) -> Result<Recorded, StoreError> {
        self.writer.record(&self.writing, &batch).await
    }

    async fn results(&self, query: &ResultQuery) -> Result<Vec<StoredResult>, StoreError> {
        self.read(async |session| read::results(session, query).await)
            .await
    }

    async fn latest_by_target(&self) -> Result<Vec<Latest>, StoreError> {
        self.read(read::latest_by_target).await
    }

    async fn figures(&self, query: &FiguresQuery) -> Result<Vec<Figures>, StoreError> {
        self.read(async |session| figures::read(session, query).await)
            .await
    }

    async fn stale(&self) -> Result<Vec<Stale>, StoreError> {
        self.read(figures::stale).await
    }

    async fn roll_up(&self, stale: Stale, figures: Vec<Figures>) -> Result<(), StoreError> {
        let work = async {
            let mut session = self.writing.open(Purpose::Write).await?;
            figures::write(&mut session, stale, &figures).await?;
            session.finish().await
        };
        let late = |_| StoreError::Unavailable("rolling up took too long".to_owned());
        let written: Result<(), Failed> = tokio::time::timeout(READ_DEADLINE, work)
            .await
            .map_err(late)?;
        Ok(written?)
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        self.read(read::stats).await
    }

    async fn close(&self) {
        // a batch under way ends first
        self.writer.finish().await;
        self.writing.close();
        self.reading.close();
    }
}

/// The targets that a database knows, without creating, changing or locking it. Nothing when it has no schema of Pingu's yet, or
/// one that is older than this program's and will be migrated at the next start.
pub async fn known_targets(url: &SecretString) -> Result<Option<Vec<Existing>>, StoreError> {
    let server = Server::parse(url.expose_secret())?;
    let sessions = Sessions::new(&server, 1);
    read(&sessions, async |session| {
        if schema::is_current(session).await? {
            return Ok(Some(targets::load(session, None).await?));
        }
        Ok(None)
    })
    .await
}
