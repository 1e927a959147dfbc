//! Postgres, 14 or newer: the backend for more than one process, and for those who query results with SQL.
//!
//! One pool of connections reads, another writes, so that neither waits for the other; everything has a deadline. A day of results
//! is a partition ([`days`]). A poller behind PgBouncer in transaction mode works as it does without.
//!
//! A batch that returned is as durable as the server's `synchronous_commit` says.

mod beats;
mod certificate;
mod codec;
mod days;
mod error;
mod figures;
mod incident;
mod read;
mod retention;
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

use super::beats::{BeatQuery, Found};
use super::{
    Access, Change, Day, Existing, Figures, FiguresQuery, Floors, Kept, Latest, Migrated,
    Presented, Progress, Recorded, Resolution, ResultQuery, Roster, Stale, Stamp, Standing, Stats,
    Status, Store, StoreError,
};
use crate::model::{Declared, ProbeResult, StoredResult, Target, TargetId, TargetMap, Timestamp};
use error::{Failed, locate};
use server::Server;
use session::{Purpose, Session, Sessions};
use write::Writer;

/// Connections that read, and so queries that run at once.
const READERS: usize = 4;
/// One each for batches, syncs, roll-ups and retention.
const WRITERS: usize = 4;
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

    /// Runs work of the house, beside the batches.
    async fn change<T>(
        &self,
        what: &str,
        work: impl AsyncFnOnce(Session) -> Result<T, Failed>,
    ) -> Result<T, StoreError> {
        let work = async { work(self.writing.open(Purpose::Write).await?).await };
        let late = |_| StoreError::Unavailable(format!("{what} took too long"));
        let done: Result<T, Failed> = tokio::time::timeout(READ_DEADLINE, work)
            .await
            .map_err(late)?;
        Ok(done?)
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

    async fn roster(&self, known: Option<Stamp>) -> Result<Option<Roster>, StoreError> {
        self.read(async |session| targets::roster(session, known).await)
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

    async fn beats(&self, query: &BeatQuery) -> Result<Found, StoreError> {
        self.read(async |session| beats::read(session, query).await)
            .await
    }

    async fn certificates(&self, target: TargetId) -> Result<Vec<Presented>, StoreError> {
        self.read(async |session| certificate::read(session, target).await)
            .await
    }

    async fn expiries(&self) -> Result<TargetMap<Timestamp>, StoreError> {
        self.read(async |session| certificate::expiries(session).await)
            .await
    }

    async fn figures(&self, query: &FiguresQuery) -> Result<Vec<Figures>, StoreError> {
        self.read(async |session| figures::read(session, query).await)
            .await
    }

    async fn stale(&self) -> Result<Vec<Stale>, StoreError> {
        self.read(figures::stale).await
    }

    async fn standing(&self, since: Timestamp, until: Timestamp) -> Result<Standing, StoreError> {
        self.read(async |session| figures::standing(session, since, until).await)
            .await
    }

    async fn roll_up(&self, stale: Stale, figures: Vec<Figures>) -> Result<(), StoreError> {
        self.change("rolling up", async |mut session| {
            figures::write(&mut session, stale, &figures).await?;
            session.finish().await
        })
        .await
    }

    async fn floors(&self) -> Result<Floors, StoreError> {
        self.read(retention::floors).await
    }

    async fn days(&self, resolution: Resolution) -> Result<Vec<Kept>, StoreError> {
        self.read(async |session| retention::days(session, resolution).await)
            .await
    }

    async fn drop_day(&self, resolution: Resolution, day: Day) -> Result<Progress, StoreError> {
        self.change("dropping a day", async |session| {
            retention::drop_day(session, resolution, day).await
        })
        .await
    }

    async fn forget_verdicts(&self) -> Result<u64, StoreError> {
        self.change("forgetting verdicts", async |mut session| {
            let forgotten = retention::forget_verdicts(&mut session).await?;
            session.finish().await?;
            Ok(forgotten)
        })
        .await
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
