//! When the WAL goes into the file.
//!
//! Each page that a batch changes is written to the WAL, and once more by the checkpoint that follows. Batches that follow each other
//! change the same pages - the last one of every series - so a checkpoint after several batches writes such a page once for all of
//! them. SQLite's own setting is a fixed number of pages, too many for a small installation or too few for a large one; here the
//! WAL takes as many bytes as a few of the recent transactions, between two bounds.
//!
//! Checkpoints are passive: they wait for nobody. What a reader holds back is tried again after the next job.

use rusqlite::Connection;

/// Where transactions are small: a WAL of this size costs little to keep and to read again after a kill.
const LEAST_BYTES: i64 = 16 << 20;
/// However large they are. Readers that hold a checkpoint back, and a transaction that is larger still, go beyond it.
pub const MOST_BYTES: i64 = 256 << 20;
/// Transactions that share a checkpoint: a sixth of its cost is little beside their own.
const TRANSACTIONS: i64 = 6;
/// How soon a large transaction is forgotten: by this part with each that follows.
const FADE: i64 = 16;

/// Decides, and remembers what transactions took of late.
#[derive(Debug)]
pub struct Checkpoints {
    page_bytes: i64,
    /// What the WAL held that the file did not, after the job before.
    waiting: i64,
    /// The largest of the recent transactions, in bytes.
    largest: i64,
}

impl Checkpoints {
    pub fn new(connection: &Connection) -> rusqlite::Result<Self> {
        let page_bytes = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        Ok(Self {
            page_bytes,
            waiting: 0,
            largest: 0,
        })
    }

    /// To be called after each job. An error is none of anybody's: the WAL is whole, and the next job meets the same disk.
    pub fn after_job(&mut self, connection: &Connection) {
        // counts and copies nothing
        let Ok(waiting) = pages_waiting(connection, "PRAGMA wal_checkpoint(NOOP)") else {
            return;
        };
        if self.is_due(waiting * self.page_bytes) {
            let left = pages_waiting(connection, "PRAGMA wal_checkpoint(PASSIVE)");
            self.waiting = left.map_or(self.waiting, |pages| pages * self.page_bytes);
        }
    }

    fn is_due(&mut self, waiting: i64) -> bool {
        let written = waiting - self.waiting;
        self.largest = written.max(self.largest - self.largest / FADE);
        self.waiting = waiting;
        waiting > (self.largest * TRANSACTIONS).clamp(LEAST_BYTES, MOST_BYTES)
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

    fn checkpoints() -> Checkpoints {
        Checkpoints {
            page_bytes: 2048,
            waiting: 0,
            largest: 0,
        }
    }

    /// The size of the WAL at the first checkpoint, in transactions of this size.
    fn first(checkpoints: &mut Checkpoints, transaction: i64) -> i64 {
        let mut waiting = checkpoints.waiting;
        loop {
            waiting += transaction;
            if checkpoints.is_due(waiting) {
                return waiting;
            }
        }
    }

    #[test]
    fn small_transactions_keep_the_wal_small() {
        let size = first(&mut checkpoints(), MB / 8);
        assert!((16 * MB..17 * MB).contains(&size), "{size}");
    }

    #[test]
    fn large_transactions_share_a_checkpoint() {
        assert_eq!(first(&mut checkpoints(), 24 * MB), 7 * 24 * MB);
    }

    #[test]
    fn the_wal_has_a_bound() {
        let size = first(&mut checkpoints(), 100 * MB);
        assert_eq!(size, 300 * MB);
    }

    #[test]
    fn one_large_transaction_is_soon_forgotten() {
        let mut checkpoints = checkpoints();
        assert!(!checkpoints.is_due(24 * MB));
        let size = first(&mut checkpoints, MB / 8);
        assert!(size < 36 * MB, "{size}");
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
        let mut checkpointed = 0;
        for _ in 0..40 {
            let insert = "INSERT INTO t VALUES (zeroblob(1000000))";
            connection.execute(insert, []).unwrap();
            let before = checkpoints.waiting;
            checkpoints.after_job(&connection);
            checkpointed += usize::from(checkpoints.waiting < before);
        }
        let wal = std::fs::metadata(folder.path().join("a.db-wal")).unwrap();
        assert_eq!(checkpointed, 2);
        assert!(wal.len() < 20_000_000, "{}", wal.len());
    }
}
