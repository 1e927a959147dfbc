//! Reads figures of any span from whatever holds them: hours where they are settled, five minutes where those are, results at the
//! edges and where something changed since. What comes out is what the results alone would give.
//!
//! Sums of all targets are remembered, each with the stamps that its roll-ups had ([`Standing`]): a question about a day reads what
//! has changed, and the results of the edges.
//!
//! Where results are no longer kept, it is what their roll-ups give: a roll-up that cannot be cut belongs to the span that its bucket
//! begins in. So spans that follow one another count each result once, and buckets of a series are never narrower than what is kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::block::Block;
use super::memory::{Memory, Proof};
use super::segment::{Segment, Unsettled, segments};
use super::{Figures, Floors, Resolution, Standing, Store, StoreError};
use crate::model::{Summary, TargetId, TargetMap, Timestamp};

const FIVE_MINUTES: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3600);

/// Widths of the buckets of a series, in seconds: those that people read off an axis.
const STEPS: [u64; 20] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 172_800, 604_800,
];

/// How often a span is read anew because a day of it was dropped meanwhile.
const ATTEMPTS: usize = 3;

/// Figures of all targets that one question may bring: what is under way in memory is bounded, and few targets need few questions.
const FIGURES_AT_ONCE: u64 = 60_000;
/// Windows that are this long begin with a bucket of five minutes.
const ROUNDED: Duration = Duration::from_secs(86_400);

/// Where a window of this length begins if it ends `now`: a day or longer, up to five minutes earlier, so that the results of a part of
/// a bucket need not be read.
pub fn beginning(now: Timestamp, window: Duration) -> Timestamp {
    let exact = now.saturating_sub(window);
    if window < ROUNDED {
        return exact;
    }
    exact.bucket(FIVE_MINUTES)
}

/// The history that a database holds, and what was read of it lately.
#[derive(Debug)]
pub struct History {
    store: Arc<dyn Store>,
    memory: Memory,
    /// Held by whoever reads what is to be remembered: others who want the same wait, and find it.
    reading: Mutex<()>,
}

