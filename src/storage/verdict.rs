//! What results say alike, and which of it the database is known to hold.
//!
//! Almost every result is "up, 200, from this address": backends store that once and refer to it by number. The number's remainder
//! by 4 is the outcome. The cache is bounded; a verdict that fell out of it is found again in the table.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use super::day::Day;
use crate::model::{Outcome, ProbeResult};

/// About 5 MB when full; one target needs one or two.
const CACHED: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Content {
    pub outcome: Outcome,
    pub slow: bool,
    /// Empty where there is none, as `error`.
    pub reason: &'static str,
    /// 0 where there is none.
    pub status_code: u16,
    pub resolved_ip: Option<IpAddr>,
    pub error: Box<str>,
}

impl Content {
    pub fn of(result: &ProbeResult) -> Self {
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

    /// The address as it is stored; empty where there is none.
    pub fn address(&self) -> String {
        self.resolved_ip
            .map_or_else(String::new, |ip| ip.to_string())
    }
}

/// A verdict that the database holds.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub key: i64,
    /// The day that it is noted to be used on: retention forgets verdicts that no day uses any more.
    pub seen_on: Day,
}

/// Knows a content by its mark of 128 bits alone, half the memory of the content itself. The marks are keyed and random, so that no
/// target can choose texts that have one mark.
#[derive(Debug, Default)]
pub struct Cache {
    hashers: [RandomState; 2],
    entries: HashMap<[u64; 2], Entry>,
}

impl Cache {
    pub fn find(&self, content: &Content) -> Option<Entry> {
        self.entries.get(&self.mark(content)).copied()
    }

    pub fn keep(&mut self, content: &Content, entry: Entry) {
        if self.entries.len() >= CACHED {
            self.entries.clear();
        }
        self.entries.insert(self.mark(content), entry);
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }

    fn mark(&self, content: &Content) -> [u64; 2] {
        self.hashers
            .each_ref()
            .map(|hasher| hasher.hash_one(content))
    }
}
