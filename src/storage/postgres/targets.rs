//! The targets table: listing, finding, syncing.

use std::time::Duration;

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::super::CLOCK_TOLERANCE;
use super::super::plan::{Existing, SyncPlan};
use super::super::{Change, Roster, Stamp, Status, StoreError};
use super::codec::{Instant, column, existing};
use super::error::Failed;
use super::incident;
use super::schema;
use super::session::{Purpose, Session, Sessions};
use crate::model::{Declared, Target, TargetId, Timestamp, micros};

/// The longest that a sync may take: a hundred thousand new targets need a few seconds.
const DEADLINE: Duration = Duration::from_secs(30);

pub async fn list(session: &mut Session, status: Status) -> Result<Vec<Target>, Failed> {
    let enabled = match status {
        Status::Enabled => Some(true),
        Status::Disabled => Some(false),
        Status::All => None,
    };
    let rows = load(session, enabled).await?;
    Ok(rows.into_iter().map(target).collect())
}

pub async fn load(session: &mut Session, enabled: Option<bool>) -> Result<Vec<Existing>, Failed> {
    let rows = session
        .query(
            include_str!("../sql/targets_list.postgres.sql"),
            &[(&enabled, Type::BOOL)],
        )
        .await?;
    let targets: Result<Vec<_>, _> = rows.iter().map(existing).collect();
    Ok(targets?)
}

pub async fn roster(session: &mut Session, known: Option<Stamp>) -> Result<Option<Roster>, Failed> {
    let rows = session
        .query(include_str!("../sql/roster_stamp.postgres.sql"), &[])
        .await?;
    let row = schema::one(&rows)?;
    let stamp = Stamp {
        count: column(row, 0)?,
        latest: column(row, 1)?,
        sum: column(row, 2)?,
    };
    if known == Some(stamp) {
        return Ok(None);
    }
    // targets that change in between are read anew the next time, as the stamp is the older one
    Ok(Some(Roster::new(stamp, load(session, None).await?)))
}

pub async fn find(session: &mut Session, reference: &str) -> Result<Option<Target>, Failed> {
    // Postgres takes no NUL in a text, and so holds no target that has one
    if reference.contains('\0') {
        return Ok(None);
    }
    let id = Uuid::parse_str(reference).ok();
    let rows = session
        .query(
            include_str!("../sql/target_find.postgres.sql"),
            &[(&reference, Type::TEXT), (&id, Type::UUID)],
        )
        .await?;
    let found = rows.first().map(existing).transpose()?;
    Ok(found.map(target))
}

fn target(existing: Existing) -> Target {
    Target {
        id: existing.id,
        spec: existing.spec,
    }
}

/// Makes the database agree with the file, in one transaction.
pub async fn sync(
    sessions: &Sessions,
    declared: &[Declared],
    now: Timestamp,
) -> Result<Vec<Change>, StoreError> {
    let work = async {
        let mut session = sessions.open(Purpose::Change).await?;
        session
            .batch(include_str!("../sql/targets_lock.postgres.sql"))
            .await?;
        let existing = load(&mut session, None).await?;
        let plan = SyncPlan::new(declared, &existing)?;
        apply(&mut session, &plan, now).await?;
        session
            .execute(
                include_str!("../sql/state_forget_future.postgres.sql"),
                &[(
                    &Instant(now.saturating_add(CLOCK_TOLERANCE)),
                    Type::TIMESTAMPTZ,
                )],
            )
            .await?;
        incident::retire(&mut session, now).await?;
        session.finish().await?;
        Ok::<_, Failed>(plan.changes)
    };
    let late = |_| StoreError::Unavailable("syncing the targets took too long".to_owned());
    let changes = tokio::time::timeout(DEADLINE, work).await.map_err(late)?;
    Ok(changes?)
}

