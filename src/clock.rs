//! The time of this process: the wall clock at start, driven by a steady clock after.
//!
//! A wall clock that steps (NTP after boot, an operator, a virtual machine that was moved) changes neither intervals nor the
//! order of results. The steady clock is `CLOCK_BOOTTIME` (`clock_gettime(2)`), which goes on while a machine sleeps: a laptop that
//! wakes up finds its slots missed, and its timestamps right.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::model::Timestamp;

#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The wall clock at the moment when the steady clock was at zero.
    origin: Timestamp,
}

impl Clock {
    /// Takes the one look at the wall clock.
    pub fn start() -> Self {
        // before 1970 there is no network to probe: a clock that says so counts as 1970
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let wall = Timestamp::from_micros(0).saturating_add(wall);
        Self {
            origin: wall.saturating_sub(steady()),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.origin.saturating_add(steady())
    }

    /// Tells the moment at which this clock shows a time, as far as nothing sleeps until then; never a moment that is too early.
    pub fn moments(&self) -> impl Fn(Timestamp) -> Instant {
        let (here, now) = (self.now(), Instant::now());
        move |time| now.checked_sub(here.since(time)).unwrap_or(now) + time.since(here)
    }

    /// How far the wall clock is from this one, in either direction: what it stepped by since the start.
    pub fn off_by(&self) -> Duration {
        let wall = Self::start().origin;
        wall.since(self.origin).max(self.origin.since(wall))
    }
}

fn steady() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        time.tv_nsec.unsigned_abs() as u32,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_as_far_away_as_the_time_it_stands_for() {
        let clock = Clock::start();
        let (before, now) = (Instant::now(), clock.now());
        let moment = clock.moments();
        let ahead = moment(now.saturating_add(Duration::from_secs(9)));
        let behind = moment(now.saturating_sub(Duration::from_secs(9)));
        let about_nine = Duration::from_millis(8500)..=Duration::from_millis(9500);
        assert!(about_nine.contains(&(ahead - before)));
        assert!(about_nine.contains(&(before - behind)));
    }

    #[test]
    fn it_agrees_with_the_wall_and_never_goes_back() {
        let clock = Clock::start();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let wall = Timestamp::from_micros(0).saturating_add(wall);
        assert!(wall.since(clock.now()) < Duration::from_secs(1));
        let mut last = clock.now();
        for _ in 0..1000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }
}
