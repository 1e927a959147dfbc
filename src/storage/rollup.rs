//! Keeps the roll-ups in step with the results: makes anew what is stale and has ended.
//!
//! A roll-up is a pure function of the results of its bucket, so doing it twice, late, or in two processes at once changes nothing.
//! Results that arrive late mark their bucket again.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{FiguresQuery, Resolution, Stale, Store, StoreError};
use crate::model::histogram::{put, take};
use crate::model::{Histogram, Mean, Summary, Timestamp};

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

/// Reads that part back into `summary`; nothing if the bytes are not what [`encode`] writes.
pub fn decode(mut bytes: &[u8], summary: &mut Summary) -> Option<()> {
    let bytes = &mut bytes;
    if take(bytes)? != FORMAT {
        return None;
    }
    summary.latency.histogram = Histogram::decode(bytes)?;
    summary.jitter = take_mean(bytes)?;
    if !bytes.is_empty() {
        for mean in &mut summary.phases {
            *mean = take_mean(bytes)?;
        }
    }
    Some(())
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
            let mut read = summary.clone();
            read.latency.histogram = Histogram::default();
            read.jitter = Mean::default();
            read.phases = Default::default();
            assert_eq!(decode(&bytes, &mut read), Some(()));
            assert_eq!(read, summary);
            assert_eq!(decode(&bytes[..bytes.len() - 1], &mut read), None);
            assert_eq!(decode(&[9], &mut read), None);
        }
    }
}
