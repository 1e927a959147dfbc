//! How long each step took, on the monotonic clock, and when time is up.
//!
//! Phases are disjoint spans between the start and the end of a probe, so their sum never exceeds its latency. A phase is counted when
//! it succeeds; one that a probe got stuck in is named by the error instead.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::failure::Fault;
use crate::model::{Chain, Detail, Hop, HttpVersion, Measurement, Phases, Reason, Timestamp};

/// The end of a probe: absolute, so no step can stretch it.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
    allowed: Duration,
}

impl Deadline {
    pub fn new(start: Instant, allowed: Duration) -> Self {
        // a deadline past the end of the clock is none; a year is as good
        let year = Duration::from_secs(365 * 86_400);
        let at = start.checked_add(allowed).unwrap_or(start + year);
        Self { at, allowed }
    }

    pub const fn at(self) -> Instant {
        self.at
    }

    /// Runs one step; `stuck` says what was going on if the time is up first.
    pub fn bound<T>(
        self,
        stuck: impl FnOnce() -> String,
        step: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, Fault>> {
        let late = |error: String| Fault::down(Reason::Timeout, error);
        self.bound_or(late, stuck, step)
    }

    /// The same where it is not the target that keeps us waiting: `late` makes a fault of what is to be said.
    pub fn bound_or<T>(
        self,
        late: impl FnOnce(String) -> Fault,
        stuck: impl FnOnce() -> String,
        step: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, Fault>> {
        let fault = move || {
            let allowed = spoken(self.allowed);
            late(format!("no answer within {allowed}, stuck {}", stuck()))
        };
        Bounded {
            step,
            end: sleep_until(self.at),
            fault: Some(fault),
        }
    }
}

pin_project! {
    /// A step and the end of its time. No `async fn`: those keep what they are given twice, and a probe is steps within steps.
    struct Bounded<S, F> {
        #[pin]
        step: S,
        #[pin]
        end: Sleep,
        fault: Option<F>,
    }
}

impl<S: Future, F: FnOnce() -> Fault> Future for Bounded<S, F> {
    type Output = Result<S::Output, Fault>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(done) = this.step.poll(cx) {
            return Poll::Ready(Ok(done));
        }
        // a runtime that a flood keeps busy looks at its timers rarely
        let at = this.end.deadline();
        let is_over = this.end.poll(cx).is_ready() || Instant::now() >= at;
        if !is_over {
            return Poll::Pending;
        }
        let fault = this
            .fault
            .take()
            .expect("no future is polled after its end");
        Poll::Ready(Err(fault()))
    }
}

/// A step that is timed.
#[derive(Debug, Clone, Copy)]
pub enum Phase {
    Dns,
    Connect,
    Tls,
    /// From handing over the request to the first byte of an answer.
    FirstByte,
    /// From the first byte to the last.
    Transfer,
}

/// What is measured while a probe runs.
#[derive(Debug)]
pub struct Timeline {
    start: Instant,
    end: Option<Instant>,
    phases: Phases,
    pub status_code: Option<u16>,
    pub resolved_ip: Option<IpAddr>,
    pub cert_expires_at: Option<Timestamp>,
    pub redirects: Vec<Hop>,
    pub http_version: Option<HttpVersion>,
    /// What was presented on the last connection.
    pub chain: Option<Arc<Chain>>,
    /// A certificate on the way that is valid for fewer days than the target asks for, in words.
    pub expiring: Option<String>,
}

impl Timeline {
    pub fn new(start: Instant) -> Self {
        Self {
            start,
            end: None,
            phases: Phases::default(),
            status_code: None,
            resolved_ip: None,
            cert_expires_at: None,
            redirects: Vec::new(),
            http_version: None,
            chain: None,
            expiring: None,
        }
    }

    /// Adds a span to a phase: after redirects each is the sum over all hops.
    pub fn add(&mut self, phase: Phase, span: Duration) {
        let sum = match phase {
            Phase::Dns => &mut self.phases.dns_us,
            Phase::Connect => &mut self.phases.connect_us,
            Phase::Tls => &mut self.phases.tls_us,
            Phase::FirstByte => &mut self.phases.ttfb_us,
            Phase::Transfer => &mut self.phases.transfer_us,
        };
        let span = micros(span);
        *sum = Some(sum.unwrap_or(0).saturating_add(span));
    }

    /// The answer is complete, or as much of it as is read: this is what latency ends with.
    pub fn answered(&mut self, now: Instant) {
        self.end = Some(now);
    }

    /// The answer is not complete after all.
    pub fn unanswered(&mut self) {
        self.end = None;
    }

    /// The answer was a redirect that is followed: what was known of it is not the final answer's.
    pub fn moved_on(&mut self) {
        self.end = None;
        self.status_code = None;
        self.resolved_ip = None;
        self.cert_expires_at = None;
        self.http_version = None;
        self.chain = None;
    }

    pub fn measurement(self) -> Measurement {
        let detail = Detail {
            phases: (self.phases != Phases::default()).then_some(self.phases),
            packets: None,
            cert_expires_at: self.cert_expires_at,
            redirects: self.redirects,
            http_version: self.http_version,
        };
        Measurement {
            latency: self.end.map(|end| end.duration_since(self.start)),
            status_code: self.status_code,
            resolved_ip: self.resolved_ip,
            detail: (detail != Detail::default()).then(|| Box::new(detail)),
            chain: self.chain,
        }
    }
}

/// As results keep it: bounded at 71 minutes.
pub fn micros(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}

/// `3 s`, `1.5 s`, `250 ms`.
fn spoken(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis >= 1000 && millis.is_multiple_of(100) {
        format!("{} s", duration.as_secs_f64())
    } else {
        format!("{millis} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_spoken_plainly() {
        for (millis, text) in [
            (3000, "3 s"),
            (1500, "1.5 s"),
            (250, "250 ms"),
            (1234, "1234 ms"),
        ] {
            assert_eq!(spoken(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn phases_add_up_over_hops_and_absent_ones_stay_absent() {
        let mut timeline = Timeline::new(Instant::now());
        timeline.add(Phase::Connect, Duration::from_micros(40));
        timeline.add(Phase::Connect, Duration::from_micros(2));
        let phases = timeline.measurement().detail.unwrap().phases.unwrap();
        assert_eq!(phases.connect_us, Some(42));
        assert_eq!(phases.tls_us, None);
    }

    #[test]
    fn nothing_measured_is_no_detail() {
        let measurement = Timeline::new(Instant::now()).measurement();
        assert_eq!(measurement, Measurement::default());
    }

    #[test]
    fn an_endless_timeout_does_not_overflow() {
        let start = Instant::now();
        assert!(Deadline::new(start, Duration::MAX).at() > start);
    }
}
