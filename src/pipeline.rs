//! What happens to each result, on one screen.
//!
//! Results come from the probes, are logged where a person would want to know, and go on to storage. Nothing here waits for a
//! database: the recorder takes results as fast as they come and holds those that cannot be stored yet.

use std::collections::{HashMap, HashSet};

use tokio::sync::mpsc;

use crate::model::{Outcome, ProbeResult, Target, TargetId};
use crate::scheduler::Finished;

/// The most results that wait to be looked at: about 20 MB, or 6 s of 10,000 results a second.
pub const QUEUE: usize = 65_536;

/// Runs until every probe has handed over its result.
pub async fn run(mut finished: mpsc::Receiver<Finished>, recorder: mpsc::Sender<ProbeResult>) {
    let mut outcomes = Outcomes::default();
    let mut batch = Vec::new();
    while finished.recv_many(&mut batch, 1024).await > 0 {
        for Finished { target, result } in batch.drain(..) {
            outcomes.log(&target, &result);
            if recorder.send(result).await.is_err() {
                tracing::error!("the recorder has ended; results are lost");
                return;
            }
        }
    }
}

/// How every target was last found, so that a change is told once.
#[derive(Debug, Default)]
struct Outcomes {
    last: HashMap<TargetId, Outcome>,
    /// Slow or lossy, though up.
    impaired: HashSet<TargetId>,
}

impl Outcomes {
    fn log(&mut self, target: &Target, result: &ProbeResult) {
        let name = target.spec.name.as_str();
        let latency_ms = || {
            let latency = result.observation.measurement.latency.unwrap_or_default();
            latency.as_micros() as f64 / 1000.0
        };
        let impaired = result.slow || result.lossy();
        if impaired && self.impaired.insert(target.id) {
            tracing::info!(
                target_name = name,
                latency_ms = latency_ms(),
                slow = result.slow,
                lossy = result.lossy(),
                "slow or lossy answer"
            );
        }
        if !impaired {
            self.impaired.remove(&target.id);
        }
        let before = self.last.insert(target.id, result.outcome());
        if before == Some(result.outcome()) {
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
