//! One table a day, of results and of roll-ups of five minutes; those of an hour are in one table, and their days in a list.
//!
//! A table's name is made of a number that this module computes, never of text from outside.

use std::collections::BTreeSet;

use rusqlite::Connection;

pub use super::super::day::Day;
use super::super::{Resolution, StoreError};
use super::store_error;

impl Day {
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

/// What is kept by days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Results,
    /// Roll-ups of five minutes.
    Minutes,
    /// Roll-ups of an hour.
    Hours,
}

impl From<Resolution> for Kind {
    fn from(resolution: Resolution) -> Self {
        match resolution {
            Resolution::Raw => Self::Results,
            Resolution::FiveMinutes => Self::Minutes,
            Resolution::Hour => Self::Hours,
        }
    }
}

/// The days that something of this kind is kept of.
pub fn load(connection: &Connection, kind: Kind) -> Result<BTreeSet<Day>, StoreError> {
    let sql = match kind {
        Kind::Results => include_str!("../sql/days.sqlite.sql"),
        Kind::Minutes => include_str!("../sql/minute_days.sqlite.sql"),
        Kind::Hours => include_str!("../sql/hour_days.sqlite.sql"),
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

/// Notes a day, and makes its table where it has one of its own; both if need be.
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
        Kind::Hours => ("", include_str!("../sql/hour_day_insert.sqlite.sql")),
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
    fn names_hold_digits_only() {
        assert_eq!(Day(20_507).sql("x_{day}"), "x_20507");
        assert_eq!(Day(-1).sql("x_{day}"), "x_n1");
    }
}
