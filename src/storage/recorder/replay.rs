//! The way of spooled results to the database: what is ready, when the next ones may go, and what becomes of refused ones.

use std::time::Duration;

use tokio::time::Instant;

use super::{BATCH, Pace};
use crate::storage::spool::{Chunk, Load};

/// A database that is too slow for whole batches gets smaller ones, down to this.
const SMALLEST: usize = 250;

#[derive(Debug)]
pub struct Replay {
    /// Read and ready to be stored, the newest first.
    loaded: Vec<Chunk>,
    not_before: Instant,
    size: usize,
    /// Chunks from here on were refused for the sake of their results: the older ones come first now.
    below: Option<i64>,
    /// They were refused when the database was not known to take anything: they may go once it is.
    wants_proof: bool,
    /// When the database last took live results that it did not have.
    proof: Option<Instant>,
    /// Stored since the spool was last empty.
    count: u64,
}

impl Replay {
    pub const fn new(now: Instant) -> Self {
        Self {
            loaded: Vec::new(),
            not_before: now,
            size: BATCH,
            below: None,
            wants_proof: false,
            proof: None,
            count: 0,
        }
    }

    pub const fn has_loaded(&self) -> bool {
        !self.loaded.is_empty()
    }

    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.not_before
    }

    /// Chunks that wait to be stored.
    pub fn chunks(&self) -> impl Iterator<Item = i64> {
        self.loaded.iter().map(|chunk| chunk.id)
    }

    pub fn take(&mut self) -> Vec<Chunk> {
        std::mem::take(&mut self.loaded)
    }

    /// What to read next.
    pub fn next_load(&self) -> Load {
        Load {
            below: self.below.unwrap_or(i64::MAX),
            results: self.size,
        }
    }

    pub fn loaded(&mut self, chunks: Vec<Chunk>, now: Instant, pace: &Pace) {
        self.loaded = chunks;
        if self.has_loaded() {
            return;
        }
        let refused = self.below.take().is_some();
        // nothing is left but what is under way, or what was refused
        self.not_before = now
            + if refused {
                pace.second_look
            } else {
                pace.flush
            };
    }

    /// Live results were stored that the database did not have.
    pub fn proven(&mut self, now: Instant) {
        self.proof = Some(now);
        if std::mem::take(&mut self.wants_proof) {
            self.not_before = now;
            self.below = None;
        }
    }

    /// Whether the database was seen to take results within that time.
    pub fn is_proven(&self, now: Instant, within: Duration) -> bool {
        self.proof.is_some_and(|at| now - at < within)
    }

    pub fn stored(&mut self, results: usize, now: Instant, took: Duration) {
        self.count += results as u64;
        self.size = (self.size * 2).min(BATCH);
        // the database has as much time for everything else
        self.not_before = now + took;
    }

    pub fn failed(&mut self) {
        self.size = (self.size / 2).max(SMALLEST);
    }

    /// The database takes nothing of these chunks, and other results all the while: they must not hold up the older ones.
    pub fn refused(&mut self, chunks: &[i64], was_proven: bool, error: &str) {
        if self.below.is_none() {
            tracing::error!(%error, "the database refuses spooled results; they stay in the spool and are tried again");
        }
        self.wants_proof |= !was_proven;
        self.below = chunks.iter().min().copied();
    }

    pub fn emptied(&mut self) {
        if self.count > 0 {
            tracing::info!(results = self.count, "the spool is empty again");
            self.count = 0;
        }
    }
}
