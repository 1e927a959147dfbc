//! When the WAL goes into the file.
//!
//! Each page that a batch changes is written to the WAL, and once more by the checkpoint that follows. The same pages change again and
//! again - the last one of every series, with each of its probes - so a checkpoint writes such a page once for all the batches since
//! the one before. SQLite's own setting is a fixed number of pages, too many for a small installation or too few for a large one; here
//! some seconds of writing share a checkpoint, unless the WAL is too small to be worth one or as large as it may get.
//!
//! Checkpoints are passive: they wait for nobody. What a reader holds back is tried again after the next job.

use std::time::{Duration, Instant};

use rusqlite::Connection;

/// A WAL of this size costs little to keep and to read again after a kill.
const LEAST_BYTES: i64 = 8 << 20;
/// However fast it grows. Readers that hold a checkpoint back, and a transaction that is larger still, go beyond it.
pub const MOST_BYTES: i64 = 256 << 20;
/// Writes that share a checkpoint: of 10,000 targets that are probed every second it copies a third of the pages that one after each
/// 16 MB did.
const SHARED: Duration = Duration::from_secs(10);

/// Decides, and remembers when the last one was.
#[derive(Debug)]
pub struct Checkpoints {
    page_bytes: i64,
    last: Instant,
}

impl Checkpoints {
    pub fn new(connection: &Connection) -> rusqlite::Result<Self> {
        let page_bytes = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        Ok(Self {
            page_bytes,
            last: Instant::now(),
        })
    }

    /// To be called after each job. An error is none of anybody's: the WAL is whole, and the next job meets the same disk.
    pub fn after_job(&mut self, connection: &Connection) {
        // counts and copies nothing
        let Ok(waiting) = pages_waiting(connection, "PRAGMA wal_checkpoint(NOOP)") else {
            return;
        };
        let now = Instant::now();
        if self.is_due(waiting * self.page_bytes, now) {
            // what is left is held back by a reader: until that ends there is no more to copy
            let _ = pages_waiting(connection, "PRAGMA wal_checkpoint(PASSIVE)");
            self.last = now;
        }
    }

    fn is_due(&self, waiting: i64, now: Instant) -> bool {
        waiting > MOST_BYTES || (waiting > LEAST_BYTES && now - self.last >= SHARED)
    }
}

/// Copies all that it can, however little that is.
pub fn finish(connection: &Connection) {
    // the next start reads the WAL if this fails
    let _ = pages_waiting(connection, "PRAGMA wal_checkpoint(PASSIVE)");
}

/// What the WAL holds and the file does not, after this statement.
fn pages_waiting(connection: &Connection, statement: &str) -> rusqlite::Result<i64> {
    connection.prepare_cached(statement)?.query_row([], |row| {
        let (pages, copied): (i64, i64) = (row.get(1)?, row.get(2)?);
        Ok(pages - copied)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: i64 = 1 << 20;

    #[test]
    fn some_seconds_share_a_checkpoint_within_bounds() {
        let last = Instant::now();
        let checkpoints = Checkpoints {
            page_bytes: 2048,
            last,
        };
        let soon = last + SHARED / 2;
        for (waiting, now, due) in [
            (100 * MB, soon, false),
            (100 * MB, last + SHARED, true),
            (257 * MB, soon, true),
            (4 * MB, last + SHARED * 9, false),
        ] {
            assert_eq!(checkpoints.is_due(waiting, now), due, "{waiting}");
        }
    }

    #[test]
    fn the_wal_of_a_file_begins_anew_after_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let connection = Connection::open(folder.path().join("a.db")).unwrap();
        for (name, value) in [("journal_mode", "wal"), ("wal_autocheckpoint", "0")] {
            connection.pragma_update(None, name, value).unwrap();
        }
        connection.execute_batch("CREATE TABLE t (b BLOB)").unwrap();
        let mut checkpoints = Checkpoints::new(&connection).unwrap();
        for _ in 0..40 {
            let insert = "INSERT INTO t VALUES (zeroblob(1000000))";
            connection.execute(insert, []).unwrap();
            // as if some seconds had passed
            checkpoints.last = checkpoints.last.checked_sub(SHARED).unwrap();
            checkpoints.after_job(&connection);
        }
        let wal = std::fs::metadata(folder.path().join("a.db-wal")).unwrap();
        assert!(wal.len() < 12_000_000, "{}", wal.len());
    }
}
