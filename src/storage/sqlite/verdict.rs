//! The dictionary of what results say alike, in SQLite.

use rusqlite::{Connection, OptionalExtension, params};

use super::super::StoreError;
use super::super::verdict::{Cache, Content, Entry};
use super::codec::outcome_code;
use super::days::Day;
use super::store_error;
use crate::model::ProbeResult;

#[derive(Debug, Default)]
pub struct Verdicts {
    cache: Cache,
}

impl Verdicts {
    /// The key of what `result` says, stored now if it is new.
    pub fn key(
        &mut self,
        connection: &Connection,
        result: &ProbeResult,
        day: Day,
    ) -> Result<i64, StoreError> {
        let content = Content::of(result);
        let cached = self.cache.find(&content);
        if let Some(entry) = cached.filter(|entry| entry.seen_on >= day) {
            return Ok(entry.key);
        }
        // a key that is not noted for this day may have been forgotten, and given to another since
        let key = find_or_insert(connection, &content, day)?;
        // retention forgets verdicts that no day uses any more
        connection
            .prepare_cached(include_str!("../sql/verdict_seen.sqlite.sql"))
            .and_then(|mut statement| statement.execute([key, day.0]))
            .map_err(store_error)?;
        self.cache.keep(&content, Entry { key, seen_on: day });
        Ok(key)
    }

    /// To be called when a transaction was rolled back: keys that it gave out are void.
    pub fn forget(&mut self) {
        self.cache.clear();
    }
}

fn find_or_insert(connection: &Connection, content: &Content, day: Day) -> Result<i64, StoreError> {
    let address = content.address();
    let outcome = outcome_code(content.outcome);
    let found = connection
        .prepare_cached(include_str!("../sql/verdict_find.sqlite.sql"))
        .and_then(|mut statement| {
            statement
                .query_row(
                    params![
                        content.error,
                        address,
                        content.status_code,
                        content.reason,
                        content.slow,
                        outcome
                    ],
                    |row| row.get(0),
                )
                .optional()
        })
        .map_err(store_error)?;
    if let Some(key) = found {
        return Ok(key);
    }
    connection
        .prepare_cached(include_str!("../sql/verdict_insert.sqlite.sql"))
        .and_then(|mut statement| {
            statement.query_row(
                params![
                    content.error,
                    address,
                    content.status_code,
                    content.reason,
                    content.slow,
                    outcome,
                    day.0
                ],
                |row| row.get(0),
            )
        })
        .map_err(store_error)
}
