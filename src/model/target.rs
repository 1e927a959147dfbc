//! What is watched.
//!
//! A [`TargetSpec`] is what a targets file says of one target; a [`Target`] is a spec that the database has given an id.
//! Values here are valid by construction in `config`; this module only holds them.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{IncidentRule, ProbeSpec};

/// The public identity of a target. It outlives renames, restarts and removal from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetId(pub Uuid);

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known of each target. An id is a random UUID that the database gave: it needs no hash that withstands an attacker.
pub type TargetMap<T> = HashMap<TargetId, T, BuildHasherDefault<IdHasher>>;

/// Takes the bytes of an id for its hash.
#[derive(Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            // ids need not be random: tests number them
            self.0 = (self.0.rotate_left(29) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// A target as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub id: TargetId,
    pub spec: TargetSpec,
}

/// A target as a file declares it: the file's own `id`, if it gave one, and everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The `id` of the file as written: a slug or a UUID. With it a target may be renamed and keep its history.
    pub id: Option<String>,
    pub spec: TargetSpec,
}

/// Everything a file may say of a target but its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSpec {
    pub name: String,
    pub enabled: bool,
    /// Time between two slots; at least 100 ms.
    pub interval: Duration,
    /// How long one probe may take; at most the interval.
    pub timeout: Duration,
    /// An answer that takes longer is marked `slow`.
    pub slow_after: Duration,
    /// When its failures are an incident.
    pub incident: IncidentRule,
    pub group: Option<String>,
    pub tags: Vec<String>,
    pub description: Option<String>,
    pub probe: ProbeSpec,
}

/// When an answer is slow if the file does not say: after 80 % of the timeout, where the original service logged a slow response.
pub fn default_slow_after(timeout: Duration) -> Duration {
    timeout * 4 / 5
}
