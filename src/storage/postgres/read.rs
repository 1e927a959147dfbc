//! Everything that is read but the target list: results, newest results, the state of the whole.

use std::collections::HashMap;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::super::row::Owner;
use super::super::{Latest, ResultQuery, Stats};
use super::codec::{Instant, column, instant, owner, stored_result};
use super::days::{self, Table};
use super::error::Failed;
use super::retention;
use super::schema;
use super::session::Session;
use crate::model::{StoredResult, TargetId, Timestamp};

/// A target at one location that has results.
struct Series {
    key: i32,
    owner: Owner,
    newest: Timestamp,
    interval: Duration,
}

/// Looks back from the newest, through windows that widen until enough is found or nothing is left.
pub async fn results(
    session: &mut Session,
    query: &ResultQuery,
) -> Result<Vec<StoredResult>, Failed> {
    let mut series = series(session, query).await?;
    // what is below the floor waits to be dropped
    let floor = retention::floors(session).await?.raw;
    let days = days::load(session, Table::Results).await?;
    let (Some(first), Some(&oldest)) = (series.first(), days.range(floor..).next()) else {
        return Ok(Vec::new());
    };
    let mut newest = first.newest.saturating_add(Duration::from_micros(1));
    if query.end() > newest {
        // a clock that was set back leaves results that are newer than the newest state
        let rows = session
            .query(
                include_str!("../sql/results_newest.postgres.sql"),
                &[(&Instant(newest), Type::TIMESTAMPTZ)],
            )
            .await?;
        let beyond: Option<Instant> = column(schema::one(&rows)?, 0)?;
        if let Some(Instant(beyond)) = beyond {
            newest = beyond.saturating_add(Duration::from_micros(1));
        }
    }
    let mut until = query.end().min(newest);
    let mut since = query
        .since
        .map_or(oldest.start(), |since| since.max(oldest.start()));
    let mut width = expected_span(&series, query.limit);
    let mut wanted = series
        .iter()
        .filter(|series| series.newest < query.settled_end());
    if let Some(last) = query.limit.checked_sub(1).and_then(|last| wanted.nth(last)) {
        // each of the `limit` series up to here gives a result at least this new, so older ones cannot be wanted
        since = since.max(last.newest);
        width = until.since(since);
    }
    series.retain(|series| series.newest >= since);
    let owners: HashMap<i32, Owner> = series.into_iter().map(|it| (it.key, it.owner)).collect();
    let keys: Vec<i32> = owners.keys().copied().collect();
    let (slot, below) = query.after.unwrap_or((Timestamp::MAX, i64::MIN));
    let mut found = Vec::with_capacity(query.limit);
    while found.len() < query.limit && since < until && !keys.is_empty() {
        let from = until.saturating_sub(width).max(since);
        let wanted = (query.limit - found.len()) as i64;
        let rows = session
            .query(
                include_str!("../sql/result_window.postgres.sql"),
                &[
                    (&keys, Type::INT4_ARRAY),
                    (&Instant(from), Type::TIMESTAMPTZ),
                    (&Instant(until), Type::TIMESTAMPTZ),
                    (&wanted, Type::INT8),
                    (&Instant(slot), Type::TIMESTAMPTZ),
                    (&below, Type::INT8),
                ],
            )
            .await?;
        for row in &rows {
            if let Some(owner) = owners.get(&column(row, 11)?) {
                found.push(stored_result(row, owner)?);
            }
        }
        until = from;
        width = width.saturating_mul(4);
    }
    Ok(found)
}

/// The most recently probed first; no more of them than can matter.
async fn series(session: &mut Session, query: &ResultQuery) -> Result<Vec<Series>, Failed> {
    let target = query.target.map(|TargetId(id)| id);
    // one that ends in the past may want any series
    let most = match query.until.or(query.after.map(|(slot, _)| slot)) {
        None => query.limit.saturating_add(1) as i64,
        Some(_) => i64::MAX,
    };
    let rows = session
        .query(
            include_str!("../sql/series_list.postgres.sql"),
            &[(&target, Type::UUID), (&most, Type::INT8)],
        )
        .await?;
    let read = |row: &Row| {
        let interval: i64 = column(row, 5)?;
        Ok(Series {
            key: column(row, 0)?,
            owner: owner(row, 1)?,
            newest: instant(row, 4)?,
            interval: Duration::from_micros(interval.unsigned_abs()),
        })
    };
    rows.iter().map(read).collect()
}

/// How long it takes these series to give `limit` results, and a half more.
fn expected_span(series: &[Series], limit: usize) -> Duration {
    let rate: f64 = series
        .iter()
        .map(|series| 1.0 / series.interval.as_secs_f64().max(0.1))
        .sum();
    let seconds = 1.5 * (limit as f64 + 1.0) / rate;
    Duration::from_secs_f64(seconds.clamp(1.0, 10.0 * 365.0 * 86_400.0))
}

pub async fn latest_by_target(session: &mut Session) -> Result<Vec<Latest>, Failed> {
    let rows = session
        .query(include_str!("../sql/latest.postgres.sql"), &[])
        .await?;
    let read = |row: &Row| {
        Ok(Latest {
            stored: stored_result(row, &owner(row, 11)?)?,
            since: instant(row, 14)?,
        })
    };
    let latest: Result<Vec<Latest>, Failed> = rows.iter().map(read).collect();
    let mut latest = latest?;
    // here rather than on the server, for which this would be a quarter of the work
    latest.sort_unstable_by(|a, b| {
        let of_target =
            |it: &Latest| (it.stored.result.target, it.stored.result.slot, it.stored.id);
        of_target(b).cmp(&of_target(a))
    });
    // of several locations, the one whose slot is the latest
    latest.dedup_by_key(|it| it.stored.result.target);
    latest.sort_unstable_by(|a, b| {
        let newest_first = b.stored.result.slot.cmp(&a.stored.result.slot);
        newest_first.then_with(|| a.stored.target_name.cmp(&b.stored.target_name))
    });
    Ok(latest)
}

pub async fn stats(session: &mut Session) -> Result<Stats, Failed> {
    let rows = session
        .query(include_str!("../sql/stats.postgres.sql"), &[])
        .await?;
    let row = schema::one(&rows)?;
    let count = |index| column::<i64>(row, index).map(i64::unsigned_abs);
    let last: Option<Instant> = column(row, 2)?;
    Ok(Stats {
        enabled_targets: count(0)?,
        largest_interval: Duration::from_micros(count(1)?),
        last_result: last.map(|Instant(instant)| instant),
    })
}
