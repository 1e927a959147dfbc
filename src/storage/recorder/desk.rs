//! Where results lie until they are stored, and the decision of what to do with them next.
//!
//! Nothing here waits: each event changes the books, and [`Desk::step`] starts whatever can be started then.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::Instant;

use super::attempt::{Refusal, Taken};
use super::lane::{Flight, Lane};
use super::outage::Outage;
use super::replay::Replay;
use super::shelf::{Chores, Settled, Shelf};
use super::{BATCH, Batch, Pace, Recorder, WAITING_RESULTS};
use crate::metrics::{Dropped, Metrics};
use crate::model::ProbeResult;
use crate::storage::Store;

pub struct Desk {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    pace: Pace,
    /// In memory alone, the oldest first.
    waiting: VecDeque<ProbeResult>,
    pub lane: Lane,
    pub shelf: Shelf,
    replay: Replay,
    /// The last turn was one of live results.
    replay_is_next: bool,
    outage: Option<Outage>,
    flushed: Instant,
    /// When `waiting` last went to the spool.
    put_away: Instant,
    /// Since when nothing more comes.
    ending: Option<Instant>,
}

impl Desk {
    pub fn new(recorder: Recorder) -> Self {
        let now = Instant::now();
        let Recorder {
            store,
            metrics,
            place,
            spool,
            pace,
        } = recorder;
        Self {
            lane: Lane::default(),
            shelf: Shelf::new(place, spool, Arc::clone(&metrics), pace.reopen),
            replay: Replay::new(now),
            replay_is_next: false,
            store,
            metrics,
            pace,
            waiting: VecDeque::new(),
            outage: None,
            flushed: now,
            put_away: now,
            ending: None,
        }
    }

    pub fn take(&mut self, taken: &mut Vec<ProbeResult>) {
        if self.waiting.is_empty() {
            // the first one's wait begins now
            self.flushed = Instant::now();
        }
        if self.waiting.len() >= BATCH {
            // what piles up has no room for certificates: later results bring them again
            for result in taken.iter_mut() {
                result.observation.measurement.chain = None;
            }
        }
        self.waiting.extend(taken.drain(..));
        let excess = self.in_memory().saturating_sub(WAITING_RESULTS);
        let excess = excess.min(self.waiting.len());
        if excess > 0 {
            self.waiting.drain(..excess);
            self.metrics.dropped(Dropped::MemoryFull, excess as u64);
        }
    }

    /// Puts results back that neither database nor spool took.
    fn put_back(&mut self, batch: &Batch) {
        let is_older = match (batch.last(), self.waiting.front()) {
            (Some(last), Some(front)) => last.slot <= front.slot,
            _ => true,
        };
        for result in batch.iter().rev() {
            let mut result = result.clone();
            result.observation.measurement.chain = None;
            self.waiting.push_front(result);
        }
        if !is_older {
            // the batch was the newest of many: the oldest are to be the first that go
            self.waiting.make_contiguous().sort_by_key(|it| it.slot);
        }
    }

    /// Results that a kill would lose.
    fn in_memory(&self) -> usize {
        self.waiting.len() + self.lane.only_in_memory() + self.shelf.only_in_memory()
    }

    /// Starts whatever can be started now.
    pub fn step(&mut self) {
        let now = Instant::now();
        if self.outage.is_some() {
            self.launch_trial(now);
        } else {
            self.launch(now);
        }
        if self.shelf.is_idle(now) {
            let chores = self.chores(now);
            self.shelf.start(chores);
        }
        self.metrics.waiting.set(self.in_memory() as i64);
    }

    /// The next batch while the database works: live results when they are due, in turns with those of the spool.
    fn launch(&mut self, now: Instant) {
        if !self.lane.is_empty() {
            return;
        }
        let waited = now - self.flushed >= self.pace.flush;
        let is_due = waited || self.waiting.len() >= BATCH || self.is_ending();
        let live = !self.waiting.is_empty() && is_due;
        let replay = self.replay.has_loaded() && self.replay.is_due(now) && !self.is_ending();
        if replay && (self.replay_is_next || !live) {
            self.fly_replay(now);
        } else if live {
            self.fly_live(now);
        }
    }

    /// One batch at a time finds out whether the database is back; several where calls get no answer at all.
    fn launch_trial(&mut self, now: Instant) {
        let Some(outage) = &mut self.outage else {
            return;
        };
        // at the end the spool is the safer place
        let is_left_to_spool = self.ending.is_some() && self.shelf.is_open();
        let has_something = !self.waiting.is_empty() || self.replay.has_loaded();
        if is_left_to_spool || !has_something || !outage.is_due(now, self.lane.len()) {
            return;
        }
        outage.tried(now + self.pace.last_retry);
        if self.waiting.is_empty() {
            self.fly_replay(now);
        } else {
            self.fly_live(now);
        }
    }

    /// The newest results first, should there be too many for one batch.
    fn fly_live(&mut self, now: Instant) {
        let start = self.waiting.len().saturating_sub(BATCH);
        let batch: Batch = self.waiting.drain(start..).collect();
        self.fly(Flight::live(batch, now));
        self.flushed = now;
        self.replay_is_next = true;
    }

    fn fly_replay(&mut self, now: Instant) {
        let chunks = self.replay.take();
        let ids = chunks.iter().map(|chunk| chunk.id).collect();
        // within a chunk the oldest comes first: so the batch as a whole is in the order of time
        let batch = chunks.into_iter().rev().flat_map(|it| it.results).collect();
        // older proof may be of a time before the fault
        let is_proven = self.replay.is_proven(now, 20 * self.pace.flush);
        self.fly(Flight::replay(batch, ids, is_proven, now));
        self.replay_is_next = false;
    }

