//! Opening a connection: how each kind is set up.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::advice::{advice, locate};
use super::{checkpoint, schema, store_error};

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
        // otherwise SQLite looks at what LIMIT is bound to and prepares the statement anew each time: of the newest 1,000 results of
        // 1,000 series that was a thousand times, and most of the time
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)
            .map_err(store_error)?;
        let pragma = |name, value: &str| {
            connection
                .pragma_update(None, name, value)
                .map_err(store_error)
        };
        if purpose == Use::Write {
            // before the first change: the file may be another program's
            schema::refuse_foreign(&connection)?;
            // a row of a large installation changes a page of its own, which is written whole; smaller ones are too small for what
            // a result says in detail. A file that is there keeps the size it has
            pragma("page_size", "2048")?;
            begin_wal(&connection).map_err(store_error)?;
            pragma("synchronous", "normal")?;
            // the writer does it itself, between jobs
            pragma("wal_autocheckpoint", "0")?;
            // writing over a WAL is cheaper than making it longer
            pragma("journal_size_limit", &checkpoint::MOST_BYTES.to_string())?;
        } else {
            pragma("query_only", "on")?;
        }
        if purpose == Use::Look {
            connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
                .map_err(store_error)?;
        }
        // in KiB: the writer goes through every target's newest page, a reader sees most pages once
        let cache = if purpose == Use::Write {
            "-16384"
        } else {
            "-2048"
        };
        pragma("cache_size", cache)?;
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

/// Of several processes that find an empty file one gets the lock that this needs; SQLite tells the others at once that the file is
/// locked, and does not wait as it does elsewhere.
fn begin_wal(connection: &Connection) -> rusqlite::Result<()> {
    let began = Instant::now();
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error) if is_busy(&error) && began.elapsed() < BUSY_TIMEOUT => {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_prepared_once_whatever_is_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new.db");
        let mut writer = open_connection(&path, Use::Write).unwrap();
        schema::migrate(&mut writer).unwrap();
        for purpose in [Use::Write, Use::Read, Use::Look] {
            let connection = open_connection(&path, purpose).unwrap();
            let sql =
                "SELECT id FROM incidents WHERE began_at < ?1 ORDER BY began_at DESC LIMIT ?2";
            let mut statement = connection.prepare(sql).unwrap();
            for bound in 1..10_i64 {
                let mut rows = statement.query([bound, bound]).unwrap();
                assert!(rows.next().unwrap().is_none());
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
        }
    }

    #[test]
    fn many_that_open_an_empty_file_at_once_all_get_it() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("new.db");
            let together = std::sync::Barrier::new(4);
            std::thread::scope(|scope| {
                let open = || {
                    together.wait();
                    let mut connection = open_connection(&path, Use::Write).unwrap();
                    schema::migrate(&mut connection).unwrap();
                };
                let opening: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
                for it in opening {
                    it.join().unwrap();
                }
            });
        }
    }

    #[test]
    fn a_new_file_has_small_pages_and_an_older_one_keeps_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let page_size = |name: &str| {
            let path = folder.path().join(name);
            let mut connection = open_connection(&path, Use::Write).unwrap();
            schema::migrate(&mut connection).unwrap();
            connection
                .pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))
                .unwrap()
        };
        assert_eq!(page_size("new.db"), 2048);

        let mut older = Connection::open(folder.path().join("older.db")).unwrap();
        older.pragma_update(None, "page_size", 4096).unwrap();
        schema::migrate(&mut older).unwrap();
        drop(older);
        assert_eq!(page_size("older.db"), 4096);
    }
}
