//! One table of results a day.
//!
//! A table's name is made of a number that this module computes, never of text from outside.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::super::StoreError;
pub use super::super::day::Day;
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
    fn names_hold_digits_only() {
        assert_eq!(Day(20_507).sql("x_{day}"), "x_20507");
        assert_eq!(Day(-1).sql("x_{day}"), "x_n1");
    }
}
