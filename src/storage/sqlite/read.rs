//! Everything that is read but the target list: results, newest results, figures.

use std::collections::{BinaryHeap, HashMap, VecDeque};

use rusqlite::{Connection, Row, params};

use super::super::{Latest, ResultQuery, Stats, StoreError, TargetSummary};
use super::codec::{Origin, Owner, stored_result, target_id};
use super::days::{self, Day};
use super::store_error;
use crate::model::{StoredResult, Summary, TargetId, Timestamp};

/// One series' results of one day, read a page at a time from the newest back.
struct Stream {
    series_key: i64,
    owner: Owner,
    newest: Timestamp,
    page: VecDeque<StoredResult>,
    /// Where the next page ends, in microseconds of the day; nothing once the day has no more.
    before: Option<i64>,
}

/// Merges the series day by day, newest first, and stops at `limit`.
pub fn results(
    connection: &Connection,
    query: &ResultQuery,
) -> Result<Vec<StoredResult>, StoreError> {
    let until = query.until.unwrap_or(Timestamp::MAX);
    let mut since = query.since.unwrap_or(Timestamp::MIN);
    let mut streams = streams(connection, query.target)?;
    streams.retain(|stream| stream.newest >= since);
    let everything_asked = streams.first().is_none_or(|first| first.newest < until);
    if everything_asked && streams.len() > query.limit && query.limit > 0 {
        // each of the `limit` most recently probed series has a result at least this new, so older ones cannot be wanted
        since = since.max(streams[query.limit - 1].newest);
        streams.retain(|stream| stream.newest >= since);
    }
    let mut found = Vec::with_capacity(query.limit);
    let days = days::load(connection)?;
    let last = Timestamp::from_micros(until.as_micros().saturating_sub(1));
    for &day in days.iter().rev() {
        if day > Day::of(last) {
            continue;
        }
        if day < Day::of(since) || found.len() >= query.limit {
            break;
        }
        merge_day(
            connection,
            day,
            (since, until),
            &mut streams,
            query.limit,
            &mut found,
        )?;
    }
    Ok(found)
}

fn merge_day(
    connection: &Connection,
    day: Day,
    (since, until): (Timestamp, Timestamp),
    streams: &mut [Stream],
    limit: usize,
    found: &mut Vec<StoredResult>,
) -> Result<(), StoreError> {
    let wanted = limit - found.len();
    // a fair share and some: most streams then need one page, and few rows are read in vain
    let page = (2 * wanted / streams.len().max(1) + 2).min(wanted);
    let read = |stream: &mut Stream| -> Result<(), StoreError> {
        let Some(before) = stream.before.take() else {
            return Ok(());
        };
        let mut statement = connection
            .prepare_cached(&day.sql(include_str!("../sql/result_page.sqlite.sql")))
            .map_err(store_error)?;
        let mut rows = statement
            .query(params![
                stream.series_key,
                day.offset(since),
                before,
                page as i64
            ])
            .map_err(store_error)?;
        while let Some(row) = rows.next().map_err(store_error)? {
            let result = stored_result(row, Origin::Day(day), &stream.owner)?;
            stream.page.push_back(result);
        }
        if stream.page.len() == page {
            let last = stream.page.back();
            stream.before = last.map(|last| day.offset(last.result.slot));
        }
        Ok(())
    };
    let mut heads = BinaryHeap::new();
    let head = |stream: &Stream| {
        let result = stream.page.front()?;
        Some((result.result.slot, result.id))
    };
    for (index, stream) in streams.iter_mut().enumerate() {
        stream.before = Some(day.offset(until));
        stream.page.clear();
        read(stream)?;
        heads.extend(head(stream).map(|head| (head, index)));
    }
    while found.len() < limit {
        let Some((_, index)) = heads.pop() else {
            break;
        };
        let stream = &mut streams[index];
        found.extend(stream.page.pop_front());
        if stream.page.is_empty() {
            read(stream)?;
        }
        heads.extend(head(stream).map(|head| (head, index)));
    }
    Ok(())
}

