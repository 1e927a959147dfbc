//! The spool as the recorder sees it: one piece of work at a time on a thread for blocking, and the account of what lies there.
//!
//! Promises that every result handed to it is at any moment in the spool or in memory, and counted in one of the two. A spool that
//! fails is closed and opened again after a while; its results stay where they are, and new ones go back to the recorder's memory.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Batch;
use super::errand::{self, Ended};
use super::lane::Flight;
use crate::metrics::{Dropped, Metrics};
use crate::model::Timestamp;
use crate::storage::spool::{Chunk, Load, Place, Quarantined, Spool, SpoolError, Work};

/// Refused results that wait to be written; the log has named those that no longer fit.
const ASIDE: usize = 10_000;

/// What the recorder wants of the spool.
#[derive(Debug, Default)]
pub struct Chores {
    /// Results that are to be in the spool and nowhere else.
    pub keep: Option<Batch>,
    /// Flights, by number, that are to be in the spool as well.
    pub insure: Vec<(u64, Batch)>,
    /// Chunks that are under way to the database.
    pub protect: HashSet<i64>,
    /// What to read afterwards.
    pub load: Option<Load>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Settled {
    /// Flights and the chunks that hold them now.
    pub insured: Vec<(u64, i64)>,
    /// Flights that no spool of this size can hold.
    pub too_large: Vec<u64>,
    /// Results that could not be written.
    pub returned: Vec<Batch>,
    /// Nothing if nothing was read.
    pub loaded: Option<Vec<Chunk>>,
}

#[derive(Debug)]
pub struct Shelf {
    place: Place,
    metrics: Arc<Metrics>,
    reopen: Duration,
    state: State,
    /// Why it cannot be used at present; that was said.
    trouble: Option<Trouble>,
    /// It drops results at present, and that was said.
    is_full: bool,
    last_chunk: i64,
    /// Results that lie there and are not stored yet.
    spooled: u64,
    /// Chunks that are stored but not deleted yet, with their sizes.
    owed: Vec<(i64, u64)>,
    aside: VecDeque<Quarantined>,
    writing: Vec<Writing>,
}

#[derive(Debug)]
enum State {
    Open(Spool),
    Closed { retry: Instant },
    Busy(JoinHandle<Ended>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Opening,
    /// Over only when something was written: a full disk can be opened.
    Working,
}

/// A chunk that is being written.
#[derive(Debug)]
struct Writing {
    chunk: i64,
    results: Batch,
    owner: Owner,
}

/// Who else has its results.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    Nobody,
    Flight(u64),
    /// The database: the chunk is to be deleted as soon as it is there.
    Database,
}

impl Shelf {
    pub fn new(
        place: Place,
        spool: Option<Spool>,
        metrics: Arc<Metrics>,
        reopen: Duration,
    ) -> Self {
        let retry = Instant::now() + reopen;
        let mut shelf = Self {
            place,
            metrics,
            reopen,
            trouble: spool.is_none().then_some(Trouble::Opening),
            state: State::Closed { retry },
            is_full: false,
            last_chunk: 0,
            spooled: 0,
            owed: Vec::new(),
            aside: VecDeque::new(),
            writing: Vec::new(),
        };
        if let Some(spool) = spool {
            shelf.opened(&spool);
            shelf.publish(spool.bytes(), spool.begins());
            shelf.state = State::Open(spool);
        }
        shelf
    }

    /// Whether work can be given to it now. A spool that failed is opened again when its time has come.
    pub fn is_idle(&mut self, now: Instant) -> bool {
        if let State::Closed { retry } = self.state
            && now >= retry
        {
            let place = self.place.clone();
            self.state = State::Busy(tokio::task::spawn_blocking(move || errand::open(&place)));
        }
        matches!(self.state, State::Open(_))
    }

