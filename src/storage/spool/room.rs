//! The bound of the spool: what goes so that something new fits.

use std::collections::HashSet;

use rusqlite::Connection;

use super::{PAGE, count, pragma};

/// The most that is kept of refused results; fewer where the bound of the file is small.
const QUARANTINED: u64 = 10_000;
/// More than one transaction changes beside the chunks themselves: the way from the root to both ends, and lists of free pages.
const TREE_PAGES: u64 = 16;
/// The bound of the file.
pub struct Room {
    /// In bytes, of the file and its WAL.
    pub limit: u64,
    /// Pages in the WAL from which on it is written back.
    pub checkpoint: u64,
}

impl Room {
    /// Deletes the oldest chunks until `bytes` more fit. Gives whether they do now, and how many results went.
    pub fn make(
        &self,
        connection: &Connection,
        bytes: u64,
        protect: &HashSet<i64>,
    ) -> rusqlite::Result<(bool, u64)> {
        let needed = bytes / (PAGE - 4) + 2;
        // the new pages are in the WAL before they are in the file, with those of the tree that change (few, but never so few as
        // these) and after what a checkpoint has not taken back yet
        let in_wal = self.checkpoint + needed + TREE_PAGES;
        let Some(most) = (self.limit / PAGE).checked_sub(in_wal + needed) else {
            return Ok((false, 0));
        };
        let fits = || -> rusqlite::Result<bool> {
            let used = pragma(connection, "page_count")? - pragma(connection, "freelist_count")?;
            Ok(used <= most)
        };
        if fits()? {
            return Ok((true, 0));
        }
        let mut dropped = 0;
        loop {
            let oldest = oldest(connection, protect)?;
            if oldest.is_empty() {
                return Ok((false, dropped));
            }
            for id in oldest {
                dropped += delete(connection, id)?;
                if fits()? {
                    return Ok((true, dropped));
                }
            }
        }
    }
}

/// Some of the oldest chunks.
fn oldest(connection: &Connection, protect: &HashSet<i64>) -> rusqlite::Result<Vec<i64>> {
    let sql = include_str!("../sql/chunk_oldest.spool.sql");
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map([], |row| row.get(0))?;
    ids.filter(|id| !matches!(id, Ok(id) if protect.contains(id)))
        .take(256)
        .collect()
}

/// Deletes a chunk and gives how many results were in it; none if it is gone already.
pub fn delete(connection: &Connection, id: i64) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(include_str!("../sql/chunk_delete.spool.sql"))?
        .query_map([id], |row| count(row, 0))?
        .sum()
}

/// Forgets the oldest refused results beyond what is kept: at most about a tenth of the file.
pub fn trim(connection: &Connection, limit: u64) -> rusqlite::Result<()> {
    let kept = (limit / PAGE).min(QUARANTINED);
    connection
        .prepare_cached(include_str!("../sql/quarantine_trim.spool.sql"))?
        .execute([kept as i64])?;
    Ok(())
}
