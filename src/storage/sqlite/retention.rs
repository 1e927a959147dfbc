//! Floors, and days that are dropped a piece at a time.
//!
//! The writer has one thread, and a table of ten million rows dropped at once reads each of its pages while everything else waits. So
//! a day is emptied in pieces of [`PIECE`] rows, each a transaction of a few milliseconds that batches come in between, and the
//! last piece goes with the table. The pages stay in the file, for the days to come.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::{Floors, Kept, Progress, Removed, Resolution, StoreError};
use super::days::{self, Day, Kind};
use super::figures::seconds;
use super::store_error;

/// Rows that one transaction deletes: 1.4 ms where the table is in memory, 50 ms at the worst that was measured, and under a second
/// where each page has to be fetched by an arm of a disk.
const PIECE: i64 = 10_000;

pub fn floors(connection: &Connection) -> Result<Floors, StoreError> {
    let mut statement = connection
        .prepare_cached(include_str!("../sql/floors_read.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement.query([]).map_err(store_error)?;
    let mut floors = Floors::default();
    while let Some(row) = rows.next().map_err(store_error)? {
        let width: i64 = row.get(0).map_err(store_error)?;
        let day = Day(row.get(1).map_err(store_error)?);
        floors.set(Resolution::of_width(width).unwrap_or(Resolution::Raw), day);
    }
    Ok(floors)
}

pub fn days(connection: &Connection, resolution: Resolution) -> Result<Vec<Kept>, StoreError> {
    let days = days::load(connection, resolution.into())?;
    // made with their first row
    let kept = days.into_iter().map(|day| Kept {
        day,
        is_empty: false,
    });
    Ok(kept.collect())
}

/// Raises the floor above the day if that is due, and deletes a piece of it.
pub fn drop_day(
    connection: &Connection,
    resolution: Resolution,
    day: Day,
) -> Result<Progress, StoreError> {
    if !raise(connection, resolution, day)? {
        return Ok(Progress::Held);
    }
    let progress = match Kind::from(resolution) {
        Kind::Hours => trim_hours(connection, day),
        kind => trim_table(connection, kind, day),
    }?;
    if let (Progress::Gone(_), Some(width)) = (progress, resolution.width()) {
        let width = width.as_secs().cast_signed();
        let buckets = 86_400 / width;
        connection
            .execute(
                include_str!("../sql/settled_forget.sqlite.sql"),
                [width, day.0 * buckets, day.next().0 * buckets],
            )
            .map_err(store_error)?;
    }
    Ok(progress)
}

/// Whether the floor is above the day. The transaction that asks is the only one that writes.
fn raise(connection: &Connection, resolution: Resolution, day: Day) -> Result<bool, StoreError> {
    let floors = floors(connection)?;
    if floors.of(resolution) > day {
        return Ok(true);
    }
    // results have to be in five minutes, and those have to be in their hour
    let width = match resolution {
        Resolution::Raw => seconds(Resolution::FiveMinutes),
        _ => seconds(Resolution::Hour),
    };
    let end = day.next().start().as_micros().div_euclid(1_000_000);
    let is_stale: bool = connection
        .query_row(
            include_str!("../sql/stale_before.sqlite.sql"),
            [width, end],
            |row| row.get(0),
        )
        .map_err(store_error)?;
    if is_stale || !floors.may_pass(resolution, day) {
        return Ok(false);
    }
    connection
        .execute(
            include_str!("../sql/floor_raise.sqlite.sql"),
            [seconds(resolution), day.next().0],
        )
        .map_err(store_error)?;
    Ok(true)
}

fn trim_table(connection: &Connection, kind: Kind, day: Day) -> Result<Progress, StoreError> {
    let [boundary, trim, count, table, note] = match kind {
        Kind::Results => [
            include_str!("../sql/day_boundary.sqlite.sql"),
            include_str!("../sql/day_trim.sqlite.sql"),
            include_str!("../sql/day_count.sqlite.sql"),
            include_str!("../sql/day_drop.sqlite.sql"),
            include_str!("../sql/day_delete.sqlite.sql"),
        ],
        _ => [
            include_str!("../sql/minutes_boundary.sqlite.sql"),
            include_str!("../sql/minutes_trim.sqlite.sql"),
            include_str!("../sql/minutes_count.sqlite.sql"),
            include_str!("../sql/minutes_drop.sqlite.sql"),
            include_str!("../sql/minute_day_delete.sqlite.sql"),
        ],
    };
    if !days::load(connection, kind)?.contains(&day) {
        return Ok(Progress::Gone(None));
    }
    let end: Option<(i64, i64)> = connection
        .query_row(&day.sql(boundary), [PIECE], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
        .map_err(store_error)?;
    let mut removed = Removed::default();
    if let Some((series, at)) = end {
        removed.rows = connection
            .execute(&day.sql(trim), params![series, at])
            .map_err(store_error)? as u64;
        return Ok(Progress::Partly(removed));
    }
    let rows: i64 = connection
        .query_row(&day.sql(count), [], |row| row.get(0))
        .map_err(store_error)?;
    removed.rows = rows.unsigned_abs();
    connection
        .execute_batch(&day.sql(table))
        .and_then(|()| connection.execute(note, [day.0]))
        .map_err(store_error)?;
    Ok(Progress::Gone(Some(removed)))
}

fn trim_hours(connection: &Connection, day: Day) -> Result<Progress, StoreError> {
    let parameters = [day.0 * 24, day.next().0 * 24, PIECE];
    let rows = connection
        .execute(include_str!("../sql/hours_trim.sqlite.sql"), parameters)
        .map_err(store_error)?;
    let removed = Removed {
        rows: rows as u64,
        bytes: 0,
    };
    if removed.rows >= PIECE.unsigned_abs() {
        return Ok(Progress::Partly(removed));
    }
    let noted = connection
        .execute(include_str!("../sql/hour_day_delete.sqlite.sql"), [day.0])
        .map_err(store_error)?;
    Ok(Progress::Gone((noted > 0).then_some(removed)))
}

/// Forgets a piece of what no result says any more. Keys that other processes remember are harmless: they look them up anew before
/// they use them on another day (`verdict.rs`).
pub fn forget_verdicts(connection: &Connection) -> Result<u64, StoreError> {
    let floor = floors(connection)?.raw;
    let forgotten = connection
        .execute(
            include_str!("../sql/verdicts_forget.sqlite.sql"),
            [floor.0, PIECE],
        )
        .map_err(store_error)?;
    Ok(forgotten as u64)
}
