//! SQLite: the default backend, with nothing to install.
//!
//! One connection writes, on a thread of its own; a few others read, each query with a deadline. The file is in WAL mode, so that
//! readers and the writer never wait for each other. A day of results is a table ([`days`]).
//!
//! `synchronous=NORMAL`: killing Pingu loses nothing that was committed; a power cut may lose the last commits, never the file.

mod advice;
mod beats;
mod checkpoint;
mod codec;
mod days;
mod figures;
mod incident;
mod open;
mod read;
mod retention;
mod schema;
mod targets;
mod verdict;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::beats::{BeatQuery, Found};
use super::{
    Change, Day, Existing, Figures, FiguresQuery, Floors, Kept, Latest, Migrated, Presented,
    Progress, Recorded, Resolution, ResultQuery, Roster, Stale, Stamp, Standing, Stats, Status,
    Store, StoreError,
};
use crate::model::{Declared, ProbeResult, StoredResult, Target, TargetId, TargetMap, Timestamp};
use advice::locate;
use open::{Use, open_connection};
use write::Writer;

/// Connections that read, and so queries that run at once.
const READERS: usize = 4;
const PROMPT_READERS: usize = 2;
/// A query that takes longer is given up: it would hold back the checkpoint and its reader has gone.
const READ_DEADLINE: Duration = Duration::from_secs(8);
/// Jobs that wait for the writer; senders wait beyond it.
const QUEUED_JOBS: usize = 16;
/// Older ones can corrupt a WAL that is being reset (SQLite release notes of 3.51.3).
const OLDEST_VERSION: i32 = 3_051_003;

type Job = Box<dyn FnOnce(&mut Writer) + Send>;

/// A database in one file.
#[derive(Debug)]
pub struct SqliteStore {
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// For what may take a while.
    readers: Arc<Readers>,
    /// For what must not wait behind it: whether the database answers, and which targets there are.
    prompt: Arc<Readers>,
}

#[derive(Debug)]
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl SqliteStore {
    /// Opens the file, creating and migrating it as needed. `location` is the name under which this process stores results.
    pub fn open(path: &Path, location: &str) -> Result<Self, StoreError> {
        let (connection, _) = open_current(path)?;
        let mut writer =
            Writer::new(connection, location, path).map_err(|error| locate(error, path))?;
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUED_JOBS);
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    job(&mut writer);
                    writer.rest();
                }
                writer.close();
            })
            .map_err(|error| StoreError::Unavailable(format!("starting the writer: {error}")))?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(thread)),
            readers: Readers::new(path, READERS),
            prompt: Readers::new(path, PROMPT_READERS),
        })
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Writer) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let closed = || StoreError::Unavailable("the database is closed".to_owned());
        let jobs = lock(&self.jobs).clone().ok_or_else(closed)?;
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |writer| {
            // nobody may be waiting any more; the work is done all the same
            let _ = answer.send(job(writer));
        });
        jobs.send(job).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(query).await
    }
}

impl Readers {
    fn new(path: &Path, count: usize) -> Arc<Self> {
        Arc::new(Self {
            path: path.to_owned(),
            idle: Mutex::new(Vec::new()),
            permits: Arc::new(Semaphore::new(count)),
        })
    }

