//! One question to one name server, over UDP, TCP or TLS.
//!
//! The target is the name server, not the name: silence is `timeout`, a closed port `refused`, an answer with another code than the
//! expected one, or without a record of the type, is `dns`; records other than the expected ones are `body`. A probe asks once and
//! nothing is cached; over UDP a truncated answer is asked for again over TCP. Against forged answers there are a random id, a port
//! of its own for each question, the kernel's check of the peer, and the question, which must come back; whatever else comes is passed
//! over. Latency runs from the start to the end of the answer.

mod answer;
mod exchange;
mod question;

use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::Instant;

use self::exchange::Reply;
use self::question::Question;
use super::http::Roots;
use super::resolve::{Addresses, Resolver};
use super::wire::dial;
use super::wire::failure::Fault;
use super::wire::timeline::{Deadline, Phase, Timeline};
use super::wire::tls::{Alpn, Tls};
use crate::model::{DnsSpec, Host, Observation, Transport, Verdict, Way};

/// Probes name servers. A clone shares everything.
#[derive(Clone)]
pub struct DnsProber {
    resolver: Resolver,
    tls: Tls,
}

impl DnsProber {
    pub fn new(resolver: Resolver, roots: &Roots) -> Self {
        Self {
            resolver,
            tls: Tls::new(roots),
        }
    }

    /// Measures a target once, within `timeout`.
    pub async fn probe(&self, spec: &DnsSpec, timeout: Duration) -> Observation {
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        let deadline = Deadline::new(start, timeout);
        let verdict = match self.ask(spec, deadline, &mut timeline).await {
            Ok(message) => match answer::judge(spec, &message) {
                Ok(()) => Verdict::Up,
                Err(Fault(verdict)) => verdict,
            },
            Err(Fault(verdict)) => verdict,
        };
        Observation {
            verdict,
            measurement: timeline.measurement(),
        }
    }

    async fn ask(
        &self,
        spec: &DnsSpec,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<Reply, Fault> {
        let question = Question::new(spec)?;
        let (addresses, port) = self.servers(spec, deadline, timeline).await?;
        let message = match spec.transport {
            Transport::Udp => {
                let mut server = addresses[0];
                server.set_port(port);
                let message = exchange::over_udp(server, &question, deadline, timeline).await?;
                if message.metadata.truncation {
                    let again = async {
                        let tcp = dial::connect(&[server], port, deadline, timeline).await?;
                        exchange::over_stream(tcp, &question, deadline, timeline).await
                    };
                    again.await.map_err(truncated)?
                } else {
                    message
                }
            }
            Transport::Tcp => {
                let tcp = dial::connect(&addresses, port, deadline, timeline).await?;
                exchange::over_stream(tcp, &question, deadline, timeline).await?
            }
            Transport::Tls => {
                let tcp = dial::connect(&addresses, port, deadline, timeline).await?;
                let name = certified_name(spec, &tcp);
                let way = Way::default();
                let began = Instant::now();
                let stuck = || "in the TLS handshake".to_owned();
                // RFC 7858 section 3.2 asks for no protocol, and old servers stumble
                let shaking = self.tls.shake(tcp, &name, &way, Alpn::Silent, timeline);
                let tls = deadline.bound(stuck, shaking).await??;
                timeline.add(Phase::Tls, began.elapsed());
                exchange::over_stream(tls, &question, deadline, timeline).await?
            }
        };
        timeline.answered(Instant::now());
        Ok(message)
    }

    /// Where to ask: never no address.
    async fn servers(
        &self,
        spec: &DnsSpec,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<(Addresses, u16), Fault> {
        if let Some(host) = &spec.server {
            let resolver = &self.resolver;
            let found = dial::resolve(resolver, host, spec.ip, deadline, timeline).await?;
            return Ok((found, spec.port()));
        }
        let servers = self.resolver.servers();
        let mut fitting = servers.iter().filter(|it| spec.ip.includes(it.ip()));
        let Some(first) = fitting.next() else {
            return Err(Fault::local("this machine names no such name server"));
        };
        timeline.resolved_ip = Some(first.ip());
        let port = match spec.transport {
            Transport::Udp | Transport::Tcp => first.port(),
            Transport::Tls => spec.port(),
        };
        Ok(([*first].into(), port))
    }
}

/// The name that the certificate must be for: as the file says, or the server as it is written, or the address that was connected to.
fn certified_name(spec: &DnsSpec, tcp: &TcpStream) -> String {
    let written = spec.server.as_ref().map(Host::as_str);
    match spec.server_name.as_deref().or(written) {
        Some(name) => dial::certified(name),
        None => tcp
            .peer_addr()
            .map_or_else(|_| String::new(), |peer| peer.ip().to_string()),
    }
}

/// A truncated answer whose whole could not be had.
fn truncated(fault: Fault) -> Fault {
    match fault.0.failure() {
        Some(failure) if !fault.is_local() => {
            let error = format!("truncated over UDP, and over TCP: {}", failure.error);
            Fault::down(failure.reason, error)
        }
        _ => fault,
    }
}

impl std::fmt::Debug for DnsProber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DnsProber").finish_non_exhaustive()
    }
}