    /// Begins a piece of work. Only while it is idle.
    pub fn start(&mut self, chores: Chores) {
        let kept = chores.keep.map(|batch| (Owner::Nobody, batch));
        let insured = chores.insure.into_iter();
        let insured = insured.map(|(number, batch)| (Owner::Flight(number), batch));
        for (owner, results) in insured.chain(kept) {
            self.last_chunk += 1;
            self.writing.push(Writing {
                chunk: self.last_chunk,
                results,
                owner,
            });
        }
        let mut work = Work {
            delete: self.owed.iter().map(|(chunk, _)| *chunk).collect(),
            quarantine: self.aside.iter().cloned().collect(),
            append: self
                .writing
                .iter()
                .map(|it| (it.chunk, Arc::clone(&it.results)))
                .collect(),
            protect: chores.protect,
            load: chores.load,
        };
        work.protect.extend(self.writing.iter().map(|it| it.chunk));
        if !work.writes() && work.load.is_none() {
            return;
        }
        let retry = Instant::now();
        match std::mem::replace(&mut self.state, State::Closed { retry }) {
            State::Open(spool) => {
                let task = tokio::task::spawn_blocking(move || errand::perform(spool, &work));
                self.state = State::Busy(task);
            }
            other => self.state = other,
        }
    }

    /// The end of the work under way; never, while there is none.
    pub async fn settled(&mut self) -> Settled {
        let State::Busy(task) = &mut self.state else {
            return std::future::pending().await;
        };
        match task.await {
            Ok(ended) => self.settle(ended),
            Err(panic) => {
                let error = SpoolError::Unavailable(panic.to_string());
                self.failed(&error, Trouble::Working);
                self.unwritten()
            }
        }
    }

    fn settle(&mut self, ended: Ended) -> Settled {
        let (spool, done) = match ended.outcome {
            Ok(it) => it,
            Err(error) => {
                let trouble = if ended.was_opening {
                    Trouble::Opening
                } else {
                    Trouble::Working
                };
                self.failed(&error, trouble);
                return self.unwritten();
            }
        };
        let is_over = match self.trouble {
            Some(Trouble::Opening) => ended.was_opening,
            Some(Trouble::Working) => ended.has_written,
            None => false,
        };
        if is_over {
            self.trouble = None;
            tracing::info!(path = %self.place.path.display(), "the spool works again");
        }
        if ended.was_opening {
            self.opened(&spool);
        }
        self.owed.drain(..ended.deleted);
        self.aside.drain(..ended.quarantined.min(self.aside.len()));
        let mut settled = Settled::default();
        for Writing {
            chunk,
            results,
            owner,
        } in std::mem::take(&mut self.writing)
        {
            let count = results.len() as u64;
            match (owner, done.too_large.contains(&chunk)) {
                (Owner::Nobody, false) => self.spooled += count,
                (Owner::Nobody, true) => self.full(count),
                (Owner::Flight(number), false) => {
                    self.spooled += count;
                    settled.insured.push((number, chunk));
                }
                (Owner::Flight(number), true) => settled.too_large.push(number),
                (Owner::Database, false) => self.owed.push((chunk, count)),
                (Owner::Database, true) => {}
            }
        }
        if done.dropped > 0 {
            self.full(done.dropped);
        }
        self.metrics.quarantined.inc_by(done.unreadable);
        self.spooled = self.spooled.saturating_sub(done.dropped + done.unreadable);
        if done.unreadable > 0 {
            tracing::error!(
                results = done.unreadable,
                "a part of the spool cannot be read and is set aside"
            );
        }
        self.is_full &= self.spooled > 0;
        settled.loaded = ended.has_loaded.then_some(done.loaded);
        self.state = State::Open(spool);
        self.publish(ended.bytes, ended.begins);
        settled
    }

