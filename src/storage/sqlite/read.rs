//! Everything that is read but the target list: results, newest results, figures.

use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::super::{Latest, ResultQuery, Stats, StoreError, TargetSummary};
use super::codec::{Origin, stored_result, target_id};
use super::days::{self, Day};
use super::store_error;
use crate::model::{StoredResult, Summary, TargetId, Timestamp};

/// One target's results of one day, read a page at a time from the newest back.
struct Stream {
    target_key: i64,
    target: TargetId,
    name: Arc<str>,
    newest: Timestamp,
    page: VecDeque<(StoredResult, Position)>,
    /// Where the next page begins; nothing once the day has no more.
    before: Option<Position>,
}

/// The place of a row among a target's rows of a day.
type Position = (i64, i64);

/// Merges the streams of the targets day by day, newest first, and stops at `limit`.
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
        // each of the `limit` most recently probed targets has a result at least this new, so older ones cannot be wanted
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
        let Some((at, location)) = stream.before.take() else {
            return Ok(());
        };
        let mut statement = connection
            .prepare_cached(&day.sql(include_str!("../sql/result_page.sqlite.sql")))
            .map_err(store_error)?;
        let mut rows = statement
            .query(params![
                stream.target_key,
                day.offset(since),
                at,
                location,
                page as i64
            ])
            .map_err(store_error)?;
        while let Some(row) = rows.next().map_err(store_error)? {
            let result = stored_result(row, Origin::Day(day), stream.target, &stream.name)?;
            let number = |index| row.get::<_, i64>(index).map_err(store_error);
            stream.page.push_back((result, (number(0)?, number(1)?)));
        }
        if stream.page.len() == page {
            stream.before = stream.page.back().map(|(_, position)| *position);
        }
        Ok(())
    };
    let mut heads = BinaryHeap::new();
    let head = |stream: &Stream| {
        let (result, _) = stream.page.front()?;
        Some((result.result.slot, result.id))
    };
    for (index, stream) in streams.iter_mut().enumerate() {
        stream.before = Some((day.offset(until), -1));
        stream.page.clear();
        read(stream)?;
        heads.extend(head(stream).map(|head| (head, index)));
    }
    while found.len() < limit {
        let Some((_, index)) = heads.pop() else {
            break;
        };
        let stream = &mut streams[index];
        found.extend(stream.page.pop_front().map(|(result, _)| result));
        if stream.page.is_empty() {
            read(stream)?;
        }
        heads.extend(head(stream).map(|head| (head, index)));
    }
    Ok(())
}

fn streams(connection: &Connection, target: Option<TargetId>) -> Result<Vec<Stream>, StoreError> {
    let sql = match target {
        Some(_) => include_str!("../sql/series_of.sqlite.sql"),
        None => include_str!("../sql/series_newest.sqlite.sql"),
    };
    let mut statement = connection.prepare_cached(sql).map_err(store_error)?;
    let id = target.map(|id| id.to_string());
    let mut rows = statement
        .query(rusqlite::params_from_iter(id.iter()))
        .map_err(store_error)?;
    let mut streams = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        let text = |index| row.get::<_, String>(index).map_err(store_error);
        streams.push(Stream {
            target_key: row.get(0).map_err(store_error)?,
            target: target_id(&text(1)?)?,
            name: text(2)?.into(),
            newest: Timestamp::from_micros(row.get(3).map_err(store_error)?),
            page: VecDeque::new(),
            before: None,
        });
    }
    Ok(streams)
}

pub fn latest_by_target(connection: &Connection) -> Result<Vec<Latest>, StoreError> {
    let mut statement = connection
        .prepare_cached(include_str!("../sql/latest.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement.query([]).map_err(store_error)?;
    let mut latest = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        let text = |index| row.get::<_, String>(index).map_err(store_error);
        let target = target_id(&text(13)?)?;
        let name = Arc::from(text(14)?);
        latest.push(Latest {
            stored: stored_result(row, Origin::Epoch, target, &name)?,
            since: Timestamp::from_micros(row.get(15).map_err(store_error)?),
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
    #[derive(Default)]
    struct Sums {
        summary: Summary,
        latency_sum: i64,
        latencies: i64,
    }
    let id = target.map(|id| id.to_string());
    let mut statement = connection
        .prepare_cached(include_str!("../sql/summary_targets.sqlite.sql"))
        .map_err(store_error)?;
    let targets = statement
        .query_map([&id], |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?))
        })
        .and_then(Iterator::collect::<Result<Vec<(i64, String, String)>, _>>)
        .map_err(store_error)?;
    let keys = match (&target, targets.first()) {
        (Some(_), Some((key, ..))) => (*key, *key),
        _ => (0, i64::MAX),
    };
    let mut sums: HashMap<i64, Sums> = HashMap::new();
    let last = Timestamp::from_micros(until.as_micros().saturating_sub(1));
    for day in days::load(connection)? {
        if targets.is_empty() || day < Day::of(since) || day > Day::of(last) {
            continue;
        }
        let mut statement = connection
            .prepare_cached(&day.sql(include_str!("../sql/summary_day.sqlite.sql")))
            .map_err(store_error)?;
        let mut rows = statement
            .query(params![
                keys.0,
                keys.1,
                day.offset(since),
                day.offset(until)
            ])
            .map_err(store_error)?;
        while let Some(row) = rows.next().map_err(store_error)? {
            let number = |index| row.get::<_, i64>(index).map_err(store_error);
            let sums = sums.entry(number(0)?).or_default();
            sums.summary.total += number(1)?.unsigned_abs();
            sums.summary.up += number(2)?.unsigned_abs();
            sums.summary.unknown += number(3)?.unsigned_abs();
            sums.latency_sum += number(4)?;
            sums.latencies += number(5)?;
        }
    }
    targets
        .into_iter()
        .map(|(key, id, name)| {
            let sums = sums.remove(&key).unwrap_or_default();
            let mean =
                (sums.latencies > 0).then(|| sums.latency_sum as f64 / sums.latencies as f64);
            Ok(TargetSummary {
                target: target_id(&id)?,
                name,
                summary: Summary {
                    mean_latency_us: mean,
                    ..sums.summary
                },
            })
        })
        .collect()
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
