//! When the further packets of trains are due.
//!
//! One entry a train. A packet that is late moves those after it: packets are never sent in a burst to catch up. How exactly a
//! packet keeps its time (about a millisecond) says nothing of its round trip, which the kernel times.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::flights::Next;

#[derive(Debug, Default)]
pub struct Departures {
    due: Mutex<BinaryHeap<Reverse<(Instant, u64, Duration)>>>,
    /// The earliest one has changed.
    sooner: Notify,
}

impl Departures {
    fn due(&self) -> MutexGuard<'_, BinaryHeap<Reverse<(Instant, u64, Duration)>>> {
        // nothing that holds the lock can panic halfway
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes packets that follow others which were due at `planned`.
    pub fn plan(&self, planned: Instant, next: impl IntoIterator<Item = Next>) {
        let mut due = self.due();
        let earliest = due.peek().map(|Reverse((at, ..))| *at);
        for Next { token, after } in next {
            due.push(Reverse((planned + after, token, after)));
        }
        if due.peek().map(|Reverse((at, ..))| *at) != earliest {
            self.sooner.notify_one();
        }
    }

    /// The tokens that are due by `now`, each with when the packet after it is to be reckoned from.
    pub fn take(&self, now: Instant, taken: &mut Vec<(u64, Instant)>) {
        let mut due = self.due();
        while let Some(Reverse((at, token, after))) = due.peek().copied()
            && at <= now
        {
            due.pop();
            let from = if now - at > after { now } else { at };
            taken.push((token, from));
        }
    }

    /// Waits until something is due.
    pub async fn wait(&self) {
        loop {
            let sooner = self.sooner.notified();
            let earliest = self.due().peek().map(|Reverse((at, ..))| *at);
            match earliest {
                None => sooner.await,
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at.into()) => return,
                    () = sooner => {}
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn what_is_due_comes_in_order_and_late_ones_move_the_rest() {
        let departures = Departures::default();
        let start = Instant::now();
        let next = |token, ms: u32| Next {
            token,
            after: MS * ms,
        };
        departures.plan(start, [next(1, 20), next(2, 10), next(3, 30)]);
        let mut taken = Vec::new();
        departures.take(start + MS * 9, &mut taken);
        assert_eq!(taken, []);
        departures.take(start + MS * 21, &mut taken);
        assert_eq!(taken, [(2, start + MS * 21), (1, start + MS * 20)]);
        taken.clear();
        departures.take(start + MS * 90, &mut taken);
        assert_eq!(taken, [(3, start + MS * 90)]);
    }
}
