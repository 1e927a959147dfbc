//! The probers that ask over a connection of their own: one call for whichever a target needs.

use std::time::Duration;

use super::dns::DnsProber;
use super::http::{HttpProber, Roots, Witness};
use super::resolve::Resolver;
use super::tcp::TcpProber;
use super::tls::TlsProber;
use crate::model::{Observation, ProbeSpec};

/// A prober for each type but ICMP, whose probes share an engine instead. A clone shares everything.
#[derive(Debug, Clone)]
pub struct Clients {
    http: HttpProber,
    tcp: TcpProber,
    dns: DnsProber,
    tls: TlsProber,
}

impl Clients {
    pub fn new(resolver: &Resolver, roots: &Roots) -> Self {
        Self {
            http: HttpProber::new(resolver.clone(), roots),
            tcp: TcpProber::new(resolver.clone()),
            dns: DnsProber::new(resolver.clone(), roots),
            tls: TlsProber::new(resolver.clone(), roots),
        }
    }

    /// Tells `witness` the headers of answers over HTTP.
    #[must_use]
    pub fn with_witness(self, witness: Witness) -> Self {
        let http = self.http.with_witness(witness);
        Self { http, ..self }
    }

    /// Measures a target once, within `timeout`. Never called for ICMP.
    pub async fn probe(&self, spec: &ProbeSpec, timeout: Duration) -> Observation {
        match spec {
            ProbeSpec::Icmp(_) => unreachable!("echoes go to the engine"),
            ProbeSpec::Http(spec) => self.http.probe(spec, timeout).await,
            // boxed, so that the many that ask over HTTP are no larger for their buffers
            ProbeSpec::Tcp(spec) => Box::pin(self.tcp.probe(spec, timeout)).await,
            ProbeSpec::Dns(spec) => Box::pin(self.dns.probe(spec, timeout)).await,
            ProbeSpec::Tls(spec) => Box::pin(self.tls.probe(spec, timeout)).await,
        }
    }
}
