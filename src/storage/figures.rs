//! How figures are summed up, whatever they are read from.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::rollup::Stored;
use super::row::unreadable;
use super::{Figures, FiguresQuery, StoreError};
use crate::model::{Detail, Sample, Summary, TargetId, Timestamp};

/// Sums by series and bucket. Results of a series come in the order of their slots.
#[derive(Debug)]
pub struct Sums {
    since: Timestamp,
    step: Option<Duration>,
    buckets: BTreeMap<(i64, Timestamp), Figures>,
    /// The latency of each series' last result.
    before: HashMap<i64, Option<u64>>,
}

impl Sums {
    pub fn new(query: &FiguresQuery) -> Self {
        Self {
            since: query.since,
            step: query.step,
            buckets: BTreeMap::new(),
            before: HashMap::new(),
        }
    }

    pub fn add(&mut self, series: i64, target: TargetId, slot: Timestamp, sample: &Sample<'_>) {
        let before = self.before.insert(series, sample.latency_us).flatten();
        self.bucket(series, target, slot).add(sample, before);
    }

    pub fn add_stored(
        &mut self,
        series: i64,
        target: TargetId,
        bucket: Timestamp,
        stored: &Stored<'_>,
    ) -> Result<(), StoreError> {
        stored
            .add_to(self.bucket(series, target, bucket))
            .ok_or_else(|| unreadable("roll-up", "its figures"))
    }

    fn bucket(&mut self, series: i64, target: TargetId, instant: Timestamp) -> &mut Summary {
        let at = self.step.map_or(self.since, |step| instant.bucket(step));
        let figures = self.buckets.entry((series, at)).or_insert_with(|| Figures {
            series,
            target,
            at,
            summary: Summary::default(),
        });
        &mut figures.summary
    }

    /// By series, and in a series by time.
    pub fn figures(self) -> Vec<Figures> {
        self.buckets.into_values().collect()
    }
}

/// What a result says beyond its columns.
pub fn detail(json: &str) -> Result<Detail, StoreError> {
    serde_json::from_str(json).map_err(|_| unreadable("detail", json))
}
