//! One HTTP exchange on a fresh connection, its phases timed apart.
//!
//! Promises: never an `Err`; ends at the deadline whatever the server does; may be dropped at any moment; keeps nothing of a body. The
//! way of a probe is the way of this file: for each hop a name, a connection, a handshake, a question, and at the last hop the body.
//! Leaves out schedules and limits on how many probes run at once.
//!
//! Latency runs from the start to the last byte read. A connection that ends before the answer does is `reset`, one that brings
//! something else than HTTP is `protocol`; whatever ends a TLS handshake is `tls`.

mod exchange;
mod redirect;
mod request;
mod stream;

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use tokio::time::Instant;
use url::{Host, Url};

use self::exchange::Answer;
use self::redirect::Route;
use self::stream::Stream;
use super::resolve::{Addresses, Resolver, Resolvers};
use super::wire::connect;
use super::wire::failure::Fault;
use super::wire::timeline::{Deadline, Phase, Timeline};
use super::wire::tls::{Alpn, Tls};
pub use super::wire::tls::{NoRoots, Roots};
use crate::model::{HttpSpec, HttpVersions, Observation, Reason, Verdict, Way};

/// Probes HTTP targets. A clone shares everything.
#[derive(Clone)]
pub struct HttpProber {
    resolvers: Resolvers,
    tls: Tls,
}

impl HttpProber {
    pub fn new(resolver: Resolver, roots: &Roots) -> Self {
        Self {
            resolvers: Resolvers::new(resolver),
            tls: Tls::new(roots),
        }
    }

    /// Measures a target once, within `timeout`.
    pub async fn probe(&self, spec: &HttpSpec, timeout: Duration) -> Observation {
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        let deadline = Deadline::new(start, timeout);
        let verdict = match self.follow(spec, deadline, &mut timeline).await {
            Ok(status) => judge(status),
            Err(Fault(verdict)) => verdict,
        };
        Observation {
            verdict,
            measurement: timeline.measurement(),
        }
    }

    /// Goes from hop to hop to the final answer and reads it whole.
    async fn follow(
        &self,
        spec: &HttpSpec,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<StatusCode, Fault> {
        let authorization = request::authorization(&spec.url);
        let mut route = Route::new(&spec.url);
        loop {
            let credentials = authorization.as_ref().filter(|_| route.is_at_home());
            let answer = self
                .ask(route.here(), &spec.way, credentials, deadline, timeline)
                .await?;
            answer.note(timeline);
            if !route.follow(answer.status, &answer.headers)? {
                let status = answer.status;
                answer.read(deadline, timeline).await?;
                return Ok(status);
            }
            timeline.moved_on();
        }
    }

    /// One hop: everything up to the headers of the answer.
    async fn ask(
        &self,
        url: &Url,
        way: &Way,
        authorization: Option<&HeaderValue>,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<Answer, Fault> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        let addresses = self.resolve(url, way, deadline, timeline).await?;
        timeline.resolved_ip = addresses.first().map(std::net::SocketAddr::ip);

        let began = Instant::now();
        let stuck = || format!("connecting to {host}:{port}");
        let connecting = connect::to_any(&addresses, port);
        let (tcp, address) = deadline.bound(stuck, connecting).await??;
        timeline.resolved_ip = Some(address.ip());
        timeline.add(Phase::Connect, began.elapsed());

        let stream = if url.scheme() == "https" {
            let began = Instant::now();
            let stuck = || "in the TLS handshake".to_owned();
            let shaking = self
                .tls
                .shake(tcp, host, way, Alpn::Http(HttpVersions::One), timeline);
            let encrypted = deadline.bound(stuck, shaking).await??;
            timeline.add(Phase::Tls, began.elapsed());
            Stream::Tls(encrypted)
        } else {
            Stream::Plain(tcp)
        };
        exchange::ask(stream, url, authorization, deadline).await
    }

    /// An address in the URL is taken as it is, and no time is counted for it.
    async fn resolve(
        &self,
        url: &Url,
        way: &Way,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<Addresses, Fault> {
        let name = match url.host() {
            Some(Host::Ipv4(address)) => return Ok([(address, 0).into()].into()),
            Some(Host::Ipv6(address)) => return Ok([(address, 0).into()].into()),
            Some(Host::Domain(name)) => name,
            None => return Err(Fault::down(Reason::Dns, "the URL names no host")),
        };
        let began = Instant::now();
        let addresses = self
            .resolvers
            .of(way.resolver)
            .resolve(name, way.ip, deadline.at())
            .await
            .map_err(|error| Fault(error.verdict()))?;
        timeline.add(Phase::Dns, began.elapsed());
        Ok(addresses)
    }
}

/// Up is a final status of 200 to 399: redirects were followed, so a 3xx here had nowhere to go or is no redirect.
fn judge(status: StatusCode) -> Verdict {
    if (200..400).contains(&status.as_u16()) {
        return Verdict::Up;
    }
    let error = format!("status {}, expected 200 to 399", status.as_u16());
    Fault::down(Reason::Status, error).0
}

impl std::fmt::Debug for HttpProber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpProber").finish_non_exhaustive()
    }
}
