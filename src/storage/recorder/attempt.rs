//! One attempt to store a batch: its deadline, and what to do with results that the database refuses for their own sake.
//!
//! A batch that fails with a fault is halved until the faulty results stand alone; their neighbours are stored. A single failure says
//! nothing yet of the result: the database may refuse everything. So results are set aside only while the database is seen to take
//! others, and only if they are of few targets; else the attempt is refused as a whole, and everything is kept.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::super::spool::Quarantined;
use super::super::{Recorded, Store, StoreError};
use super::Batch;
use crate::model::ProbeResult;

/// Faulty results of so many targets are no accident of their own: the database is at fault.
const FAULTY_TARGETS: usize = 8;

/// What became of a batch that the database took.
#[derive(Debug, Default)]
pub struct Taken {
    pub recorded: Recorded,
    /// As many as `recorded.quarantined`.
    pub aside: Vec<Quarantined>,
}

/// Why a batch is kept. Some of it may have been stored: the database finds those as duplicates the next time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{0}")]
    Away(String),
    #[error("no answer within {} s", .0.as_secs_f64())]
    Silent(Duration),
    #[error("the database takes none of these results: {0}")]
    Faulty(String),
}

/// Stores a batch. `taking` says that the database is known to take other results at this time.
pub async fn attempt(
    store: &dyn Store,
    batch: Batch,
    deadline: Duration,
    taking: bool,
) -> Result<Taken, Refusal> {
    let mut taken = Taken::default();
    let mut faulty = Vec::new();
    let mut targets = HashSet::new();
    let mut parts = vec![batch];
    while let Some(part) = parts.pop() {
        match record(store, &part, deadline).await? {
            Ok(recorded) => {
                taken.recorded += recorded;
                if recorded.quarantined > 0 {
                    let unknown = unknown(store, &part, recorded.quarantined, deadline).await?;
                    // a target that was synced just now has been stored instead
                    let late = recorded.quarantined.saturating_sub(unknown.len() as u64);
                    taken.recorded.quarantined -= late;
                    taken.recorded.stored += late;
                    taken.aside.extend(unknown);
                }
            }
            Err(error) if part.len() == 1 => {
                targets.insert(part[0].target);
                if targets.len() >= FAULTY_TARGETS {
                    return Err(Refusal::Faulty(error));
                }
                faulty.push(Quarantined {
                    result: part[0].clone(),
                    error,
                });
            }
            Err(_) => {
                let (older, newer) = part.split_at(part.len() / 2);
                parts.extend([newer.into(), older.into()]);
            }
        }
    }
    if let Some(first) = faulty.first()
        && taken.recorded.stored == 0
        && !taking
    {
        return Err(Refusal::Faulty(first.error.clone()));
    }
    for Quarantined { result, error } in &faulty {
        tracing::error!(target_id = %result.target, slot = %result.slot, %error, "a result that cannot be stored is set aside");
    }
    taken.recorded.quarantined += faulty.len() as u64;
    taken.aside.extend(faulty);
    Ok(taken)
}

/// Finds the `count` results of a stored batch that the database did not take. They are those that it refuses again, while the
/// others are duplicates by now.
async fn unknown(
    store: &dyn Store,
    batch: &Batch,
    count: u64,
    deadline: Duration,
) -> Result<Vec<Quarantined>, Refusal> {
    let mut found = Vec::new();
    // a target that the database does not know is refused as a whole: side by side, its results are found at once
    let mut sorted = batch.to_vec();
    sorted.sort_by_key(|result| result.target);
    let mut parts: Vec<(Batch, Option<u64>)> = vec![(sorted.into(), Some(count))];
    while let Some((part, count)) = parts.pop() {
        let count = match count {
            Some(count) => count,
            None => match record(store, &part, deadline).await? {
                Ok(recorded) => recorded.quarantined,
                Err(error) => return Err(Refusal::Faulty(error)),
            },
        };
        if count == part.len() as u64 {
            found.extend(part.iter().map(|result| Quarantined {
                result: ProbeResult::clone(result),
                error: "the database does not know the target, or takes no such value".to_owned(),
            }));
        } else if count > 0 {
            let (left, right) = part.split_at(part.len() / 2);
            parts.extend([(left.into(), None), (right.into(), None)]);
        }
    }
    tracing::error!(
        results = count,
        "results of targets that the database does not know are set aside"
    );
    Ok(found)
}

/// Asks the store once. The inner error is a fault: asking again does not help.
async fn record(
    store: &dyn Store,
    batch: &Batch,
    deadline: Duration,
) -> Result<Result<Recorded, String>, Refusal> {
    let asked = AssertUnwindSafe(store.record(Arc::clone(batch))).catch_unwind();
    match tokio::time::timeout(deadline, asked).await {
        Err(_) => Err(Refusal::Silent(deadline)),
        Ok(Err(_)) => Ok(Err(
            "storing it panicked; the log has the details".to_owned()
        )),
        Ok(Ok(Ok(recorded))) => Ok(Ok(recorded)),
        Ok(Ok(Err(StoreError::Fault(error) | StoreError::Conflict(error)))) => Ok(Err(error)),
        Ok(Ok(Err(error @ (StoreError::Unavailable(_) | StoreError::Unusable(_))))) => {
            Err(Refusal::Away(error.to_string()))
        }
    }
}
