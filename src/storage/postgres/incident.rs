//! Incidents in Postgres: written beside the batches, a list a column.

use async_trait::async_trait;
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::super::incident::{IncidentColumns, changes_json};
use super::super::{IncidentQuery, IncidentStore, NO_FLOOR, StoreError};
use super::PostgresStore;
use super::codec::{Instant, column, instant};
use super::error::Failed;
use super::session::{Parameter, Session};
use super::{retention, schema};
use crate::model::{Incident, StoredIncident, TargetId, Timestamp};

/// Rows that one transaction deletes.
const PIECE: i64 = 1_000;

#[async_trait]
impl IncidentStore for PostgresStore {
    async fn write_incidents(&self, incidents: &[Incident]) -> Result<(), StoreError> {
        self.change("writing incidents", async |mut session| {
            write(&mut session, self.writer.location(), incidents).await?;
            session.finish().await
        })
        .await
    }

    async fn open_incidents(&self) -> Result<Vec<StoredIncident>, StoreError> {
        self.read(open).await
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<StoredIncident>, StoreError> {
        self.read(async |session| page(session, query).await).await
    }

    async fn incident(&self, id: i64) -> Result<Option<StoredIncident>, StoreError> {
        let sql = include_str!("../sql/incident_find.postgres.sql");
        self.read(async |session| {
            let found = rows(session, sql, &[(&id, Type::INT8)]).await?;
            Ok(found.into_iter().next())
        })
        .await
    }

    async fn forget_incidents(&self) -> Result<u64, StoreError> {
        self.change("forgetting incidents", async |mut session| {
            let forgotten = forget(&mut session).await?;
            session.finish().await?;
            Ok(forgotten)
        })
        .await
    }
}

/// Incidents, a list a column.
#[derive(Default)]
struct Columns<'a> {
    targets: Vec<Uuid>,
    began: Vec<Instant>,
    opened: Vec<Instant>,
    last_failed: Vec<Instant>,
    ended: Vec<Option<Instant>>,
    ended_by: Vec<Option<&'a str>>,
    failed: Vec<i64>,
    reasons: Vec<&'a str>,
    errors: Vec<&'a str>,
    last_reasons: Vec<&'a str>,
    last_errors: Vec<&'a str>,
    changes: Vec<String>,
}

impl<'a> Columns<'a> {
    fn of(incidents: &'a [Incident]) -> Self {
        let mut columns = Self::default();
        for incident in incidents {
            let ended = incident.ended;
            columns.targets.push(incident.target.0);
            columns.began.push(Instant(incident.began));
            columns.opened.push(Instant(incident.opened));
            columns.last_failed.push(Instant(incident.last_failed));
            columns.ended.push(ended.map(|ended| Instant(ended.at)));
            columns.ended_by.push(ended.map(|ended| ended.by.as_str()));
            columns.failed.push(incident.failed.cast_signed());
            columns.reasons.push(incident.first.reason.as_str());
            columns.errors.push(incident.first.error.as_str());
            columns.last_reasons.push(incident.last.reason.as_str());
            columns.last_errors.push(incident.last.error.as_str());
            columns.changes.push(changes_json(incident));
        }
        columns
    }
}

