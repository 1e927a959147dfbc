//! The clerk: writes down what the book of incidents holds, without anybody waiting for it.
//!
//! What opens and what ends is written within [`REST`]; that an open one failed once more, every [`PROGRESS`]. While the database is
//! away the book keeps the newest state of each, and all of it is written when it is back. At the start what an earlier process left
//! open is taken over before anything is written, so that one outage stays one incident. A kill loses what was not written yet: an
//! incident that was open in the database is taken over by the next start, one that was not is found again by failures to come.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::{Store, StoreError};
use crate::incident::Book;
use crate::metrics::Metrics;
use crate::model::{Incident, Timestamp};

const REST: Duration = Duration::from_millis(200);
const PROGRESS: Duration = Duration::from_secs(10);
/// After a failure.
const RETRY: Duration = Duration::from_secs(1);
/// How long a stop waits for a database that is slow.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Rows of one transaction.
const BATCH: usize = 500;

/// Who writes, where, and for which location.
#[derive(Debug)]
pub struct Clerk {
    pub store: Arc<dyn Store>,
    pub book: Arc<Book>,
    pub metrics: Arc<Metrics>,
    pub location: String,
}

impl Clerk {
    /// Runs until `stop`, which fires when no result will come any more; then writes what is left, if the database takes it.
    pub async fn run(self, now: impl Fn() -> Timestamp + Send, stop: CancellationToken) {
        let taken_over = tokio::select! {
            () = self.take_over(now) => true,
            () = stop.cancelled() => false,
        };
        let mut last_all = Instant::now();
        let mut complained = false;
        while taken_over && !stop.is_cancelled() {
            let all = last_all.elapsed() >= PROGRESS;
            if all {
                last_all = Instant::now();
            }
            let written = tokio::select! {
                written = self.write(all) => written,
                // what is under way goes back to the book, and is written once more
                () = stop.cancelled() => break,
            };
            let pause = match written {
                Ok(()) => {
                    complained = false;
                    REST
                }
                Err(error) => {
                    if !complained {
                        tracing::warn!(%error, "incidents are written later");
                    }
                    complained = true;
                    RETRY
                }
            };
            self.count();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
        // without what an earlier process left, one outage would become two
        let last = async {
            if taken_over {
                self.write(true).await
            } else {
                Ok(())
            }
        };
        let ended = tokio::time::timeout(LAST_WORDS, last).await;
        let waiting = self.book.waiting();
        if waiting > 0 || !matches!(ended, Ok(Ok(()))) {
            tracing::warn!(
                incidents = waiting,
                "the database did not take what is new of incidents; the next start finds what goes on"
            );
        }
    }

    /// What an earlier process at this location left open goes on.
    async fn take_over(&self, now: impl Fn() -> Timestamp) {
        loop {
            match self.store.open_incidents().await {
                Ok(open) => {
                    let mine = open.into_iter().filter(|it| it.location == self.location);
                    // of several of one target, which no process leaves, the newest last
                    let mine: Vec<_> = mine.map(|it| it.incident).rev().collect();
                    if !mine.is_empty() {
                        tracing::info!(incidents = mine.len(), "incidents go on");
                    }
                    self.book.adopt(mine, now());
                    return;
                }
                Err(StoreError::Unavailable(_)) => {}
                Err(error) => {
                    tracing::error!(%error, "open incidents cannot be read; trying again");
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn write(&self, mut all: bool) -> Result<(), StoreError> {
        loop {
            let mut batch = Taken {
                book: &self.book,
                // what fails once more meanwhile waits for the next time
                incidents: self.book.take(BATCH, std::mem::take(&mut all)),
            };
            if batch.incidents.is_empty() {
                return Ok(());
            }
            match self.store.write_incidents(&batch.incidents).await {
                Ok(()) => batch.incidents.clear(),
                Err(error @ StoreError::Unavailable(_)) => return Err(error),
                // one of them is at fault; the others are not
                Err(_) => self.write_each(&mut batch).await?,
            }
        }
    }

    async fn write_each(&self, batch: &mut Taken<'_>) -> Result<(), StoreError> {
        while let Some(incident) = batch.incidents.first() {
            match self
                .store
                .write_incidents(std::slice::from_ref(incident))
                .await
            {
                Ok(()) => {}
                Err(error @ StoreError::Unavailable(_)) => return Err(error),
                Err(error) => {
                    tracing::error!(target = %incident.target, began = %incident.began, %error, "an incident cannot be stored");
                    self.metrics.incidents_dropped.inc();
                }
            }
            batch.incidents.remove(0);
        }
        Ok(())
    }

    fn count(&self) {
        let open = self.book.open_count();
        self.metrics.incidents_open.set(open as i64);
        self.metrics
            .incidents_waiting
            .set(self.book.waiting() as i64);
        let dropped = self.book.take_dropped();
        self.metrics.incidents_dropped.inc_by(dropped);
    }
}

/// What was taken to be written: what is left of it goes back, also if nobody waits for the database any more.
struct Taken<'a> {
    book: &'a Book,
    incidents: Vec<Incident>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.book.give_back(std::mem::take(&mut self.incidents));
    }
}
