//! Cuts a span of history into parts, each of which is read at one resolution.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{FiguresQuery, Floors, Resolution, Stale};
use crate::model::{TargetId, Timestamp};

const FIVE_MINUTES: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The buckets that must not be read as they are.
#[derive(Debug, Default)]
pub struct Unsettled {
    five_minutes: BTreeSet<Timestamp>,
    hours: BTreeSet<Timestamp>,
}

impl Unsettled {
    pub fn of(stale: &[Stale]) -> Self {
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

/// A part of a span that is read at one resolution: of roll-ups it consists of whole buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segment {
    pub resolution: Resolution,
    pub since: Timestamp,
    pub until: Timestamp,
}

impl Segment {
    pub const fn query(self, target: Option<TargetId>, step: Option<Duration>) -> FiguresQuery {
        FiguresQuery {
            resolution: self.resolution,
            target,
            since: self.since,
            until: self.until,
            step,
        }
    }

    /// Whether it consists of roll-ups that agree with what they are made of.
    pub fn is_settled(self, unsettled: &Unsettled) -> bool {
        let stale = match self.resolution {
            Resolution::Raw => return false,
            Resolution::FiveMinutes => &unsettled.five_minutes,
            Resolution::Hour => &unsettled.hours,
        };
        stale.range(self.since..self.until).next().is_none()
    }

    /// Its parts of each day, which stay the same while the segment's ends move.
    pub fn by_day(self) -> impl Iterator<Item = Self> {
        self.pieces(DAY)
    }

    /// Its buckets; itself if it has none.
    pub fn buckets(self) -> impl Iterator<Item = Self> {
        self.pieces(self.resolution.width().unwrap_or(Duration::MAX))
    }

    fn pieces(self, width: Duration) -> impl Iterator<Item = Self> {
        let piece = move |since: Timestamp| {
            let end = since.bucket(width).saturating_add(width);
            Self {
                since,
                until: end.min(self.until),
                ..self
            }
        };
        let first = (self.since < self.until).then(|| piece(self.since));
        std::iter::successors(first, move |last| {
            (last.until < self.until).then(|| piece(last.until))
        })
    }
}

/// Cuts a span into the fewest parts, each as coarse as `coarsest` and what is unsettled allow, and none finer than what is kept.
pub fn segments(
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
    fn days_and_buckets_are_pieces_of_a_segment() {
        let hours = |since: i64, until: i64| Segment {
            resolution: Resolution::Hour,
            since: at(since * 3_600),
            until: at(until * 3_600),
        };
        let days: Vec<_> = hours(20, 50).by_day().collect();
        assert_eq!(days, [hours(20, 24), hours(24, 48), hours(48, 50)]);
        let buckets: Vec<_> = hours(23, 25).buckets().collect();
        assert_eq!(buckets, [hours(23, 24), hours(24, 25)]);
        assert_eq!(hours(5, 5).buckets().count(), 0);
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
    }
}
