//! The certificates that targets presented last.
//!
//! Written after a batch and apart from it: what fails here is told in the log and brought again by the next results.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::super::StoreError;
use super::super::chain::{self, Due, Presented, Written};
use super::codec::{Instant, column, instant};
use super::error::Failed;
use super::session::Session;
use crate::model::{ProbeResult, TargetId, TargetMap, Timestamp};

/// Writes what is new among these results of series.
pub async fn write<'a>(
    session: &Session,
    written: &mut Written<i32>,
    results: impl Iterator<Item = (i32, &'a ProbeResult)>,
) {
    let due = written.due(results);
    if due.is_empty() {
        return;
    }
    match write_all(session, &due).await {
        Ok(()) => written.note(&due),
        Err(error) => {
            let error = StoreError::from(error);
            tracing::warn!(%error, "storing certificates failed");
        }
    }
}

async fn write_all(session: &Session, due: &[Due<'_, i32>]) -> Result<(), Failed> {
    let series: Vec<i32> = due.iter().map(|it| it.series).collect();
    let digests: Vec<_> = due.iter().map(|it| it.chain.digest.to_string()).collect();
    let seen: Vec<_> = due.iter().map(|it| Instant(it.seen_at)).collect();
    let chains: Vec<_> = due.iter().map(|it| chain::json(it.chain)).collect();
    let every = chain::EVERY.as_secs_f64();
    let parameters = [
        (&series as _, Type::INT4_ARRAY),
        (&digests as _, Type::TEXT_ARRAY),
        (&seen as _, Type::TIMESTAMPTZ_ARRAY),
        (&chains as _, Type::TEXT_ARRAY),
        (&every as _, Type::FLOAT8),
    ];
    let write = include_str!("../sql/certificate_write.postgres.sql");
    session.once(write, &parameters).await?;
    Ok(())
}

pub async fn expiries(session: &mut Session) -> Result<TargetMap<Timestamp>, Failed> {
    let expiries = include_str!("../sql/expiries.postgres.sql");
    let rows = session.query(expiries, &[]).await?;
    let mut all = TargetMap::default();
    for row in &rows {
        if let Some(ends) = column(row, 1)? {
            all.insert(TargetId(column(row, 0)?), chain::ends(ends)?);
        }
    }
    Ok(all)
}

pub async fn read(
    session: &mut Session,
    TargetId(target): TargetId,
) -> Result<Vec<Presented>, Failed> {
    let rows = session
        .query(
            include_str!("../sql/certificates.postgres.sql"),
            &[(&target, Type::UUID)],
        )
        .await?;
    let read = |row: &Row| {
        let (location, json) = (column(row, 0)?, column(row, 2)?);
        Ok(chain::presented(location, instant(row, 1)?, json)?)
    };
    rows.iter().map(read).collect()
}
