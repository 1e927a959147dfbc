//! Whether the name servers are there at all.
//!
//! A name without an answer is the name's fault while other names are answered, and the prober's own fault when nothing is. This is
//! the state that tells the two apart: pure, it takes `now`. Any answer counts, a negative one too: it proves the way to the server.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Remembers when any name server last said anything.
#[derive(Debug, Default)]
pub(super) struct Health {
    last_answer: Option<Instant>,
}

impl Health {
    /// A lookup younger than this proves nothing by its silence: recursion alone may take as long.
    const TELLING: Duration = Duration::from_secs(1);
    /// How long an answer vouches for the servers while a lookup is too young to tell.
    const VOUCHED: Duration = Duration::from_secs(30);

    pub(super) fn answered(&mut self, now: Instant) {
        self.last_answer = self.last_answer.max(Some(now));
    }

    /// Whether anything was answered since `asked`.
    pub(super) fn heard_since(&self, asked: Instant) -> bool {
        self.last_answer.is_some_and(|at| at >= asked)
    }

    /// Whether a lookup that began at `asked` and has no answer at `now` was met by silence for everything, not only for its name.
    ///
    /// A server is asked for the root (see `canary` in the parent) while a lookup waits, so a reachable one has answered something
    /// within [`Self::TELLING`], however few names are looked up.
    pub(super) fn is_silent(&self, asked: Instant, now: Instant) -> bool {
        match self.last_answer {
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
    pub(super) fn now(&self, now: Instant) {
        self.health().answered(now);
    }

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
        health.answered(start + MS(500));
        assert!(health.heard_since(start));
        assert!(!health.is_silent(start, start + MS(4000)));
    }

    #[test]
    fn servers_that_fell_silent_are_not_blamed_on_the_name() {
        let start = Instant::now();
        let mut health = Health::default();
        health.answered(start);
        let asked = start + MS(2000);
        assert!(!health.heard_since(asked));
        assert!(health.is_silent(asked, asked + MS(3000)));
    }

    #[test]
    fn a_short_wait_trusts_a_recent_answer_only() {
        let start = Instant::now();
        let mut health = Health::default();
        health.answered(start);
        let soon = start + MS(5_000);
        assert!(!health.is_silent(soon, soon + MS(200)));
        let late = start + MS(31_000);
        assert!(health.is_silent(late, late + MS(200)));
    }

    #[test]
    fn an_older_answer_does_not_turn_back_time() {
        let start = Instant::now();
        let mut health = Health::default();
        health.answered(start + MS(100));
        health.answered(start);
        assert!(health.heard_since(start + MS(100)));
    }
}
