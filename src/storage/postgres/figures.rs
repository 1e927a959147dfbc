//! Figures: summed up from results or from roll-ups, and the roll-ups written.

use std::collections::{BTreeSet, HashMap};
use std::pin::pin;

use futures_util::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::super::day::Day;
use super::super::figures::{Sums, detail};
use super::super::rollup::{Stored, encode};
use super::super::row::{outcome, unreadable};
use super::super::{Figures, FiguresQuery, Resolution, Stale, Standing, StoreError};
use super::codec::{Instant, column, instant};
use super::days::{self, Table};
use super::error::Failed;
use super::session::{Parameter, Session};
use super::{retention, schema};
use crate::model::{Sample, Summary, TargetId, Timestamp};

/// Series that are read at once: what waits in memory is bounded whatever the span.
const AT_ONCE: usize = 1_000;

pub async fn read(session: &mut Session, query: &FiguresQuery) -> Result<Vec<Figures>, Failed> {
    let target = query.target.map(|TargetId(id)| id);
    let rows = session
        .query(
            include_str!("../sql/series_keys.postgres.sql"),
            &[(&target, Type::UUID)],
        )
        .await?;
    let owner = |row| Ok((column(row, 0)?, TargetId(column(row, 1)?)));
    let owners: Result<HashMap<i32, TargetId>, StoreError> = rows.iter().map(owner).collect();
    let owners = owners?;
    let keys: Vec<i32> = owners.keys().copied().collect();
    let sql = match query.resolution {
        Resolution::Raw => include_str!("../sql/raw_read.postgres.sql"),
        Resolution::FiveMinutes => include_str!("../sql/minutes_read.postgres.sql"),
        Resolution::Hour => include_str!("../sql/hours_read.postgres.sql"),
    };
    let mut sums = Sums::new(query);
    let (since, until) = (Instant(query.since), Instant(query.until));
    let span =
        || -> [Parameter<'_>; 2] { [(&since, Type::TIMESTAMPTZ), (&until, Type::TIMESTAMPTZ)] };
    if query.resolution == Resolution::Raw && query.target.is_none() {
        let sql = include_str!("../sql/raw_scan.postgres.sql");
        let mut rows = pin!(session.stream(sql, &span()).await?);
        while let Some(row) = rows.try_next().await? {
            add(&row, query.resolution, &owners, &mut sums)?;
        }
        return Ok(sums.figures());
    }
    for keys in keys.chunks(AT_ONCE) {
        let [since, until] = span();
        let parameters = [since, until, (&keys, Type::INT4_ARRAY)];
        for row in session.query(sql, &parameters).await? {
            add(&row, query.resolution, &owners, &mut sums)?;
        }
    }
    Ok(sums.figures())
}

fn add(
    row: &Row,
    resolution: Resolution,
    owners: &HashMap<i32, TargetId>,
    sums: &mut Sums,
) -> Result<(), StoreError> {
    let series: i32 = column(row, 0)?;
    let Some(&target) = owners.get(&series) else {
        return Ok(());
    };
    let at = instant(row, 1)?;
    if resolution != Resolution::Raw {
        return sums.add_stored(series.into(), target, at, &stored(row)?);
    }
    let detail = column::<Option<&str>>(row, 4)?.map(detail).transpose()?;
    let sample = Sample {
        outcome: outcome(column::<i32>(row, 3)?.into())?,
        latency_us: column::<Option<i32>>(row, 2)?.map(|us| us.unsigned_abs().into()),
        detail: detail.as_ref(),
    };
    sums.add(series.into(), target, at, &sample);
    Ok(())
}

fn stored(row: &Row) -> Result<Stored<'_>, StoreError> {
    let number = |index| column::<i64>(row, index).map(i64::unsigned_abs);
    Ok(Stored {
        total: number(2)?,
        up: number(3)?,
        unknown: number(4)?,
        sent: number(5)?,
        received: number(6)?,
        latency_sum: number(7)?,
        latency_min: number(8)?,
        latency_max: number(9)?,
        figures: column(row, 10)?,
    })
}

