//! Requests whose time has not come.
//!
//! Promises: each comes out once, in the order of its moment, and none before it;
//! those that become due within a [`TICK`] cost one wake-up. Leaves out: sleeping
//! (see `worker`).

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use crate::request::Request;

/// What becomes due within it is sent together: at 10,000 packets a second to
/// wake up for each would cost more than sending it.
const TICK: u64 = 1_500_000;
/// The furthest moment; further ones are brought to it.
const DAY: u64 = 86_400_000_000_000;

/// Times are nanoseconds on the engine's monotonic clock.
#[derive(Debug)]
pub struct Later {
    waiting: BinaryHeap<Reverse<Entry>>,
    most: usize,
    /// How many came before, so that equals keep their order.
    came: u64,
    /// Nothing needs a wake-up before this moment.
    rest_until: u64,
}

#[derive(Debug)]
struct Entry {
    at: u64,
    number: u64,
    request: Request,
}

impl Entry {
    fn key(&self) -> (u64, u64) {
        (self.at, self.number)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl Later {
    /// Of at most `most` requests.
    pub fn new(most: usize) -> Self {
        Self {
            waiting: BinaryHeap::new(),
            most,
            came: 0,
            rest_until: 0,
        }
    }

    /// How many more there is room for.
    pub fn room(&self) -> usize {
        self.most - self.waiting.len()
    }

    /// Keeps `request`, whose moment is `at`. There must be [`room`](Self::room).
    pub fn put(&mut self, at: u64, now: u64, request: Request) {
        self.waiting.push(Reverse(Entry {
            at: at.min(now.saturating_add(DAY)),
            number: self.came,
            request,
        }));
        self.came += 1;
    }

    /// The next one that is due at `now`.
    pub fn take(&mut self, now: u64) -> Option<Request> {
        if self.waiting.peek().is_none_or(|next| next.0.at > now) {
            return None;
        }
        let taken = self.waiting.pop()?.0.request;
        let is_last = self.waiting.peek().is_none_or(|next| next.0.at > now);
        self.rest_until = if is_last { now + TICK } else { now };
        Some(taken)
    }

    /// Whether there is one that is due at `now`.
    pub fn is_due(&self, now: u64) -> bool {
        self.waiting.peek().is_some_and(|next| next.0.at <= now)
    }

    /// When to wake up for them.
    pub fn next(&self) -> Option<u64> {
        let next = self.waiting.peek()?;
        Some(next.0.at.max(self.rest_until))
    }

    /// Gives them all up.
    pub fn drain(&mut self) -> impl Iterator<Item = Request> {
        self.waiting.drain().map(|entry| entry.0.request)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(token: u64) -> Request {
        Request::new(token, [127, 0, 0, 1].into())
    }

    proptest! {
        #[test]
        fn each_comes_out_once_in_order_and_never_early(
            moments in proptest::collection::vec(0..20 * TICK, 1..200),
            step in 1..3 * TICK,
        ) {
            let mut later = Later::new(moments.len());
            for (token, at) in moments.iter().enumerate() {
                later.put(*at, 0, request(token as u64));
            }
            prop_assert_eq!(later.room(), 0);
            let (mut now, mut out) = (0, Vec::new());
            while let Some(next) = later.next() {
                now = now.max(next) + step % TICK;
                while let Some(request) = later.take(now) {
                    let at = moments[request.token as usize];
                    prop_assert!(at <= now);
                    out.push((at, request.token));
                }
                prop_assert!(!later.is_due(now));
            }
            let mut expected: Vec<_> = moments.iter().enumerate().map(|(token, at)| (*at, token as u64)).collect();
            expected.sort_unstable();
            prop_assert_eq!(out, expected);
        }
    }

    #[test]
    fn what_is_close_together_costs_one_wake_up() {
        let mut later = Later::new(9);
        for token in 0..3 {
            later.put(5_000 + token, 0, request(token));
        }
        assert_eq!(later.next(), Some(5_000));
        assert_eq!(later.take(5_000).unwrap().token, 0);
        assert_eq!(later.next(), Some(5_000 + TICK));
    }

    #[test]
    fn more_than_can_be_sent_at_once_does_not_rest() {
        let mut later = Later::new(9);
        later.put(1, 0, request(0));
        later.put(2, 0, request(1));
        later.take(9).unwrap();
        assert!(later.is_due(9));
        assert_eq!(later.next(), Some(9));
    }

    #[test]
    fn a_moment_out_of_reach_is_brought_near() {
        let mut later = Later::new(9);
        later.put(u64::MAX, 7, request(0));
        assert_eq!(later.next(), Some(7 + DAY));
    }
}
