//! One TLS handshake on a fresh connection, at once or after a dialogue in plain text, and the certificate that came of it.
//!
//! Promises: never an `Err`; ends at the deadline whatever the server does; the end of the certificate is known also when the certificate
//! is not trusted. Latency runs from the start to the end of the handshake. The time of the plain dialogue is the phase `ttfb`.

mod starttls;

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::http::Roots;
use super::resolve::Resolver;
use super::wire::dial;
use super::wire::failure::Fault;
use super::wire::timeline::{Deadline, Phase, Timeline};
use super::wire::tls::{Hello, Tls};
use crate::model::{Observation, Reason, Timestamp, TlsSpec, Verdict};

/// Probes TLS targets. A clone shares everything.
#[derive(Clone)]
pub struct TlsProber {
    resolver: Resolver,
    tls: Tls,
}

impl TlsProber {
    pub fn new(resolver: Resolver, roots: &Roots) -> Self {
        Self {
            resolver,
            tls: Tls::new(roots),
        }
    }

    /// Measures a target once, within `timeout`.
    pub async fn probe(&self, spec: &TlsSpec, timeout: Duration) -> Observation {
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        let deadline = Deadline::new(start, timeout);
        let verdict = match self.shake(spec, deadline, &mut timeline).await {
            Ok(chosen) => judge(spec, chosen.as_deref(), timeline.cert_expires_at),
            Err(Fault(verdict)) => verdict,
        };
        Observation {
            verdict,
            measurement: timeline.measurement(),
        }
    }

    /// Gives the protocol that the server chose, if any.
    async fn shake(
        &self,
        spec: &TlsSpec,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<Option<String>, Fault> {
        let resolver = &self.resolver;
        let addresses = dial::resolve(resolver, &spec.host, spec.ip, deadline, timeline).await?;
        let mut tcp = dial::connect(&addresses, spec.port, deadline, timeline).await?;
        if let Some(protocol) = spec.starttls {
            let began = Instant::now();
            starttls::ask(&mut tcp, protocol, deadline).await?;
            timeline.add(Phase::FirstByte, began.elapsed());
        }
        let name = spec.server_name.as_deref().unwrap_or(spec.host.as_str());
        let hello = Hello {
            name: &dial::certified(name),
            alpn: &spec.alpn,
            insecure: spec.insecure,
        };
        let began = Instant::now();
        let stuck = || "in the TLS handshake".to_owned();
        let shaking = self.tls.greet(tcp, hello, timeline);
        let stream = deadline.bound(stuck, shaking).await??;
        let ended = Instant::now();
        timeline.add(Phase::Tls, ended.duration_since(began));
        timeline.answered(ended);
        let (_, session) = stream.get_ref();
        let chosen = session.alpn_protocol().map(String::from_utf8_lossy);
        Ok(chosen.map(std::borrow::Cow::into_owned))
    }
}

fn judge(spec: &TlsSpec, chosen: Option<&str>, expires_at: Option<Timestamp>) -> Verdict {
    if let Some(expected) = &spec.expect_alpn
        && chosen != Some(expected)
    {
        let error = match chosen {
            Some(other) => format!("the server chose {other}, expected {expected}"),
            None => format!("the server chose no protocol, expected {expected}"),
        };
        return Fault::down(Reason::Tls, error).0;
    }
    if let (Some(days), Some(expires_at)) = (spec.cert_min_days, expires_at) {
        let least = Duration::from_secs(u64::from(days) * 86_400);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = Timestamp::default().saturating_add(now.unwrap_or_default());
        let left = expires_at.since(now);
        if left < least {
            let day = &expires_at.to_string()[..10];
            let left = left.as_secs() / 86_400;
            let error = if expires_at <= now {
                format!("certificate expired on {day}")
            } else {
                format!("certificate expires in {left} days, on {day}, and {days} are asked for")
            };
            return Fault::down(Reason::CertExpired, error).0;
        }
    }
    Verdict::Up
}

impl std::fmt::Debug for TlsProber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsProber").finish_non_exhaustive()
    }
}
