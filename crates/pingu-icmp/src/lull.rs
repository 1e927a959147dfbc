//! When not to be woken by replies: where they come thick, many are read at once.
//!
//! A reply carries the kernel's stamp, so reading it later makes no round trip
//! longer; being woken for each one costs more than all else about it. Promises:
//! what has come is read no later than the configured time after it came; where
//! replies are further apart than half of that, each still wakes the engine at
//! once, and silence costs no wake-ups. Leaves out: sleeping (see `worker`).

/// Times are nanoseconds on the engine's monotonic clock.
#[derive(Debug)]
pub struct Lull {
    /// How long a lull is; 0 for never.
    length: u64,
    /// When a reply last woke the engine.
    woken: Option<u64>,
    /// When the sockets are to be read although nothing told so.
    until: Option<u64>,
}

impl Lull {
    pub fn new(length: u64) -> Self {
        Self {
            length,
            woken: None,
            until: None,
        }
    }

    /// The sockets need not be watched before this moment; they are to be read at it.
    pub fn until(&self) -> Option<u64> {
        self.until
    }

    /// All there was has been read at `now`: `found` tells whether that was
    /// anything, `woken` whether the sockets themselves had woken the engine.
    pub fn read(&mut self, now: u64, found: bool, woken: bool) {
        match self.until {
            Some(_) if found => self.until = Some(now + self.length),
            Some(until) if now >= until => {
                self.until = None;
                self.woken = None;
            }
            None if found && woken => {
                // Below two replies a reading nothing is gained.
                let soon = self.woken.is_some_and(|last| now - last < self.length / 2);
                self.until = soon.then_some(now + self.length);
                self.woken = Some(now);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LENGTH: u64 = 1_500_000;

    #[test]
    fn replies_far_apart_each_wake_the_engine() {
        let mut lull = Lull::new(LENGTH);
        for reply in 0..10 {
            lull.read(reply * LENGTH / 2, true, true);
            assert_eq!(lull.until(), None);
        }
    }

    #[test]
    fn replies_that_come_thick_are_waited_for_until_none_comes() {
        let mut lull = Lull::new(LENGTH);
        lull.read(0, true, true);
        lull.read(1_000, true, true);
        assert_eq!(lull.until(), Some(1_000 + LENGTH));
        lull.read(500_000, false, false);
        assert_eq!(
            lull.until(),
            Some(1_000 + LENGTH),
            "a turn for another reason"
        );
        lull.read(600_000, true, false);
        assert_eq!(lull.until(), Some(600_000 + LENGTH));
        lull.read(600_000 + LENGTH, false, false);
        assert_eq!(lull.until(), None);
    }

    #[test]
    fn a_length_of_zero_is_never_a_lull() {
        let mut lull = Lull::new(0);
        for now in [5, 5, 5, 6, 7] {
            lull.read(now, true, true);
            assert_eq!(lull.until(), None);
        }
    }

    proptest! {
        /// The bound: nothing that comes after a reading waits longer than the length.
        #[test]
        fn a_lull_never_ends_later_than_its_length_after_a_reading(
            steps in proptest::collection::vec((0u64..2 * LENGTH, any::<bool>(), any::<bool>()), 1..200),
        ) {
            let mut lull = Lull::new(LENGTH);
            let mut now = 0;
            for (by, found, woken) in steps {
                let last = now;
                now += by;
                if let Some(until) = lull.until() {
                    prop_assert!(until <= last + LENGTH);
                    now = now.min(until);
                }
                lull.read(now, found, woken);
            }
        }
    }
}
