//! Drops history that is older than it is to be kept: whole days, at the start and every hour.
//!
//! Which days go is decided by [`floor`], a pure function. A day goes when it is older than its resolution is kept **and** so many
//! newer days hold results: a clock that is years ahead adds a day to the history, and so takes one at the most. A day whose roll-ups
//! are not made yet stays, and is said to. What a day takes from writers is bounded by the backends (`Store::drop_day`); between two
//! pieces as much time goes by as the last one took.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Day, Floors, Kept, Progress, Removed, Resolution, Store, StoreError};
use crate::metrics::Metrics;
use crate::model::Timestamp;

const EVERY: Duration = Duration::from_secs(3_600);
/// After a run that left something behind: roll-ups were not made yet, or someone was reading.
const AGAIN: Duration = Duration::from_secs(60);
/// Between two pieces at least: senders that wait for the writer come first.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// How many days of each resolution are kept; 0 is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    pub raw: u32,
    pub five_minutes: u32,
    pub hours: u32,
}

impl Keep {
    const fn of(&self, resolution: Resolution) -> u32 {
        match resolution {
            Resolution::Raw => self.raw,
            Resolution::FiveMinutes => self.five_minutes,
            Resolution::Hour => self.hours,
        }
    }
}

/// The first day to keep of those there are; nothing where none is to go.
///
/// That is the day `keep` days before today, so that whole days are kept and what is left of today, or an earlier one if fewer than
/// `keep` days between it and today hold anything. Days after today, which a clock that was wrong has left, count for nothing.
pub fn floor(keep: u32, today: Day, days: &[Kept]) -> Option<Day> {
    let newest_first = days.iter().rev();
    let mut filled = newest_first.filter(|kept| !kept.is_empty && kept.day < today);
    let last = filled.nth(keep.checked_sub(1)? as usize)?;
    Some(last.day.min(today.before(keep)))
}

/// Runs until `stop`.
pub async fn run(
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    keep: Keep,
    now: impl Fn() -> Timestamp + Send,
    stop: CancellationToken,
) {
    let mut retention = Retention {
        store,
        metrics,
        keep,
        stop,
        complained: false,
    };
    while !retention.stop.is_cancelled() {
        let is_done = retention.tidy(now()).await;
        let pause = if is_done { EVERY } else { AGAIN };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = retention.stop.cancelled() => {}
        }
    }
}

struct Retention {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    keep: Keep,
    stop: CancellationToken,
    /// The last run left something behind, and said so.
    complained: bool,
}

impl Retention {
    /// Drops what is due. Says whether all of it is gone.
    async fn tidy(&mut self, now: Timestamp) -> bool {
        let mut left = false;
        for resolution in Resolution::ALL {
            match self.tidy_one(resolution, Day::of(now)).await {
                Ok(0) => {}
                Ok(held) => {
                    left = true;
                    if !self.complained {
                        tracing::warn!(
                            resolution = resolution.as_str(),
                            days = held,
                            "days that are older than they are to be kept stay: not all of their results are in the roll-ups yet"
                        );
                    }
                }
                Err(error) => {
                    left = true;
                    self.metrics.retention_failures.inc();
                    if !self.complained {
                        tracing::warn!(resolution = resolution.as_str(), %error, "old history is dropped later");
                    }
                }
            }
        }
        match self.forget_verdicts().await {
            Ok(()) => {}
            Err(error) => {
                left = true;
                self.metrics.retention_failures.inc();
                tracing::warn!(%error, "what nothing refers to any more is forgotten later");
            }
        }
        if let Err(error) = self.forget_incidents().await {
            left = true;
            self.metrics.retention_failures.inc();
            tracing::warn!(%error, "incidents of before the hours that are kept are forgotten later");
        }
        if !left {
            let seconds = now.as_micros() as f64 / 1e6;
            self.metrics.retention_succeeded.set(seconds);
        }
        self.complained = left;
        !left
    }

    /// Says how many days are due and have to stay.
    async fn tidy_one(&self, resolution: Resolution, today: Day) -> Result<usize, StoreError> {
        let days = self.store.days(resolution).await?;
        let floors = self.store.floors().await?;
        let end = self.end(resolution, today, &days, &floors);
        let due = days.partition_point(|kept| kept.day < end);
        let mut past = 0;
        let mut held = 0;
        for kept in &days[..due] {
            match self.drop_day(resolution, kept.day).await? {
                Progress::Gone(removed) => {
                    past += 1;
                    self.tell(resolution, kept.day, removed);
                }
                Progress::Held => {
                    // those that come after it are held as well
                    held = due - past;
                    break;
                }
                // stopping
                Progress::Partly(_) => break,
            }
        }
        self.metrics.days_held(resolution.as_str(), held);
        let oldest = days[past..].iter().find(|kept| !kept.is_empty);
        let begins = oldest.map_or(0, |kept| kept.day.start().as_micros());
        self.metrics.oldest(resolution.as_str(), begins / 1_000_000);
        Ok(held)
    }

