//! Takes results from the pipeline and stores them in batches.
//!
//! A flush every 200 ms or at 10,000 results, one transaction each. While one is being stored, or the database is unavailable,
//! results wait here, up to [`WAITING_RESULTS`]; beyond that the oldest are dropped and counted. A result that the database
//! refuses for its own sake is taken out of its batch and counted; its neighbours are stored. At rest, exactly:
//! produced = stored + duplicate + quarantined + dropped.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::{Recorded, Store, StoreError};
use crate::metrics::Metrics;
use crate::model::ProbeResult;

/// The longest that a result waits for others.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(200);
/// The most that one transaction stores.
pub const BATCH: usize = 10_000;
/// The most that waits for a database: about 60 MB, or 100 s of 2,000 results a second.
pub const WAITING_RESULTS: usize = 200_000;

const FIRST_RETRY: Duration = Duration::from_millis(250);
const LAST_RETRY: Duration = Duration::from_secs(2);
/// How long the end may take: what is not stored by then is lost, and said.
const LAST_FLUSH: Duration = Duration::from_secs(5);

type Batch = Arc<[ProbeResult]>;

/// Runs until every sender is gone and what they sent is stored.
pub async fn run(
    store: Arc<dyn Store>,
    mut results: mpsc::Receiver<ProbeResult>,
    metrics: Arc<Metrics>,
) {
    let mut recorder = Recorder {
        store,
        metrics,
        waiting: VecDeque::new(),
        refused: None,
        flight: None,
        next_flush: Instant::now() + FLUSH_INTERVAL,
        retry: None,
    };
    let mut give_up = None;
    loop {
        let mut taken = Vec::new();
        let due = recorder.due();
        tokio::select! {
            count = results.recv_many(&mut taken, BATCH), if give_up.is_none() => {
                if count == 0 {
                    give_up = Some(Instant::now() + LAST_FLUSH);
                    recorder.next_flush = Instant::now();
                } else {
                    recorder.take(taken);
                }
            }
            done = finished(&mut recorder.flight) => recorder.landed(done),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => recorder.flush(),
            () = sleep_until(give_up.unwrap_or_else(Instant::now)), if give_up.is_some() => break,
        }
        if give_up.is_some() && recorder.len() == 0 {
            return;
        }
    }
    let lost = recorder.len();
    recorder.metrics.dropped.inc_by(lost as u64);
    tracing::error!(
        lost,
        "stopping with results that the database did not take in time"
    );
}

/// What became of a batch; the batch itself where it has to be tried again.
type Landing = (Batch, Result<Recorded, StoreError>);

struct Recorder {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    waiting: VecDeque<ProbeResult>,
    /// The batch that failed last, to be tried before anything newer.
    refused: Option<Batch>,
    flight: Option<(usize, JoinHandle<Landing>)>,
    next_flush: Instant,
    /// How long to wait after the next failure; nothing while the database works.
    retry: Option<Duration>,
}

impl Recorder {
    /// When to store next; nothing while a batch is under way or there is nothing to store.
    fn due(&self) -> Option<Instant> {
        if self.flight.is_some() || self.len() == 0 {
            return None;
        }
        let full = self.waiting.len() >= BATCH && self.retry.is_none();
        Some(if full {
            Instant::now()
        } else {
            self.next_flush
        })
    }

    fn len(&self) -> usize {
        let refused = self.refused.as_ref().map_or(0, |batch| batch.len());
        let flying = self.flight.as_ref().map_or(0, |(size, _)| *size);
        self.waiting.len() + refused + flying
    }

    fn take(&mut self, taken: Vec<ProbeResult>) {
        self.waiting.extend(taken);
        let excess = self.len().saturating_sub(WAITING_RESULTS);
        if excess > 0 {
            let excess = excess.min(self.waiting.len());
            self.waiting.drain(..excess);
            self.metrics.dropped.inc_by(excess as u64);
        }
        self.metrics.waiting.set(self.len() as i64);
    }

    fn flush(&mut self) {
        let batch = self.refused.take().unwrap_or_else(|| {
            let size = self.waiting.len().min(BATCH);
            self.waiting.drain(..size).collect()
        });
        let store = Arc::clone(&self.store);
        let size = batch.len();
        let task = tokio::spawn(async move {
            let recorded = record(store.as_ref(), Arc::clone(&batch)).await;
            (batch, recorded)
        });
        self.flight = Some((size, task));
        self.next_flush = Instant::now() + FLUSH_INTERVAL;
    }

    fn landed(&mut self, landing: Result<Landing, tokio::task::JoinError>) {
        let size = self.flight.take().map_or(0, |(size, _)| size);
        match landing {
            Ok((_, Ok(recorded))) => {
                self.metrics.stored.inc_by(recorded.stored);
                self.metrics.duplicate.inc_by(recorded.duplicate);
                self.metrics.quarantined.inc_by(recorded.quarantined);
                if self.retry.take().is_some() {
                    tracing::info!("the database takes results again");
                }
            }
            Ok((batch, Err(error))) => {
                self.refused = Some(batch);
                self.refuse(&error);
            }
            Err(panic) => {
                self.metrics.dropped.inc_by(size as u64);
                tracing::error!(%panic, size, "storing a batch panicked; it is lost");
            }
        }
        self.metrics.waiting.set(self.len() as i64);
    }

    fn refuse(&mut self, error: &StoreError) {
        self.metrics.flush_failures.inc();
        if self.retry.is_none() {
            tracing::error!(%error, "results cannot be stored; they are kept and tried again");
        }
        let wait = self.retry.unwrap_or(FIRST_RETRY);
        self.next_flush = Instant::now() + wait;
        self.retry = Some((wait * 2).min(LAST_RETRY));
    }
}

/// The end of the flight; never, while there is none.
async fn finished(
    flight: &mut Option<(usize, JoinHandle<Landing>)>,
) -> Result<Landing, tokio::task::JoinError> {
    match flight {
        Some((_, task)) => task.await,
        None => std::future::pending().await,
    }
}

/// Stores a batch; one that the database refuses for a fault of its own is halved until the faulty result stands alone.
async fn record(store: &dyn Store, batch: Batch) -> Result<Recorded, StoreError> {
    let mut parts = vec![batch];
    let mut recorded = Recorded::default();
    while let Some(part) = parts.pop() {
        match store.record(Arc::clone(&part)).await {
            Ok(stored) => recorded += stored,
            Err(StoreError::Fault(error)) if part.len() == 1 => {
                let result = &part[0];
                tracing::error!(target_id = %result.target, slot = %result.slot, %error, "a result that cannot be stored is set aside");
                recorded.quarantined += 1;
            }
            Err(StoreError::Fault(_)) => {
                let (older, newer) = part.split_at(part.len() / 2);
                parts.extend([newer.into(), older.into()]);
            }
            // a part that was stored before is found as duplicates when the whole batch is tried again
            Err(error) => return Err(error),
        }
    }
    Ok(recorded)
}
