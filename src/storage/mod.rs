//! Results rest here: one trait, one folder a backend, all SQL of the project.
//!
//! [`Store`] is everything the rest of Pingu may ask of a database. Each backend passes the one conformance suite in
//! `tests/it/conformance.rs`. Only this room knows SQL; results enter through the [`recorder`] alone.

mod day;
mod plan;
pub mod postgres;
pub mod recorder;
mod row;
pub mod sqlite;
mod verdict;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::model::{Declared, ProbeResult, StoredResult, Summary, Target, TargetId, Timestamp};

pub use plan::{Change, Existing, SyncPlan};

/// A database of targets and results.
///
/// Methods may be called from any task. Reads see every write that returned before they began. None blocks the runtime.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Makes the database agree with the file, in one transaction: new targets get an id, known ones are updated, those the file
    /// no longer has are disabled and stay.
    async fn sync_targets(
        &self,
        declared: &[Declared],
        now: Timestamp,
    ) -> Result<Vec<Change>, StoreError>;

    /// Targets ordered by name.
    async fn targets(&self, status: Status) -> Result<Vec<Target>, StoreError>;

    /// The target with this id, the file's own id or, failing both, this name. A name that the file uses wins over a past one.
    async fn target(&self, reference: &str) -> Result<Option<Target>, StoreError>;

    /// Stores a batch in one transaction, all or nothing. A slot that is stored already stays as it is.
    async fn record(&self, batch: Arc<[ProbeResult]>) -> Result<Recorded, StoreError>;

    /// Results, newest first.
    async fn results(&self, query: &ResultQuery) -> Result<Vec<StoredResult>, StoreError>;

    /// The newest result of every enabled target that has one, ordered by target name.
    async fn latest_by_target(&self) -> Result<Vec<Latest>, StoreError>;

    /// The figures of `since <= ts < until`: of one target, or of every enabled one, ordered by name.
    async fn summaries(
        &self,
        target: Option<TargetId>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<TargetSummary>, StoreError>;

    /// What `/health` reports. Cheap, and proof that the database answers.
    async fn stats(&self) -> Result<Stats, StoreError>;

    /// Ends all work and closes the database; what was recorded is on disk.
    async fn close(&self);
}

/// Which targets to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Enabled,
    Disabled,
    All,
}

/// Which results to read: `since <= ts < until`, the newest `limit` of them.
#[derive(Debug, Clone)]
pub struct ResultQuery {
    /// One target, or all.
    pub target: Option<TargetId>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub limit: usize,
}

/// What became of a batch: the three add up to its size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    pub stored: u64,
    /// The slot had a row already.
    pub duplicate: u64,
    /// It cannot be stored: no such target in this database, or a value that it does not take.
    pub quarantined: u64,
}

impl std::ops::AddAssign for Recorded {
    fn add_assign(&mut self, other: Self) {
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.quarantined += other.quarantined;
    }
}

/// A target's newest result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    pub stored: StoredResult,
    /// When the present outcome began.
    pub since: Timestamp,
}

/// A target and its figures.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetSummary {
    pub target: TargetId,
    pub name: String,
    pub summary: Summary,
}

/// The state of the whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    pub enabled_targets: u64,
    /// Of the enabled targets; zero when there is none.
    pub largest_interval: std::time::Duration,
    pub last_result: Option<Timestamp>,
}

/// Why a database did not do what was asked, by what the caller can do about it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Try again later: locked, full, gone, too slow. Nothing was changed.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// The file or schema is not one that this program can use; trying again does not help.
    #[error("{0}")]
    Unusable(String),
    /// A fault of this program or of the data: trying again does not help.
    #[error("database error: {0}")]
    Fault(String),
}
