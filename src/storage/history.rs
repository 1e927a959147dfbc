//! Reads figures of any span from whatever holds them: hours where they are settled, five minutes where those are, results at the
//! edges and where something changed since. What comes out is what the results alone would give.
//!
//! Where results are no longer kept, it is what their roll-ups give: a roll-up that cannot be cut belongs to the span that its bucket
//! begins in. So spans that follow one another count each result once, and buckets of a series are never narrower than what is kept.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::{Figures, FiguresQuery, Floors, Resolution, Stale, Store, StoreError};
use crate::model::{Summary, TargetId, Timestamp};

const FIVE_MINUTES: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3600);

/// Widths of the buckets of a series, in seconds: those that people read off an axis.
const STEPS: [u64; 20] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200,
    86_400, 172_800, 604_800,
];

/// How often a span is read anew because a day of it was dropped meanwhile.
const ATTEMPTS: usize = 3;

/// The figures of `since <= ts < until` by target: of one, or of all that have results.
pub async fn summaries(
    store: &dyn Store,
    target: Option<TargetId>,
    since: Timestamp,
    until: Timestamp,
) -> Result<HashMap<TargetId, Summary>, StoreError> {
    let all = |_: &Floors| (Resolution::Hour, None);
    let read = read(store, target, (since, until), all).await?;
    let mut sums: HashMap<TargetId, Summary> = HashMap::new();
    for figures in read.figures {
        match sums.entry(figures.target) {
            Entry::Vacant(none) => {
                none.insert(figures.summary);
            }
            Entry::Occupied(mut there) => there.get_mut().merge(&figures.summary),
        }
    }
    Ok(sums)
}

/// The figures of a target in buckets of one width, the oldest first; buckets without results are absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub step: Duration,
    /// The coarsest that was read: what the figures rest on.
    pub resolution: Resolution,
    pub buckets: Vec<(Timestamp, Summary)>,
}

/// At most `points` buckets that cover `since <= ts < until`.
pub async fn series(
    store: &dyn Store,
    target: TargetId,
    since: Timestamp,
    until: Timestamp,
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
    let mut buckets: HashMap<Timestamp, Summary> = HashMap::new();
    for figures in read.figures {
        buckets
            .entry(figures.at)
            .or_default()
            .merge(&figures.summary);
    }
    let mut buckets: Vec<_> = buckets.into_iter().collect();
    buckets.sort_by_key(|(at, _)| *at);
    Ok(Series {
        step: read.step.unwrap_or(FIVE_MINUTES),
        resolution: read.resolution,
        buckets,
    })
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
        let unsettled = Unsettled::read(store).await?;
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

/// The buckets that must not be read as they are.
#[derive(Debug, Default)]
struct Unsettled {
    five_minutes: BTreeSet<Timestamp>,
    hours: BTreeSet<Timestamp>,
}

impl Unsettled {
    async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        Ok(Self::of(&store.stale().await?))
    }

    fn of(stale: &[Stale]) -> Self {
        let mut unsettled = Self::default();
        for stale in stale {
            // an hour is made of its five minutes
            unsettled.hours.insert(stale.bucket.bucket(HOUR));
            if stale.resolution == Resolution::FiveMinutes {
                unsettled.five_minutes.insert(stale.bucket);
            }
        }
        unsettled
    }
}

/// A part of a span that is read at one resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    resolution: Resolution,
    since: Timestamp,
    until: Timestamp,
}

impl Segment {
    const fn query(self, target: Option<TargetId>, step: Option<Duration>) -> FiguresQuery {
        FiguresQuery {
            resolution: self.resolution,
            target,
            since: self.since,
            until: self.until,
            step,
        }
    }
}

