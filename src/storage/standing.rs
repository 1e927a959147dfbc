//! What proves that roll-ups which were read earlier are still what the database holds.
//!
//! Whoever writes the roll-ups of a bucket gives it a new stamp in the same transaction: a random number, so that no other state of
//! this database, and no other database that takes its place, has the same one. Where a bucket is not stale and has the stamp that it
//! had, its roll-ups are what they were. A bucket without a stamp was never rolled up.

use std::collections::HashMap;

use super::{Floors, Resolution, Stale};
use crate::model::Timestamp;

/// What is kept, what does not agree, and the stamps of what does. It all held at one moment, or the stamps are the youngest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    pub floors: Floors,
    pub stale: Vec<Stale>,
    pub stamps: Stamps,
}

/// The stamps of buckets by their resolution and beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamps(HashMap<(Resolution, Timestamp), i64>);

impl Stamps {
    pub fn insert(&mut self, resolution: Resolution, bucket: Timestamp, stamp: i64) {
        self.0.insert((resolution, bucket), stamp);
    }

    pub fn of(&self, resolution: Resolution, bucket: Timestamp) -> Option<i64> {
        self.0.get(&(resolution, bucket)).copied()
    }
}
