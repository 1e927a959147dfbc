//! One TLS handshake on a fresh connection, at once or after a dialogue in plain text, and the certificate that came of it.
//!
//! Promises: never an `Err`; ends at the deadline whatever the server does; the end of the certificate is known also when the certificate
//! is not trusted. Latency runs from the start to the end of the handshake. The time of the plain dialogue is the phase `ttfb`.

mod starttls;

use std::time::Duration;

use tokio::time::Instant;

use super::http::Roots;
use super::resolve::Resolver;
use super::wire::dial;
use super::wire::failure::Fault;
use super::wire::timeline::{Deadline, Phase, Timeline};
use super::wire::tls::Tls;
use crate::model::{Observation, Reason, TlsSpec, Verdict, Way};

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
            Ok(chosen) => judge(spec, chosen.as_deref(), timeline.expiring.take()),
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
        let way = Way {
            insecure: spec.insecure,
            server_name: spec.server_name.as_deref().map(dial::certified),
            cert_min_days: spec.cert_min_days,
            ..Way::default()
        };
        let name = dial::certified(spec.host.as_str());
        let began = Instant::now();
        let stuck = || "in the TLS handshake".to_owned();
        let tls = &self.tls;
        let shaking = tls.shake_offering(tcp, &name, &way, &spec.alpn, timeline);
        let stream = deadline.bound(stuck, shaking).await??;
        let ended = Instant::now();
        timeline.add(Phase::Tls, ended.duration_since(began));
        timeline.answered(ended);
        let (_, session) = stream.get_ref();
        let chosen = session.alpn_protocol().map(String::from_utf8_lossy);
        Ok(chosen.map(std::borrow::Cow::into_owned))
    }
}

fn judge(spec: &TlsSpec, chosen: Option<&str>, expiring: Option<String>) -> Verdict {
    if let Some(expected) = &spec.expect_alpn
        && chosen != Some(expected)
    {
        let error = match chosen {
            Some(other) => format!("the server chose {other}, expected {expected}"),
            None => format!("the server chose no protocol, expected {expected}"),
        };
        return Fault::down(Reason::Tls, error).0;
    }
    match expiring {
        Some(expiring) => Fault::down(Reason::CertExpired, expiring).0,
        None => Verdict::Up,
    }
}

impl std::fmt::Debug for TlsProber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsProber").finish_non_exhaustive()
    }
}
