//! Migrations: numbered, forward only, each in a transaction of its own with the note that it was done.
//!
//! Several processes may start at once: `BEGIN IMMEDIATE` lets one of them migrate while the others wait, and each looks again
//! at the version once it holds the lock. A database of a newer Pingu is refused, and so is a file that holds tables of
//! something else.

use rusqlite::{Connection, TransactionBehavior};

use super::super::{Migrated, StoreError};
use super::store_error;

/// Marks the file as Pingu's in SQLite's header (`PRAGMA application_id`): "Ping".
const APPLICATION_ID: i32 = 0x5069_6e67;

const MIGRATIONS: [&str; 7] = [
    include_str!("../sql/migrations/0001_start.sqlite.sql"),
    include_str!("../sql/migrations/0002_rollups.sqlite.sql"),
    include_str!("../sql/migrations/0003_retention.sqlite.sql"),
    include_str!("../sql/migrations/0004_views.sqlite.sql"),
    include_str!("../sql/migrations/0005_settled.sqlite.sql"),
    include_str!("../sql/migrations/0006_certificates.sqlite.sql"),
    include_str!("../sql/migrations/0007_incidents.sqlite.sql"),
];

pub fn migrate(connection: &mut Connection) -> Result<Migrated, StoreError> {
    let mut from = None;
    loop {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(store_error)?;
        let version = version(&transaction)?;
        refuse_newer(version)?;
        let from = *from.get_or_insert(version);
        let Some(sql) = usize::try_from(version)
            .ok()
            .and_then(|v| MIGRATIONS.get(v))
        else {
            return Ok(Migrated { from, to: version });
        };
        transaction.execute_batch(sql).map_err(store_error)?;
        transaction
            .pragma_update(None, "user_version", version + 1)
            .map_err(store_error)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .map_err(store_error)?;
        transaction.commit().map_err(store_error)?;
    }
}

/// Whether the schema is the one that this program writes. A newer one is an error.
pub fn is_current(connection: &Connection) -> Result<bool, StoreError> {
    let version = version(connection)?;
    refuse_newer(version)?;
    Ok(version == MIGRATIONS.len() as i64)
}

fn refuse_newer(version: i64) -> Result<(), StoreError> {
    let newest = MIGRATIONS.len() as i64;
    if version > newest {
        return Err(StoreError::Unusable(format!(
            "its schema has version {version}, this Pingu knows up to {newest}; run the newer Pingu that wrote it"
        )));
    }
    Ok(())
}

/// Fails on a file that holds tables of something else, without changing it.
pub fn refuse_foreign(connection: &Connection) -> Result<(), StoreError> {
    version(connection).map(|_| ())
}

fn version(connection: &Connection) -> Result<i64, StoreError> {
    let pragma = |name| {
        connection
            .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
            .map_err(store_error)
    };
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))
        .map_err(store_error)?;
    if tables > 0 && pragma("application_id")? != i64::from(APPLICATION_ID) {
        return Err(StoreError::Unusable(
            "holds the tables of another program; choose another file in DATABASE_URL".to_owned(),
        ));
    }
    pragma("user_version")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_finds_nothing_to_do() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        migrate(&mut connection).unwrap();
        assert_eq!(version(&connection).unwrap(), MIGRATIONS.len() as i64);
    }

    #[test]
    fn a_newer_schema_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = migrate(&mut connection).unwrap_err();
        assert!(error.to_string().contains("version 99"), "{error}");
    }

    #[test]
    fn the_database_of_another_program_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE targets (id)")
            .unwrap();
        let error = migrate(&mut connection).unwrap_err();
        assert!(error.to_string().contains("another program"), "{error}");
    }
}
