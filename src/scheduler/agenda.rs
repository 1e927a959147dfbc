//! What happens when: items in the order of their instants.
//!
//! Near items lie in a ring of buckets a millisecond wide, where putting and taking one costs the same however many there are; far
//! ones wait in a heap until they are near. Targets with an interval of a second or less, of which there may be 100,000 a second,
//! never enter the heap. Pure; an instant in the past is due at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::Timestamp;

/// A bucket is 2^10 µs wide.
const WIDTH_BITS: u32 = 10;
/// How many buckets are near: 1.05 s of them.
const NEAR: i64 = 1 << 10;
const WORD: i64 = 64;

#[derive(Debug)]
pub struct Agenda<T> {
    ring: Vec<Vec<(Timestamp, T)>>,
    /// One bit a bucket of the ring: whether it holds anything.
    filled: [u64; (NEAR / WORD) as usize],
    /// The first bucket that may hold anything.
    first: i64,
    far: BinaryHeap<Reverse<(Timestamp, T)>>,
}

impl<T: Copy + Ord> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            ring: vec![Vec::new(); NEAR as usize],
            filled: [0; (NEAR / WORD) as usize],
            first: 0,
            far: BinaryHeap::new(),
        }
    }
}

impl<T: Copy + Ord> Agenda<T> {
    pub fn put(&mut self, at: Timestamp, item: T) {
        let bucket = bucket(at).max(self.first);
        if bucket - self.first < NEAR {
            let place = place(bucket);
            self.ring[place].push((at, item));
            self.filled[place / WORD as usize] |= 1 << (place % WORD as usize);
        } else {
            self.far.push(Reverse((at, item)));
        }
    }

    /// Appends everything that is due by `now`, the earliest first.
    pub fn take(&mut self, now: Timestamp, due: &mut Vec<(Timestamp, T)>) {
        let start = due.len();
        let last = bucket(now).max(self.first);
        let until = last.min(self.first + NEAR - 1);
        while let Some(bucket) = self.next_filled(until) {
            let place = place(bucket);
            let items = &mut self.ring[place];
            if bucket < last {
                due.append(items);
            } else {
                due.extend(items.extract_if(.., |(at, _)| *at <= now));
            }
            if !items.is_empty() {
                break;
            }
            self.filled[place / WORD as usize] &= !(1 << (place % WORD as usize));
        }
        self.first = last;
        while let Some(Reverse((at, item))) = self.far.peek().copied()
            && bucket(at) - self.first < NEAR
        {
            self.far.pop();
            if at <= now {
                due.push((at, item));
            } else {
                self.put(at, item);
            }
        }
        due[start..].sort_unstable();
    }

    /// The earliest instant.
    pub fn next(&self) -> Option<Timestamp> {
        let near = self.next_filled(self.first + NEAR - 1);
        let near = near.and_then(|bucket| self.ring[place(bucket)].iter().map(|it| it.0).min());
        // what is far may have become the nearest since it was looked at
        let far = self.far.peek().map(|Reverse((at, _))| *at);
        near.into_iter().chain(far).min()
    }

    /// The first bucket up to `until` that holds anything; all of them must be near.
    fn next_filled(&self, until: i64) -> Option<i64> {
        let mut bucket = self.first;
        while bucket <= until {
            let place = place(bucket);
            let rest = self.filled[place / WORD as usize] >> (place % WORD as usize);
            if rest != 0 {
                let found = bucket + i64::from(rest.trailing_zeros());
                return (found <= until).then_some(found);
            }
            // on to the next word
            bucket += WORD - (place as i64 % WORD);
        }
        None
    }
}

const fn bucket(at: Timestamp) -> i64 {
    at.as_micros() >> WIDTH_BITS
}

const fn place(bucket: i64) -> usize {
    bucket.rem_euclid(NEAR) as usize
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(1_771_811_632_223_350 + micros)
    }

    proptest! {
        #[test]
        fn everything_comes_out_once_in_order_and_never_early(
            steps in proptest::collection::vec(
                // (what to put, how long to wait): near, far, and past instants; short waits and long sleeps
                (proptest::collection::vec(prop_oneof![-5_000..5_000_i64, 0..1_100_000_i64, 0..90_000_000_i64], 0..20),
                 prop_oneof![0..3_000_i64, 0..2_000_000_i64, 0..200_000_000_i64]),
                1..40,
            ),
        ) {
            let mut agenda = Agenda::default();
            let mut expected: Vec<(Timestamp, u32)> = Vec::new();
            let (mut now, mut number) = (at(0), 0);
            for (puts, wait) in steps {
                for micros in puts {
                    let instant = if micros < 0 {
                        Timestamp::from_micros(now.as_micros() + micros)
                    } else {
                        now.saturating_add(Duration::from_micros(micros.unsigned_abs()))
                    };
                    number += 1;
                    agenda.put(instant, number);
                    expected.push((instant, number));
                }
                prop_assert_eq!(agenda.next(), expected.iter().map(|it| it.0).min());
                now = now.saturating_add(Duration::from_micros(wait.unsigned_abs()));
                let mut due = Vec::new();
                agenda.take(now, &mut due);
                expected.sort_unstable();
                let rest = expected.split_off(expected.partition_point(|it| it.0 <= now));
                prop_assert_eq!(due, std::mem::replace(&mut expected, rest));
            }
        }
    }
}
