//! From which day on history is kept, by resolution, and what dropping a day comes to.
//!
//! A floor is raised before anything below it is deleted, and never lowered. From then on nothing below it is read, a result below it
//! is not stored, and a roll-up that would be made of what is below it is left as it is. The database holds the floors: every process
//! on it, and every start, sees the same ones.

use super::Resolution;
use super::day::Day;
use crate::model::Timestamp;

/// The first day of each resolution that is kept. A coarser one is never higher than a finer one: a roll-up is not dropped before
/// what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floors {
    pub raw: Day,
    pub five_minutes: Day,
    pub hours: Day,
}

/// The floor of what was never dropped from.
pub const NO_FLOOR: Day = Day(i32::MIN as i64);

impl Default for Floors {
    fn default() -> Self {
        Self {
            raw: NO_FLOOR,
            five_minutes: NO_FLOOR,
            hours: NO_FLOOR,
        }
    }
}

impl Floors {
    pub const fn of(&self, resolution: Resolution) -> Day {
        match resolution {
            Resolution::Raw => self.raw,
            Resolution::FiveMinutes => self.five_minutes,
            Resolution::Hour => self.hours,
        }
    }

    pub const fn set(&mut self, resolution: Resolution, day: Day) {
        match resolution {
            Resolution::Raw => self.raw = day,
            Resolution::FiveMinutes => self.five_minutes = day,
            Resolution::Hour => self.hours = day,
        }
    }

    /// The finest resolution that is kept of this instant; nothing where none is.
    pub fn finest(&self, instant: Timestamp) -> Option<Resolution> {
        Resolution::ALL
            .into_iter()
            .find(|&resolution| self.of(resolution) <= Day::of(instant))
    }

    /// Whether what a roll-up of this resolution is made of is there for this instant.
    pub(super) fn has_parts(&self, resolution: Resolution, instant: Timestamp) -> bool {
        let parts = resolution.parts().unwrap_or(resolution);
        self.of(parts) <= Day::of(instant)
    }

    /// Whether the floor of this resolution may rise above `day`, as far as the finer one is concerned.
    pub(super) fn may_pass(&self, resolution: Resolution, day: Day) -> bool {
        resolution.parts().is_none_or(|parts| self.of(parts) > day)
    }
}

/// A day that something is kept of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    pub day: Day,
    /// It was made ahead, or for nothing.
    pub is_empty: bool,
}

/// How far dropping a day has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Nothing of it is left. Nothing was there any more if nothing is said of it.
    Gone(Option<Removed>),
    /// One piece is gone, and there is more.
    Partly(Removed),
    /// It has to stay, untouched: not everything in it is in the roll-ups that are made of it.
    Held,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// As the database knows without counting; exact in SQLite.
    pub rows: u64,
    /// What was given back to the disk; none where the space stays in the database's file, for what comes next.
    pub bytes: u64,
}

impl std::ops::AddAssign for Removed {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}
