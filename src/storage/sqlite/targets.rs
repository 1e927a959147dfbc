//! The targets table: listing, finding, syncing.

use rusqlite::{Connection, params};

use super::super::plan::{Existing, SyncPlan};
use super::super::{Roster, Stamp, Status, StoreError};
use super::codec::existing;
use super::store_error;
use crate::model::{Declared, Target, TargetId, Timestamp, micros};

pub fn list(connection: &Connection, status: Status) -> Result<Vec<Target>, StoreError> {
    let enabled = match status {
        Status::Enabled => Some(true),
        Status::Disabled => Some(false),
        Status::All => None,
    };
    let rows = load(connection, enabled)?;
    Ok(rows.into_iter().map(target).collect())
}

pub fn load(connection: &Connection, enabled: Option<bool>) -> Result<Vec<Existing>, StoreError> {
    let mut statement = connection
        .prepare_cached(include_str!("../sql/targets_list.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement.query([enabled]).map_err(store_error)?;
    let mut targets = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        targets.push(existing(row)?);
    }
    Ok(targets)
}

pub fn roster(connection: &Connection, known: Option<Stamp>) -> Result<Option<Roster>, StoreError> {
    let stamp = connection
        .prepare_cached(include_str!("../sql/roster_stamp.sqlite.sql"))
        .and_then(|mut statement| {
            statement.query_row([], |row| {
                Ok(Stamp {
                    count: row.get(0)?,
                    latest: row.get(1)?,
                    sum: row.get(2)?,
                })
            })
        })
        .map_err(store_error)?;
    if known == Some(stamp) {
        return Ok(None);
    }
    Ok(Some(Roster::new(stamp, load(connection, None)?)))
}

pub fn find(connection: &Connection, reference: &str) -> Result<Option<Target>, StoreError> {
    // a UUID may come in any spelling
    let id = uuid::Uuid::parse_str(reference).map(|uuid| uuid.to_string());
    let mut statement = connection
        .prepare_cached(include_str!("../sql/target_find.sqlite.sql"))
        .map_err(store_error)?;
    let mut rows = statement
        .query(params![reference, id.ok()])
        .map_err(store_error)?;
    match rows.next().map_err(store_error)? {
        Some(row) => existing(row).map(|found| Some(target(found))),
        None => Ok(None),
    }
}

fn target(existing: Existing) -> Target {
    Target {
        id: existing.id,
        spec: existing.spec,
    }
}

/// Carries the plan out within the transaction that `connection` is in.
pub fn apply(
    connection: &Connection,
    plan: &SyncPlan<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut retire = connection
        .prepare_cached(include_str!("../sql/target_retire.sqlite.sql"))
        .map_err(store_error)?;
    let mut retire = |id: TargetId| {
        retire
            .execute(params![id.to_string(), false, now.as_micros()])
            .map_err(store_error)
    };
    for id in &plan.removals {
        retire(*id)?;
    }
    // names are set free before any is taken: two targets may swap theirs
    for (id, _) in &plan.updates {
        retire(*id)?;
    }
    for (sql, rows) in [
        (
            include_str!("../sql/target_update.sqlite.sql"),
            &plan.updates,
        ),
        (
            include_str!("../sql/target_insert.sqlite.sql"),
            &plan.inserts,
        ),
    ] {
        let mut statement = connection.prepare_cached(sql).map_err(store_error)?;
        for (id, declared) in rows {
            write(&mut statement, *id, declared, now)?;
        }
    }
    Ok(())
}

fn write(
    statement: &mut rusqlite::CachedStatement<'_>,
    id: TargetId,
    declared: &Declared,
    now: Timestamp,
) -> Result<(), StoreError> {
    let spec = &declared.spec;
    let plain = "plain values always serialise";
    statement
        .execute(params![
            id.to_string(),
            declared.id,
            spec.name,
            spec.enabled,
            micros(spec.interval),
            micros(spec.timeout),
            micros(spec.slow_after),
            spec.group,
            serde_json::to_string(&spec.tags).expect(plain),
            spec.description,
            spec.probe.kind().as_str(),
            spec.probe.host(),
            spec.probe.url(),
            serde_json::to_string(&spec.probe).expect(plain),
            now.as_micros(),
            spec.incident.fail_after,
            spec.incident.recover_after,
        ])
        .map_err(store_error)?;
    Ok(())
}