    /// Before which day history goes. What is below the database's floor goes in any case: it is read no more.
    fn end(&self, resolution: Resolution, today: Day, days: &[Kept], floors: &Floors) -> Day {
        let present = floors.of(resolution);
        let Some(wanted) = floor(self.keep.of(resolution), today, days) else {
            return present;
        };
        // a roll-up outlasts what it is made of
        let parts = resolution.parts();
        let allowed = parts.map_or(wanted, |parts| wanted.min(floors.of(parts)));
        present.max(allowed)
    }

    /// All of a day, piece by piece; `Partly` if it was interrupted.
    async fn drop_day(&self, resolution: Resolution, day: Day) -> Result<Progress, StoreError> {
        let mut total = Removed::default();
        loop {
            let started = Instant::now();
            match self.store.drop_day(resolution, day).await? {
                Progress::Partly(removed) => total += removed,
                Progress::Gone(removed) => {
                    return Ok(Progress::Gone(removed.map(|mut last| {
                        last += total;
                        last
                    })));
                }
                Progress::Held => return Ok(Progress::Held),
            }
            tokio::select! {
                () = tokio::time::sleep(started.elapsed().max(SHORTEST_PAUSE)) => {}
                () = self.stop.cancelled() => return Ok(Progress::Partly(total)),
            }
        }
    }

    fn tell(&self, resolution: Resolution, day: Day, removed: Option<Removed>) {
        // nothing, if another process was faster
        if let Some(removed) = removed {
            self.metrics.day_dropped(resolution.as_str());
            tracing::info!(
                resolution = resolution.as_str(),
                day = %day.start(),
                rows = removed.rows,
                bytes_freed = removed.bytes,
                "dropped a day of history"
            );
        }
    }

    async fn forget_verdicts(&self) -> Result<(), StoreError> {
        let mut total = 0;
        while !self.stop.is_cancelled() {
            let forgotten = self.store.forget_verdicts().await?;
            if forgotten == 0 {
                break;
            }
            total += forgotten;
            tokio::time::sleep(SHORTEST_PAUSE).await;
        }
        if total > 0 {
            tracing::debug!(verdicts = total, "forgot what no result says any more");
        }
        Ok(())
    }

    /// As long as the hours of their time are kept, so are incidents.
    async fn forget_incidents(&self) -> Result<(), StoreError> {
        while !self.stop.is_cancelled() && self.store.forget_incidents().await? > 0 {
            tokio::time::sleep(SHORTEST_PAUSE).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(days: impl IntoIterator<Item = i64>) -> Vec<Kept> {
        let kept = |day| Kept {
            day: Day(day),
            is_empty: false,
        };
        days.into_iter().map(kept).collect()
    }

    #[test]
    fn so_many_whole_days_are_kept_and_today() {
        let days = filled(900..=1000);
        for (keep, expected) in [
            (0, None),
            (1, Some(999)),
            (30, Some(970)),
            (100, Some(900)),
            (101, None),
            (u32::MAX, None),
        ] {
            assert_eq!(floor(keep, Day(1000), &days), expected.map(Day), "{keep}");
        }
        assert_eq!(floor(30, Day(1000), &[]), None);
    }

    #[test]
    fn a_clock_that_is_years_ahead_takes_a_day_for_a_day() {
        let mut days = filled(970..=1000);
        // today of the wrong clock, then two days of it
        for (today, expected) in [(6000, 971), (6001, 972), (6002, 973)] {
            let floor = floor(30, Day(today), &days);
            assert!(
                floor.is_some_and(|floor| floor <= Day(expected)),
                "{floor:?}"
            );
            days.extend(filled([today]));
        }
        // set right again: what it left in the future counts for nothing
        assert_eq!(floor(30, Day(1000), &days), Some(Day(970)));
    }

    #[test]
    fn a_clock_that_is_behind_drops_nothing() {
        assert_eq!(floor(30, Day(0), &filled(970..=1000)), None);
        assert_eq!(floor(30, Day(975), &filled(970..=1000)), None);
    }

    #[test]
    fn days_without_results_do_not_count() {
        // away for a year: the thirty days of before are there until they have successors
        let mut days = filled(970..=1000);
        days.extend([1001, 1002].map(|day| Kept {
            day: Day(day),
            is_empty: true,
        }));
        assert_eq!(floor(30, Day(1365), &days), Some(Day(971)));
        days.extend(filled(1365..1375));
        assert_eq!(floor(30, Day(1375), &days), Some(Day(981)));
    }

    #[test]
    fn late_days_do_not_keep_older_ones() {
        // a week that was spooled elsewhere, long ago
        let mut days = filled(100..107);
        days.extend(filled(900..=1000));
        assert_eq!(floor(30, Day(1000), &days), Some(Day(970)));
    }
}
