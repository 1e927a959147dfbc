//! One table of results a day.
//!
//! A table's name is made of a number that this module computes, never of text from outside.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::Connection;

use super::super::StoreError;
use super::store_error;
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

    pub const fn instant(self, offset: i64) -> Timestamp {
        Timestamp::from_micros(self.start().as_micros() + offset)
    }

    /// Fills the table's name into a statement.
    pub fn sql(self, statement: &str) -> String {
        let name = if self.0 < 0 {
            format!("n{}", -self.0)
        } else {
            self.0.to_string()
        };
        statement.replace("{day}", &name)
    }
}

/// What a table of a day holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Results,
    /// Roll-ups of five minutes.
    Minutes,
}

/// The days that have a table of this kind.
pub fn load(connection: &Connection, kind: Kind) -> Result<BTreeSet<Day>, StoreError> {
    let sql = match kind {
        Kind::Results => include_str!("../sql/days.sqlite.sql"),
        Kind::Minutes => include_str!("../sql/minute_days.sqlite.sql"),
    };
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            statement
                .query_map([], |row| row.get(0).map(Day))?
                .collect()
        })
        .map_err(store_error)
}

/// Makes the table of a day, if there is none.
pub fn create(connection: &Connection, kind: Kind, day: Day) -> Result<(), StoreError> {
    let (table, note) = match kind {
        Kind::Results => (
            include_str!("../sql/day_create.sqlite.sql"),
            include_str!("../sql/day_insert.sqlite.sql"),
        ),
        Kind::Minutes => (
            include_str!("../sql/minutes_create.sqlite.sql"),
            include_str!("../sql/minute_day_insert.sqlite.sql"),
        ),
    };
    connection
        .execute_batch(&day.sql(table))
        .and_then(|()| connection.execute(note, [day.0]))
        .map(|_| ())
        .map_err(store_error)
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

    #[test]
    fn names_hold_digits_only() {
        assert_eq!(Day(20_507).sql("x_{day}"), "x_20507");
        assert_eq!(Day(-1).sql("x_{day}"), "x_n1");
    }
}
