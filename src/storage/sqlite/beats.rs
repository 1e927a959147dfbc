//! The newest results of every enabled target, a few bytes of each.

use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, params};

use super::super::StoreError;
use super::super::beats::{Beat, BeatQuery, Found, Series, is_lossy};
use super::codec::{outcome, target_id, unreadable};
use super::days::{self, Day, Kind};
use super::{retention, store_error};
use crate::model::{Outcome, Timestamp};

pub fn read(connection: &Connection, query: &BeatQuery) -> Result<Found, StoreError> {
    let number = include_str!("../sql/result_id_read.sqlite.sql");
    let numbered = connection
        .query_row(number, [], |row| row.get(0))
        .map_err(store_error)?;
    let floor = retention::floors(connection)?.raw;
    let mut found = Found {
        numbered,
        floor: floor.start(),
        ..Found::default()
    };
    let begins = series(connection, query, &mut found)?;
    let sql = include_str!("../sql/beats.sqlite.sql");
    for &day in days::load(connection, Kind::Results)?.range(floor..).rev() {
        let mut statement = connection
            .prepare_cached(&day.sql(sql))
            .map_err(store_error)?;
        let mut missing = false;
        for (series, begin) in found.series.iter_mut().zip(&begins) {
            let Some(begin) = begin.filter(|begin| Day::of(*begin) <= day) else {
                continue;
            };
            if series.beats.len() >= query.most {
                continue;
            }
            missing = true;
            let is_today = Day::of(begin) == day;
            let after = if is_today { day.offset(begin) } else { -1 };
            found.fresh += beats(&mut statement, day, after, query, series)?;
        }
        if !missing {
            break;
        }
    }
    for series in &mut found.series {
        series.beats.reverse();
    }
    Ok(found)
}

/// Adds a series' beats of one day, newest first; says how many of them are new.
fn beats(
    statement: &mut CachedStatement<'_>,
    day: Day,
    after: i64,
    query: &BeatQuery,
    series: &mut Series,
) -> Result<i64, StoreError> {
    let most = query.most - series.beats.len();
    let mut fresh = 0;
    let mut rows = statement
        .query(params![series.key, after, most as i64])
        .map_err(store_error)?;
    while let Some(row) = rows.next().map_err(store_error)? {
        let outcome = outcome(row.get(3).map_err(store_error)?)?;
        let mut impaired: bool = row.get(4).map_err(store_error)?;
        if outcome == Outcome::Up
            && let ValueRef::Text(detail) = row.get_ref(5).map_err(store_error)?
        {
            let detail = std::str::from_utf8(detail).map_err(|error| unreadable("text", error))?;
            impaired |= is_lossy(detail)?;
        }
        let slot: Timestamp = day.instant(row.get(0).map_err(store_error)?);
        let latency = row.get(2).map_err(store_error)?;
        let id: i64 = row.get(1).map_err(store_error)?;
        fresh += i64::from(id > query.numbered);
        series
            .beats
            .push(Beat::new(slot, outcome, impaired, latency));
    }
    Ok(fresh)
}

/// Adds the series, and gives where the beats of each begin that are to be read.
fn series(
    connection: &Connection,
    query: &BeatQuery,
    found: &mut Found,
) -> Result<Vec<Option<Timestamp>>, StoreError> {
    let mut statement = connection
        .prepare_cached(include_str!("../sql/beat_series.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement.query([]).map_err(store_error)?;
    let mut begins = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        let id = row.get_ref(1).map_err(store_error)?;
        let id = id.as_str().map_err(|error| unreadable("text", error))?;
        let key = row.get(0).map_err(store_error)?;
        let newest: Option<i64> = row.get(2).map_err(store_error)?;
        let newest = newest.map(Timestamp::from_micros);
        begins.push(query.begin(key, newest, found.floor));
        found.series.push(Series {
            key,
            target: target_id(id)?,
            beats: Vec::new(),
        });
    }
    Ok(begins)
}
