//! The newest results of every enabled target as beats: what a list draws of each, in twelve bytes.
//!
//! They are read whole once, then kept current by what was stored since. The numbers of results prove that nothing was missed: they
//! are given in the order in which results become visible, so where as many new ones were found behind the newest as numbers were
//! given, these are all there are. Where the counts differ (one came late, twice, or of a target that is not listed) everything is
//! read whole again.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Store, StoreError};
use crate::model::{Detail, Outcome, TargetId, TargetMap, Timestamp};

/// What a result was like, no more than a list draws of it.
///
/// Twelve bytes each: there are sixty of each target, and more.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C, packed(4))]
pub struct Beat {
    /// Eight times the slot's microseconds, and what was found: the outcome's code, and 4 where it was slow or lossy.
    when: i64,
    latency: u32,
}

/// What stands for no latency: columns hold at most half of it.
const NO_LATENCY: u32 = u32::MAX;
const IMPAIRED: i64 = 4;

/// Which beats to read: of each series of an enabled target the newest `most`, as far as they are not known.
#[derive(Debug, Clone, Default)]
pub struct BeatQuery {
    /// Of the series that are known, the slot after which to begin.
    pub after: Arc<HashMap<i64, Timestamp>>,
    /// The number of the last result that is known.
    pub numbered: i64,
    pub most: usize,
}

impl BeatQuery {
    /// The slot after which to look for beats of a series whose newest result is of `newest`, where results are kept from `floor` on;
    /// nothing where all are known, or none is kept.
    ///
    /// What came late is not behind the newest, and shows in the numbers.
    pub(super) fn begin(
        &self,
        series: i64,
        newest: Option<Timestamp>,
        floor: Timestamp,
    ) -> Option<Timestamp> {
        match (self.after.get(&series), newest) {
            (Some(known), Some(newest)) if newest <= *known => None,
            (Some(known), _) => Some(*known),
            // a walk through every day that is kept would find nothing, each time
            (None, Some(newest)) if newest < floor => None,
            (None, _) => Some(BEGINNING),
        }
    }
}

/// Before every slot.
pub(super) const BEGINNING: Timestamp = Timestamp::from_micros(i64::MIN);

/// What a query found.
#[derive(Debug, Default)]
pub struct Found {
    /// The number that was given last: no beat has a higher one.
    pub numbered: i64,
    /// How many of the beats have a number above the query's.
    pub fresh: i64,
    /// From when on results are kept.
    pub floor: Timestamp,
    /// Every series of an enabled target, in no order.
    pub series: Vec<Series>,
}

/// A target at one location.
#[derive(Debug, Clone)]
pub struct Series {
    /// The backend's own name of it.
    pub key: i64,
    pub target: TargetId,
    /// The oldest first.
    pub beats: Vec<Beat>,
}

/// The newest beats of every enabled target at one moment.
#[derive(Debug, Default)]
pub struct Beats {
    /// At most so many of each series.
    most: usize,
    numbered: i64,
    tracks: TargetMap<Vec<Track>>,
}

/// A series of one target.
#[derive(Debug, Clone)]
struct Track {
    key: i64,
    /// The oldest first. Shared with the moment before while nothing comes.
    beats: Arc<[Beat]>,
}

impl Beat {
    pub fn new(slot: Timestamp, outcome: Outcome, impaired: bool, latency_us: Option<i64>) -> Self {
        let impaired = if impaired { IMPAIRED } else { 0 };
        let found = super::row::outcome_code(outcome) | impaired;
        let latency = latency_us.map_or(NO_LATENCY, |micros| micros.unsigned_abs() as u32);
        Self {
            // instants that have a name take 59 bits
            when: slot.as_micros().saturating_mul(8) | found,
            latency,
        }
    }

    pub const fn slot(self) -> Timestamp {
        Timestamp::from_micros(self.when >> 3)
    }

    pub const fn outcome(self) -> Outcome {
        match self.when & 3 {
            1 => Outcome::Up,
            2 => Outcome::Down,
            _ => Outcome::Unknown,
        }
    }

    /// Slow or lossy, though up.
    pub const fn impaired(self) -> bool {
        self.when & IMPAIRED != 0
    }

    pub const fn latency_us(self) -> Option<u32> {
        match self.latency {
            NO_LATENCY => None,
            latency => Some(latency),
        }
    }
}

