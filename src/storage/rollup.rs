//! Keeps the roll-ups in step with the results: makes anew what is stale and has ended.
//!
//! A roll-up is a pure function of the results of its bucket, so doing it twice, late, or in two processes at once changes nothing.
//! Results that arrive late mark their bucket again.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{FiguresQuery, Resolution, Stale, Store, StoreError};
use crate::model::histogram::{put, take};
use crate::model::{Mean, Summary, Timestamp};

/// How often to look for work.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// After a bucket ended: most results of its last slots have arrived by then, and need no second roll-up.
const SETTLING: Duration = Duration::from_secs(10);

/// Runs until `stop`.
pub async fn run(
    store: Arc<dyn Store>,
    now: impl Fn() -> Timestamp + Send,
    stop: CancellationToken,
) {
    let mut failing = false;
    while !stop.is_cancelled() {
        let settled = settle(store.as_ref(), now()).await;
        if settled.is_err() != failing {
            failing = settled.is_err();
            match &settled {
                Ok(_) => tracing::info!("roll-ups are made again"),
                Err(error) => {
                    tracing::warn!(%error, "roll-ups have to wait; reading goes back to the results meanwhile");
                }
            }
        }
        tracing::trace!(buckets = settled.unwrap_or_default(), "rolled up");
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Makes anew every stale bucket that has ended, and says how many.
pub async fn settle(store: &dyn Store, now: Timestamp) -> Result<usize, StoreError> {
    let mut settled = 0;
    // five minutes first: settling them marks their hour
    for resolution in [Resolution::FiveMinutes, Resolution::Hour] {
        let stale = store.stale().await?;
        for bucket in stale.iter().filter(|it| it.resolution == resolution) {
            if has_ended(bucket, now) && parts_are_settled(bucket, &stale) {
                roll_up(store, *bucket).await?;
                settled += 1;
            }
        }
    }
    Ok(settled)
}

fn has_ended(stale: &Stale, now: Timestamp) -> bool {
    let width = stale.resolution.width().unwrap_or_default();
    stale.bucket.saturating_add(width).saturating_add(SETTLING) <= now
}

fn parts_are_settled(stale: &Stale, all: &[Stale]) -> bool {
    let Some(width) = stale.resolution.width() else {
        return true;
    };
    stale.resolution == Resolution::FiveMinutes
        || !all.iter().any(|part| {
            part.resolution == Resolution::FiveMinutes && part.bucket.bucket(width) == stale.bucket
        })
}

async fn roll_up(store: &dyn Store, stale: Stale) -> Result<(), StoreError> {
    let (Some(width), Some(parts)) = (stale.resolution.width(), stale.resolution.parts()) else {
        return Ok(());
    };
    let query = FiguresQuery {
        resolution: parts,
        target: None,
        since: stale.bucket,
        until: stale.bucket.saturating_add(width),
        step: Some(width),
    };
    let figures = store.figures(&query).await?;
    store.roll_up(stale, figures).await
}

/// The layout of what [`encode`] writes.
const FORMAT: u64 = 1;

/// The part of a summary that has no column of its own: histogram, jitter and, where there are any, phases; all as varints.
pub fn encode(summary: &Summary) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    put(&mut bytes, FORMAT);
    summary.latency.histogram.encode(&mut bytes);
    put_mean(&mut bytes, summary.jitter);
    if summary.phases.iter().any(|mean| mean.count > 0) {
        for mean in summary.phases {
            put_mean(&mut bytes, mean);
        }
    }
    bytes
}

/// A stored roll-up: its columns as they are read, and what [`encode`] wrote.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    pub total: u64,
    pub up: u64,
    pub unknown: u64,
    pub sent: u64,
    pub received: u64,
    pub latency_sum: u64,
    pub latency_min: u64,
    pub latency_max: u64,
    pub figures: &'a [u8],
}

impl Stored<'_> {
    /// Adds it to a summary; nothing if its figures are not what [`encode`] writes.
    pub fn add_to(&self, summary: &mut Summary) -> Option<()> {
        let mut bytes = self.figures;
        if take(&mut bytes)? != FORMAT {
            return None;
        }
        let latency = &mut summary.latency;
        let before = latency.count();
        latency.histogram.decode(&mut bytes)?;
        if latency.count() > before {
            latency.min = if before == 0 {
                self.latency_min
            } else {
                latency.min.min(self.latency_min)
            };
            latency.max = latency.max.max(self.latency_max);
            latency.sum += self.latency_sum;
        }
        summary.total += self.total;
        summary.up += self.up;
        summary.unknown += self.unknown;
        summary.sent += self.sent;
        summary.received += self.received;
        summary.jitter.merge(take_mean(&mut bytes)?);
        if !bytes.is_empty() {
            for mean in &mut summary.phases {
                mean.merge(take_mean(&mut bytes)?);
            }
        }
        Some(())
    }
}

fn put_mean(bytes: &mut Vec<u8>, mean: Mean) {
    put(bytes, mean.sum);
    put(bytes, mean.count);
}

fn take_mean(bytes: &mut &[u8]) -> Option<Mean> {
    Some(Mean {
        sum: take(bytes)?,
        count: take(bytes)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Detail, Outcome, Phases, Sample};

    #[test]
    fn what_is_encoded_is_decoded() {
        let phases = Phases {
            dns_us: Some(3),
            transfer_us: Some(500_000),
            ..Phases::default()
        };
        let detail = Detail {
            phases: Some(phases),
            ..Detail::default()
        };
        for detail in [None, Some(&detail)] {
            let mut summary = Summary::default();
            for latency in [1, 70_000, 4_000_000] {
                let sample = Sample {
                    outcome: Outcome::Up,
                    latency_us: Some(latency),
                    detail,
                };
                summary.add(&sample, Some(10));
            }
            let bytes = encode(&summary);
            let stored = |figures| Stored {
                total: summary.total,
                up: summary.up,
                unknown: summary.unknown,
                sent: summary.sent,
                received: summary.received,
                latency_sum: summary.latency.sum,
                latency_min: summary.latency.min,
                latency_max: summary.latency.max,
                figures,
            };
            let mut read = Summary::default();
            assert_eq!(stored(&bytes).add_to(&mut read), Some(()));
            assert_eq!(read, summary);
            let mut twice = summary.clone();
            twice.merge(&summary);
            assert_eq!(stored(&bytes).add_to(&mut read), Some(()));
            assert_eq!(read, twice);
            for bytes in [&bytes[..bytes.len() - 1], &[9], &[]] {
                assert_eq!(stored(bytes).add_to(&mut Summary::default()), None);
            }
        }
    }
}
