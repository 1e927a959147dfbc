//! A connection through a proxy.
//!
//! A proxy is the user's way to the target, so what it lacks is the prober's own fault: one that cannot be reached, refuses us or
//! speaks nonsense makes a result unknown, with a text that names it. What it says of the target counts as the target's: that it
//! refuses, cannot be reached, or (by keeping us waiting once it was asked) does not answer. Its name is looked up as this machine does.
//!
//! SOCKS and CONNECT are a few dozen bytes each and written out here: the libraries for them hide the replies that decide who is to
//! blame, and read answers without a bound.

mod socks;
mod tunnel;

use std::fmt;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use url::Host;

pub use tunnel::basic;

use super::connect;
use super::failure::Fault;
use super::timeline::{Deadline, Phase, Timeline};
use super::tls::Tls;
use crate::model::{Family, Proxy, ProxyScheme, Reason, Way};
use crate::probe::resolve::Resolvers;

/// A connection as far as a proxy, or through it.
#[derive(Debug)]
pub enum Transport {
    Tcp(TcpStream),
    /// The proxy is spoken to over TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Whom a proxy shall connect to.
#[derive(Debug, Clone)]
pub struct Destination {
    pub host: Host<String>,
    pub port: u16,
}

/// The way through a proxy, for one probe.
#[derive(Debug, Clone, Copy)]
pub struct Passage<'a> {
    pub proxy: &'a Proxy,
    pub way: &'a Way,
    pub resolvers: &'a Resolvers,
    pub tls: &'a Tls,
    pub deadline: Deadline,
}

/// Why a proxy gave no connection.
enum Refusal {
    /// Says nothing of the target.
    Own(String),
    /// Says that of the target.
    Target(Fault),
}

impl Passage<'_> {
    /// Connects to the proxy itself.
    pub async fn enter(&self, timeline: &mut Timeline) -> Result<Transport, Fault> {
        let addresses = self.resolve(timeline).await?;
        let began = Instant::now();
        let entered = self.connect(&addresses).await?;
        timeline.add(Phase::Connect, began.elapsed());
        Ok(entered)
    }

    /// Has the proxy connect to `to`. What is sent from then on, the target reads.
    pub async fn reach(
        &self,
        to: &Destination,
        timeline: &mut Timeline,
    ) -> Result<Transport, Fault> {
        let to = self.destination(to, timeline).await?;
        let addresses = self.resolve(timeline).await?;
        let began = Instant::now();
        let reached = match self.connect(&addresses).await? {
            Transport::Tcp(mut tcp) => {
                self.ask(&mut tcp, &to).await?;
                Transport::Tcp(tcp)
            }
            Transport::Tls(mut tls) => {
                self.ask(&mut tls, &to).await?;
                Transport::Tls(tls)
            }
        };
        timeline.add(Phase::Connect, began.elapsed());
        Ok(reached)
    }

    /// With `socks5` the target's name is looked up here, as without a proxy.
    async fn destination(
        &self,
        to: &Destination,
        timeline: &mut Timeline,
    ) -> Result<Destination, Fault> {
        let Host::Domain(name) = &to.host else {
            return Ok(to.clone());
        };
        if self.proxy.scheme != ProxyScheme::Socks5 {
            return Ok(to.clone());
        }
        let began = Instant::now();
        let resolver = self.resolvers.of(self.way.resolver);
        let addresses = resolver
            .resolve(name, self.way.ip, self.deadline.at())
            .await
            .map_err(|error| Fault(error.verdict()))?;
        timeline.add(Phase::Dns, began.elapsed());
        let address = addresses.first().map(SocketAddr::ip);
        let address = address.ok_or_else(|| Fault::local("no address to connect to"))?;
        timeline.resolved_ip = Some(address);
        let host = match address {
            std::net::IpAddr::V4(v4) => Host::Ipv4(v4),
            std::net::IpAddr::V6(v6) => Host::Ipv6(v6),
        };
        Ok(Destination { host, ..*to })
    }

    async fn resolve(&self, timeline: &mut Timeline) -> Result<Vec<SocketAddr>, Fault> {
        let host = &self.proxy.host;
        if let Some(address) = host.address() {
            return Ok(vec![(address, 0).into()]);
        }
        let began = Instant::now();
        let resolver = self.resolvers.of(None);
        let addresses = resolver
            .resolve(host.as_str(), Family::Any, self.deadline.at())
            .await
            .map_err(|error| self.own(&Fault(error.verdict())))?;
        timeline.add(Phase::Dns, began.elapsed());
        Ok(addresses.to_vec())
    }

    async fn connect(&self, addresses: &[SocketAddr]) -> Result<Transport, Fault> {
        let proxy = self.proxy;
        let stuck = || format!("connecting to the proxy {proxy}");
        let connecting = connect::to_any(addresses, proxy.port);
        let connected = self.deadline.bound_or(Fault::local, stuck, connecting);
        let (tcp, _) = connected.await?.map_err(|fault| self.own(&fault))?;
        if proxy.scheme != ProxyScheme::Https {
            return Ok(Transport::Tcp(tcp));
        }
        let stuck = || format!("in the TLS handshake with the proxy {proxy}");
        let shaking = self
            .tls
            .shake_with_proxy(tcp, proxy.host.as_str(), self.way);
        let shaken = self.deadline.bound_or(Fault::local, stuck, shaking).await?;
        shaken.map(Transport::Tls).map_err(|fault| self.own(&fault))
    }

    async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        to: &Destination,
    ) -> Result<(), Fault> {
        let proxy = self.proxy;
        let refused = |refusal| match refusal {
            Refusal::Own(error) => Fault::local(format!("the proxy {proxy} {error}")),
            Refusal::Target(fault) => fault,
        };
        let credentials = proxy.credentials.as_ref();
        if proxy.scheme.is_socks() {
            // no target is spoken of yet
            let stuck = || format!("signing in to the proxy {proxy}");
            let greeting = socks::greet(stream, credentials);
            let greeted = self
                .deadline
                .bound_or(Fault::local, stuck, greeting)
                .await?;
            greeted.map_err(refused)?;
        }
        let stuck = || format!("waiting for the proxy {proxy} to connect to {to}");
        let asking = async {
            if proxy.scheme.is_socks() {
                socks::ask(stream, to).await
            } else {
                tunnel::ask(stream, to, credentials).await
            }
        };
        self.deadline.bound(stuck, asking).await?.map_err(refused)
    }

    /// An answer 407, which only proxies give (RFC 9110 section 15.5.8).
    pub fn asks_who_we_are(&self) -> Fault {
        Fault::local(format!("the proxy {} {}", self.proxy, tunnel::WHO))
    }

    /// An exchange that went wrong where the proxy passes on messages: what is no answer at all, the proxy made of it.
    pub fn of_messenger(&self, fault: Fault) -> Fault {
        match fault.0.failure().map(|failure| failure.reason) {
            Some(Reason::Timeout | Reason::TooLarge) => fault,
            _ => self.own(&fault),
        }
    }

    /// What kept us from the proxy is nothing that the target did.
    fn own(&self, fault: &Fault) -> Fault {
        let failure = fault.0.failure();
        let why = failure.map_or("", |failure| failure.error.as_str());
        Fault::local(format!("the proxy {} cannot be used: {why}", self.proxy))
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A proxy's end of the connection, seen from a step of its protocol.
fn broken(error: &std::io::Error, doing: &str) -> Refusal {
    let fault = super::failure::broken(error, doing);
    let failure = fault.0.failure();
    let why = failure.map_or("", |failure| failure.error.as_str());
    Refusal::Own(format!("failed: {why}"))
}
