//! The slots of a target: a pure function of its id and its interval.
//!
//! Slot k is at `k * interval + phase`, with `phase = hash(id) mod interval`. So starts are spread over the interval, a restart keeps
//! them, every poller computes the same ones, and a slot that has no result can be told.

use std::time::Duration;

use super::{TargetId, Timestamp, micros};

/// The grid of a target's slots, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    interval: i64,
    phase: i64,
}

impl Slots {
    pub fn new(target: TargetId, interval: Duration) -> Self {
        let interval = micros(interval).max(1);
        Self {
            interval,
            phase: (hash(target) % interval.unsigned_abs()) as i64,
        }
    }

    /// The last slot that is not after `instant`.
    pub const fn at_or_before(&self, instant: Timestamp) -> Timestamp {
        let since_phase = instant.as_micros() - self.phase;
        Timestamp::from_micros(since_phase.div_euclid(self.interval) * self.interval + self.phase)
    }

    /// The first slot that is after `instant`.
    pub const fn after(&self, instant: Timestamp) -> Timestamp {
        Timestamp::from_micros(self.at_or_before(instant).as_micros() + self.interval)
    }

    /// How many slots lie in `first..last`, both being slots.
    pub const fn count(&self, first: Timestamp, last: Timestamp) -> u64 {
        let span = last.as_micros() - first.as_micros();
        if span <= 0 {
            0
        } else {
            (span / self.interval).unsigned_abs()
        }
    }
}

/// 64-bit FNV-1a over the id's bytes, then the finaliser of SplitMix64, without which near ids would have near phases. It is part
/// of the contract between pollers and between versions: it must never change.
fn hash(target: TargetId) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in target.0.as_bytes() {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn target(number: u128) -> TargetId {
        TargetId(Uuid::from_u128(number))
    }

    #[test]
    fn the_phase_of_an_id_never_changes() {
        let id = "fb4c6d37-c55d-44fa-9415-89528fa8290b".parse().unwrap();
        let slots = Slots::new(TargetId(id), Duration::from_secs(60));
        assert_eq!(slots.phase, 1_156_462);
    }

    #[test]
    fn near_ids_are_spread_over_the_interval() {
        let interval = Duration::from_secs(60);
        let mut tenths = [0; 10];
        for number in 0..10_000 {
            let phase = Slots::new(target(number), interval).phase;
            tenths[(phase * 10 / micros(interval)) as usize] += 1;
        }
        assert!(
            tenths.iter().all(|&count| (900..1100).contains(&count)),
            "{tenths:?}"
        );
    }

    proptest! {
        #[test]
        fn slots_are_an_interval_apart_and_enclose_every_instant(
            number in any::<u128>(),
            interval in 100_000_i64..=31_622_400_000_000,
            instant in 0_i64..=4_102_444_800_000_000,
        ) {
            let slots = Slots::new(target(number), Duration::from_micros(interval.unsigned_abs()));
            let instant = Timestamp::from_micros(instant);
            let before = slots.at_or_before(instant);
            let after = slots.after(instant);
            prop_assert!(before <= instant && instant < after);
            prop_assert_eq!(after.as_micros() - before.as_micros(), interval);
            prop_assert_eq!(slots.at_or_before(before), before);
            prop_assert_eq!(slots.count(before, after), 1);
            prop_assert_eq!((before.as_micros() - slots.phase) % interval, 0);
        }
    }
}
