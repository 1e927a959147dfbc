//! How many packets may go out now, when a rate was set: a token bucket.
//!
//! Promises: in any span of `t` seconds no more than `rate * t + burst` packets,
//! where the burst is 10 ms of the rate and at least one packet; a rate is
//! reached, whatever the engine's turns are like, as long as they are not
//! further apart than the burst lasts. Leaves out: who waits (see `worker`).

use std::num::NonZeroU32;

/// A packet, in the unit that is saved up: a rate of 1/s saves 1 each nanosecond.
const PACKET: u64 = 1_000_000_000;

/// Times are nanoseconds on the engine's monotonic clock.
#[derive(Debug)]
pub struct Pace {
    rate: Option<NonZeroU32>,
    saved: u64,
    as_of: u64,
}

impl Pace {
    /// No limit if there is no `rate` (packets a second).
    pub fn new(rate: Option<NonZeroU32>) -> Self {
        Self {
            rate,
            saved: rate.map_or(0, burst) * PACKET,
            as_of: 0,
        }
    }

    /// How many packets may be sent at `now`.
    pub fn allowed(&mut self, now: u64) -> usize {
        let Some(rate) = self.rate else {
            return usize::MAX;
        };
        let gained = now
            .saturating_sub(self.as_of)
            .saturating_mul(u64::from(rate.get()));
        self.as_of = self.as_of.max(now);
        self.saved = self.saved.saturating_add(gained).min(burst(rate) * PACKET);
        (self.saved / PACKET) as usize
    }

    /// One of those allowed was used.
    pub fn spend(&mut self) {
        self.saved = self.saved.saturating_sub(PACKET);
    }

    /// If none are allowed, when it is worth asking again: when there will be a
    /// millisecond's packets, so that a fast rate does not mean a wake-up a packet.
    pub fn next(&self) -> Option<u64> {
        let rate = u64::from(self.rate.filter(|_| self.saved < PACKET)?.get());
        let wanted = (rate / 1_000).max(1) * PACKET;
        Some(self.as_of + wanted.saturating_sub(self.saved).div_ceil(rate))
    }
}

/// What may go out at once: 10 ms of the rate.
fn burst(rate: NonZeroU32) -> u64 {
    u64::from(rate.get()).div_ceil(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let mut pace = Pace::new(None);
        assert_eq!((pace.allowed(0), pace.next()), (usize::MAX, None));
    }

    #[test]
    fn the_slowest_rate_is_a_packet_a_second() {
        let mut pace = Pace::new(NonZeroU32::new(1));
        assert_eq!(pace.allowed(0), 1);
        pace.spend();
        assert_eq!(pace.allowed(999_999_999), 0);
        assert_eq!(pace.next(), Some(1_000_000_000));
        assert_eq!(pace.allowed(1_000_000_000), 1);
    }

    proptest! {
        #[test]
        fn no_span_has_more_than_its_rate_and_one_burst(
            rate in 1u32..2_000_000, turns in proptest::collection::vec((0u64..30_000_000, 0usize..500), 1..100),
        ) {
            let rate = NonZeroU32::new(rate).unwrap();
            let mut pace = Pace::new(Some(rate));
            let mut sent: Vec<(u64, u64)> = Vec::new();
            let mut now = 0;
            for (by, wanted) in turns {
                now += by;
                let count = wanted.min(pace.allowed(now));
                (0..count).for_each(|_| pace.spend());
                sent.push((now, count as u64));
                for start in 0..sent.len() {
                    let total: u64 = sent[start..].iter().map(|turn| turn.1).sum();
                    let span = u128::from(now - sent[start].0);
                    let bound = (span * u128::from(rate.get())).div_ceil(u128::from(PACKET)) as u64 + burst(rate);
                    prop_assert!(total <= bound, "{} in {} ns", total, span);
                }
            }
        }

        #[test]
        fn sleeping_until_next_reaches_the_rate(rate in 1u32..1_000_000) {
            let mut pace = Pace::new(NonZeroU32::new(rate));
            let (mut now, mut sent) = (0, 0u64);
            while now < 20 * PACKET && sent < 20_000 {
                for _ in 0..pace.allowed(now) {
                    pace.spend();
                    sent += 1;
                }
                let next = pace.next().unwrap();
                prop_assert!(next > now);
                now = next;
            }
            let due = u128::from(now) * u128::from(rate) / u128::from(PACKET);
            prop_assert!(u128::from(sent) + 1 + u128::from(rate) / 1_000 >= due, "{} of {}", sent, due);
        }
    }
}
