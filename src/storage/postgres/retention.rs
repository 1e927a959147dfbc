//! Floors, and partitions that are dropped.
//!
//! A floor rises while no batch is under way: whoever raises it holds the row that every batch updates, for as long as two short
//! statements take. Dropping a partition needs the table for itself: it waits half a second for that and no longer, because whoever
//! comes behind it waits as well. A long query, or a backup, makes it give up and come again later; nobody misses the partition
//! meanwhile, as nothing below a floor is read. The files go after the locks.

use tokio_postgres::types::Type;

use super::super::day::Day;
use super::super::{Floors, Kept, NO_FLOOR, Progress, Removed, Resolution};
use super::codec::{Instant, column};
use super::days::{self, Table};
use super::error::Failed;
use super::schema;
use super::session::Session;

/// Rows that one transaction deletes where there is no partition to drop.
const PIECE: i64 = 10_000;

const fn name(resolution: Resolution) -> &'static str {
    match resolution {
        Resolution::Raw => "result",
        Resolution::FiveMinutes => "minutes",
        Resolution::Hour => "hours",
    }
}

const fn table(resolution: Resolution) -> Option<Table> {
    match resolution {
        Resolution::Raw => Some(Table::Results),
        Resolution::FiveMinutes => Some(Table::Minutes),
        Resolution::Hour => None,
    }
}

pub async fn floors(session: &mut Session) -> Result<Floors, Failed> {
    let rows = session
        .query(include_str!("../sql/floors_read.postgres.sql"), &[])
        .await?;
    let mut floors = Floors::default();
    for row in &rows {
        let written: &str = column(row, 0)?;
        let day = Day(column::<i32>(row, 1)?.into());
        let of = Resolution::ALL.into_iter().find(|it| name(*it) == written);
        if let Some(resolution) = of {
            floors.set(resolution, day);
        }
    }
    Ok(floors)
}

pub async fn days(session: &mut Session, resolution: Resolution) -> Result<Vec<Kept>, Failed> {
    if let Some(table) = table(resolution) {
        return days::fill(session, table).await;
    }
    let rows = session
        .query(include_str!("../sql/hour_days.postgres.sql"), &[])
        .await?;
    let kept = |row| {
        Ok(Kept {
            day: Day(column::<i32>(row, 0)?.into()),
            is_empty: false,
        })
    };
    rows.iter().map(kept).collect()
}

/// Raises the floor above the day if that is due, then drops the day, or a piece of it where it has no partition.
pub async fn drop_day(
    mut session: Session,
    resolution: Resolution,
    day: Day,
) -> Result<Progress, Failed> {
    session.give_way().await?;
    let may_go = raise(&mut session, resolution, day).await?;
    session.commit().await?;
    if !may_go {
        session.release();
        return Ok(Progress::Held);
    }
    session.give_way().await?;
    forget_stamps(&mut session, resolution, day).await?;
    let step = match table(resolution) {
        Some(table) => Progress::Gone(days::drop(&mut session, table, day).await?),
        None => trim_hours(&mut session, day).await?,
    };
    session.finish().await?;
    Ok(step)
}

/// Whether the floor is above the day.
async fn raise(session: &mut Session, resolution: Resolution, day: Day) -> Result<bool, Failed> {
    if floors(session).await?.of(resolution) > day {
        return Ok(true);
    }
    // what follows sees every batch that was before, and no batch comes in between
    session
        .query(include_str!("../sql/floor_lock.postgres.sql"), &[])
        .await?;
    let floors = floors(session).await?;
    // results have to be in five minutes, and those have to be in their hour
    let width: i32 = match resolution {
        Resolution::Raw => 300,
        _ => 3600,
    };
    let rows = session
        .query(
            include_str!("../sql/stale_before.postgres.sql"),
            &[
                (&width, Type::INT4),
                (&Instant(day.next().start()), Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    let is_stale: bool = column(schema::one(&rows)?, 0)?;
    if is_stale || !floors.may_pass(resolution, day) {
        return Ok(false);
    }
    session
        .execute(
            include_str!("../sql/floor_raise.postgres.sql"),
            &[
                (&name(resolution), Type::TEXT),
                (&(day.next().0 as i32), Type::INT4),
            ],
        )
        .await?;
    Ok(true)
}

async fn forget_stamps(
    session: &mut Session,
    resolution: Resolution,
    day: Day,
) -> Result<(), Failed> {
    let Some(width) = resolution.width() else {
        return Ok(());
    };
    session
        .execute(
            include_str!("../sql/settled_forget.postgres.sql"),
            &[
                (&(width.as_secs() as i32), Type::INT4),
                (&Instant(day.start()), Type::TIMESTAMPTZ),
                (&Instant(day.next().start()), Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    Ok(())
}

async fn trim_hours(session: &mut Session, day: Day) -> Result<Progress, Failed> {
    let rows = session
        .execute(
            include_str!("../sql/hours_trim.postgres.sql"),
            &[
                (&Instant(day.start()), Type::TIMESTAMPTZ),
                (&Instant(day.next().start()), Type::TIMESTAMPTZ),
                (&PIECE, Type::INT8),
            ],
        )
        .await?;
    let removed = Removed { rows, bytes: 0 };
    if rows >= PIECE.unsigned_abs() {
        return Ok(Progress::Partly(removed));
    }
    let noted = session
        .execute(
            include_str!("../sql/hour_day_delete.postgres.sql"),
            &[(&(day.0 as i32), Type::INT4)],
        )
        .await?;
    Ok(Progress::Gone((noted > 0).then_some(removed)))
}

/// Forgets a piece of what no result says any more. Whoever uses a verdict anew at this moment makes sure that it is there
/// (`verdict.rs`).
pub async fn forget_verdicts(session: &mut Session) -> Result<u64, Failed> {
    let floor = floors(session).await?.raw;
    if floor == NO_FLOOR {
        // and no date the server could write
        return Ok(0);
    }
    session
        .execute(
            include_str!("../sql/verdicts_forget.postgres.sql"),
            &[(&(floor.0 as i32), Type::INT4), (&PIECE, Type::INT8)],
        )
        .await
}