/// Cuts a span into the fewest parts, each as coarse as `coarsest` and what is unsettled allow, and none finer than what is kept.
fn segments(
    (since, until): (Timestamp, Timestamp),
    coarsest: Resolution,
    unsettled: &Unsettled,
    floors: &Floors,
) -> Vec<Segment> {
    let mut parts: Vec<Segment> = Vec::new();
    let mut add = |resolution, since, until| match parts.last_mut() {
        Some(last) if last.resolution == resolution && last.until == since => last.until = until,
        _ => parts.push(Segment {
            resolution,
            since,
            until,
        }),
    };
    // nothing of longer ago is kept
    let mut at = since.max(floors.hours.start());
    while at < until {
        let finest = floors.finest(at).unwrap_or(Resolution::Hour);
        if let Some(width) = finest.width()
            && at.bucket(width) != at
        {
            // this bucket belongs to the span that it begins in
            at = at.bucket(width).saturating_add(width);
            continue;
        }
        let (resolution, width) = [
            (Resolution::Hour, HOUR),
            (Resolution::FiveMinutes, FIVE_MINUTES),
        ]
        .into_iter()
        .find(|&(resolution, width)| {
            let unsettled = match resolution {
                Resolution::Hour => &unsettled.hours,
                _ => &unsettled.five_minutes,
            };
            let whole = at.bucket(width) == at && at.saturating_add(width) <= until;
            let may = resolution <= coarsest && whole && !unsettled.contains(&at);
            may || resolution == finest
        })
        .unwrap_or((Resolution::Raw, FIVE_MINUTES));
        let end = match (resolution, coarsest) {
            // nothing but results: no reason to cut
            (Resolution::Raw, Resolution::Raw) => until,
            (Resolution::Raw, _) => at.bucket(width).saturating_add(width).min(until),
            _ => at.saturating_add(width),
        };
        add(resolution, at, end);
        at = end;
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Day;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn stale(resolution: Resolution, seconds: i64) -> Stale {
        Stale {
            resolution,
            bucket: at(seconds),
            marks: 1,
        }
    }

    fn cut(since: i64, until: i64, stale: &[Stale]) -> Vec<(Resolution, i64, i64)> {
        cut_above(since, until, stale, &Floors::default())
    }

    fn cut_above(
        since: i64,
        until: i64,
        stale: &[Stale],
        floors: &Floors,
    ) -> Vec<(Resolution, i64, i64)> {
        segments(
            (at(since), at(until)),
            Resolution::Hour,
            &Unsettled::of(stale),
            floors,
        )
        .iter()
        .map(|it| {
            (
                it.resolution,
                it.since.as_micros() / 1_000_000,
                it.until.as_micros() / 1_000_000,
            )
        })
        .collect()
    }

    #[test]
    fn a_day_is_hours_with_finer_edges() {
        use Resolution::{FiveMinutes, Hour, Raw};
        assert_eq!(
            cut(3_000 + 7, 86_400 + 650, &[]),
            [
                (Raw, 3_007, 3_300),
                (FiveMinutes, 3_300, 3_600),
                (Hour, 3_600, 86_400),
                (FiveMinutes, 86_400, 87_000),
                (Raw, 87_000, 87_050),
            ]
        );
    }

    #[test]
    fn what_is_stale_is_read_from_what_it_is_made_of() {
        use Resolution::{FiveMinutes, Hour, Raw};
        assert_eq!(
            cut(0, 10_800, &[stale(FiveMinutes, 3_900), stale(Hour, 7_200)]),
            [
                (Hour, 0, 3_600),
                (FiveMinutes, 3_600, 3_900),
                (Raw, 3_900, 4_200),
                (FiveMinutes, 4_200, 10_800),
            ]
        );
    }

    /// Days since 1970.
    fn floors(raw: i64, five_minutes: i64, hours: i64) -> Floors {
        Floors {
            raw: Day(raw),
            five_minutes: Day(five_minutes),
            hours: Day(hours),
        }
    }

    #[test]
    fn below_a_floor_whole_buckets_are_read_and_belong_to_where_they_begin() {
        use Resolution::{FiveMinutes, Hour, Raw};
        const DAY: i64 = 86_400;
        for (since, until, expected) in [
            // hours alone, then five minutes as well, then everything
            (
                DAY + 1_000,
                3 * DAY + 100,
                vec![(Hour, DAY + 3_600, 3 * DAY), (Raw, 3 * DAY, 3 * DAY + 100)],
            ),
            (
                2 * DAY + 100,
                2 * DAY + 4_000,
                vec![(FiveMinutes, 2 * DAY + 300, 2 * DAY + 4_200)],
            ),
            (
                DAY + 100,
                DAY + 4_000,
                vec![(Hour, DAY + 3_600, DAY + 7_200)],
            ),
            (DAY + 100, DAY + 200, vec![]),
            (0, DAY, vec![]),
            (100, DAY + 10, vec![(Hour, DAY, DAY + 3_600)]),
        ] {
            let parts = cut_above(since, until, &[], &floors(3, 2, 1));
            assert_eq!(parts, expected, "{since}..{until}");
        }
    }

    #[test]
    fn below_a_floor_a_stale_bucket_is_better_than_none() {
        use Resolution::{FiveMinutes, Hour};
        let stale = [stale(Hour, 86_400), stale(Hour, 2 * 86_400)];
        assert_eq!(
            cut_above(86_400, 86_400 + 3_600, &stale, &floors(9, 2, 1)),
            [(Hour, 86_400, 90_000)]
        );
        assert_eq!(
            cut_above(2 * 86_400, 2 * 86_400 + 3_600, &stale, &floors(9, 2, 1)),
            [(FiveMinutes, 172_800, 176_400)]
        );
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
        fn segments_cover_the_span_once(
            since in 0_i64..200_000, length in 0_i64..200_000,
            stale_buckets in prop::collection::vec((any::<bool>(), 0_i64..1400), 0..30),
        ) {
            let stale: Vec<_> = stale_buckets
                .into_iter()
                .map(|(hour, bucket)| if hour { stale(Resolution::Hour, bucket / 12 * 3_600) } else { stale(Resolution::FiveMinutes, bucket * 300) })
                .collect();
            let parts = cut(since, since + length, &stale);
            let mut end = since;
            for (resolution, from, to) in parts {
                prop_assert_eq!(from, end);
                prop_assert!(to > from);
                end = to;
                for it in &stale {
                    let bucket = it.bucket.as_micros() / 1_000_000;
                    let width = it.resolution.width().unwrap().as_secs() as i64;
                    let touched = from < bucket + width && bucket < to;
                    let wrong = resolution == Resolution::Hour || (resolution == Resolution::FiveMinutes && it.resolution == Resolution::FiveMinutes);
                    prop_assert!(!(touched && wrong), "{resolution:?} {from}..{to} with {it:?}");
                }
            }
            prop_assert_eq!(end, since + length);
        }

        #[test]
        fn spans_that_follow_one_another_read_everything_once(
            mut cuts in prop::collection::vec(0_i64..500_000, 2..6),
            mut days in prop::collection::vec(0_i64..6, 3),
            stale_hours in prop::collection::vec(0_i64..140, 0..10),
        ) {
            cuts.sort_unstable();
            days.sort_unstable();
            let floors = floors(days[2], days[1], days[0]);
            let stale: Vec<_> = stale_hours.into_iter().map(|hour| stale(Resolution::Hour, hour * 3_600)).collect();
            // what is read of each second, whichever way the span is cut
            let mut seen: Option<i64> = None;
            for pair in cuts.windows(2) {
                for (resolution, from, to) in cut_above(pair[0], pair[1], &stale, &floors) {
                    prop_assert!(to > from);
                    prop_assert!(seen.is_none_or(|end| from >= end), "twice: {from}");
                    let width = resolution.width().map_or(1, |width| width.as_secs() as i64);
                    prop_assert!(from % width == 0 && to % width == 0, "{resolution:?} {from}..{to}");
                    prop_assert!(floors.of(resolution) <= Day::of(at(from)), "{resolution:?} {from} is gone");
                    // a gap is at most what begins before the first span, or is kept by nobody
                    if let Some(end) = seen {
                        prop_assert!(from == end, "left out: {end}..{from}");
                    } else {
                        let first = cuts[0].max(days[0] * 86_400);
                        prop_assert!(from - first < 3_600, "left out: {first}..{from}");
                    }
                    seen = Some(to);
                }
            }
            if let Some(end) = seen {
                prop_assert!(end >= cuts[cuts.len() - 1]);
            }
        }

        #[test]
        fn no_series_has_more_points_than_asked(since in 0_i64..1_000_000, span in 1_i64..40_000_000_000, points in 1_usize..=1000) {
            let step = step(at(since), at(since + span), points);
            let first = at(since).bucket(step);
            let buckets = at(since + span).since(first).as_micros().div_ceil(step.as_micros());
            prop_assert!(buckets <= points as u128 || step >= Duration::from_secs(604_800) && buckets <= points as u128 + 2);
        }
    }
}