impl std::fmt::Debug for Beat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beat")
            .field("slot", &self.slot().to_string())
            .field("outcome", &self.outcome())
            .field("impaired", &self.impaired())
            .field("latency_us", &self.latency_us())
            .finish()
    }
}

/// Whether an answer's stored detail says that a part of its packets was lost.
pub(super) fn is_lossy(detail: &str) -> Result<bool, StoreError> {
    // most say nothing of packets, and reading them would be most of the work; a quote within a text is escaped
    if !detail.contains("\"packets\"") {
        return Ok(false);
    }
    let detail: Detail = super::figures::detail(detail)?;
    Ok(detail
        .packets
        .is_some_and(|packets| packets.received < packets.sent))
}

impl Beats {
    /// The beats now: `last` and what came since, where it has as many of each as are wanted.
    pub async fn read(
        store: &dyn Store,
        last: Option<&Self>,
        most: usize,
    ) -> Result<Self, StoreError> {
        let whole = Self {
            most,
            ..Self::default()
        };
        if let Some(last) = last.filter(|last| last.most == most) {
            let found = store.beats(&last.query()).await?;
            if found.fresh == found.numbered - last.numbered {
                return Ok(last.with(found));
            }
        }
        let found = store.beats(&whole.query()).await?;
        Ok(whole.with(found))
    }

    /// How many of each series there are at the most.
    pub const fn most(&self) -> usize {
        self.most
    }

    /// A target's beats up to a slot, of all locations, the oldest first; of one slot in the order of the series.
    pub fn of(&self, target: TargetId, last: Timestamp) -> Vec<Beat> {
        let Some(tracks) = self.tracks.get(&target) else {
            return Vec::new();
        };
        let mut beats: Vec<Beat> = Vec::with_capacity(tracks.iter().map(|it| it.beats.len()).sum());
        for track in tracks {
            let end = track.beats.partition_point(|beat| beat.slot() <= last);
            beats.extend_from_slice(&track.beats[..end]);
        }
        if tracks.len() > 1 {
            beats.sort_by_key(|beat| beat.slot());
        }
        beats
    }

    /// What is not known yet.
    fn query(&self) -> BeatQuery {
        let tracks = self.tracks.values().flatten();
        let newest = tracks.filter_map(|it| Some((it.key, it.beats.last()?.slot())));
        BeatQuery {
            after: Arc::new(newest.collect()),
            numbered: self.numbered,
            most: self.most,
        }
    }

    /// What was found belongs behind what is known.
    fn with(&self, found: Found) -> Self {
        let mut tracks: TargetMap<Vec<Track>> = TargetMap::default();
        tracks.reserve(found.series.len());
        for series in found.series {
            let known = self.tracks.get(&series.target);
            let known = known.and_then(|tracks| tracks.iter().find(|it| it.key == series.key));
            let track = Track {
                key: series.key,
                beats: self.joined(known, &series.beats, found.floor),
            };
            tracks.entry(series.target).or_default().push(track);
        }
        for tracks in tracks.values_mut() {
            tracks.sort_unstable_by_key(|track| track.key);
        }
        Self {
            most: self.most,
            numbered: found.numbered,
            tracks,
        }
    }

    fn joined(&self, known: Option<&Track>, new: &[Beat], floor: Timestamp) -> Arc<[Beat]> {
        let known = known.map(|track| &track.beats);
        let old: &[Beat] = known.map_or(&[], |beats| beats);
        let kept = old.len().min(self.most - new.len().min(self.most));
        let old_kept = &old[old.len() - kept..];
        let below = old_kept.partition_point(|beat| beat.slot() < floor);
        match known {
            Some(known) if new.is_empty() && kept - below == known.len() => Arc::clone(known),
            _ => old_kept[below..].iter().chain(new).copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_looked_at_only_where_something_of_it_may_be_found() {
        let at = Timestamp::from_micros;
        let query = BeatQuery {
            after: Arc::new(HashMap::from([(1, at(50))])),
            ..BeatQuery::default()
        };
        for (series, newest, begin) in [
            (1, Some(at(50)), None),
            (1, Some(at(51)), Some(at(50))),
            (1, None, Some(at(50))),
            // none of it is kept
            (2, Some(at(29)), None),
            (2, Some(at(30)), Some(BEGINNING)),
            (2, None, Some(BEGINNING)),
        ] {
            assert_eq!(query.begin(series, newest, at(30)), begin, "{newest:?}");
        }
    }
}
