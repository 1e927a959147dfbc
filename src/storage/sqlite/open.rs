//! Opening a connection: how each kind is set up, and what keeps a file from being opened, in words that help.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::{locate, schema, store_error};

/// How long to wait for another process that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Write,
    Read,
    /// Reading by a program that leaves no trace in the file.
    Look,
}

pub fn open_connection(path: &Path, purpose: Use) -> Result<Connection, StoreError> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if purpose == Use::Write {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let configure = || -> Result<Connection, StoreError> {
        let connection = Connection::open_with_flags(path, flags).map_err(store_error)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(store_error)?;
        connection.set_prepared_statement_cache_capacity(128);
        let pragma = |name, value: &str| {
            connection
                .pragma_update(None, name, value)
                .map_err(store_error)
        };
        if purpose == Use::Write {
            // before the first change: the file may be another program's
            schema::refuse_foreign(&connection)?;
            pragma("journal_mode", "wal")?;
            pragma("synchronous", "normal")?;
            // 16 MB between checkpoints keeps the WAL small and its cost per row low
            pragma("wal_autocheckpoint", "4000")?;
            pragma("journal_size_limit", "67108864")?;
        } else {
            pragma("query_only", "on")?;
        }
        if purpose == Use::Look {
            connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
                .map_err(store_error)?;
        }
        pragma("cache_size", "-16384")?;
        pragma("temp_store", "memory")?;
        Ok(connection)
    };
    configure().map_err(|error| match (&error, advice(path)) {
        (StoreError::Unavailable(_), Some(advice)) => {
            StoreError::Unavailable(format!("{}: {advice}", path.display()))
        }
        _ => locate(error, path),
    })
}

/// What keeps a database file from being opened, where the file system tells more than SQLite does.
fn advice(path: &Path) -> Option<String> {
    if path.is_dir() {
        return Some("is a folder; DATABASE_URL needs a file in it, such as pingu.db".to_owned());
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let folder = folder.display();
        return Some(format!(
            "the folder {folder} does not exist; create it, or change DATABASE_URL"
        ));
    }
    let writable = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
    let (what, whose) = match path.exists() {
        // SQLite makes two files beside its own
        true if writable(path) && writable(folder) => return None,
        true if writable(folder) => ("the file", path),
        _ if writable(folder) => return None,
        _ => ("the folder", folder),
    };
    let whose = whose.display();
    Some(format!(
        "this user may not write to {what} {whose}; change its permissions, or DATABASE_URL"
    ))
}
