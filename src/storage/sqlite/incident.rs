//! Incidents in SQLite: written by the one writer, a few rows at a time.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::super::incident::{IncidentColumns, changes_json};
use super::super::{IncidentQuery, IncidentStore, NO_FLOOR, StoreError};
use super::codec::{target_id, unreadable};
use super::{SqliteStore, retention, store_error};
use crate::model::{Incident, StoredIncident, Timestamp};

/// Rows that one transaction deletes.
const PIECE: i64 = 1_000;

#[async_trait]
impl IncidentStore for SqliteStore {
    async fn write_incidents(&self, incidents: &[Incident]) -> Result<(), StoreError> {
        let incidents = incidents.to_vec();
        self.write(move |writer| writer.write_incidents(&incidents))
            .await
    }

    async fn open_incidents(&self) -> Result<Vec<StoredIncident>, StoreError> {
        self.prompt.read(open).await
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<StoredIncident>, StoreError> {
        let query = query.clone();
        self.read(move |connection| page(connection, &query)).await
    }

    async fn incident(&self, id: i64) -> Result<Option<StoredIncident>, StoreError> {
        self.prompt
            .read(move |connection| {
                let sql = include_str!("../sql/incident_find.sqlite.sql");
                let found = rows(connection, sql, params![id])?;
                Ok(found.into_iter().next())
            })
            .await
    }

    async fn forget_incidents(&self) -> Result<u64, StoreError> {
        self.write(|writer| writer.within(forget)).await
    }
}

/// Within the writer's transaction.
pub fn write(
    connection: &Connection,
    location_key: i64,
    incidents: &[Incident],
) -> Result<(), StoreError> {
    let mut write = connection
        .prepare_cached(include_str!("../sql/incidents_write.sqlite.sql"))
        .map_err(store_error)?;
    for incident in incidents {
        write
            .execute(params![
                incident.target.to_string(),
                location_key,
                incident.began.as_micros(),
                incident.opened.as_micros(),
                incident.last_failed.as_micros(),
                incident.ended.map(|ended| ended.at.as_micros()),
                incident.ended.map(|ended| ended.by.as_str()),
                incident.failed.cast_signed(),
                incident.first.reason.as_str(),
                incident.first.error.as_str(),
                incident.last.reason.as_str(),
                incident.last.error.as_str(),
                changes_json(incident),
            ])
            .map_err(store_error)?;
    }
    // after all of them: an older one may be among these, with its true end
    let mut supersede = connection
        .prepare_cached(include_str!("../sql/incidents_supersede.sqlite.sql"))
        .map_err(store_error)?;
    for incident in incidents {
        supersede
            .execute(params![
                incident.target.to_string(),
                location_key,
                incident.began.as_micros()
            ])
            .map_err(store_error)?;
    }
    Ok(())
}

/// Ends what goes on of targets that are not probed any more.
pub fn retire(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached(include_str!("../sql/incidents_retire.sqlite.sql"))
        .and_then(|mut statement| statement.execute([now.as_micros()]))
        .map(drop)
        .map_err(store_error)
}

fn forget(connection: &Connection) -> Result<u64, StoreError> {
    let floor = retention::floors(connection)?.hours;
    if floor == NO_FLOOR {
        return Ok(0);
    }
    connection
        .execute(
            include_str!("../sql/incidents_forget.sqlite.sql"),
            [floor.start().as_micros(), PIECE],
        )
        .map(|count| count as u64)
        .map_err(store_error)
}

fn open(connection: &Connection) -> Result<Vec<StoredIncident>, StoreError> {
    let sql = include_str!("../sql/incidents_open.sqlite.sql");
    rows(connection, sql, params![])
}

fn page(connection: &Connection, query: &IncidentQuery) -> Result<Vec<StoredIncident>, StoreError> {
    if query.open == Some(true) {
        return open(connection).map(|open| query.among(open));
    }
    let (began, id) = query.position();
    let since = query.since.unwrap_or(Timestamp::MIN).as_micros();
    let until = query.until.unwrap_or(Timestamp::MAX).as_micros();
    let (began, only_ended) = (began.as_micros(), query.open == Some(false));
    let limit = query.limit as i64;
    match query.target {
        None => rows(
            connection,
            include_str!("../sql/incidents_page.sqlite.sql"),
            params![since, until, began, id, only_ended, limit],
        ),
        Some(target) => rows(
            connection,
            include_str!("../sql/incidents_of_target.sqlite.sql"),
            params![
                since,
                until,
                began,
                id,
                only_ended,
                limit,
                target.to_string()
            ],
        ),
    }
}

fn rows(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<StoredIncident>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(store_error)?;
    let mut rows = statement.query(parameters).map_err(store_error)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(store_error)? {
        found.push(stored(row)?);
    }
    Ok(found)
}

fn stored(row: &Row<'_>) -> Result<StoredIncident, StoreError> {
    let number = |index| row.get::<_, i64>(index).map_err(store_error);
    let instant = |index| number(index).map(Timestamp::from_micros);
    let text = |index| -> Result<&str, StoreError> {
        let value = row.get_ref(index).map_err(store_error)?;
        value.as_str().map_err(|error| unreadable("text", error))
    };
    let ended: Option<i64> = row.get(7).map_err(store_error)?;
    let ended_by = row.get_ref(8).map_err(store_error)?;
    let columns = IncidentColumns {
        id: number(0)?,
        target: target_id(text(1)?)?,
        target_name: text(2)?,
        location: text(3)?,
        began: instant(4)?,
        opened: instant(5)?,
        last_failed: instant(6)?,
        ended: ended.map(Timestamp::from_micros),
        ended_by: ended_by
            .as_str_or_null()
            .map_err(|error| unreadable("text", error))?,
        failed: number(9)?,
        reason: text(10)?,
        error: text(11)?,
        last_reason: text(12)?,
        last_error: text(13)?,
        changes: text(14)?,
    };
    columns.stored()
}