impl History {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            memory: Memory::default(),
            reading: Mutex::default(),
        }
    }

    /// The figures of `since <= ts < until` by target: of one, or of all that have results.
    pub async fn summaries(
        &self,
        target: Option<TargetId>,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<TargetMap<Summary>, StoreError> {
        if target.is_none() {
            return self.of_all(since, until).await;
        }
        let all = |_: &Floors| (Resolution::Hour, None);
        let read = read(self.store.as_ref(), target, (since, until), all).await?;
        let mut sums = TargetMap::default();
        add(&read.figures, &mut sums);
        Ok(sums)
    }

    /// At most `points` buckets that cover `since <= ts < until`.
    pub async fn series(
        &self,
        target: TargetId,
        since: Timestamp,
        until: Timestamp,
        points: usize,
    ) -> Result<Series, StoreError> {
        let mut all = self.several(&[target], since, until, points).await?;
        Ok(all.remove(0))
    }

    /// The same of several targets, all with buckets of one width, in the order of `targets`.
    pub async fn several(
        &self,
        targets: &[TargetId],
        since: Timestamp,
        until: Timestamp,
        points: usize,
    ) -> Result<Vec<Series>, StoreError> {
        let mut attempt = 1;
        loop {
            let mut all: Vec<Series> = Vec::with_capacity(targets.len());
            for &target in targets {
                all.push(series(self.store.as_ref(), target, (since, until), points).await?);
            }
            // a day that was dropped in between may leave wider buckets alone
            let is_one_width = all.windows(2).all(|two| two[0].step == two[1].step);
            if is_one_width {
                return Ok(all);
            }
            if attempt == ATTEMPTS {
                let fault = "history was dropped while it was read";
                return Err(StoreError::Unavailable(fault.to_owned()));
            }
            attempt += 1;
        }
    }

    /// The hours of `since <= ts < until` that have results, the oldest first; the first and the last one may be cut.
    pub async fn hours(
        &self,
        target: TargetId,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<(Timestamp, Summary)>, StoreError> {
        let hourly = |_: &Floors| (Resolution::Hour, Some(HOUR));
        let read = read(self.store.as_ref(), Some(target), (since, until), hourly).await?;
        Ok(buckets(read.figures))
    }

    async fn of_all(
        &self,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<TargetMap<Summary>, StoreError> {
        let mut attempt = 1;
        loop {
            let standing = self.store.standing(since, until).await?;
            let sums = self.sums((since, until), &standing).await?;
            // otherwise part of it may have gone before it was read
            let is_whole = self.store.floors().await? == standing.floors;
            if is_whole || attempt == ATTEMPTS {
                return Ok(sums);
            }
            attempt += 1;
        }
    }

    async fn sums(
        &self,
        span: (Timestamp, Timestamp),
        standing: &Standing,
    ) -> Result<TargetMap<Summary>, StoreError> {
        let unsettled = Unsettled::of(&standing.stale);
        let mut sums = TargetMap::default();
        for segment in segments(span, Resolution::Hour, &unsettled, &standing.floors) {
            if !segment.is_settled(&unsettled) {
                let figures = self.store.figures(&segment.query(None, None)).await?;
                add(&figures, &mut sums);
                continue;
            }
            for part in segment.by_day() {
                let block = self.part(part, standing).await?;
                block.add_to(&mut sums);
                // some milliseconds each, on a thread that others need as well
                tokio::task::yield_now().await;
            }
        }
        Ok(sums)
    }

    /// The sum of a part that consists of settled buckets.
    async fn part(&self, part: Segment, standing: &Standing) -> Result<Arc<Block>, StoreError> {
        let proof = standing.proof(part);
        if let Some(block) = self.memory.get(part, &proof) {
            return Ok(block);
        }
        let _alone = self.reading.lock().await;
        if let Some(block) = self.memory.get(part, &proof) {
            return Ok(block);
        }
        let mut sums = TargetMap::default();
        let mut missing = Vec::new();
        // one without a stamp was never rolled up; as nothing waits to be, nothing is there
        let has_any = |bucket: &Segment| standing.proof(*bucket).iter().any(Option::is_some);
        for bucket in part.buckets().filter(has_any) {
            match self.memory.get(bucket, &standing.proof(bucket)) {
                Some(block) => {
                    block.add_to(&mut sums);
                    tokio::task::yield_now().await;
                }
                None => missing.push(bucket),
            }
        }
        let mut is_proven = true;
        let together = |a: &Segment, b: &Segment| a.until == b.since;
        let at_once = self.buckets_at_once().await?;
        for buckets in missing.chunk_by(together) {
            for buckets in buckets.chunks(at_once) {
                is_proven &= self.fetch(buckets, standing, &mut sums).await?;
            }
        }
        let block = Arc::new(Block::of(&sums));
        if is_proven {
            self.memory.put(part, proof, Arc::clone(&block));
        }
        Ok(block)
    }

    /// Reads buckets that follow one another, and says whether they are still what `standing` says, and so remembered.
    async fn fetch(
        &self,
        buckets: &[Segment],
        standing: &Standing,
        sums: &mut TargetMap<Summary>,
    ) -> Result<bool, StoreError> {
        let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else {
            return Ok(true);
        };
        let all = Segment {
            until: last.until,
            ..*first
        };
        let query = all.query(None, all.resolution.width());
        let figures = self.store.figures(&query).await?;
        let after = self.store.standing(all.since, all.until).await?;
        let is_proven = after.floors == standing.floors && after.proof(all) == standing.proof(all);
        let mut by_bucket: HashMap<Timestamp, TargetMap<Summary>> = HashMap::new();
        for figures in &figures {
            let of_bucket = by_bucket.entry(figures.at).or_default();
            add(std::slice::from_ref(figures), of_bucket);
        }
        for &bucket in buckets {
            let block = Block::of(&by_bucket.remove(&bucket.since).unwrap_or_default());
            block.add_to(sums);
            if is_proven {
                let proof = standing.proof(bucket);
                self.memory.put(bucket, proof, Arc::new(block));
            }
            tokio::task::yield_now().await;
        }
        Ok(is_proven)
    }

    async fn buckets_at_once(&self) -> Result<usize, StoreError> {
        let targets = self.store.stats().await?.enabled_targets;
        let fitting = FIGURES_AT_ONCE / targets.max(1);
        Ok(usize::try_from(fitting).unwrap_or(usize::MAX).max(1))
    }
}

impl Standing {
    fn proof(&self, part: Segment) -> Proof {
        let stamp = |bucket: Segment| self.stamps.of(bucket.resolution, bucket.since);
        part.buckets().map(stamp).collect()
    }
}

fn add(figures: &[Figures], sums: &mut TargetMap<Summary>) {
    for figures in figures {
        let sum = sums.entry(figures.target).or_default();
        sum.merge(&figures.summary);
    }
}

/// The figures of a target in buckets of one width, the oldest first; buckets without results are absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub step: Duration,
    /// The coarsest that was read: what the figures rest on.
    pub resolution: Resolution,
    pub buckets: Vec<(Timestamp, Summary)>,
}

async fn series(
    store: &dyn Store,
    target: TargetId,
    (since, until): (Timestamp, Timestamp),
    points: usize,
) -> Result<Series, StoreError> {
    let how = |floors: &Floors| {
        let step = step(since, until, points).max(floors.narrowest(since));
        let coarsest = match step {
            step if step >= HOUR => Resolution::Hour,
            step if step >= FIVE_MINUTES => Resolution::FiveMinutes,
            _ => Resolution::Raw,
        };
        (coarsest, Some(step))
    };
    let read = read(store, Some(target), (since, until), how).await?;
    Ok(Series {
        step: read.step.unwrap_or(FIVE_MINUTES),
        resolution: read.resolution,
        buckets: buckets(read.figures),
    })
}

/// The sums of each bucket, the oldest first.
fn buckets(figures: Vec<Figures>) -> Vec<(Timestamp, Summary)> {
    let mut sums: BTreeMap<Timestamp, Summary> = BTreeMap::new();
    for figures in figures {
        sums.entry(figures.at).or_default().merge(&figures.summary);
    }
    sums.into_iter().collect()
}

/// What was read of a span.
struct Read {
    step: Option<Duration>,
    /// The coarsest that was read.
    resolution: Resolution,
    figures: Vec<Figures>,
}

/// Reads a span from as few roll-ups as there are; `how` says how coarse they may be, and the width of the buckets.
async fn read(
    store: &dyn Store,
    target: Option<TargetId>,
    (since, until): (Timestamp, Timestamp),
    how: impl Fn(&Floors) -> (Resolution, Option<Duration>) + Sync,
) -> Result<Read, StoreError> {
    let mut floors = store.floors().await?;
    let mut attempt = 1;
    loop {
        let (coarsest, step) = how(&floors);
        let mut read = Read {
            step,
            resolution: Resolution::Raw,
            figures: Vec::new(),
        };
        let unsettled = Unsettled::of(&store.stale().await?);
        for segment in segments((since, until), coarsest, &unsettled, &floors) {
            read.resolution = read.resolution.max(segment.resolution);
            read.figures
                .extend(store.figures(&segment.query(target, step)).await?);
        }
        let since_then = store.floors().await?;
        if since_then == floors || attempt == ATTEMPTS {
            return Ok(read);
        }
        // part of it may have gone before it was read
        floors = since_then;
        attempt += 1;
    }
}

impl Floors {
    /// The width of the narrowest buckets that are kept of a span that begins here.
    fn narrowest(&self, since: Timestamp) -> Duration {
        match self.finest(since) {
            Some(Resolution::Raw) => Duration::ZERO,
            Some(Resolution::FiveMinutes) => FIVE_MINUTES,
            Some(Resolution::Hour) | None => HOUR,
        }
    }
}

/// The narrowest step that needs no more than `points` buckets, the partial ones at both ends included.
fn step(since: Timestamp, until: Timestamp, points: usize) -> Duration {
    let fits = |step: Duration| {
        let first = since.bucket(step);
        let buckets = until
            .since(first)
            .as_micros()
            .div_ceil(step.as_micros().max(1));
        buckets <= points.max(1) as u128
    };
    let known = STEPS
        .into_iter()
        .map(Duration::from_secs)
        .find(|step| fits(*step));
    known.unwrap_or_else(|| {
        // whole weeks, as many as it takes
        let weeks = Duration::from_secs(604_800);
        let span = until.since(since).as_secs() / 604_800 + 2;
        weeks * u32::try_from(span / points.max(1) as u64 + 1).unwrap_or(u32::MAX)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn steps_are_what_people_read_off_an_axis() {
        for (span, points, expected) in [
            (3_600, 300, 15),
            (86_400, 300, 300),
            (7 * 86_400, 300, 3_600),
            (30 * 86_400, 300, 10_800),
            (365 * 86_400, 300, 172_800),
            (100, 1000, 1),
        ] {
            assert_eq!(
                step(at(0), at(span), points),
                Duration::from_secs(expected),
                "{span}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_series_has_more_points_than_asked(since in 0_i64..1_000_000, span in 1_i64..40_000_000_000, points in 1_usize..=1000) {
            let step = step(at(since), at(since + span), points);
            let first = at(since).bucket(step);
            let buckets = at(since + span).since(first).as_micros().div_ceil(step.as_micros());
            prop_assert!(buckets <= points as u128 || step >= Duration::from_secs(604_800) && buckets <= points as u128 + 2);
        }
    }
}
