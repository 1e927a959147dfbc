//! The spool's file: opening, locking, recognising it, and moving a damaged one out of the way.
//!
//! SQLite's exclusive locking mode is the lock between processes: the kernel frees it when a process ends, however it ends.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use super::{PAGE, Place, Spool, SpoolError, count, pragma};

/// Marks the file as a spool in SQLite's header (`PRAGMA application_id`): `PgSp`.
const APPLICATION_ID: u32 = 0x5067_5370;
/// Where the header of a file holds it, big-endian (SQLite file format, section 1.3).
const APPLICATION_ID_AT: usize = 68;
const VERSION: u64 = 1;
/// A predecessor may be about to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

pub fn open(place: &Place) -> Result<Spool, SpoolError> {
    let path = &place.path;
    let checkpoint = (place.max_bytes / PAGE / 16).clamp(16, 256);
    let lasting = |error| fault(path, &error);
    let mut connection = connect(path, checkpoint).map_err(lasting)?;
    recognise(&mut connection, path)?;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(lasting)?;
    let (results, last_chunk) = transaction
        .query_row(include_str!("../sql/chunk_totals.spool.sql"), [], |row| {
            Ok((count(row, 0)?, row.get(1)?))
        })
        .map_err(lasting)?;
    let owner: Option<String> = transaction
        .query_row(include_str!("../sql/owner_read.spool.sql"), [], |row| {
            row.get(0)
        })
        .optional()
        .map_err(lasting)?;
    if owner.as_ref() != Some(&place.location) {
        if let Some(owner) = owner.filter(|_| results > 0) {
            let path = path.display().to_string();
            return Err(SpoolError::Elsewhere {
                path,
                owner,
                results,
            });
        }
        transaction
            .execute(include_str!("../sql/owner_forget.spool.sql"), [])
            .and_then(|_| {
                let sql = include_str!("../sql/owner_write.spool.sql");
                transaction.execute(sql, [&place.location])
            })
            .map_err(lasting)?;
    }
    transaction.commit().map_err(lasting)?;
    Ok(Spool {
        connection,
        place: place.clone(),
        results,
        last_chunk,
        checkpoint,
    })
}

fn connect(path: &Path, checkpoint: u64) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // before the first access: then the index of the WAL is in memory, and no third file is needed
    connection.pragma_update(None, "locking_mode", "exclusive")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "cache_size", "-4096")?;
    connection.pragma_update(None, "wal_autocheckpoint", checkpoint as i64)?;
    connection.pragma_update(None, "journal_size_limit", (checkpoint * PAGE) as i64)?;
    Ok(connection)
}

/// Makes an empty file a spool, and refuses what is none.
fn recognise(connection: &mut Connection, path: &Path) -> Result<(), SpoolError> {
    let lasting = |error| fault(path, &error);
    let shown = path.display();
    let tables: u64 = connection
        .query_row("SELECT count(*) FROM sqlite_master", [], |row| {
            count(row, 0)
        })
        .map_err(lasting)?;
    if tables > 0 {
        let id = pragma(connection, "application_id").map_err(lasting)?;
        if id != u64::from(APPLICATION_ID) {
            let error = format!("{shown}: holds the tables of another program");
            return Err(SpoolError::Foreign(error));
        }
        let version = pragma(connection, "user_version").map_err(lasting)?;
        if version != VERSION {
            let error = format!(
                "{shown}: a spool of version {version}, this Pingu knows version {VERSION}"
            );
            return Err(SpoolError::Foreign(error));
        }
        return Ok(());
    }
    connection
        .pragma_update(None, "journal_mode", "wal")
        .map_err(lasting)?;
    let mut create = || -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(include_str!("../sql/migrations/0001_start.spool.sql"))?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION as i64)?;
        transaction.commit()
    };
    create().map_err(|error| fault(path, &error))
}

/// Renames a damaged spool, so that people can look at it and a new one can begin. Anything else is refused: it may be the only
/// copy of something.
pub fn move_aside(path: &Path, error: &str) -> Result<(), SpoolError> {
    let mut header = [0; APPLICATION_ID_AT + 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    if read.is_err() || header[APPLICATION_ID_AT..] != APPLICATION_ID.to_be_bytes() {
        return Err(SpoolError::Foreign(error.to_owned()));
    }
    let free = |number: &u32| !aside(path, *number).exists();
    let number = (1..=1000).find(free).unwrap_or(1000);
    let moved = aside(path, number);
    fs::rename(path, &moved)
        .and_then(|()| match fs::rename(wal(path), wal(&moved)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            renamed => renamed,
        })
        .map_err(|error| SpoolError::Unavailable(format!("{}: {error}", path.display())))?;
    tracing::error!(%error, moved_to = %moved.display(), "the spool is damaged; a new one is begun");
    Ok(())
}

fn aside(path: &Path, number: u32) -> PathBuf {
    with_suffix(path, &format!(".damaged-{number}"))
}

pub fn wal(path: &Path) -> PathBuf {
    with_suffix(path, "-wal")
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Zero if there is none. Looks at the directory only: closing a descriptor of the file would give up its locks (fcntl(2)).
pub fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// Sorts SQLite's errors by what can be done about them.
pub fn fault(path: &Path, error: &rusqlite::Error) -> SpoolError {
    let shown = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            SpoolError::InUse(shown.to_string())
        }
        Some(ErrorCode::NotADatabase) => SpoolError::Foreign(format!("{shown}: is no spool")),
        Some(ErrorCode::DatabaseCorrupt) => SpoolError::Damaged(format!("{shown}: {error}")),
        Some(ErrorCode::DiskFull) => SpoolError::Unavailable(format!("{shown}: the disk is full")),
        _ => SpoolError::Unavailable(format!("{shown}: {error}")),
    }
}
