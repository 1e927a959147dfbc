//! The days by which results are kept apart, so that dropping old ones is dropping a table.

use std::time::Duration;

use crate::model::{Timestamp, micros};

const DAY_MICROS: i64 = micros(Duration::from_secs(86_400));

/// Days since 1970-01-01, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

impl Day {
    pub const fn of(instant: Timestamp) -> Self {
        Self(instant.as_micros().div_euclid(DAY_MICROS))
    }

    pub const fn start(self) -> Timestamp {
        Timestamp::from_micros(self.0.saturating_mul(DAY_MICROS))
    }

    /// Microseconds from the day's start to `instant`, clamped to the day.
    pub fn offset(self, instant: Timestamp) -> i64 {
        instant
            .as_micros()
            .saturating_sub(self.start().as_micros())
            .clamp(0, DAY_MICROS)
    }

    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// So many days before; not beyond what can be counted.
    pub const fn before(self, days: u32) -> Self {
        Self(self.0.saturating_sub(days as i64))
    }

    pub const fn instant(self, offset: i64) -> Timestamp {
        Timestamp::from_micros(self.start().as_micros() + offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_utc() {
        let midnight: Timestamp = "2026-02-23T00:00:00Z".parse().unwrap();
        let before = Timestamp::from_micros(midnight.as_micros() - 1);
        assert_eq!(Day::of(midnight).start(), midnight);
        assert_eq!(Day::of(before).0, Day::of(midnight).0 - 1);
        assert_eq!(Day::of(before).offset(before), DAY_MICROS - 1);
        assert_eq!(Day::of(Timestamp::from_micros(-1)).0, -1);
    }
}