    async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        query: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let started = Instant::now();
        let waiting =
            tokio::time::timeout(READ_DEADLINE, Arc::clone(&self.permits).acquire_owned());
        let permit = waiting
            .await
            .map_err(|_| StoreError::Unavailable("too many queries at once".to_owned()))?
            .map_err(|_| StoreError::Unavailable("the database is closed".to_owned()))?;
        let readers = Arc::clone(self);
        let answer = tokio::task::spawn_blocking(move || {
            let answer = readers.run(started, query);
            // only now: whoever asked may be gone, the query is not
            drop(permit);
            answer
        });
        answer
            .await
            .map_err(|error| StoreError::Fault(format!("a query panicked: {error}")))?
    }

    fn run<T>(
        &self,
        started: Instant,
        query: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = lock(&self.idle).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open_connection(&self.path, Use::Read)?,
        };
        let overdue = move || started.elapsed() > READ_DEADLINE;
        connection
            .progress_handler(10_000, Some(overdue))
            .map_err(store_error)?;
        // all statements of a query see one state of the database
        let answer = connection
            .transaction()
            .map_err(store_error)
            .and_then(|transaction| query(&transaction));
        // a connection that failed may be the fault itself: the next query opens a new one
        if !matches!(
            answer,
            Err(StoreError::Unavailable(_) | StoreError::Unusable(_))
        ) {
            lock(&self.idle).push(connection);
        }
        answer
    }

    fn close(&self) {
        self.permits.close();
        lock(&self.idle).clear();
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn sync_targets(
        &self,
        declared: &[Declared],
        now: Timestamp,
    ) -> Result<Vec<Change>, StoreError> {
        let declared = declared.to_vec();
        self.write(move |writer| writer.sync_targets(&declared, now))
            .await
    }

    async fn targets(&self, status: Status) -> Result<Vec<Target>, StoreError> {
        self.prompt
            .read(move |connection| targets::list(connection, status))
            .await
    }

    async fn target(&self, reference: &str) -> Result<Option<Target>, StoreError> {
        let reference = reference.to_owned();
        self.prompt
            .read(move |connection| targets::find(connection, &reference))
            .await
    }

    async fn roster(&self, known: Option<Stamp>) -> Result<Option<Roster>, StoreError> {
        self.prompt
            .read(move |connection| targets::roster(connection, known))
            .await
    }

    async fn record(&self, batch: Arc<[ProbeResult]>) -> Result<Recorded, StoreError> {
        self.write(move |writer| writer.record(&batch)).await
    }

    async fn results(&self, query: &ResultQuery) -> Result<Vec<StoredResult>, StoreError> {
        let query = query.clone();
        self.read(move |connection| read::results(connection, &query))
            .await
    }

    async fn latest_by_target(&self) -> Result<Vec<Latest>, StoreError> {
        self.read(read::latest_by_target).await
    }

    async fn beats(&self, query: &BeatQuery) -> Result<Found, StoreError> {
        let query = query.clone();
        self.read(move |connection| beats::read(connection, &query))
            .await
    }

    async fn certificates(&self, target: TargetId) -> Result<Vec<Presented>, StoreError> {
        self.prompt
            .read(move |connection| read::certificates(connection, target))
            .await
    }

    async fn expiries(&self) -> Result<TargetMap<Timestamp>, StoreError> {
        self.prompt.read(read::expiries).await
    }

    async fn figures(&self, query: &FiguresQuery) -> Result<Vec<Figures>, StoreError> {
        let query = *query;
        self.read(move |connection| figures::read(connection, &query))
            .await
    }

    async fn stale(&self) -> Result<Vec<Stale>, StoreError> {
        self.read(figures::stale).await
    }

    async fn standing(&self, since: Timestamp, until: Timestamp) -> Result<Standing, StoreError> {
        self.read(move |connection| figures::standing(connection, since, until))
            .await
    }

    async fn roll_up(&self, stale: Stale, figures: Vec<Figures>) -> Result<(), StoreError> {
        self.write(move |writer| writer.roll_up(stale, &figures))
            .await
    }

    async fn floors(&self) -> Result<Floors, StoreError> {
        self.prompt.read(retention::floors).await
    }

    async fn days(&self, resolution: Resolution) -> Result<Vec<Kept>, StoreError> {
        self.read(move |connection| retention::days(connection, resolution))
            .await
    }

    async fn drop_day(&self, resolution: Resolution, day: Day) -> Result<Progress, StoreError> {
        self.write(move |writer| writer.drop_day(resolution, day))
            .await
    }

    async fn forget_verdicts(&self) -> Result<u64, StoreError> {
        self.write(Writer::forget_verdicts).await
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        self.prompt.read(read::stats).await
    }

    async fn close(&self) {
        self.readers.close();
        self.prompt.close();
        drop(lock(&self.jobs).take());
        let thread = lock(&self.writer).take();
        if let Some(thread) = thread {
            // the writer finishes what is queued, then closes the file
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Brings the schema up to date, in a new file if there is none, and does nothing else.
pub fn migrate(path: &Path) -> Result<Migrated, StoreError> {
    open_current(path).map(|(_, migrated)| migrated)
}

fn open_current(path: &Path) -> Result<(Connection, Migrated), StoreError> {
    if rusqlite::version_number() < OLDEST_VERSION {
        return Err(StoreError::Unusable(format!(
            "this build carries SQLite {}, 3.51.3 or newer is needed",
            rusqlite::version()
        )));
    }
    let mut connection = open_connection(path, Use::Write)?;
    let migrated = schema::migrate(&mut connection).map_err(|error| locate(error, path))?;
    Ok((connection, migrated))
}

/// The targets that a database knows, without creating, changing or locking it. Nothing when there is no database yet, or when
/// its schema is older than this program's and will be migrated at the next start.
pub fn known_targets(path: &Path) -> Result<Option<Vec<Existing>>, StoreError> {
    if !path.exists() {
        return Ok(None);
    }
    let connection = open_connection(path, Use::Look)?;
    if !schema::is_current(&connection).map_err(|error| locate(error, path))? {
        return Ok(None);
    }
    targets::load(&connection, None).map(Some)
}

/// Sorts SQLite's errors by what can be done about them.
#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn store_error(error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode as Code;
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => StoreError::Unavailable(
            "locked by another program; is another Pingu using it?".to_owned(),
        ),
        Some(Code::OperationInterrupted) => StoreError::Unavailable("took too long".to_owned()),
        Some(Code::DiskFull) => StoreError::Unavailable("the disk is full".to_owned()),
        Some(Code::SystemIoFailure) => {
            StoreError::Unavailable(format!("{text}; is the disk full, or failing?"))
        }
        Some(
            Code::CannotOpen
            | Code::PermissionDenied
            | Code::ReadOnly
            | Code::OutOfMemory
            | Code::FileLockingProtocolFailed,
        ) => StoreError::Unavailable(text),
        Some(Code::NotADatabase | Code::DatabaseCorrupt) => StoreError::Unusable(format!(
            "{text}; move the file away or restore a backup, Pingu creates a new one"
        )),
        _ => StoreError::Fault(text),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // what is guarded is whole at every moment: a panic elsewhere leaves it usable
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_is_one_that_this_schema_takes() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let day = days::Day(1);
        days::create(&connection, days::Kind::Results, day).unwrap();
        days::create(&connection, days::Kind::Minutes, day).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage/sql");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().ends_with(".sqlite.sql") {
                let sql = day.sql(&std::fs::read_to_string(&path).unwrap());
                let prepared = connection.prepare(&sql).map(|_| ());
                assert_eq!(prepared, Ok(()), "{}", path.display());
                count += 1;
            }
        }
        assert!(count > 20, "{count}");
    }
}
