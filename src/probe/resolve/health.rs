//! Whether the name servers are of any use at all.
//!
//! A name without an answer is the name's fault while other names are answered, and the prober's own fault when nothing is. This is
//! the state that tells the two apart: pure, it takes `now`. Against silence any reply counts, because it proves the way to the
//! server; against refusals only a conclusion does ("here is an address", "there is no such name"), because a forwarder that has lost
//! its own uplink refuses everything.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Remembers when any name server last said anything.
#[derive(Debug, Default)]
pub(super) struct Health {
    last_reply: Option<Instant>,
    last_conclusion: Option<Instant>,
}

impl Health {
    /// A lookup younger than this proves nothing by its silence: recursion alone may take as long.
    const TELLING: Duration = Duration::from_secs(1);
    /// How long a reply vouches for the servers while a lookup is too young to tell.
    const VOUCHED: Duration = Duration::from_secs(30);

    /// A server said that it cannot or will not tell.
    pub(super) fn refused(&mut self, now: Instant) {
        self.last_reply = self.last_reply.max(Some(now));
    }

    /// A server knew the answer.
    pub(super) fn concluded(&mut self, now: Instant) {
        self.refused(now);
        self.last_conclusion = self.last_conclusion.max(Some(now));
    }

    pub(super) fn replied_since(&self, asked: Instant) -> bool {
        self.last_reply.is_some_and(|at| at >= asked)
    }

    /// Whether some name was answered at `asked`, or within [`Self::TELLING`] before it, or since.
    pub(super) fn concluded_around(&self, asked: Instant) -> bool {
        self.last_conclusion
            .is_some_and(|at| at + Self::TELLING >= asked)
    }

    /// Whether a lookup that began at `asked` and has no answer at `now` was met by silence for everything, not only for its name.
    ///
    /// A server is asked for the root (see `canary` in the parent) while a lookup waits, so a reachable one has said something
    /// within [`Self::TELLING`], however few names are looked up.
    pub(super) fn is_silent(&self, asked: Instant, now: Instant) -> bool {
        match self.last_reply {
            Some(at) if at >= asked => false,
            Some(at) if now.saturating_duration_since(asked) < Self::TELLING => {
                now.saturating_duration_since(at) > Self::VOUCHED
            }
            _ => true,
        }
    }
}

/// The state of all name servers together, told from many tasks.
#[derive(Default)]
pub(super) struct Heard(Mutex<Health>);

impl Heard {
    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn never_an_answer_is_silence() {
        let start = Instant::now();
        assert!(Health::default().is_silent(start, start + MS(10)));
    }

    #[test]
    fn an_answer_to_another_name_blames_this_name() {
        let start = Instant::now();
        let mut health = Health::default();
        health.concluded(start + MS(500));
        assert!(health.replied_since(start));
        assert!(!health.is_silent(start, start + MS(4000)));
    }

    #[test]
    fn servers_that_fell_silent_are_not_blamed_on_the_name() {
        let start = Instant::now();
        let mut health = Health::default();
        health.concluded(start);
        let asked = start + MS(2000);
        assert!(!health.replied_since(asked));
        assert!(health.is_silent(asked, asked + MS(3000)));
    }

    #[test]
    fn a_short_wait_trusts_a_recent_answer_only() {
        let start = Instant::now();
        let mut health = Health::default();
        health.concluded(start);
        let soon = start + MS(5_000);
        assert!(!health.is_silent(soon, soon + MS(200)));
        let late = start + MS(31_000);
        assert!(health.is_silent(late, late + MS(200)));
    }

    #[test]
    fn a_refusal_breaks_the_silence_and_proves_no_more() {
        let start = Instant::now();
        let mut health = Health::default();
        health.refused(start + MS(10));
        assert!(!health.is_silent(start, start + MS(4000)));
        assert!(!health.concluded_around(start));
        health.concluded(start + MS(20));
        assert!(health.concluded_around(start));
        assert!(health.concluded_around(start + MS(1020)));
        assert!(!health.concluded_around(start + MS(1021)));
    }

    #[test]
    fn an_older_answer_does_not_turn_back_time() {
        let start = Instant::now();
        let mut health = Health::default();
        health.concluded(start + MS(100));
        health.concluded(start);
        assert!(health.replied_since(start + MS(100)));
    }
}
