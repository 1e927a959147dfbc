//! Results rest here: one trait, one folder a backend, all SQL of the project.
//!
//! [`Store`] is everything the rest of Pingu may ask of a database. Each backend passes the one conformance suite in
//! `tests/it/conformance.rs`. Only this room knows SQL; results enter through the [`recorder`] alone.

mod awaited;
pub mod beats;
mod block;
mod chain;
mod day;
mod figures;
mod floor;
pub mod history;
mod identity;
pub mod incident;
mod memory;
mod plan;
pub mod postgres;
pub mod recorder;
pub mod retention;
pub mod rollup;
pub mod roster;
mod row;
mod segment;
pub mod spool;
pub mod sqlite;
mod standing;
mod verdict;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::model::{
    Declared, ProbeResult, StoredResult, Summary, Target, TargetId, TargetMap, Timestamp,
};

pub use awaited::Awaited;
use beats::{BeatQuery, Found};
pub use chain::Presented;
pub use day::Day;
pub use floor::{Floors, Kept, NO_FLOOR, Progress, Removed};
pub use identity::Identities;
pub use incident::{IncidentQuery, IncidentStore};
pub use plan::{Change, Existing, SyncPlan};
pub use roster::{Roster, Stamp};
pub use standing::{Stamps, Standing};

/// How far the clocks of several pollers may be apart.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// A database of targets and results.
///
/// Methods may be called from any task. Reads see every write that returned before they began. None blocks the runtime.
#[async_trait]
pub trait Store: IncidentStore + fmt::Debug + Send + Sync + 'static {
    /// Makes the database agree with the file, in one transaction: new targets get an id, known ones are updated, those the file
    /// no longer has are disabled and stay; incidents of those that are not probed any more end. What was stored under a clock that has been set back since no longer counts as newest.
    async fn sync_targets(
        &self,
        declared: &[Declared],
        now: Timestamp,
    ) -> Result<Vec<Change>, StoreError>;

    /// Targets ordered by name.
    async fn targets(&self, status: Status) -> Result<Vec<Target>, StoreError>;

    /// The target with this id, the file's own id or, failing both, this name. A name that the file uses wins over a past one.
    async fn target(&self, reference: &str) -> Result<Option<Target>, StoreError>;

    /// Stores a batch in one transaction, all or nothing. A slot that is stored already stays as it is; one of a day below the floor
    /// of results is not stored.
    async fn record(&self, batch: Arc<[ProbeResult]>) -> Result<Recorded, StoreError>;

    /// Every target, if any was changed since this stamp.
    async fn roster(&self, known: Option<Stamp>) -> Result<Option<Roster>, StoreError>;

    /// Results, newest first; of one slot the last that was stored first.
    async fn results(&self, query: &ResultQuery) -> Result<Vec<StoredResult>, StoreError>;

    /// The newest result of every enabled target that has one; the newest of them first.
    async fn latest_by_target(&self) -> Result<Vec<Latest>, StoreError>;

    /// The newest results of every enabled target, a few bytes of each, as far as they are not known.
    async fn beats(&self, query: &BeatQuery) -> Result<Found, StoreError>;

    /// What a target presented last to prove who it is, at each location; the newest first. What was seen stays when later probes see
    /// nothing.
    async fn certificates(&self, target: TargetId) -> Result<Vec<Presented>, StoreError>;

    /// When the first certificate ends of those that each enabled target presented last, wherever that was.
    async fn expiries(&self) -> Result<TargetMap<Timestamp>, StoreError>;

    /// The figures of a span of history, by series and where asked by bucket; nothing where there is no result.
    async fn figures(&self, query: &FiguresQuery) -> Result<Vec<Figures>, StoreError>;

    /// The buckets whose roll-ups do not agree with what they are made of, the oldest first of each resolution.
    async fn stale(&self) -> Result<Vec<Stale>, StoreError>;

    /// What tells whether roll-ups that were read earlier are still those of the hours that touch this span.
    async fn standing(&self, since: Timestamp, until: Timestamp) -> Result<Standing, StoreError>;

    /// Writes the roll-ups of a bucket with a new stamp, and calls it settled unless it was marked again since `stale` was read.
    /// Nothing is written where what they are made of is no longer kept, as the roll-ups know more than is left, or where another
    /// process has settled the bucket meanwhile, as it may know more than `figures`.
    async fn roll_up(&self, stale: Stale, figures: Vec<Figures>) -> Result<(), StoreError>;

    /// From which days on history is kept.
    async fn floors(&self) -> Result<Floors, StoreError>;

    /// The days that something is kept of at this resolution, the oldest first; what is below the floor waits to be deleted.
    async fn days(&self, resolution: Resolution) -> Result<Vec<Kept>, StoreError>;

    /// Raises the floor above a day, if all that lies below is in the roll-ups made of it, then deletes a piece of the day that
    /// holds up nobody for long. To be called again until nothing is left.
    async fn drop_day(&self, resolution: Resolution, day: Day) -> Result<Progress, StoreError>;

    /// Deletes some of what results said alike and none that is kept says any more. Gives how many; none when there are no more.
    async fn forget_verdicts(&self) -> Result<u64, StoreError>;

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

