//! Migrations: numbered, forward only, each in a transaction of its own with the note that it was done.
//!
//! Several processes may start at once: a lock that ends with its transaction lets one of them migrate while the others wait, and
//! each looks again at the version once it holds the lock. A database of a newer Pingu is refused, and so is one that has tables of
//! the same names from something else.

use tokio_postgres::types::Type;

use super::super::{Access, Migrated, StoreError};
use super::codec::column;
use super::error::Failed;
use super::session::Session;

/// What partitions, their keys and these statements need.
const OLDEST_VERSION: i32 = 140_000;

const MIGRATIONS: [&str; 7] = [
    include_str!("../sql/migrations/0001_start.postgres.sql"),
    include_str!("../sql/migrations/0002_rollups.postgres.sql"),
    include_str!("../sql/migrations/0003_retention.postgres.sql"),
    include_str!("../sql/migrations/0004_views.postgres.sql"),
    include_str!("../sql/migrations/0005_settled.postgres.sql"),
    include_str!("../sql/migrations/0006_certificates.postgres.sql"),
    include_str!("../sql/migrations/0007_incidents.postgres.sql"),
];

pub async fn migrate(mut session: Session, access: Access) -> Result<Migrated, Failed> {
    refuse_unfit(&mut session, access).await?;
    let mut from = None;
    loop {
        let version = match version(&mut session).await? {
            Some(version) if version == newest() => {
                session.finish().await?;
                return Ok(Migrated {
                    from: from.unwrap_or(version).into(),
                    to: version.into(),
                });
            }
            _ => {
                // whoever held the lock may have done it meanwhile
                session
                    .query(include_str!("../sql/schema_lock.postgres.sql"), &[])
                    .await?;
                version(&mut session).await?
            }
        };
        if version.is_none() {
            session
                .batch(include_str!("../sql/schema_create.postgres.sql"))
                .await?;
        }
        let version = version.unwrap_or(0);
        from.get_or_insert(version);
        if let Some(sql) = usize::try_from(version)
            .ok()
            .and_then(|done| MIGRATIONS.get(done))
        {
            session.batch(sql).await?;
            session
                .execute(
                    include_str!("../sql/schema_applied.postgres.sql"),
                    &[(&(version + 1), Type::INT4)],
                )
                .await?;
        }
        session.commit().await?;
    }
}

/// Whether the schema is there and the one that this program writes. A newer one is an error.
pub async fn is_current(session: &mut Session) -> Result<bool, Failed> {
    Ok(version(session).await? == Some(newest()))
}

const fn newest() -> i32 {
    MIGRATIONS.len() as i32
}

/// The schema's version; nothing where there is no schema of Pingu's yet.
async fn version(session: &mut Session) -> Result<Option<i32>, Failed> {
    let rows = session
        .query(include_str!("../sql/schema_find.postgres.sql"), &[])
        .await?;
    let tables: Result<Vec<String>, _> = rows.iter().map(|row| column(row, 0)).collect();
    let tables = tables?;
    if !tables.iter().any(|name| name == "pingu_schema") {
        if tables.is_empty() {
            return Ok(None);
        }
        return Err(unusable(format!(
            "holds tables of another program ({}); choose another database in DATABASE_URL",
            tables.join(", ")
        )));
    }
    let rows = session
        .query(include_str!("../sql/schema_version.postgres.sql"), &[])
        .await?;
    let version = column(one(&rows)?, 0)?;
    if version > newest() {
        return Err(unusable(format!(
            "its schema has version {version}, this Pingu knows up to {}; run the newer Pingu that wrote it",
            newest()
        )));
    }
    Ok(Some(version))
}

async fn refuse_unfit(session: &mut Session, access: Access) -> Result<(), Failed> {
    let rows = session
        .query(include_str!("../sql/server.postgres.sql"), &[])
        .await?;
    let row = one(&rows)?;
    if column::<i32>(row, 0)? < OLDEST_VERSION {
        let version: &str = column(row, 1)?;
        return Err(unusable(format!(
            "the server is PostgreSQL {version}, 14 or newer is needed"
        )));
    }
    let is_read_only: bool = column(row, 3)?;
    if access == Access::Write && is_read_only {
        return Err(unusable(
            "the server is read-only; name the one that takes writes in DATABASE_URL".to_owned(),
        ));
    }
    // in any other encoding some names and errors could not be stored
    let encoding: &str = column(row, 2)?;
    if !matches!(encoding, "UTF8" | "SQL_ASCII") {
        return Err(unusable(format!(
            "the database has the encoding {encoding}; create one with: createdb --encoding=UTF8 --template=template0"
        )));
    }
    Ok(())
}

/// The row of a statement that always gives one.
pub fn one(rows: &[tokio_postgres::Row]) -> Result<&tokio_postgres::Row, Failed> {
    let missing = || StoreError::Fault("a row that is always there is missing".to_owned());
    rows.first().ok_or_else(|| missing().into())
}

fn unusable(text: String) -> Failed {
    StoreError::Unusable(text).into()
}
