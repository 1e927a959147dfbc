//! Takes results from the pipeline and stores them: in the database, or in the spool while the database is away.
//!
//! A kill loses at most 200 ms of results: for less than half of that they wait for others, and as long the database may take its
//! time. A batch without an answer by then is written to the spool as well, and so is all that comes behind it, until the database
//! answers. Then live results go first and the spool is emptied in turns with them, its newest results first. A chunk leaves the
//! spool when the database has committed it, so that a crash between the two leaves a duplicate and not a gap. Storing never makes
//! probes wait: the spool works on a thread of its own, and what neither it nor the database takes waits in memory, the newest
//! [`WAITING_RESULTS`].
//!
//! At rest, exactly: produced + recovered = stored + duplicate + quarantined + dropped + spooled + waiting.

mod attempt;
mod desk;
mod errand;
mod lane;
mod outage;
mod replay;
mod shelf;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Store;
use super::spool::{Place, Spool, SpoolError};
use crate::metrics::Metrics;
use crate::model::ProbeResult;
use desk::Desk;

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
            flush: Duration::from_millis(80),
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
        let pause = self.pace.flush / 8;
        let mut desk = Desk::new(self);
        let mut taken = Vec::new();
        loop {
            desk.step();
            if desk.is_done() {
                break;
            }
            tokio::select! {
                count = results.recv_many(&mut taken, BATCH), if !desk.is_ending() => {
                    desk.take(&mut taken);
                    if count == 0 {
                        desk.end();
                    }
                }
                (flight, outcome) = desk.lane.landing() => desk.landed(&flight, outcome),
                settled = desk.shelf.settled() => desk.settle(settled),
                () = sleep(pause), if desk.is_busy() => {}
            }
        }
        desk.leave();
    }
}