fn streams(connection: &Connection, target: Option<TargetId>) -> Result<Vec<Stream>, StoreError> {
    let mut statement = connection
        .prepare_cached(include_str!("../sql/series_list.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement
        .query([target.map(|id| id.to_string())])
        .map_err(store_error)?;
    let mut streams = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        streams.push(Stream {
            series_key: row.get(0).map_err(store_error)?,
            owner: owner(row, 1)?,
            newest: Timestamp::from_micros(row.get(4).map_err(store_error)?),
            page: VecDeque::new(),
            before: None,
        });
    }
    Ok(streams)
}

/// Reads id, name and location from three columns on.
fn owner(row: &Row<'_>, first: usize) -> Result<Owner, StoreError> {
    let text = |index| row.get::<_, String>(index).map_err(store_error);
    Ok(Owner {
        target: target_id(&text(first)?)?,
        target_name: text(first + 1)?.into(),
        location: text(first + 2)?.into(),
    })
}

pub fn latest_by_target(connection: &Connection) -> Result<Vec<Latest>, StoreError> {
    let mut statement = connection
        .prepare_cached(include_str!("../sql/latest.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement.query([]).map_err(store_error)?;
    let mut latest = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        latest.push(Latest {
            stored: stored_result(row, Origin::Epoch, &owner(row, 11)?)?,
            since: Timestamp::from_micros(row.get(14).map_err(store_error)?),
        });
    }
    Ok(latest)
}

/// Sums over the raw rows of the window, day by day.
pub fn summaries(
    connection: &Connection,
    target: Option<TargetId>,
    since: Timestamp,
    until: Timestamp,
) -> Result<Vec<TargetSummary>, StoreError> {
    let series = wanted_series(connection, target)?;
    let keys: Vec<i64> = series.iter().filter_map(|(.., key)| *key).collect();
    let range = match (target, keys.iter().min(), keys.iter().max()) {
        (Some(_), Some(first), Some(last)) => (*first, *last),
        _ => (0, i64::MAX),
    };
    let mut sums: HashMap<i64, Sums> = HashMap::new();
    let last = Timestamp::from_micros(until.as_micros().saturating_sub(1));
    for day in days::load(connection)? {
        if keys.is_empty() || day < Day::of(since) || day > Day::of(last) {
            continue;
        }
        let mut statement = connection
            .prepare_cached(&day.sql(include_str!("../sql/summary_day.sqlite.sql")))
            .map_err(store_error)?;
        let mut rows = statement
            .query(params![
                range.0,
                range.1,
                day.offset(since),
                day.offset(until)
            ])
            .map_err(store_error)?;
        while let Some(row) = rows.next().map_err(store_error)? {
            let number = |index| row.get::<_, i64>(index).map_err(store_error);
            let day = Sums {
                total: number(1)?,
                up: number(2)?,
                unknown: number(3)?,
                latency_sum: number(4)?,
                latencies: number(5)?,
            };
            sums.entry(number(0)?).or_default().add(&day);
        }
    }
    let mut summaries = Vec::new();
    // the series of a target follow one another
    for of_target in series.chunk_by(|a, b| a.0 == b.0) {
        let mut total = Sums::default();
        for (.., key) in of_target {
            total.add(&key.and_then(|key| sums.remove(&key)).unwrap_or_default());
        }
        let (id, name, _) = &of_target[0];
        summaries.push(TargetSummary {
            target: *id,
            name: name.clone(),
            summary: total.summary(),
        });
    }
    Ok(summaries)
}

#[derive(Default)]
struct Sums {
    total: i64,
    up: i64,
    unknown: i64,
    latency_sum: i64,
    latencies: i64,
}

impl Sums {
    const fn add(&mut self, other: &Self) {
        self.total += other.total;
        self.up += other.up;
        self.unknown += other.unknown;
        self.latency_sum += other.latency_sum;
        self.latencies += other.latencies;
    }

    fn summary(&self) -> Summary {
        let mean = || self.latency_sum as f64 / self.latencies as f64;
        Summary {
            total: self.total.unsigned_abs(),
            up: self.up.unsigned_abs(),
            unknown: self.unknown.unsigned_abs(),
            mean_latency_us: (self.latencies > 0).then(mean),
        }
    }
}

fn wanted_series(
    connection: &Connection,
    target: Option<TargetId>,
) -> Result<Vec<(TargetId, String, Option<i64>)>, StoreError> {
    let mut statement = connection
        .prepare_cached(include_str!("../sql/summary_targets.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement
        .query([target.map(|id| id.to_string())])
        .map_err(store_error)?;
    let mut series = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        let id: String = row.get(0).map_err(store_error)?;
        let name = row.get(1).map_err(store_error)?;
        series.push((target_id(&id)?, name, row.get(2).map_err(store_error)?));
    }
    Ok(series)
}

pub fn stats(connection: &Connection) -> Result<Stats, StoreError> {
    connection
        .prepare_cached(include_str!("../sql/stats.sqlite.sql"))
        .and_then(|mut statement| {
            statement.query_row([], |row| {
                let interval: i64 = row.get(1)?;
                Ok(Stats {
                    enabled_targets: row.get::<_, i64>(0)?.unsigned_abs(),
                    largest_interval: std::time::Duration::from_micros(interval.unsigned_abs()),
                    last_result: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_micros),
                })
            })
        })
        .map_err(store_error)
}
