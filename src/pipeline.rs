//! What happens to each result, on one screen.
//!
//! Results come from the probes, are shown to whoever listens, logged where a person would want to know, open and resolve incidents, and go on
//! to storage. Nothing here waits for a database: the recorder takes results as fast as they come and holds those that cannot be stored
//! yet.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::incident::Book;
use crate::model::{Outcome, ProbeResult, Target, TargetMap};
use crate::scheduler::Finished;

/// The most results that wait to be looked at: about 20 MB, or 6 s of 10,000 results a second.
pub const QUEUE: usize = 65_536;

/// How long results wait for others: at 10,000 a second, to wake up for each would cost more than all else that happens to it here.
const REST: Duration = Duration::from_millis(50);

/// Runs until every probe has handed over its result.
///
/// `shown` must not wait.
pub async fn run(
    mut finished: mpsc::Receiver<Finished>,
    incidents: Arc<Book>,
    recorder: mpsc::Sender<ProbeResult>,
    shown: impl Fn(&[Finished]),
) {
    let mut outcomes = Outcomes::default();
    let mut batch = Vec::new();
    let most = recorder.max_capacity();
    loop {
        let count = finished.recv_many(&mut batch, most).await;
        if count == 0 {
            return;
        }
        let Ok(places) = recorder.reserve_many(count).await else {
            tracing::error!("the recorder has ended; results are lost");
            return;
        };
        shown(&batch);
        for (Finished { target, result }, place) in batch.drain(..).zip(places) {
            outcomes.log(&target, &result);
            incidents.see(target.spec.incident, &result);
            place.send(result);
        }
        if count < most {
            tokio::time::sleep(REST).await;
        }
    }
}

/// How every target was last found, so that a change is told once.
#[derive(Debug, Default)]
struct Outcomes {
    last: TargetMap<Last>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Last {
    outcome: Outcome,
    /// Slow or lossy, though up.
    impaired: bool,
}

impl Outcomes {
    fn log(&mut self, target: &Target, result: &ProbeResult) {
        let name = target.spec.name.as_str();
        let latency_ms = || {
            let latency = result.observation.measurement.latency.unwrap_or_default();
            latency.as_micros() as f64 / 1000.0
        };
        let now = Last {
            outcome: result.outcome(),
            impaired: result.slow || result.lossy(),
        };
        let before = self.last.insert(target.id, now);
        if before == Some(now) {
            return;
        }
        if now.impaired && !before.is_some_and(|before| before.impaired) {
            tracing::info!(
                target_name = name,
                latency_ms = latency_ms(),
                slow = result.slow,
                lossy = result.lossy(),
                "slow or lossy answer"
            );
        }
        let before = before.map(|before| before.outcome);
        if before == Some(now.outcome) {
            return;
        }
        match (before, result.observation.verdict.failure()) {
            (None, None) => {
                tracing::debug!(target_name = name, latency_ms = latency_ms(), "up");
            }
            (Some(_), None) => {
                tracing::info!(target_name = name, latency_ms = latency_ms(), "up again");
            }
            (_, Some(failure)) => {
                tracing::warn!(target_name = name, outcome = %result.outcome(), reason = %failure.reason, error = %failure.error, "not up");
            }
        }
    }
}