    fn fly(&mut self, flight: Flight) {
        let store = Arc::clone(&self.store);
        self.lane.start(flight, store, self.pace.deadline);
    }

    pub fn landed(&mut self, flight: &Flight, outcome: Result<Taken, Refusal>) {
        let now = Instant::now();
        match outcome {
            Ok(taken) => self.stored(flight, taken, now),
            Err(refusal) => {
                self.metrics.flush_failures.inc();
                if !self.shelf.holds(flight) {
                    self.put_back(&flight.results);
                }
                self.refused(flight, &refusal, now);
            }
        }
    }

    fn stored(&mut self, flight: &Flight, taken: Taken, now: Instant) {
        self.metrics.stored.inc_by(taken.recorded.stored);
        self.metrics.duplicate.inc_by(taken.recorded.duplicate);
        self.metrics.quarantined.inc_by(taken.recorded.quarantined);
        let too_old = taken.recorded.too_old;
        self.metrics.dropped(Dropped::TooOld, too_old);
        if too_old > 0 {
            tracing::warn!(
                results = too_old,
                "results of days that have been dropped for their age are given up"
            );
        }
        self.shelf.set_aside(taken.aside);
        self.shelf.stored(flight);
        if flight.is_replay {
            let took = now - flight.since;
            self.replay.stored(flight.results.len(), now, took);
        } else if taken.recorded.stored > 0 {
            self.replay.proven(now);
        }
        if let Some(outage) = self.outage.take() {
            outage.ended(now, self.shelf.spooled(), &self.metrics);
        }
    }

    fn refused(&mut self, flight: &Flight, refusal: &Refusal, now: Instant) {
        if flight.is_replay && self.outage.is_none() {
            if let Refusal::Faulty(error) = refusal {
                self.replay.refused(&flight.chunks, flight.is_proven, error);
                return;
            }
            self.replay.failed();
        }
        let pace = &self.pace;
        let outage = self
            .outage
            .get_or_insert_with(|| Outage::begun(refusal, now, pace.first_retry, &self.metrics));
        outage.failed(refusal, now, pace.last_retry);
    }

    /// What the spool is to do next.
    fn chores(&mut self, now: Instant) -> Chores {
        let mut chores = Chores::default();
        let overdue = |flight: &Flight| now - flight.since >= self.pace.flush;
        if self.outage.is_some() || self.lane.any(overdue) {
            for flight in self.lane.insurable() {
                if overdue(flight) || self.is_ending() {
                    let insured = (flight.number(), Arc::clone(&flight.results));
                    chores.insure.push(insured);
                }
            }
            let is_due = now - self.put_away >= self.pace.flush
                || self.waiting.len() >= BATCH
                || self.is_ending();
            if is_due && !self.waiting.is_empty() {
                let size = self.waiting.len().min(BATCH);
                chores.keep = Some(self.waiting.drain(..size).collect());
                self.put_away = now;
            }
        }
        chores.protect.extend(self.lane.chunks());
        chores.protect.extend(self.replay.chunks());
        chores.load = self.wants_load(now).then(|| self.replay.next_load());
        chores
    }

    /// Whether spooled results could be stored now, and there are some that are not under way.
    fn wants_load(&self, now: Instant) -> bool {
        let under_way = self.lane.spooled() as u64;
        if self.shelf.spooled() <= under_way
            || self.replay.has_loaded()
            || !self.replay.is_due(now)
            || self.is_ending()
        {
            return false;
        }
        match &self.outage {
            None => !self.lane.any(|flight| flight.is_replay),
            Some(outage) => self.waiting.is_empty() && outage.is_due(now, self.lane.len()),
        }
    }

    pub fn settle(&mut self, settled: Settled) {
        for (number, chunk) in settled.insured {
            self.lane.insured(number, chunk);
        }
        for number in settled.too_large {
            self.lane.uninsurable(number);
        }
        for batch in settled.returned {
            self.put_back(&batch);
        }
        if let Some(chunks) = settled.loaded {
            self.replay.loaded(chunks, Instant::now(), &self.pace);
        }
        if self.shelf.spooled() == 0 {
            self.replay.emptied();
        }
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.ending = Some(Instant::now());
    }

    pub const fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether time alone may bring something to do.
    pub fn is_busy(&self) -> bool {
        self.is_ending()
            || self.outage.is_some()
            || self.in_memory() > 0
            || self.shelf.spooled() > 0
            || !self.shelf.is_tidy()
            || !self.shelf.is_open()
    }

    /// Whether everything is where it can stay, or the time for that is over.
    pub fn is_done(&self) -> bool {
        let Some(ending) = self.ending else {
            return false;
        };
        let since = ending.elapsed();
        // a call whose results are in the spool may yet be answered
        let is_answered = self.lane.is_empty() || since >= self.pace.last_retry;
        (self.in_memory() == 0 && self.shelf.is_tidy() && is_answered) || since >= self.pace.end
    }

    /// Says what could not be brought to safety.
    pub fn leave(self) {
        let lost = self.in_memory() as u64;
        self.metrics.dropped(Dropped::Shutdown, lost);
        self.metrics.waiting.set(0);
        if lost > 0 {
            tracing::error!(
                lost,
                "stopping with results that neither the database nor the spool took in time"
            );
        }
        if self.shelf.spooled() > 0 {
            tracing::info!(
                results = self.shelf.spooled(),
                "results stay in the spool; the next start stores them"
            );
        }
    }
}
