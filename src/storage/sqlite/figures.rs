//! Figures: summed up from results or from roll-ups, and the roll-ups written.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, params, params_from_iter};

use super::super::figures::{self, Sums};
use super::super::rollup::{Stored, encode};
use super::super::{Figures, FiguresQuery, Resolution, Stale, Standing, StoreError};
use super::codec::{outcome, target_id, unreadable};
use super::days::{self, Day, Kind};
use super::retention;
use super::store_error;
use crate::model::{Sample, TargetId, Timestamp, micros};

pub fn read(connection: &Connection, query: &FiguresQuery) -> Result<Vec<Figures>, StoreError> {
    if query.since >= query.until {
        return Ok(Vec::new());
    }
    let last = Timestamp::from_micros(query.until.as_micros() - 1);
    let owners = owners(connection, query.target)?;
    let mut reading = Reading {
        connection,
        query,
        owners: &owners,
        sums: Sums::new(query),
    };
    let [of_one, of_all] = match query.resolution {
        Resolution::Raw => [
            include_str!("../sql/raw_read.sqlite.sql"),
            include_str!("../sql/raw_scan.sqlite.sql"),
        ],
        Resolution::FiveMinutes => [
            include_str!("../sql/minutes_read.sqlite.sql"),
            include_str!("../sql/minutes_scan.sqlite.sql"),
        ],
        Resolution::Hour => [
            include_str!("../sql/hours_read.sqlite.sql"),
            include_str!("../sql/hours_scan.sqlite.sql"),
        ],
    };
    let sql = if query.target.is_some() {
        of_one
    } else {
        of_all
    };
    let kind = match query.resolution {
        Resolution::Raw => Kind::Results,
        Resolution::FiveMinutes => Kind::Minutes,
        Resolution::Hour => {
            reading.rollups(sql)?;
            return Ok(reading.sums.figures());
        }
    };
    let kept = days::load(connection, kind)?;
    for day in kept.range(Day::of(query.since)..=Day::of(last)) {
        let sql = day.sql(sql);
        match kind {
            Kind::Results => reading.results(&sql, *day)?,
            _ => reading.rollups(&sql)?,
        }
    }
    Ok(reading.sums.figures())
}

fn owners(
    connection: &Connection,
    target: Option<TargetId>,
) -> Result<BTreeMap<i64, TargetId>, StoreError> {
    let mut statement = connection
        .prepare_cached(include_str!("../sql/series_keys.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement
        .query([target.map(|id| id.to_string())])
        .map_err(store_error)?;
    let mut owners = BTreeMap::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        let id: String = row.get(1).map_err(store_error)?;
        owners.insert(row.get(0).map_err(store_error)?, target_id(&id)?);
    }
    Ok(owners)
}

struct Reading<'a> {
    connection: &'a Connection,
    query: &'a FiguresQuery,
    /// The target of each series that is asked for.
    owners: &'a BTreeMap<i64, TargetId>,
    sums: Sums,
}

impl Reading<'_> {
    /// Adds the results of a day.
    fn results(&mut self, sql: &str, day: Day) -> Result<(), StoreError> {
        let span = [day.offset(self.query.since), day.offset(self.query.until)];
        self.each(sql, span, |sums, series, target, row| {
            let latency: Option<i64> = row.get(2).map_err(store_error)?;
            let detail = match row.get_ref(4).map_err(store_error)? {
                rusqlite::types::ValueRef::Null => None,
                value => {
                    let json = value
                        .as_str()
                        .map_err(|error| unreadable("detail", error))?;
                    Some(figures::detail(json)?)
                }
            };
            let sample = Sample {
                outcome: outcome(row.get(3).map_err(store_error)?)?,
                latency_us: latency.map(i64::unsigned_abs),
                detail: detail.as_ref(),
            };
            let at = day.instant(row.get(1).map_err(store_error)?);
            sums.add(series, target, at, &sample);
            Ok(())
        })
    }

    fn rollups(&mut self, sql: &str) -> Result<(), StoreError> {
        let width = self.query.resolution.width().map_or(1, micros);
        let bucket = |instant: Timestamp| instant.as_micros().div_euclid(width);
        let span = [bucket(self.query.since), bucket(self.query.until)];
        self.each(sql, span, |sums, series, target, row| {
            let number: i64 = row.get(1).map_err(store_error)?;
            let at = Timestamp::from_micros(number * width);
            sums.add_stored(series, target, at, &stored(row)?)
        })
    }

    /// Runs the statement for all series at once, or for each of those of the one target.
    fn each(
        &mut self,
        sql: &str,
        [since, until]: [i64; 2],
        mut add: impl FnMut(&mut Sums, i64, TargetId, &Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(sql).map_err(store_error)?;
        let parameters: Vec<Vec<i64>> = if self.query.target.is_some() {
            let of_series = |key: &i64| vec![*key, since, until];
            self.owners.keys().map(of_series).collect()
        } else {
            vec![vec![since, until]]
        };
        for parameters in parameters {
            let mut rows = statement
                .query(params_from_iter(parameters))
                .map_err(store_error)?;
            while let Some(row) = rows.next().map_err(store_error)? {
                let series: i64 = row.get(0).map_err(store_error)?;
                if let Some(target) = self.owners.get(&series) {
                    add(&mut self.sums, series, *target, row)?;
                }
            }
        }
        Ok(())
    }
}