async fn write(
    session: &mut Session,
    location: &str,
    incidents: &[Incident],
) -> Result<(), Failed> {
    let name = [(&location as _, Type::TEXT)];
    let find = include_str!("../sql/location_key.postgres.sql");
    let mut keys = session.query(find, &name).await?;
    if keys.is_empty() {
        session
            .execute(include_str!("../sql/location_insert.postgres.sql"), &name)
            .await?;
        keys = session.query(find, &name).await?;
    }
    let location_key: i32 = column(schema::one(&keys)?, 0)?;
    let rows = Columns::of(incidents);
    session
        .execute(
            include_str!("../sql/incidents_write.postgres.sql"),
            &[
                (&location_key, Type::INT4),
                (&rows.targets, Type::UUID_ARRAY),
                (&rows.began, Type::TIMESTAMPTZ_ARRAY),
                (&rows.opened, Type::TIMESTAMPTZ_ARRAY),
                (&rows.last_failed, Type::TIMESTAMPTZ_ARRAY),
                (&rows.ended, Type::TIMESTAMPTZ_ARRAY),
                (&rows.ended_by, Type::TEXT_ARRAY),
                (&rows.failed, Type::INT8_ARRAY),
                (&rows.reasons, Type::TEXT_ARRAY),
                (&rows.errors, Type::TEXT_ARRAY),
                (&rows.last_reasons, Type::TEXT_ARRAY),
                (&rows.last_errors, Type::TEXT_ARRAY),
                (&rows.changes, Type::TEXT_ARRAY),
            ],
        )
        .await?;
    // after all of them: an older one may be among these, with its true end
    session
        .execute(
            include_str!("../sql/incidents_supersede.postgres.sql"),
            &[
                (&location_key, Type::INT4),
                (&rows.targets, Type::UUID_ARRAY),
                (&rows.began, Type::TIMESTAMPTZ_ARRAY),
            ],
        )
        .await?;
    Ok(())
}

/// Ends what goes on of targets that are not probed any more.
pub async fn retire(session: &mut Session, now: Timestamp) -> Result<(), Failed> {
    session
        .execute(
            include_str!("../sql/incidents_retire.postgres.sql"),
            &[(&Instant(now), Type::TIMESTAMPTZ)],
        )
        .await?;
    Ok(())
}

async fn forget(session: &mut Session) -> Result<u64, Failed> {
    let floor = retention::floors(session).await?.hours;
    if floor == NO_FLOOR {
        // and no date the server could write
        return Ok(0);
    }
    session
        .execute(
            include_str!("../sql/incidents_forget.postgres.sql"),
            &[
                (&Instant(floor.start()), Type::TIMESTAMPTZ),
                (&PIECE, Type::INT8),
            ],
        )
        .await
}

async fn open(session: &mut Session) -> Result<Vec<StoredIncident>, Failed> {
    let sql = include_str!("../sql/incidents_open.postgres.sql");
    rows(session, sql, &[]).await
}

async fn page(session: &mut Session, query: &IncidentQuery) -> Result<Vec<StoredIncident>, Failed> {
    if query.open == Some(true) {
        return Ok(query.among(open(session).await?));
    }
    let (began, id) = query.position();
    let since = Instant(query.since.unwrap_or(Timestamp::MIN));
    let until = Instant(query.until.unwrap_or(Timestamp::MAX));
    let (began, only_ended) = (Instant(began), query.open == Some(false));
    let limit = query.limit as i64;
    let target = query.target.map(|TargetId(id)| id);
    let parameters: [Parameter<'_>; 7] = [
        (&since, Type::TIMESTAMPTZ),
        (&until, Type::TIMESTAMPTZ),
        (&began, Type::TIMESTAMPTZ),
        (&id, Type::INT8),
        (&only_ended, Type::BOOL),
        (&limit, Type::INT8),
        (&target, Type::UUID),
    ];
    let sql = include_str!("../sql/incidents_page.postgres.sql");
    rows(session, sql, &parameters).await
}

async fn rows(
    session: &mut Session,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<Vec<StoredIncident>, Failed> {
    let rows = session.query(sql, parameters).await?;
    rows.iter().map(stored).collect()
}

fn stored(row: &Row) -> Result<StoredIncident, Failed> {
    let ended: Option<Instant> = column(row, 7)?;
    let columns = IncidentColumns {
        id: column(row, 0)?,
        target: TargetId(column(row, 1)?),
        target_name: column(row, 2)?,
        location: column(row, 3)?,
        began: instant(row, 4)?,
        opened: instant(row, 5)?,
        last_failed: instant(row, 6)?,
        ended: ended.map(|Instant(at)| at),
        ended_by: column(row, 8)?,
        failed: column(row, 9)?,
        reason: column(row, 10)?,
        error: column(row, 11)?,
        last_reason: column(row, 12)?,
        last_error: column(row, 13)?,
        changes: column(row, 14)?,
    };
    Ok(columns.stored()?)
}
