//! What readers ask for all the time, read once for all of them: the targets, their newest results, the state of the whole.
//!
//! Everything here is at most [`super::fresh::LIFETIME`] old, costs the database the same whatever the number of readers, and is an
//! error where the database does not answer. The targets are read again only when one of them has changed.

use std::sync::{Arc, OnceLock};

use tokio::sync::OnceCell;

use super::error::ApiError;
use super::fresh::Fresh;
use super::representation::Encoded;
use super::selection;
use crate::clock::Clock;
use crate::model::{Target, TargetId, TargetMap, Timestamp};
use crate::storage::{Existing, Latest, Roster, Stats, Status, Store, StoreError};

/// What one process has read last.
#[derive(Debug)]
pub struct Snapshots {
    store: Arc<dyn Store>,
    clock: Clock,
    listing: Fresh<Listing>,
    newest: Fresh<Snapshot>,
    stats: Fresh<Stats>,
}

/// The targets at one moment.
#[derive(Debug)]
pub struct Listing {
    /// When they were read.
    pub at: Timestamp,
    known: Arc<Known>,
    /// The answer to a plain `/targets`.
    pub body: OnceCell<Arc<Encoded>>,
}

/// Targets that no change has made another roster of.
#[derive(Debug)]
struct Known {
    roster: Roster,
    /// The answers to `/targets/{id}`.
    bodies: Vec<OnceLock<Arc<Encoded>>>,
    /// What `q` looks at, in lower case.
    words: OnceLock<Vec<String>>,
}

/// The targets and the newest result of each enabled one.
#[derive(Debug)]
pub struct Snapshot {
    pub listing: Arc<Listing>,
    /// When the results were read.
    pub at: Timestamp,
    /// The newest first.
    pub latest: Vec<Latest>,
    by_target: TargetMap<usize>,
    /// The answer to a plain `/results/latest-by-target`.
    pub body: OnceCell<Arc<Encoded>>,
}

impl Snapshots {
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Self {
        Self {
            store,
            clock,
            listing: Fresh::default(),
            newest: Fresh::default(),
            stats: Fresh::default(),
        }
    }

    /// The targets and their newest results.
    pub async fn current(&self) -> Result<Arc<Snapshot>, StoreError> {
        let listing = self.listing().await?;
        let (store, clock) = (Arc::clone(&self.store), self.clock);
        let read = |_| async move {
            let at = clock.now();
            let latest = store.latest_by_target().await?;
            Ok(Snapshot::new(listing, at, latest))
        };
        self.newest.value(read).await
    }

    /// The targets alone.
    pub async fn listing(&self) -> Result<Arc<Listing>, StoreError> {
        let (store, clock) = (Arc::clone(&self.store), self.clock);
        let read = |last: Option<Arc<Listing>>| async move {
            let at = clock.now();
            let known = last.map(|last| Arc::clone(&last.known));
            let stamp = known.as_ref().map(|known| known.roster.stamp);
            let known = match (store.roster(stamp).await?, known) {
                (Some(roster), _) => Arc::new(Known::new(roster)),
                (None, Some(known)) => known,
                (None, None) => {
                    let fault = "the database gave no targets to compare with";
                    return Err(StoreError::Fault(fault.to_owned()));
                }
            };
            Ok(Listing {
                at,
                known,
                body: OnceCell::new(),
            })
        };
        self.listing.value(read).await
    }

    /// The target that a reference names, as the store has it.
    pub async fn target(&self, reference: &str) -> Result<Option<Target>, ApiError> {
        match self.listing().await?.find(reference) {
            Some((target, _)) => Ok(Some(Target {
                id: target.id,
                spec: target.spec.clone(),
            })),
            // it may have come just now, or be a past name
            None => Ok(self.store.target(reference).await?),
        }
    }

    /// What `/health` reports.
    pub async fn stats(&self) -> Result<Stats, StoreError> {
        let store = Arc::clone(&self.store);
        let read = |_| async move { store.stats().await };
        self.stats.value(read).await.map(|stats| *stats)
    }
}

impl Listing {
    /// Ordered by name.
    pub fn targets(&self, status: Status) -> impl Iterator<Item = &Existing> {
        self.known
            .roster
            .targets
            .iter()
            .filter(move |target| is_of(target, status))
    }

    /// Those of them in whose texts this part occurs; it is in lower case.
    pub fn targets_with<'a>(
        &'a self,
        status: Status,
        part: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Existing> {
        let all = &self.known.roster.targets;
        let make = || all.iter().map(selection::words).collect();
        let words = part.map(|part| (part, self.known.words.get_or_init(make)));
        let matching = move |index: usize| {
            words.is_none_or(|(part, words): (_, &Vec<String>)| words[index].contains(part))
        };
        all.iter()
            .enumerate()
            .filter(move |(index, target)| is_of(target, status) && matching(*index))
            .map(|(_, target)| target)
    }

    /// The target with this id.
    pub fn target(&self, id: TargetId) -> Option<&Existing> {
        self.known.roster.target(id)
    }

    /// The target that a reference names, and the place of the answer that shows it.
    pub fn find(&self, reference: &str) -> Option<(&Existing, &OnceLock<Arc<Encoded>>)> {
        let index = self.known.roster.find(reference)?;
        Some((&self.known.roster.targets[index], &self.known.bodies[index]))
    }
}

fn is_of(target: &Existing, status: Status) -> bool {
    match status {
        Status::Enabled => target.spec.enabled,
        Status::Disabled => !target.spec.enabled,
        Status::All => true,
    }
}

impl Known {
    fn new(roster: Roster) -> Self {
        Self {
            bodies: roster.targets.iter().map(|_| OnceLock::new()).collect(),
            words: OnceLock::new(),
            roster,
        }
    }
}

impl Snapshot {
    fn new(listing: Arc<Listing>, at: Timestamp, latest: Vec<Latest>) -> Self {
        let places = latest.iter().enumerate();
        Self {
            by_target: places
                .map(|(index, latest)| (latest.stored.result.target, index))
                .collect(),
            listing,
            at,
            latest,
            body: OnceCell::new(),
        }
    }

    /// The newest result of a target; none of one that is disabled or has none.
    pub fn latest_of(&self, target: TargetId) -> Option<&Latest> {
        self.by_target
            .get(&target)
            .map(|&index| &self.latest[index])
    }

    /// All targets, ordered by name.
    pub fn all(&self) -> &[Existing] {
        &self.listing.known.roster.targets
    }

    /// The enabled targets, ordered by name, each with its newest result.
    pub fn enabled(&self) -> impl Iterator<Item = (&Existing, Option<&Latest>)> {
        self.listing
            .targets(Status::Enabled)
            .map(|target| (target, self.latest_of(target.id)))
    }
}
