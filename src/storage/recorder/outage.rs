//! A time in which the database takes nothing: when to try again, and what the log says of it.

use std::time::Duration;

use tokio::time::Instant;

use super::Metrics;
use super::attempt::Refusal;

/// Calls under way at once to a database that does not answer: each would wait for its deadline while the database is back.
const SILENT_TRIALS: usize = 6;

/// Since when, and when to try again.
#[derive(Debug)]
pub struct Outage {
    since: Instant,
    next_trial: Instant,
    wait: Duration,
    /// Calls end without an answer.
    is_silent: bool,
    dropped_before: u64,
}

impl Outage {
    pub fn begun(error: &Refusal, now: Instant, wait: Duration, metrics: &Metrics) -> Self {
        tracing::error!(%error, "the database takes no results; they go to the spool until it does");
        Self {
            since: now,
            next_trial: now,
            wait,
            is_silent: false,
            dropped_before: metrics.dropped_in_all(),
        }
    }

    /// A trial failed, or what began the outage.
    pub fn failed(&mut self, error: &Refusal, now: Instant, longest: Duration) {
        self.is_silent = matches!(error, Refusal::Silent(_));
        self.next_trial = now + self.wait;
        self.wait = (self.wait * 2).min(longest);
    }

    /// A trial was begun; the next one follows at `next` if this one gets no answer.
    pub fn tried(&mut self, next: Instant) {
        self.next_trial = next;
    }

    pub fn is_due(&self, now: Instant, under_way: usize) -> bool {
        let at_once = if self.is_silent { SILENT_TRIALS } else { 1 };
        now >= self.next_trial && under_way < at_once
    }

    pub fn ended(self, now: Instant, spooled: u64, metrics: &Metrics) {
        let dropped = metrics.dropped_in_all() - self.dropped_before;
        let seconds = (now - self.since).as_secs_f64();
        tracing::info!(
            seconds,
            spooled,
            dropped,
            "the database takes results again"
        );
    }
}