/// Which results to read: `since <= ts < until`, the newest `limit` of them that come after `after`.
#[derive(Debug, Clone)]
pub struct ResultQuery {
    /// One target, or all.
    pub target: Option<TargetId>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// The slot and the id of the result after which to go on, which need not be there any more.
    pub after: Option<(Timestamp, i64)>,
    pub limit: usize,
}

impl ResultQuery {
    /// What can be wanted at all ends here: `until`, or right after the slot to go on after.
    fn end(&self) -> Timestamp {
        let until = self.until.unwrap_or(Timestamp::MAX);
        self.after.map_or(until, |(slot, _)| {
            until.min(slot.saturating_add(Duration::from_micros(1)))
        })
    }

    /// Any result of before this instant may be wanted, whatever its id.
    fn settled_end(&self) -> Timestamp {
        self.after
            .map_or(self.end(), |(slot, _)| self.end().min(slot))
    }
}

/// What became of a batch: the four add up to its size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    pub stored: u64,
    /// The slot had a row already.
    pub duplicate: u64,
    /// It cannot be stored: no such target in this database, or a value that it does not take.
    pub quarantined: u64,
    /// Its day is below the floor of results: what was kept of it has been dropped.
    pub too_old: u64,
}

impl std::ops::AddAssign for Recorded {
    fn add_assign(&mut self, other: Self) {
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.quarantined += other.quarantined;
        self.too_old += other.too_old;
    }
}

/// A target's newest result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    pub stored: StoredResult,
    /// When the present outcome began.
    pub since: Timestamp,
}

/// How finely history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resolution {
    /// Every result.
    Raw,
    FiveMinutes,
    Hour,
}

/// Which figures to read: those of `since <= ts < until`. For roll-ups both must lie on bucket boundaries.
#[derive(Debug, Clone, Copy)]
pub struct FiguresQuery {
    pub resolution: Resolution,
    /// One target, or all.
    pub target: Option<TargetId>,
    pub since: Timestamp,
    pub until: Timestamp,
    /// The width of the buckets to sum up, aligned to 1970; nothing for one sum of the whole span.
    pub step: Option<Duration>,
}

/// The figures of one series in one bucket, or in the whole span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// The backend's own name of the series.
    pub series: i64,
    pub target: TargetId,
    /// Where the bucket, or the span, begins.
    pub at: Timestamp,
    pub summary: Summary,
}

/// A bucket whose roll-ups have to be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale {
    pub resolution: Resolution,
    pub bucket: Timestamp,
    /// How often it was marked; it is settled only if that is still so.
    pub marks: i64,
}

impl Resolution {
    /// The finest first.
    pub const ALL: [Self; 3] = [Self::Raw, Self::FiveMinutes, Self::Hour];

    /// What a roll-up of this resolution is made of.
    pub const fn parts(self) -> Option<Self> {
        match self {
            Self::Raw => None,
            Self::FiveMinutes => Some(Self::Raw),
            Self::Hour => Some(Self::FiveMinutes),
        }
    }

    /// The width of a bucket; a raw result has none.
    pub const fn width(self) -> Option<Duration> {
        match self {
            Self::Raw => None,
            Self::FiveMinutes => Some(Duration::from_secs(300)),
            Self::Hour => Some(Duration::from_secs(3600)),
        }
    }

    /// The resolution whose buckets are so many seconds wide.
    fn of_width(seconds: i64) -> Option<Self> {
        [Self::FiveMinutes, Self::Hour].into_iter().find(|it| {
            it.width()
                .is_some_and(|width| width.as_secs() == seconds.unsigned_abs())
        })
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
        }
    }
}

/// The state of the whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    pub enabled_targets: u64,
    /// Of the enabled targets; zero when there is none.
    pub largest_interval: Duration,
    pub last_result: Option<Timestamp>,
}

/// What a process wants of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To ask it only: a server that takes no writes will do, if its schema is current.
    Read,
    Write,
}

/// What bringing a schema up to date did, by its numbered versions; 0 is an empty database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    pub from: i64,
    pub to: i64,
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
    /// What was asked contradicts what is stored, or itself: the targets file has to change.
    #[error("{0}")]
    Conflict(String),
    /// A fault of this program or of the data: trying again does not help.
    #[error("database error: {0}")]
    Fault(String),
}
