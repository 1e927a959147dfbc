//! The chains of certificates that targets presented: which are worth writing, and how one is stored.
//!
//! Nearly every result brings the chain that the one before brought. So one is written when it is another, and once a day to say that
//! it is still seen; the statement that writes it says the same, because another process may have written it meanwhile. Nothing here
//! is conserved as results are: what an outage keeps from being written, the next result brings again.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::row::unreadable;
use crate::model::{Certificate, Chain, Digest, ErrorText, ProbeResult, Timestamp};

/// How often a chain that stays the same is written all the same.
pub const EVERY: Duration = Duration::from_secs(86_400);

/// Chains that one batch may write, so that the first of a process is not held up by thousands; the others come again.
const MOST: usize = 500;

/// What a target presented last at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    pub location: Arc<str>,
    /// The slot of a result that brought it: at most a day before the last one that did.
    pub seen_at: Timestamp,
    pub certificates: Vec<Certificate>,
    /// How many more there were than are kept.
    pub omitted: u32,
    /// Why it is not trusted; nothing where it is.
    pub distrust: Option<ErrorText>,
}

/// What is in the database, of the series that this process writes; `K` is the backend's key of one.
#[derive(Debug)]
pub struct Written<K>(HashMap<K, (Digest, Timestamp)>);

/// A chain that is to be written.
#[derive(Debug)]
pub struct Due<'a, K> {
    pub series: K,
    pub seen_at: Timestamp,
    pub chain: &'a Chain,
}

/// Stored as JSON, so the field names are a storage format.
#[derive(Serialize, Deserialize)]
struct Json<'a> {
    certificates: std::borrow::Cow<'a, [Certificate]>,
    #[serde(default)]
    omitted: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    distrust: Option<String>,
}

impl<K> Default for Written<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Copy + Eq + Hash> Written<K> {
    /// The chains of a batch that are worth writing: of each series the last one.
    pub fn due<'a>(&self, results: impl Iterator<Item = (K, &'a ProbeResult)>) -> Vec<Due<'a, K>> {
        let mut newest: HashMap<K, Due<'a, K>> = HashMap::new();
        for (series, result) in results {
            let Some(chain) = result.observation.measurement.chain.as_deref() else {
                continue;
            };
            let seen_at = result.slot;
            if self.is_known(series, chain, seen_at) {
                newest.remove(&series);
                continue;
            }
            let due = Due {
                series,
                seen_at,
                chain,
            };
            newest.insert(series, due);
        }
        newest.into_values().take(MOST).collect()
    }

    /// They are in the database.
    pub fn note(&mut self, written: &[Due<'_, K>]) {
        let written = written.iter();
        self.0
            .extend(written.map(|due| (due.series, (due.chain.digest, due.seen_at))));
    }

    /// Nothing is certain any more.
    pub fn forget(&mut self) {
        self.0.clear();
    }

    fn is_known(&self, series: K, chain: &Chain, seen_at: Timestamp) -> bool {
        self.0.get(&series).is_some_and(|(digest, at)| {
            let apart = seen_at.since(*at).max(at.since(seen_at));
            *digest == chain.digest && apart < EVERY
        })
    }
}

pub fn json(chain: &Chain) -> String {
    let json = Json {
        certificates: chain.certificates.as_slice().into(),
        omitted: chain.omitted,
        distrust: chain.distrust.as_ref().map(ToString::to_string),
    };
    serde_json::to_string(&json).expect("plain values always serialise")
}

pub fn presented(location: &str, seen_at: Timestamp, json: &str) -> Result<Presented, StoreError> {
    let read: Json<'_> = serde_json::from_str(json).map_err(|_| unreadable("chain", json))?;
    Ok(Presented {
        location: location.into(),
        seen_at,
        certificates: read.certificates.into_owned(),
        omitted: read.omitted,
        distrust: read.distrust.map(ErrorText::new),
    })
}

/// An instant as [`json`] writes it.
pub fn ends(text: &str) -> Result<Timestamp, StoreError> {
    text.parse().map_err(|_| unreadable("not_after", text))
}