/// The buckets that are marked, the finer first.
pub async fn stale(session: &mut Session) -> Result<Vec<Stale>, Failed> {
    let rows = session
        .query(include_str!("../sql/stale_list.postgres.sql"), &[])
        .await?;
    let read = |row: &Row| {
        let width: i32 = column(row, 0)?;
        let resolution =
            Resolution::of_width(width.into()).ok_or_else(|| unreadable("width", width))?;
        Ok(Stale {
            resolution,
            bucket: instant(row, 1)?,
            marks: column(row, 2)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Each statement sees a later state than the one before. So a bucket that is not among the stale ones has had its stamp since it
/// was last marked, or has a younger one.
pub async fn standing(
    session: &mut Session,
    since: Timestamp,
    until: Timestamp,
) -> Result<Standing, Failed> {
    let mut standing = Standing {
        floors: retention::floors(session).await?,
        stale: stale(session).await?,
        ..Standing::default()
    };
    let hour = Resolution::Hour.width().unwrap_or_default();
    let last = Timestamp::from_micros(until.as_micros().saturating_sub(1));
    let rows = session
        .query(
            include_str!("../sql/settled_list.postgres.sql"),
            &[
                (&Instant(since.bucket(hour)), Type::TIMESTAMPTZ),
                (
                    &Instant(last.bucket(hour).saturating_add(hour)),
                    Type::TIMESTAMPTZ,
                ),
            ],
        )
        .await?;
    for row in &rows {
        let width: i32 = column(row, 0)?;
        let resolution =
            Resolution::of_width(width.into()).ok_or_else(|| unreadable("width", width))?;
        let stamp = column(row, 2)?;
        standing.stamps.insert(resolution, instant(row, 1)?, stamp);
    }
    Ok(standing)
}

/// Writes the roll-ups of a bucket within the session's transaction, if what they are made of is kept and nobody has settled it
/// meanwhile.
pub async fn write(session: &mut Session, stale: Stale, figures: &[Figures]) -> Result<(), Failed> {
    let width = stale.resolution.width().unwrap_or_default().as_secs() as i32;
    let bucket = Instant(stale.bucket);
    let key: [Parameter<'_>; 2] = [(&width, Type::INT4), (&bucket, Type::TIMESTAMPTZ)];
    // from here on no other process writes this bucket, and what one wrote before is seen
    session
        .execute(include_str!("../sql/settled_stamp.postgres.sql"), &key)
        .await?;
    let rows = session
        .query(include_str!("../sql/stale_find.postgres.sql"), &key)
        .await?;
    let is_marked: bool = column(schema::one(&rows)?, 0)?;
    if !is_marked {
        return Ok(());
    }
    // looked at after the figures were read: what is left of their parts is less than the roll-ups know
    let floors = retention::floors(session).await?;
    if floors.has_parts(stale.resolution, stale.bucket) {
        write_all(session, stale, figures).await?;
    }
    let [width, bucket] = key;
    session
        .execute(
            include_str!("../sql/stale_clear.postgres.sql"),
            &[width, bucket, (&stale.marks, Type::INT8)],
        )
        .await?;
    Ok(())
}

async fn write_all(session: &mut Session, stale: Stale, figures: &[Figures]) -> Result<(), Failed> {
    let bucket = Instant(stale.bucket);
    let day = Day::of(stale.bucket);
    let sql = match stale.resolution {
        Resolution::Raw => return Ok(()),
        Resolution::Hour => {
            session
                .execute(
                    include_str!("../sql/hour_day_insert.postgres.sql"),
                    &[(&(day.0 as i32), Type::INT4)],
                )
                .await?;
            include_str!("../sql/hours_write.postgres.sql")
        }
        Resolution::FiveMinutes => {
            let days = BTreeSet::from([day]);
            days::ensure(session, Table::Minutes, &mut BTreeSet::new(), &days).await?;
            mark(session, Resolution::Hour, stale.bucket).await?;
            include_str!("../sql/minutes_write.postgres.sql")
        }
    };
    let list = |of: fn(&Summary) -> u64| -> Vec<i64> {
        figures
            .iter()
            .map(|it| i64::try_from(of(&it.summary)).unwrap_or(i64::MAX))
            .collect()
    };
    let series: Vec<i32> = figures.iter().map(|it| it.series as i32).collect();
    let bytes: Vec<Vec<u8>> = figures.iter().map(|it| encode(&it.summary)).collect();
    let columns = [
        list(|it| it.total),
        list(|it| it.up),
        list(|it| it.unknown),
        list(|it| it.sent),
        list(|it| it.received),
        list(|it| it.latency.count()),
        list(|it| it.latency.sum),
        list(|it| it.latency.min),
        list(|it| it.latency.max),
    ];
    let mut parameters: Vec<Parameter<'_>> =
        vec![(&bucket, Type::TIMESTAMPTZ), (&series, Type::INT4_ARRAY)];
    parameters.extend(columns.iter().map(|list| (list as _, Type::INT8_ARRAY)));
    parameters.push((&bytes, Type::BYTEA_ARRAY));
    session.execute(sql, &parameters).await?;
    Ok(())
}

async fn mark(
    session: &mut Session,
    resolution: Resolution,
    instant: Timestamp,
) -> Result<(), Failed> {
    let Some(width) = resolution.width() else {
        return Ok(());
    };
    session
        .execute(
            include_str!("../sql/stale_mark.postgres.sql"),
            &[
                (&(width.as_secs() as i32), Type::INT4),
                (&Instant(instant.bucket(width)), Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    Ok(())
}
