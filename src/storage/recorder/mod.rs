//! Takes results from the pipeline and stores them: in the database, or in the spool while the database is away.
//!
//! A kill loses at most 200 ms of results: for half of that they wait for others, for the other half the database may take its time.
//! A batch without an answer by then is written to the spool as well, and so is all that comes behind it, until the database
//! answers. Then live results go first and the spool is emptied in turns with them, its newest results first. A chunk leaves the
//! spool when the database has committed it, so that a crash between the two leaves a duplicate and not a gap. Storing never makes
//! probes wait: the spool works on a thread of its own, and what neither it nor the database takes waits in memory, the newest
//! [`WAITING_RESULTS`].
//!
//! At rest, exactly: produced + recovered = stored + duplicate + quarantined + dropped + spooled + waiting.

mod attempt;
mod lane;
mod outage;
mod shelf;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::Store;
use super::spool::{Chunk, Place, Spool, SpoolError};
use crate::metrics::{Dropped, Metrics};
use crate::model::ProbeResult;
use attempt::{Refusal, Taken};
use lane::{Flight, Lane};
use outage::Outage;
use shelf::{Chores, Settled, Shelf};

/// The most that one transaction stores.
pub const BATCH: usize = 10_000;
/// The most that waits in memory: about 60 MB.
pub const WAITING_RESULTS: usize = 200_000;

type Batch = Arc<[ProbeResult]>;

/// Everything that the recorder works with.
#[derive(Debug)]
pub struct Recorder {
    pub store: Arc<dyn Store>,
    pub metrics: Arc<Metrics>,
    pub place: Place,
    /// Nothing if it could not be opened yet.
    pub spool: Option<Spool>,
    pub pace: Pace,
}

/// How long things may take. The values of [`Pace::default`] are the ones that are documented.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long results wait for others, and how long a batch may be under way before it is written to the spool.
    pub flush: Duration,
    /// From then on a call to the database counts as failed. Longer than the backends' own deadlines of 5 s, so that only one that
    /// keeps none is given up.
    pub deadline: Duration,
    /// From a failure to the next trial at first.
    pub first_retry: Duration,
    /// And at the longest. With a flush, well under the 2 s within which the return of the database is to be seen.
    pub last_retry: Duration,
    /// How long a spool that failed is left alone.
    pub reopen: Duration,
    /// How long chunks that the database refused rest before they are tried again.
    pub second_look: Duration,
    /// How long the end may take: what is in neither database nor spool by then is lost, and said.
    pub end: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            flush: Duration::from_millis(100),
            deadline: Duration::from_secs(6),
            first_retry: Duration::from_millis(250),
            last_retry: Duration::from_secs(1),
            reopen: Duration::from_secs(1),
            second_look: Duration::from_secs(30),
            end: Duration::from_secs(5),
        }
    }
}

