//! The dictionary of what results say alike.
//!
//! Almost every result is "up, 200, from this address": that is stored once and referred to by number. The number's remainder by 4
//! is the outcome. The cache is bounded; a verdict that fell out of it is found again in the table.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::super::StoreError;
use super::codec::outcome_code;
use super::days::Day;
use super::store_error;
use crate::model::{Outcome, ProbeResult};

/// About 20 MB when full; one target needs one or two.
const CACHED: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Content {
    outcome: Outcome,
    slow: bool,
    reason: &'static str,
    status_code: u16,
    resolved_ip: Option<std::net::IpAddr>,
    error: Box<str>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: i64,
    seen_on: Day,
}

#[derive(Debug, Default)]
pub struct Verdicts {
    cache: HashMap<Content, Entry>,
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
        let cached = self.cache.get(&content).copied();
        if let Some(entry) = cached.filter(|entry| entry.seen_on >= day) {
            return Ok(entry.key);
        }
        let key = match cached {
            Some(entry) => entry.key,
            None => find_or_insert(connection, &content, day)?,
        };
        // retention forgets verdicts that no day uses any more
        connection
            .prepare_cached(include_str!("../sql/verdict_seen.sqlite.sql"))
            .and_then(|mut statement| statement.execute([key, day.0]))
            .map_err(store_error)?;
        if self.cache.len() >= CACHED {
            self.cache.clear();
        }
        self.cache.insert(content, Entry { key, seen_on: day });
        Ok(key)
    }

    /// To be called when a transaction was rolled back: keys that it gave out are void.
    pub fn forget(&mut self) {
        self.cache.clear();
    }
}

impl Content {
    fn of(result: &ProbeResult) -> Self {
        let failure = result.observation.verdict.failure();
        let measurement = &result.observation.measurement;
        Self {
            outcome: result.outcome(),
            slow: result.slow,
            reason: failure.map_or("", |failure| failure.reason.as_str()),
            status_code: measurement.status_code.unwrap_or(0),
            resolved_ip: measurement.resolved_ip,
            error: failure.map_or("", |failure| failure.error.as_str()).into(),
        }
    }
}

fn find_or_insert(connection: &Connection, content: &Content, day: Day) -> Result<i64, StoreError> {
    let address = content
        .resolved_ip
        .map_or_else(String::new, |ip| ip.to_string());
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
