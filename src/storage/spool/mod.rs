//! Results rest here while the database is away: one file of SQLite beside Pingu, which outlives the process.
//!
//! A batch is one row, a *chunk*, so that writing and deleting cost next to nothing for each result (about 1 µs together). The file
//! and its WAL stay within a bound: the oldest chunks go first, and the caller learns how many results went. What was written survives
//! a kill at any moment; a power cut may take the last few batches (`synchronous=NORMAL`). One process at a time holds the file, from
//! opening to dropping it. Results that the database refuses for their own sake lie in the same file, the newest of them.
//!
//! Everything here blocks: the recorder calls it on a thread for that.

mod codec;
mod file;
mod room;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{Connection, Row, TransactionBehavior, params};

use crate::model::{ProbeResult, Timestamp};
use room::{Room, delete, trim};

/// SQLite's own default, and so that of every file.
const PAGE: u64 = 4096;
/// What an empty file may keep for itself, in pages: giving less back is not worth the writing.
const KEPT_PAGES: u64 = 256;

/// Where a spool is, how large it may become, and whose results it takes.
#[derive(Debug, Clone)]
pub struct Place {
    pub path: PathBuf,
    /// Of the file and its WAL together.
    pub max_bytes: u64,
    /// The location of this poller: results are stored under it.
    pub location: String,
}

/// Why there is no spool, or why it did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpoolError {
    #[error(
        "{0}: another running Pingu uses this spool; give this one a file of its own with SPOOL_PATH"
    )]
    InUse(String),
    #[error(
        "{path}: holds {results} results of the location {owner}; start Pingu with LOCATION={owner} until they are stored, or name another file in SPOOL_PATH"
    )]
    Elsewhere {
        path: String,
        owner: String,
        results: u64,
    },
    #[error("{0}; name another file in SPOOL_PATH")]
    Foreign(String),
    /// Its pages contradict each other.
    #[error("{0}")]
    Damaged(String),
    /// Try again later: no space, no permission, a failing disk. Nothing was changed.
    #[error("{0}")]
    Unavailable(String),
}

/// What to do in one transaction, and what to read after it.
#[derive(Debug, Clone, Default)]
pub struct Work {
    /// Chunks that are stored in the database by now.
    pub delete: Vec<i64>,
    pub quarantine: Vec<Quarantined>,
    /// New chunks; their ids are greater than any before.
    pub append: Vec<(i64, Arc<[ProbeResult]>)>,
    /// Chunks that must not go when the file is full.
    pub protect: HashSet<i64>,
    pub load: Option<Load>,
}

/// Which chunks to read: the newest below an id that are not protected, until there are enough results.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    pub below: i64,
    pub results: usize,
}

/// A result that the database refused, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    pub result: ProbeResult,
    pub error: String,
}

/// What became of some work.
#[derive(Debug, Default)]
pub struct Done {
    /// Results that went because the file is full, the oldest first.
    pub dropped: u64,
    /// New chunks that are too large for the file whatever else goes.
    pub too_large: Vec<i64>,
    /// The newest first.
    pub loaded: Vec<Chunk>,
    /// Results in chunks that could not be read and were set aside.
    pub unreadable: u64,
}

/// A batch as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    pub id: i64,
    pub results: Vec<ProbeResult>,
}

/// An open spool.
#[derive(Debug)]
pub struct Spool {
    connection: Connection,
    place: Place,
    results: u64,
    last_chunk: i64,
    /// Pages in the WAL from which on it is written back.
    checkpoint: u64,
}

impl Work {
    /// Whether it changes anything.
    pub const fn writes(&self) -> bool {
        !(self.delete.is_empty() && self.quarantine.is_empty() && self.append.is_empty())
    }
}

impl Place {
    /// Opens the file, creating it as needed. A damaged spool is moved aside and a new one begun.
    pub fn open(&self) -> Result<Spool, SpoolError> {
        match file::open(self) {
            Err(SpoolError::Damaged(error)) => {
                file::move_aside(&self.path, &error)?;
                file::open(self)
            }
            opened => opened,
        }
    }
}

impl Spool {
    /// Results in the file, those of the quarantine apart.
    pub const fn results(&self) -> u64 {
        self.results
    }

    /// The greatest id of a chunk in the file, 0 if there is none.
    pub const fn last_chunk(&self) -> i64 {
        self.last_chunk
    }

    /// The earliest slot of the oldest chunk.
    pub fn begins(&self) -> Option<Timestamp> {
        let sql = include_str!("../sql/chunk_oldest.spool.sql");
        let mut statement = self.connection.prepare_cached(sql).ok()?;
        let begins = statement.query_row([], |row| row.get(2)).ok()?;
        Some(Timestamp::from_micros(begins))
    }

