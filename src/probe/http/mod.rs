//! One HTTP exchange on a fresh connection, its phases timed apart.
//!
//! Promises: never an `Err`; ends at the deadline whatever the server does; may be dropped at any moment; keeps a body only where it is
//! examined, and never longer than the probe. The way of a probe is the way of this file: for each hop a name, a connection, a handshake,
//! a question, at the last hop the body, and then the verdict. Leaves out schedules and limits on how many probes run at once.
//!
//! Latency runs from the start to the last byte read. A connection that ends before the answer does is `reset`, one that brings
//! something else than HTTP is `protocol`; whatever ends a TLS handshake is `tls`.

mod exchange;
mod expect;
mod json;
mod redirect;
mod request;
mod search;
mod stream;
mod veil;

use std::time::Duration;

use tokio::time::Instant;
use url::{Host, Url};

use self::exchange::Answer;
use self::expect::{Court, Evidence};
use self::redirect::Route;
use self::request::{Asked, Question};
use self::stream::Stream;
use super::resolve::{Addresses, Resolver};
use super::wire::connect;
use super::wire::failure::Fault;
use super::wire::timeline::{Deadline, Phase, Timeline, micros};
use super::wire::tls::Tls;
pub use super::wire::tls::{NoRoots, Roots};
use crate::model::Family;
use crate::model::{Hop, HttpSpec, Observation, Reason, Verdict};

/// Probes HTTP targets. A clone shares everything.
#[derive(Clone)]
pub struct HttpProber {
    resolver: Resolver,
    tls: Tls,
    court: Court,
}

impl HttpProber {
    pub fn new(resolver: Resolver, roots: &Roots) -> Self {
        Self {
            resolver,
            tls: Tls::new(roots),
            court: Court::new(),
        }
    }

    /// Measures a target once, within `timeout`.
    pub async fn probe(&self, spec: &HttpSpec, timeout: Duration) -> Observation {
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        let deadline = Deadline::new(start, timeout);
        let verdict = match Question::new(spec) {
            Ok(question) => {
                let followed = self.follow(spec, &question, deadline, &mut timeline);
                let verdict = match followed.await {
                    Ok(()) => Verdict::Up,
                    Err(Fault(verdict)) => verdict,
                };
                question.veil.over_verdict(verdict)
            }
            Err(Fault(verdict)) => verdict,
        };
        Observation {
            verdict,
            measurement: timeline.measurement(),
        }
    }

    /// Goes from hop to hop to the final answer, reads it and judges it.
    async fn follow(
        &self,
        spec: &HttpSpec,
        question: &Question,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<(), Fault> {
        let mut route = Route::new(&spec.url, question, spec.max_redirects);
        loop {
            let began = Instant::now();
            let answer = self
                .ask(route.here(), route.asked(), deadline, timeline)
                .await?;
            answer.note(timeline);
            let hop = Hop {
                url: redirect::kept(route.here(), &question.veil),
                status: answer.status.as_u16(),
                took_us: micros(answer.heard.duration_since(began)),
            };
            let moved = route.follow(answer.status, &answer.headers);
            let is_final = matches!(moved, Ok(false));
            // an answer at once is no redirect; after one, the last hop belongs to the way
            if !is_final || !timeline.redirects.is_empty() {
                timeline.redirects.push(hop);
            }
            if is_final {
                return self
                    .conclude(answer, spec, question, deadline, timeline)
                    .await;
            }
            answer.pass(timeline);
            moved?;
            timeline.moved_on();
        }
    }

    async fn conclude(
        &self,
        mut answer: Answer,
        spec: &HttpSpec,
        question: &Question,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<(), Fault> {
        let (expect, status) = (&spec.expect, answer.status);
        let headers = std::mem::take(&mut answer.headers);
        let body = answer.read(expect.needs_body(), deadline, timeline).await?;
        let evidence = Evidence {
            status,
            headers,
            body,
        };
        self.court
            .judge(expect, evidence, &question.veil, deadline)
            .await
    }

    /// One hop: everything up to the headers of the answer.
    async fn ask(
        &self,
        url: &Url,
        asked: Asked<'_>,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<Answer, Fault> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        let addresses = self.resolve(url, deadline, timeline).await?;
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
            let shaking = self.tls.shake(tcp, host, timeline);
            let encrypted = deadline.bound(stuck, shaking).await??;
            timeline.add(Phase::Tls, began.elapsed());
            Stream::Tls(encrypted)
        } else {
            Stream::Plain(tcp)
        };
        exchange::ask(stream, url, asked, deadline).await
    }

    /// An address in the URL is taken as it is, and no time is counted for it.
    async fn resolve(
        &self,
        url: &Url,
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
            .resolver
            .resolve(name, Family::Any, deadline.at())
            .await
            .map_err(|error| Fault(error.verdict()))?;
        timeline.add(Phase::Dns, began.elapsed());
        Ok(addresses)
    }
}

impl std::fmt::Debug for HttpProber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpProber").finish_non_exhaustive()
    }
}