async fn apply(session: &mut Session, plan: &SyncPlan<'_>, now: Timestamp) -> Result<(), Failed> {
    let now = Instant(now);
    // names are set free before any is taken: two targets may swap theirs
    let updated = plan.updates.iter().map(|(id, _)| id);
    let retired: Vec<Uuid> = plan.removals.iter().chain(updated).map(|id| id.0).collect();
    if !retired.is_empty() {
        session
            .execute(
                include_str!("../sql/target_retire.postgres.sql"),
                &[(&retired, Type::UUID_ARRAY), (&now, Type::TIMESTAMPTZ)],
            )
            .await?;
    }
    for (sql, rows) in [
        (
            include_str!("../sql/target_update.postgres.sql"),
            &plan.updates,
        ),
        (
            include_str!("../sql/target_insert.postgres.sql"),
            &plan.inserts,
        ),
    ] {
        if !rows.is_empty() {
            write(session, sql, &Columns::of(rows), &now).await?;
        }
    }
    Ok(())
}

/// Targets, a list a column.
#[derive(Default)]
struct Columns<'a> {
    ids: Vec<Uuid>,
    slugs: Vec<Option<&'a str>>,
    names: Vec<&'a str>,
    enabled: Vec<bool>,
    intervals: Vec<i64>,
    timeouts: Vec<i64>,
    slow_afters: Vec<i64>,
    groups: Vec<Option<&'a str>>,
    tags: Vec<String>,
    descriptions: Vec<Option<&'a str>>,
    kinds: Vec<&'a str>,
    hosts: Vec<Option<&'a str>>,
    urls: Vec<Option<String>>,
    specs: Vec<String>,
    fail_afters: Vec<i16>,
    recover_afters: Vec<i16>,
}

impl<'a> Columns<'a> {
    fn of(rows: &[(TargetId, &'a Declared)]) -> Self {
        let plain = "plain values always serialise";
        let mut columns = Self::default();
        for (id, declared) in rows {
            let spec = &declared.spec;
            columns.ids.push(id.0);
            columns.slugs.push(declared.id.as_deref());
            columns.names.push(&spec.name);
            columns.enabled.push(spec.enabled);
            columns.intervals.push(micros(spec.interval));
            columns.timeouts.push(micros(spec.timeout));
            columns.slow_afters.push(micros(spec.slow_after));
            columns.groups.push(spec.group.as_deref());
            let tags = serde_json::to_string(&spec.tags);
            columns.tags.push(tags.expect(plain));
            columns.descriptions.push(spec.description.as_deref());
            columns.kinds.push(spec.probe.kind().as_str());
            columns.hosts.push(spec.probe.host());
            columns.urls.push(spec.probe.url());
            let probe = serde_json::to_string(&spec.probe);
            columns.specs.push(probe.expect(plain));
            columns.fail_afters.push(spec.incident.fail_after.into());
            columns
                .recover_afters
                .push(spec.incident.recover_after.into());
        }
        columns
    }
}

async fn write(
    session: &mut Session,
    sql: &str,
    rows: &Columns<'_>,
    now: &Instant,
) -> Result<(), Failed> {
    session
        .execute(
            sql,
            &[
                (&rows.ids, Type::UUID_ARRAY),
                (&rows.slugs, Type::TEXT_ARRAY),
                (&rows.names, Type::TEXT_ARRAY),
                (&rows.enabled, Type::BOOL_ARRAY),
                (&rows.intervals, Type::INT8_ARRAY),
                (&rows.timeouts, Type::INT8_ARRAY),
                (&rows.slow_afters, Type::INT8_ARRAY),
                (&rows.groups, Type::TEXT_ARRAY),
                (&rows.tags, Type::TEXT_ARRAY),
                (&rows.descriptions, Type::TEXT_ARRAY),
                (&rows.kinds, Type::TEXT_ARRAY),
                (&rows.hosts, Type::TEXT_ARRAY),
                (&rows.urls, Type::TEXT_ARRAY),
                (&rows.specs, Type::TEXT_ARRAY),
                (now, Type::TIMESTAMPTZ),
                (&rows.fail_afters, Type::INT2_ARRAY),
                (&rows.recover_afters, Type::INT2_ARRAY),
            ],
        )
        .await?;
    Ok(())
}