    /// Compares what the file holds with what it should hold: all of it is of an earlier process when this one has begun.
    fn opened(&mut self, spool: &Spool) {
        let found = spool.results();
        let owed: u64 = self.owed.iter().map(|(_, count)| count).sum();
        let recovered = found.saturating_sub(self.spooled + owed);
        let lost = (self.spooled + owed)
            .saturating_sub(found)
            .min(self.spooled);
        if recovered > 0 {
            tracing::info!(
                results = recovered,
                "the spool holds results that are to be stored"
            );
        }
        self.metrics.recovered.inc_by(recovered);
        self.metrics.dropped(Dropped::SpoolLost, lost);
        self.spooled = self.spooled + recovered - lost;
        self.last_chunk = self.last_chunk.max(spool.last_chunk());
    }

    fn failed(&mut self, error: &SpoolError, trouble: Trouble) {
        if self.trouble.is_none() {
            tracing::error!(%error, "the spool cannot be used; results wait in memory");
            self.trouble = Some(trouble);
        }
        self.state = State::Closed {
            retry: Instant::now() + self.reopen,
        };
    }

    /// Hands back what nobody else has.
    fn unwritten(&mut self) -> Settled {
        let mut settled = Settled::default();
        for writing in std::mem::take(&mut self.writing) {
            if writing.owner == Owner::Nobody {
                settled.returned.push(writing.results);
            }
        }
        settled
    }

    fn full(&mut self, dropped: u64) {
        self.metrics.dropped(Dropped::SpoolFull, dropped);
        if !self.is_full {
            self.is_full = true;
            tracing::error!(
                max_bytes = self.place.max_bytes,
                "the spool is full: its oldest results are dropped; SPOOL_MAX_BYTES allows for more"
            );
        }
    }

    /// The database has the results of this flight: the spool need not keep them.
    pub fn stored(&mut self, flight: &Flight) {
        if let Some(writing) = self.written_for(flight) {
            writing.owner = Owner::Database;
        }
        if flight.chunks.is_empty() {
            return;
        }
        let count = flight.results.len() as u64;
        self.spooled = self.spooled.saturating_sub(count);
        // how many lie in which chunk matters to nobody but the sum
        let mut rest = count;
        for chunk in &flight.chunks {
            self.owed.push((*chunk, rest));
            rest = 0;
        }
        self.metrics.spooled.set(self.spooled as i64);
    }

    /// Whether the results of a failed flight lie in the spool or are about to.
    pub fn holds(&mut self, flight: &Flight) -> bool {
        match self.written_for(flight) {
            Some(writing) => {
                writing.owner = Owner::Nobody;
                true
            }
            None => !flight.chunks.is_empty(),
        }
    }

    fn written_for(&mut self, flight: &Flight) -> Option<&mut Writing> {
        let owner = Owner::Flight(flight.number());
        self.writing.iter_mut().find(|it| it.owner == owner)
    }

    /// Keeps what the database refused, for people.
    pub fn set_aside(&mut self, refused: Vec<Quarantined>) {
        self.aside.extend(refused);
        // the front may be under way to the file; what is cut here is cut there as well
        self.aside.truncate(ASIDE);
    }

    pub const fn spooled(&self) -> u64 {
        self.spooled
    }

    /// Results that are being written and are nowhere else.
    pub fn only_in_memory(&self) -> usize {
        let alone = self.writing.iter().filter(|it| it.owner == Owner::Nobody);
        alone.map(|it| it.results.len()).sum()
    }

    /// Whether it can be used, as far as is known.
    pub const fn is_open(&self) -> bool {
        self.trouble.is_none()
    }

    /// Nothing is under way or owed.
    pub fn is_tidy(&self) -> bool {
        !matches!(self.state, State::Busy(_)) && self.owed.is_empty() && self.aside.is_empty()
    }

    fn publish(&self, bytes: u64, begins: Option<Timestamp>) {
        self.metrics.spooled.set(self.spooled as i64);
        self.metrics.spool_bytes.set(bytes as i64);
        let begins = begins.map_or(0.0, |begins| begins.as_micros() as f64 / 1e6);
        self.metrics.spool_oldest.set(begins);
    }
}