/// Opens the spool. Where that fails for a reason that may pass, there is none for now; other reasons are errors.
pub fn open_spool(place: &Place) -> Result<Option<Spool>, SpoolError> {
    match place.open() {
        Ok(spool) => Ok(Some(spool)),
        Err(SpoolError::Unavailable(error)) => {
            tracing::error!(%error, "the spool cannot be opened; results wait in memory alone while the database is away");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Recorder {
    /// Runs until every sender is gone and what they sent is stored or spooled.
    pub async fn run(self, mut results: mpsc::Receiver<ProbeResult>) {
        let mut desk = Desk::new(self);
        let mut taken = Vec::new();
        loop {
            desk.step();
            if desk.is_done() {
                break;
            }
            tokio::select! {
                count = results.recv_many(&mut taken, BATCH), if desk.ending.is_none() => {
                    desk.take(&mut taken);
                    if count == 0 {
                        desk.ending = Some(Instant::now());
                    }
                }
                (flight, outcome) = desk.lane.landing() => desk.landed(flight, outcome),
                settled = desk.shelf.settled() => desk.settle(settled),
                () = sleep(desk.pace.flush / 8), if desk.is_busy() => {}
            }
        }
        desk.leave();
    }
}

/// Where results lie until they are stored.
struct Desk {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    pace: Pace,
    /// In memory alone, the oldest first.
    waiting: VecDeque<ProbeResult>,
    lane: Lane,
    shelf: Shelf,
    outage: Option<Outage>,
    flushed: Instant,
    /// When `waiting` last went to the spool.
    put_away: Instant,
    replay: Replay,
    /// Since when nothing more comes.
    ending: Option<Instant>,
}

/// The way of spooled results to the database.
struct Replay {
    /// Read and ready to be stored.
    loaded: Vec<Chunk>,
    not_before: Instant,
    /// Chunks from here on were refused for the sake of their results: the older ones come first now.
    below: Option<i64>,
    /// The last turn was one of live results.
    is_next: bool,
    /// When the database last took live results that it did not have.
    proof: Option<Instant>,
    /// Results replayed since the spool was last empty.
    count: u64,
}

impl Desk {
    fn new(recorder: Recorder) -> Self {
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
            store,
            metrics,
            pace,
            waiting: VecDeque::new(),
            outage: None,
            flushed: now,
            put_away: now,
            replay: Replay {
                loaded: Vec::new(),
                not_before: now,
                below: None,
                is_next: false,
                proof: None,
                count: 0,
            },
            ending: None,
        }
    }

    fn take(&mut self, taken: &mut Vec<ProbeResult>) {
        if self.waiting.is_empty() {
            // the first one's wait begins now
            self.flushed = self.flushed.max(Instant::now());
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
            self.waiting.push_front(result.clone());
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
    fn step(&mut self) {
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
        let is_due = waited || self.waiting.len() >= BATCH || self.ending.is_some();
        let live = !self.waiting.is_empty() && is_due;
        let replay = !self.replay.loaded.is_empty()
            && now >= self.replay.not_before
            && self.ending.is_none();
        if replay && (self.replay.is_next || !live) {
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
        if (self.ending.is_some() && self.shelf.is_open()) || !outage.is_due(now, self.lane.len()) {
            return;
        }
        if self.waiting.is_empty() && self.replay.loaded.is_empty() {
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
        self.fly(Flight::live(batch, now), false);
        self.flushed = now;
        self.replay.is_next = true;
    }

    fn fly_replay(&mut self, now: Instant) {
        let chunks = std::mem::take(&mut self.replay.loaded);
        let ids = chunks.iter().map(|chunk| chunk.id).collect();
        // within a chunk the oldest comes first: the batch as a whole is in the order of time
        let batch = chunks.into_iter().rev().flat_map(|it| it.results).collect();
        // two beats of the live results: proof that is older may be of a time before the fault
        let fresh = 20 * self.pace.flush;
        let taking = self.replay.proof.is_some_and(|at| now - at < fresh);
        self.fly(Flight::replay(batch, ids, now), taking);
        self.replay.is_next = false;
    }

    fn fly(&mut self, flight: Flight, taking: bool) {
        let store = Arc::clone(&self.store);
        self.lane.start(flight, store, self.pace.deadline, taking);
    }

    fn landed(&mut self, flight: Flight, outcome: Result<Taken, Refusal>) {
        let now = Instant::now();
        match outcome {
            Ok(taken) => {
                self.metrics.stored.inc_by(taken.recorded.stored);
                self.metrics.duplicate.inc_by(taken.recorded.duplicate);
                self.metrics.quarantined.inc_by(taken.recorded.quarantined);
                self.shelf.set_aside(taken.aside);
                self.shelf.stored(&flight);
                if flight.is_replay {
                    self.replay.count += flight.results.len() as u64;
                    // the database has as much time for everything else
                    self.replay.not_before = now + (now - flight.since);
                } else if taken.recorded.stored > 0 {
                    self.replay.proof = Some(now);
                    if self.replay.below.is_some() && self.replay.loaded.is_empty() {
                        self.replay.not_before = now;
                    }
                }
                if let Some(outage) = self.outage.take() {
                    outage.ended(now, self.shelf.spooled(), &self.metrics);
                }
            }
            Err(refusal) => {
                self.metrics.flush_failures.inc();
                if !self.shelf.holds(&flight) {
                    self.put_back(&flight.results);
                }
                self.refused(&flight, &refusal, now);
            }
        }
    }

    fn refused(&mut self, flight: &Flight, refusal: &Refusal, now: Instant) {
        if let Refusal::Faulty(error) = refusal
            && flight.is_replay
            && self.outage.is_none()
        {
            if self.replay.below.is_none() {
                tracing::error!(%error, results = flight.results.len(), "the database refuses spooled results; they stay in the spool and are tried again");
            }
            self.replay.below = flight.chunks.iter().min().copied();
            return;
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
            for (number, flight) in self.lane.only_in_memory_each() {
                if overdue(flight) || self.ending.is_some() {
                    chores.insure.push((number, Arc::clone(&flight.results)));
                }
            }
            let is_due = now - self.put_away >= self.pace.flush
                || self.waiting.len() >= BATCH
                || self.ending.is_some();
            if is_due && !self.waiting.is_empty() {
                let size = self.waiting.len().min(BATCH);
                chores.keep = Some(self.waiting.drain(..size).collect());
                self.put_away = now;
            }
        }
        chores.protect.extend(self.lane.chunks());
        chores
            .protect
            .extend(self.replay.loaded.iter().map(|chunk| chunk.id));
        chores.load_below = self.next_load(now);
        chores
    }

    /// From where to read the next chunks; nothing while they would not be stored anyway.
    fn next_load(&self, now: Instant) -> Option<i64> {
        if self.shelf.spooled() == 0
            || !self.replay.loaded.is_empty()
            || now < self.replay.not_before
            || self.ending.is_some()
        {
            return None;
        }
        let is_wanted = match &self.outage {
            None => !self.lane.any(|flight| flight.is_replay),
            Some(outage) => self.waiting.is_empty() && outage.is_due(now, self.lane.len()),
        };
        is_wanted.then_some(self.replay.below.unwrap_or(i64::MAX))
    }

    fn settle(&mut self, settled: Settled) {
        for (number, chunk) in settled.insured {
            self.lane.insured(number, chunk);
        }
        for number in settled.too_large {
            self.lane.uninsurable(number);
        }
        for batch in settled.returned {
            self.put_back(&batch);
        }
        match settled.loaded {
            Some(chunks) if !chunks.is_empty() => self.replay.loaded = chunks,
            Some(_) if self.replay.below.take().is_some() => {
                // the older ones are through; those that were refused rest a while
                self.replay.not_before = Instant::now() + self.pace.second_look;
            }
            _ => {}
        }
        if self.shelf.spooled() == 0 && self.replay.count > 0 && self.replay.loaded.is_empty() {
            tracing::info!(results = self.replay.count, "the spool is empty again");
            self.replay.count = 0;
        }
    }

    /// Whether time alone may bring something to do.
    fn is_busy(&self) -> bool {
        self.ending.is_some()
            || self.outage.is_some()
            || self.in_memory() > 0
            || self.shelf.spooled() > 0
            || !self.shelf.is_tidy()
            || !self.shelf.is_open()
    }

    fn is_done(&self) -> bool {
        let Some(ending) = self.ending else {
            return false;
        };
        let since = ending.elapsed();
        // a call whose results are in the spool may yet be answered
        let is_answered = self.lane.is_empty() || since >= self.pace.last_retry;
        (self.in_memory() == 0 && self.shelf.is_tidy() && is_answered) || since >= self.pace.end
    }

    fn leave(self) {
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
