//! One partition a day, of results and of roll-ups.
//!
//! A partition's name is made of a date that this module computes, never of text from outside. Days are added when a batch needs
//! them, two more ahead, so that midnight costs nothing; the batch that finds its day missing heals it.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp as Instant};
use tokio_postgres::types::Type;

use super::super::day::Day;
use super::super::{Kept, Removed};
use super::codec::column;
use super::error::Failed;
use super::session::Session;

const AHEAD: i64 = 2;
const DATE: &str = "_%Y%m%d";
const DAY_SECONDS: i64 = 86_400;

/// A table that is kept by days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Results,
    /// Roll-ups of five minutes.
    Minutes,
}

impl Table {
    const fn name(self) -> &'static str {
        match self {
            Self::Results => "results",
            Self::Minutes => "minutes",
        }
    }

    fn partition(self, day: Day) -> String {
        let start = Instant::UNIX_EPOCH + SignedDuration::from_secs(day.0 * DAY_SECONDS);
        format!("{}{}", self.name(), start.strftime(DATE))
    }

    fn day(self, partition: &str) -> Option<Day> {
        let date = partition.strip_prefix(self.name())?;
        Date::strptime(DATE, date).ok().map(day_of)
    }

    /// The column that says when.
    const fn time(self) -> &'static str {
        match self {
            Self::Results => "ts",
            Self::Minutes => "bucket",
        }
    }

    fn sql(self, statement: &str) -> String {
        statement
            .replace("{table}", self.name())
            .replace("{time}", self.time())
    }
}

/// Whether a day has a name: those of the years 1 to 9999 have, but for the last days, which have none ahead of them.
pub fn is_nameable(day: Day) -> bool {
    (day_of(Date::constant(1, 1, 1))..=day_of(Date::constant(9999, 12, 20))).contains(&day)
}

fn day_of(date: Date) -> Day {
    let since = date.duration_since(Date::constant(1970, 1, 1));
    Day(since.as_secs().div_euclid(DAY_SECONDS))
}

fn sql(table: Table, day: Day, statement: &str) -> String {
    table
        .sql(statement)
        .replace("{partition}", &table.partition(day))
        .replace("{start}", &(day.0 * DAY_SECONDS).to_string())
        .replace("{end}", &((day.0 + 1) * DAY_SECONDS).to_string())
}

/// The days that have a partition.
pub async fn load(session: &mut Session, table: Table) -> Result<BTreeSet<Day>, Failed> {
    let sql = table.sql(include_str!("../sql/partitions.postgres.sql"));
    let rows = session.query(&sql, &[]).await?;
    let mut days = BTreeSet::new();
    for row in &rows {
        // a partition of another name is someone else's, and covers days that then need none of ours
        days.extend(table.day(column::<&str>(row, 0)?));
    }
    Ok(days)
}

/// Sees to it that each of the days has a partition; `known` are those that have one, as far as this process remembers.
pub async fn ensure(
    session: &mut Session,
    table: Table,
    known: &mut BTreeSet<Day>,
    wanted: &BTreeSet<Day>,
) -> Result<(), Failed> {
    let mut wanted = wanted.clone();
    if let Some(&last) = wanted.last() {
        wanted.extend((1..=AHEAD).map(|more| Day(last.0 + more)));
    }
    if wanted.is_subset(known) {
        return Ok(());
    }
    session
        .query(include_str!("../sql/partition_lock.postgres.sql"), &[])
        .await?;
    let mut days = load(session, table).await?;
    for &day in &wanted {
        if days.insert(day) {
            for statement in [
                include_str!("../sql/partition_create.postgres.sql"),
                include_str!("../sql/partition_attach.postgres.sql"),
            ] {
                session.batch(&sql(table, day, statement)).await?;
            }
        }
    }
    session.commit().await?;
    *known = days;
    Ok(())
}

/// The days that have a partition, and whether it holds anything.
pub async fn fill(session: &mut Session, table: Table) -> Result<Vec<Kept>, Failed> {
    let days = load(session, table).await?;
    let days: Vec<i32> = days.iter().map(|day| day.0 as i32).collect();
    let sql = table.sql(include_str!("../sql/partition_fill.postgres.sql"));
    let rows = session.query(&sql, &[(&days, Type::INT4_ARRAY)]).await?;
    let kept = |row| {
        Ok(Kept {
            day: Day(column::<i32>(row, 0)?.into()),
            is_empty: !column::<bool>(row, 1)?,
        })
    };
    rows.iter().map(kept).collect()
}

/// Drops the partition of a day; says nothing of it if there was none.
pub async fn drop(
    session: &mut Session,
    table: Table,
    day: Day,
) -> Result<Option<Removed>, Failed> {
    // nobody makes it anew, or drops it too, at this moment
    session
        .query(include_str!("../sql/partition_lock.postgres.sql"), &[])
        .await?;
    let size = include_str!("../sql/partition_size.postgres.sql");
    let rows = session.query(&sql(table, day, size), &[]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let count = |index| column::<i64>(row, index).map(i64::unsigned_abs);
    let removed = Removed {
        rows: count(0)?,
        bytes: count(1)?,
    };
    let statement = include_str!("../sql/partition_drop.postgres.sql");
    session.batch(&sql(table, day, statement)).await?;
    Ok(Some(removed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn a_partition_is_named_by_its_date() {
        for (text, expected) in [
            ("2026-02-23T12:00:00Z", "results_20260223"),
            ("1969-12-31T23:59:59Z", "results_19691231"),
            ("0001-01-01T00:00:00Z", "results_00010101"),
            ("9999-12-20T00:00:00Z", "results_99991220"),
        ] {
            let instant: Timestamp = text.parse().unwrap();
            let day = Day::of(instant);
            assert!(is_nameable(day), "{text}");
            assert_eq!(Table::Results.partition(day), expected);
            assert_eq!(Table::Results.day(expected), Some(day));
        }
        assert!(!is_nameable(Day::of(Timestamp::MIN)));
        assert!(!is_nameable(Day::of(Timestamp::MAX)));
        assert!(!is_nameable(Day::of(Timestamp::from_micros(i64::MIN))));
        assert!(!is_nameable(Day::of(Timestamp::from_micros(i64::MAX))));
    }

    #[test]
    fn a_partition_covers_its_day() {
        assert_eq!(
            sql(Table::Results, Day(1), "{partition} {start} {end}"),
            "results_19700102 86400 172800"
        );
    }
}
