//! Time: the two clocks a round trip is measured with, and which one to believe.
//!
//! Kernel stamps are `CLOCK_REALTIME`, which can be stepped; the monotonic clock
//! cannot, but is read only when this thread gets to run. Both are sampled
//! together, so that a step shows as a change of their difference (slewing moves
//! both alike, `clock_gettime(2)`).
//!
//! Promises: a round trip is never negative and never longer than the monotonic
//! clock allows. Leaves out: where stamps come from (see `socket`).

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::outcome::Clock;

/// How far the difference of the clocks may move before it counts as a step.
/// Above the noise of reading one after the other, below what matters.
const STEP_NS: i64 = 50_000;
/// Disagreement that two honest readings can have.
const SLACK_NS: i64 = 100_000;

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic, ns since the engine started.
    pub mono: u64,
    /// Wall clock, ns since 1970: comparable with kernel stamps.
    pub real: i64,
    /// How many steps of the wall clock were noticed before.
    pub era: u32,
}

/// A moment a packet went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// Before the system call.
    pub moment: Moment,
    /// The kernel's own stamp, ns since 1970.
    pub stamp: Option<i64>,
}

/// Samples both clocks and notices steps.
#[derive(Debug)]
pub struct Clocks {
    base: Instant,
    difference: i64,
    era: u32,
}

impl Clocks {
    pub fn start() -> Self {
        let base = Instant::now();
        let mut clocks = Self {
            base,
            difference: 0,
            era: 0,
        };
        let (mono, real, _) = clocks.pair();
        clocks.difference = real - mono as i64;
        clocks
    }

    /// Reads both clocks now.
    pub fn sample(&mut self) -> Moment {
        let (mono, real, width) = self.pair();
        self.observe(mono, real, width)
    }

    /// How many steps of the wall clock were noticed.
    pub fn steps(&self) -> u32 {
        self.era
    }

    /// The monotonic clock alone, ns since the start.
    pub fn mono(&self) -> u64 {
        self.base.elapsed().as_nanos() as u64
    }

    /// The `Instant` of a monotonic reading.
    pub fn instant(&self, mono: u64) -> Instant {
        self.base + Duration::from_nanos(mono)
    }

    /// The monotonic reading at `instant`; 0 where that was before the start.
    pub fn reading(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.base);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// One reading of each, and how far apart they may have been. Repeated when
    /// the thread was interrupted between them, which would look like a step.
    fn pair(&self) -> (u64, i64, i64) {
        let mut best = (0, 0, i64::MAX);
        for _ in 0..3 {
            let before = self.mono();
            let real = wall();
            let width = (self.mono() - before) as i64;
            if width < best.2 {
                best = (before, real, width);
            }
            if width < STEP_NS / 4 {
                break;
            }
        }
        best
    }

    fn observe(&mut self, mono: u64, real: i64, width: i64) -> Moment {
        let difference = real - mono as i64;
        if (difference - self.difference).abs() > STEP_NS + width {
            self.difference = difference;
            self.era = self.era.wrapping_add(1);
        }
        Moment {
            mono,
            real,
            era: self.era,
        }
    }
}

fn wall() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_nanos() as i64,
        Err(before) => -(before.duration().as_nanos() as i64),
    }
}

/// The round trip of a packet whose reply was stamped `arrival` by the kernel, if
/// it was, and was read at `read`.
pub fn round_trip(sent: &Departure, arrival: Option<i64>, read: &Moment) -> (Duration, Clock) {
    let ceiling = read.mono.saturating_sub(sent.moment.mono);
    let (start, clock) = match sent.stamp {
        Some(stamp) => (stamp, Clock::Kernel),
        None => (sent.moment.real, Clock::KernelReceive),
    };
    let measured = arrival
        .filter(|_| sent.moment.era == read.era)
        .and_then(|arrival| arrival.checked_sub(start))
        .filter(|rtt| *rtt >= 0 && *rtt <= ceiling as i64 + SLACK_NS);
    match measured {
        Some(rtt) => (Duration::from_nanos(rtt as u64), clock),
        None => (Duration::from_nanos(ceiling), Clock::Monotonic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: i64 = 1_000_000;

    fn clocks() -> Clocks {
        Clocks {
            base: Instant::now(),
            difference: 0,
            era: 0,
        }
    }

    fn departure(mono: u64, real: i64, stamp: Option<i64>) -> Departure {
        Departure {
            moment: Moment { mono, real, era: 0 },
            stamp,
        }
    }

    #[test]
    fn kernel_stamps_are_preferred_to_our_own_reading() {
        let read = Moment {
            mono: 9 * MS as u64,
            real: 9 * MS,
            era: 0,
        };
        let (rtt, clock) = round_trip(&departure(0, 0, Some(MS)), Some(3 * MS), &read);
        assert_eq!((rtt, clock), (Duration::from_millis(2), Clock::Kernel));
        let (rtt, clock) = round_trip(&departure(0, 0, None), Some(3 * MS), &read);
        assert_eq!(
            (rtt, clock),
            (Duration::from_millis(3), Clock::KernelReceive)
        );
    }

    #[test]
    fn a_step_of_an_hour_either_way_leaves_the_monotonic_time() {
        for step in [-3_600_000 * MS, 3_600_000 * MS] {
            let mut clocks = clocks();
            let sent = Departure {
                moment: clocks.observe(0, 0, 0),
                stamp: Some(0),
            };
            let read = clocks.observe(5 * MS as u64, 5 * MS + step, 0);
            let (rtt, clock) = round_trip(&sent, Some(4 * MS + step), &read);
            assert_eq!((rtt, clock), (Duration::from_millis(5), Clock::Monotonic));
        }
    }

    #[test]
    fn a_small_step_back_that_looks_plausible_is_noticed() {
        // 50 ms of truth, 30 ms back: the stamps alone would say 20 ms.
        let mut clocks = clocks();
        let sent = Departure {
            moment: clocks.observe(0, 0, 0),
            stamp: None,
        };
        let read = clocks.observe(50 * MS as u64, 20 * MS, 0);
        let (rtt, clock) = round_trip(&sent, Some(20 * MS), &read);
        assert_eq!((rtt, clock), (Duration::from_millis(50), Clock::Monotonic));
    }

    #[test]
    fn after_a_step_new_probes_use_the_kernel_again() {
        let mut clocks = clocks();
        clocks.observe(0, 0, 0);
        let sent = Departure {
            moment: clocks.observe(MS as u64, -70 * MS, 0),
            stamp: None,
        };
        let read = clocks.observe(3 * MS as u64, -68 * MS, 0);
        assert_eq!(
            round_trip(&sent, Some(-69 * MS), &read).1,
            Clock::KernelReceive
        );
    }

    #[test]
    fn an_unstepped_clock_is_never_taken_for_a_stepped_one() {
        let mut clocks = Clocks::start();
        for _ in 0..10_000 {
            clocks.sample();
        }
        assert_eq!(clocks.era, 0);
    }

    proptest! {
        #[test]
        fn a_round_trip_stays_within_the_monotonic_bound(
            mono in 0u64..1 << 50, spent in 0u64..1 << 40,
            real in any::<i64>(), stamp in any::<Option<i64>>(), arrival in any::<Option<i64>>(), era in 0u32..2,
        ) {
            let read = Moment { mono: mono + spent, real, era };
            let (rtt, _) = round_trip(&departure(mono, real, stamp), arrival, &read);
            prop_assert!(rtt <= Duration::from_nanos(spent + SLACK_NS as u64));
        }
    }
}