    /// What the file and its WAL take on disk.
    pub fn bytes(&self) -> u64 {
        file::size(&self.place.path) + file::size(&file::wal(&self.place.path))
    }

    /// Does all of it or, with an error, nothing.
    pub fn work(&mut self, work: &Work) -> Result<Done, SpoolError> {
        let mut done = Done::default();
        let results = self
            .change(work, &mut done)
            .map_err(|error| self.fault(&error))?;
        self.results = results;
        if self.results == 0 {
            // the disk may be full: then it stays as large as it is
            let _ = self.shrink();
        }
        if let Some(load) = work.load {
            self.load(load, &work.protect, &mut done)
                .map_err(|error| self.fault(&error))?;
        }
        Ok(done)
    }

    /// One transaction; gives how many results there are after it.
    fn change(&mut self, work: &Work, done: &mut Done) -> rusqlite::Result<u64> {
        if !work.writes() {
            return Ok(self.results);
        }
        let mut results = self.results;
        let room = Room {
            limit: self.place.max_bytes,
            checkpoint: self.checkpoint,
        };
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for id in &work.delete {
            results = results.saturating_sub(delete(&transaction, *id)?);
        }
        for Quarantined { result, error } in &work.quarantine {
            transaction
                .prepare_cached(include_str!("../sql/quarantine_insert.spool.sql"))?
                .execute(params![
                    result.target.to_string(),
                    result.slot.to_string(),
                    error,
                    1,
                    codec::encode(std::slice::from_ref(result)),
                ])?;
        }
        if !work.quarantine.is_empty() {
            trim(&transaction, room.limit)?;
        }
        for (id, batch) in &work.append {
            let body = codec::encode(batch);
            let begins = batch.iter().map(|result| result.slot.as_micros()).min();
            let (fits, dropped) = room.make(&transaction, body.len() as u64, &work.protect)?;
            done.dropped += dropped;
            results = results.saturating_sub(dropped);
            if !fits {
                done.too_large.push(*id);
                continue;
            }
            transaction
                .prepare_cached(include_str!("../sql/chunk_insert.spool.sql"))?
                .execute(params![id, batch.len() as i64, begins, body])?;
            results += batch.len() as u64;
            self.last_chunk = self.last_chunk.max(*id);
        }
        transaction.commit()?;
        Ok(results)
    }

    fn load(
        &mut self,
        load: Load,
        protect: &HashSet<i64>,
        done: &mut Done,
    ) -> rusqlite::Result<()> {
        let mut damaged = Vec::new();
        let mut statement = self
            .connection
            .prepare_cached(include_str!("../sql/chunk_newest.spool.sql"))?;
        let mut rows = statement.query([load.below])?;
        let mut loaded = 0;
        while loaded < load.results
            && let Some(row) = rows.next()?
        {
            let id: i64 = row.get(0)?;
            if protect.contains(&id) {
                continue;
            }
            let written = count(row, 1)?;
            match codec::decode(row.get_ref(2)?.as_blob().unwrap_or_default()) {
                Ok(results) if results.len() as u64 == written => {
                    if loaded > 0 && loaded + results.len() > load.results {
                        break;
                    }
                    loaded += results.len();
                    done.loaded.push(Chunk { id, results });
                }
                Ok(_) => damaged.push((id, codec::Unreadable)),
                Err(error) => damaged.push((id, error)),
            }
        }
        drop(rows);
        drop(statement);
        if damaged.is_empty() {
            return Ok(());
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (id, error) in damaged {
            transaction
                .prepare_cached(include_str!("../sql/quarantine_chunk.spool.sql"))?
                .execute(params![id, error.to_string()])?;
            done.unreadable += delete(&transaction, id)?;
        }
        trim(&transaction, self.place.max_bytes)?;
        transaction.commit()?;
        self.results = self.results.saturating_sub(done.unreadable);
        Ok(())
    }

    /// Gives disk space back once an outage is over. Costs little: nothing but the quarantine is left to be written anew.
    fn shrink(&self) -> rusqlite::Result<()> {
        let pages = pragma(&self.connection, "page_count")?;
        let free = pragma(&self.connection, "freelist_count")?;
        if free > KEPT_PAGES && free > pages / 2 {
            self.connection.execute_batch("VACUUM")?;
            self.connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        }
        Ok(())
    }

    fn fault(&self, error: &rusqlite::Error) -> SpoolError {
        file::fault(&self.place.path, error)
    }
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    connection.pragma_query_value(None, name, |row| count(row, 0))
}

/// A number that is never negative.
fn count(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(index)?.unsigned_abs())
}

#[cfg(test)]
mod tests;