fn stored<'a>(row: &'a Row<'_>) -> Result<Stored<'a>, StoreError> {
    let number = |index| -> Result<u64, StoreError> {
        let number: i64 = row.get(index).map_err(store_error)?;
        Ok(number.unsigned_abs())
    };
    let bytes = row.get_ref(10).map_err(store_error)?;
    let figures = bytes
        .as_blob()
        .map_err(|error| unreadable("roll-up", error))?;
    Ok(Stored {
        total: number(2)?,
        up: number(3)?,
        unknown: number(4)?,
        sent: number(5)?,
        received: number(6)?,
        latency_sum: number(7)?,
        latency_min: number(8)?,
        latency_max: number(9)?,
        figures,
    })
}

/// The buckets that are marked, the finer first.
pub fn stale(connection: &Connection) -> Result<Vec<Stale>, StoreError> {
    let mut statement = connection
        .prepare_cached(include_str!("../sql/stale_list.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement.query([]).map_err(store_error)?;
    let mut stale = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        let number = |index| row.get::<_, i64>(index).map_err(store_error);
        let width = number(0)?;
        let resolution = Resolution::of_width(width).ok_or_else(|| unreadable("width", width))?;
        stale.push(Stale {
            resolution,
            bucket: Timestamp::from_micros(number(1)? * width * 1_000_000),
            marks: number(2)?,
        });
    }
    Ok(stale)
}

/// The statements of a query see one state of the database.
pub fn standing(
    connection: &Connection,
    since: Timestamp,
    until: Timestamp,
) -> Result<Standing, StoreError> {
    let mut standing = Standing {
        floors: retention::floors(connection)?,
        stale: stale(connection)?,
        ..Standing::default()
    };
    let hour = |instant: Timestamp| instant.as_micros().div_euclid(3_600_000_000);
    let last = Timestamp::from_micros(until.as_micros().saturating_sub(1));
    let mut statement = connection
        .prepare_cached(include_str!("../sql/settled_list.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement
        .query([hour(since), hour(last) + 1])
        .map_err(store_error)?;
    while let Some(row) = rows.next().map_err(store_error)? {
        let number = |index| row.get::<_, i64>(index).map_err(store_error);
        let width = number(0)?;
        let resolution = Resolution::of_width(width).ok_or_else(|| unreadable("width", width))?;
        let bucket = Timestamp::from_micros(number(1)? * width * 1_000_000);
        standing.stamps.insert(resolution, bucket, number(2)?);
    }
    Ok(standing)
}

pub fn seconds(resolution: Resolution) -> i64 {
    resolution
        .width()
        .map_or(0, |width| width.as_secs().cast_signed())
}

/// Says, within the transaction that changes what a bucket is made of, that its roll-ups do not agree any more.
pub fn mark(
    connection: &Connection,
    resolution: Resolution,
    instant: Timestamp,
) -> Result<(), StoreError> {
    let width = seconds(resolution);
    let bucket = instant.as_micros().div_euclid(width * 1_000_000);
    connection
        .prepare_cached(include_str!("../sql/stale_mark.sqlite.sql"))
        .and_then(|mut statement| statement.execute([width, bucket]))
        .map_err(store_error)?;
    Ok(())
}

/// Writes the roll-ups of a bucket within a transaction, if what they are made of is kept and nobody has settled it meanwhile.
pub fn write(connection: &Connection, stale: Stale, figures: &[Figures]) -> Result<(), StoreError> {
    let width = seconds(stale.resolution);
    let bucket = stale.bucket.as_micros().div_euclid(width * 1_000_000);
    let is_marked: bool = connection
        .prepare_cached(include_str!("../sql/stale_find.sqlite.sql"))
        .and_then(|mut statement| statement.query_row([width, bucket], |row| row.get(0)))
        .map_err(store_error)?;
    if !is_marked {
        return Ok(());
    }
    // what is left of its parts is less than it knows
    let is_kept = retention::floors(connection)?.has_parts(stale.resolution, stale.bucket);
    if is_kept {
        connection
            .prepare_cached(include_str!("../sql/settled_stamp.sqlite.sql"))
            .and_then(|mut statement| statement.execute([width, bucket]))
            .map_err(store_error)?;
        write_all(connection, stale, figures)?;
    }
    connection
        .prepare_cached(include_str!("../sql/stale_clear.sqlite.sql"))
        .and_then(|mut statement| statement.execute([width, bucket, stale.marks]))
        .map_err(store_error)?;
    Ok(())
}

fn write_all(connection: &Connection, stale: Stale, figures: &[Figures]) -> Result<(), StoreError> {
    let day = Day::of(stale.bucket);
    let sql = match stale.resolution {
        Resolution::Hour => {
            days::create(connection, Kind::Hours, day)?;
            include_str!("../sql/hours_write.sqlite.sql").to_owned()
        }
        Resolution::FiveMinutes => {
            days::create(connection, Kind::Minutes, day)?;
            // the hour is made of this
            mark(connection, Resolution::Hour, stale.bucket)?;
            day.sql(include_str!("../sql/minutes_write.sqlite.sql"))
        }
        Resolution::Raw => return Ok(()),
    };
    let width = seconds(stale.resolution);
    let bucket = stale.bucket.as_micros().div_euclid(width * 1_000_000);
    let mut statement = connection.prepare_cached(&sql).map_err(store_error)?;
    for Figures {
        series, summary, ..
    } in figures
    {
        let column = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        statement
            .execute(params![
                series,
                bucket,
                column(summary.total),
                column(summary.up),
                column(summary.unknown),
                column(summary.sent),
                column(summary.received),
                column(summary.latency.count()),
                column(summary.latency.sum),
                column(summary.latency.min),
                column(summary.latency.max),
                encode(summary),
            ])
            .map_err(store_error)?;
    }
    Ok(())
}
