//! What the tests of every kind of probe ask of an observation.

use std::future::Future;
use std::time::Duration;

use pingu::model::{Observation, Outcome, Phases, Reason};
use tokio::time::Instant;

/// Never reached by anything that answers, even on a loaded machine.
pub const PATIENT: Duration = Duration::from_secs(30);
/// For what never answers.
pub const BRIEF: Duration = Duration::from_millis(300);
/// What is promised: a probe ends so soon after its timeout.
const PROMISED: Duration = Duration::from_millis(20);
/// This machine may be busy: one of so many probes must show it.
const TRIES: usize = 8;

pub fn phases(observation: &Observation) -> Phases {
    let detail = observation.measurement.detail.as_ref();
    detail.and_then(|detail| detail.phases).unwrap_or_default()
}

/// Of all phases.
pub fn sum(observation: &Observation) -> Duration {
    let all = phases(observation);
    let parts = [
        all.dns_us,
        all.connect_us,
        all.tls_us,
        all.ttfb_us,
        all.transfer_us,
    ];
    Duration::from_micros(parts.into_iter().flatten().map(u64::from).sum())
}

/// Phases are parts of the latency, and errors are lines.
pub fn assert_plausible(observation: &Observation) {
    if let Some(latency) = observation.measurement.latency {
        assert!(sum(observation) <= latency, "{observation:?}");
    }
    if let Some(failure) = observation.verdict.failure() {
        let text = failure.error.as_str();
        assert!(!text.is_empty() && text.len() <= 256, "{text}");
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
}

#[track_caller]
pub fn assert_up(observation: &Observation) {
    let outcome = observation.verdict.outcome();
    assert_eq!(outcome, Outcome::Up, "{observation:?}");
    assert!(observation.measurement.latency.is_some());
}

#[track_caller]
pub fn assert_down(observation: &Observation, reason: Reason, error: &str) {
    let outcome = observation.verdict.outcome();
    assert_eq!(outcome, Outcome::Down, "{observation:?}");
    let failure = observation.verdict.failure().expect("it is down");
    assert_eq!(failure.reason, reason, "{observation:?}");
    let text = failure.error.as_str();
    assert!(text.contains(error), "{text:?} does not say {error:?}");
}

/// Probes what would never end: the timeout ends it, not before and, in one of a few tries, within the promised time after.
pub async fn stuck<F>(probe: impl Fn(Duration) -> F) -> Observation
where
    F: Future<Output = Observation>,
{
    let mut least = Duration::MAX;
    for _ in 0..TRIES {
        let began = Instant::now();
        let observation = probe(BRIEF).await;
        let took = began.elapsed();
        assert!(took >= BRIEF, "gave up after {took:?}: {observation:?}");
        assert_plausible(&observation);
        least = least.min(took);
        if took < BRIEF + PROMISED {
            return observation;
        }
    }
    panic!("the timeout is {BRIEF:?}, and no probe ended before {least:?}");
}
