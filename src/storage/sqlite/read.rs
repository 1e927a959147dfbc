//! Results: those of a span, the newest of each target, and the state of the whole.

use std::collections::{BinaryHeap, VecDeque};

use rusqlite::{Connection, Row, params};

use super::super::chain::{self, Presented};
use super::super::{Latest, ResultQuery, Stats, StoreError};
use super::codec::{Origin, Owner, stored_result, target_id};
use super::days::{self, Day, Kind};
use super::{retention, store_error};
use crate::model::{StoredResult, TargetId, TargetMap, Timestamp};

/// One series' results of one day, read a page at a time from the newest back.
struct Stream {
    series_key: i64,
    owner: Owner,
    newest: Timestamp,
    page: VecDeque<StoredResult>,
    /// What the next page comes after: microseconds of the day, and an id of that moment; nothing once the day has no more.
    before: Option<(i64, i64)>,
}

/// Merges the series day by day, newest first, and stops at `limit`.
pub fn results(
    connection: &Connection,
    query: &ResultQuery,
) -> Result<Vec<StoredResult>, StoreError> {
    let until = query.end();
    let floor = retention::floors(connection)?.raw.start();
    // what is below waits to be deleted, and is not whole any more
    let mut since = query.since.unwrap_or(Timestamp::MIN).max(floor);
    let mut streams = streams(connection, query.target)?;
    streams.retain(|stream| stream.newest >= since);
    let mut wanted = streams
        .iter()
        .filter(|stream| stream.newest < query.settled_end());
    if let Some(last) = query.limit.checked_sub(1).and_then(|last| wanted.nth(last)) {
        // each of the `limit` series up to here gives a result at least this new, so older ones cannot be wanted
        since = since.max(last.newest);
        streams.retain(|stream| stream.newest >= since);
    }
    let mut found = Vec::with_capacity(query.limit);
    let days = days::load(connection, Kind::Results)?;
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
            query.after,
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
    after: Option<(Timestamp, i64)>,
    streams: &mut [Stream],
    limit: usize,
    found: &mut Vec<StoredResult>,
) -> Result<(), StoreError> {
    let wanted = limit - found.len();
    // a fair share and some: most streams then need one page, and few rows are read in vain
    let page = (2 * wanted / streams.len().max(1) + 2).min(wanted);
    let read = |stream: &mut Stream| -> Result<(), StoreError> {
        let Some((before, below)) = stream.before.take() else {
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
                below,
                page as i64
            ])
            .map_err(store_error)?;
        while let Some(row) = rows.next().map_err(store_error)? {
            let result = stored_result(row, Origin::Day(day), &stream.owner)?;
            stream.page.push_back(result);
        }
        if stream.page.len() == page {
            let last = stream.page.back();
            stream.before = last.map(|last| (day.offset(last.result.slot), i64::MIN));
        }
        Ok(())
    };
    // the moment to go on after is one of the day where the span ends
    let end = match after {
        Some((slot, id)) if slot < until && Day::of(slot) == day => (day.offset(slot), id),
        _ => (day.offset(until), i64::MIN),
    };
    let mut heads = BinaryHeap::new();
    let head = |stream: &Stream| {
        let result = stream.page.front()?;
        Some((result.result.slot, result.id))
    };
    for (index, stream) in streams.iter_mut().enumerate() {
        stream.before = Some(end);
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

pub fn certificates(
    connection: &Connection,
    target: TargetId,
) -> Result<Vec<Presented>, StoreError> {
    let mut statement = connection
        .prepare_cached(include_str!("../sql/certificates.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement.query([target.to_string()]).map_err(store_error)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        let text = |index| row.get::<_, String>(index).map_err(store_error);
        let seen_at = Timestamp::from_micros(row.get(1).map_err(store_error)?);
        all.push(chain::presented(&text(0)?, seen_at, &text(2)?)?);
    }
    Ok(all)
}

pub fn expiries(connection: &Connection) -> Result<TargetMap<Timestamp>, StoreError> {
    let mut statement = connection
        .prepare_cached(include_str!("../sql/expiries.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement.query([]).map_err(store_error)?;
    let mut all = TargetMap::default();
    while let Some(row) = rows.next().map_err(store_error)? {
        let (id, ends): (String, Option<String>) = row.try_into().map_err(store_error)?;
        if let Some(ends) = ends {
            all.insert(target_id(&id)?, chain::ends(&ends)?);
        }
    }
    Ok(all)
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
    // here rather than in the database, which would copy every row once more: 10,000 of them took half as long again
    latest.sort_by(|a, b| {
        let newest_first = b.stored.result.slot.cmp(&a.stored.result.slot);
        newest_first.then_with(|| a.stored.target_name.cmp(&b.stored.target_name))
    });
    Ok(latest)
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
