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
mod form;
mod json;
mod link;
mod redirect;
mod request;
mod search;
mod stream;
mod two;
mod veil;

use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use self::exchange::Answer;
use self::expect::{Court, Evidence};
use self::form::Form;
use self::redirect::Route;
use self::request::{Asked, Question};
use self::stream::Stream;
use self::veil::Veil;
use super::resolve::{Addresses, Resolver, Resolvers};
use super::wire::connect;
use super::wire::failure::Fault;
use super::wire::proxy::{self, Destination, Passage, Transport};
use super::wire::timeline::{Deadline, Phase, Timeline, micros};
use super::wire::tls::{Alpn, Tls};
pub use super::wire::tls::{NoRoots, Roots};
use crate::model::{
    ErrorText, Family, Hop, HttpSpec, HttpVersions, Login, Observation, Reason, Verdict, Way,
};

/// Hears the headers of every answer on the way, the last one's last: names and values, each on one line and without secrets.
pub type Witness = Arc<dyn Fn(Vec<(String, ErrorText)>) + Send + Sync>;

/// Probes HTTP targets. A clone shares everything.
#[derive(Clone)]
pub struct HttpProber {
    resolvers: Resolvers,
    tls: Tls,
    court: Court,
    witness: Option<Witness>,
}

impl HttpProber {
    pub fn new(resolver: Resolver, roots: &Roots) -> Self {
        Self {
            resolvers: Resolvers::new(resolver),
            tls: Tls::new(roots),
            court: Court::new(),
            witness: None,
        }
    }

    /// Tells `witness` what is kept of no result.
    #[must_use]
    pub fn with_witness(self, witness: Witness) -> Self {
        let witness = Some(witness);
        Self { witness, ..self }
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
        let verdict = match (verdict, timeline.expiring.take()) {
            (Verdict::Up, Some(expiring)) => Fault::down(Reason::CertExpired, expiring).0,
            (verdict, _) => verdict,
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
        let abroad = abroad(&spec.way);
        loop {
            let began = Instant::now();
            let is_of_the_host = route.here().host() == spec.url.host();
            let way = abroad.as_ref().filter(|_| !is_of_the_host);
            let way = way.unwrap_or(&spec.way);
            let answer = self
                .ask(route.here(), way, route.asked(), deadline, timeline)
                .await?;
            answer.note(timeline);
            if let Some(witness) = &self.witness {
                witness(told(&answer.headers, &question.veil));
            }
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
        way: &Way,
        asked: Asked<'_>,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<Answer, Fault> {
        let is_encrypted = url.scheme() == "https";
        match &way.proxy {
            None => {
                let tcp = self.connect(url, way, deadline, timeline).await?;
                let (stream, form) = if is_encrypted {
                    // boxed, so that a plain probe is no larger for it
                    let shaking = Box::pin(self.shake(tcp, url, way, deadline, timeline));
                    let tls = shaking.await?;
                    let form = encrypted_form(&tls, way)?;
                    (Stream::Tls(tls), form)
                } else {
                    (Stream::Plain(tcp), plain_form(way))
                };
                exchange::ask(stream, url, form, asked, deadline).await
            }
            Some(proxy) => {
                let passage = Passage {
                    proxy,
                    way,
                    resolvers: &self.resolvers,
                    tls: &self.tls,
                    deadline,
                };
                // boxed, so that what waits for the plain way is no larger for it
                Box::pin(self.ask_through(passage, url, asked, timeline)).await
            }
        }
    }

    /// The same through a proxy.
    async fn ask_through(
        &self,
        passage: Passage<'_>,
        url: &Url,
        asked: Asked<'_>,
        timeline: &mut Timeline,
    ) -> Result<Answer, Fault> {
        let (way, proxy, deadline) = (passage.way, passage.proxy, passage.deadline);
        if url.scheme() != "https" && !proxy.scheme.is_socks() {
            let stream = match passage.enter(timeline).await? {
                Transport::Tcp(tcp) => Stream::Plain(tcp),
                Transport::Tls(tls) => Stream::Tls(tls),
            };
            let form = Form::Absolute(proxy.credentials.as_ref().and_then(credentials));
            let answered = exchange::ask(stream, url, form, asked, deadline).await;
            return match answered {
                Ok(answer) if answer.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                    Err(passage.asks_who_we_are())
                }
                Err(fault) => Err(passage.of_messenger(fault)),
                answered => answered,
            };
        }
        let host = url.host().ok_or_else(no_host)?.to_owned();
        let port = url.port_or_known_default().unwrap_or(80);
        let transport = passage.reach(&Destination { host, port }, timeline).await?;
        if url.scheme() != "https" {
            let stream = match transport {
                Transport::Tcp(tcp) => Stream::Plain(tcp),
                Transport::Tls(tls) => Stream::Tls(tls),
            };
            return exchange::ask(stream, url, plain_form(way), asked, deadline).await;
        }
        let (stream, form) = match transport {
            Transport::Tcp(tcp) => {
                let tls = self.shake(tcp, url, way, deadline, timeline).await?;
                let form = encrypted_form(&tls, way)?;
                (Stream::Tls(tls), form)
            }
            Transport::Tls(outer) => {
                let tls = self.shake(outer, url, way, deadline, timeline).await?;
                let form = encrypted_form(&tls, way)?;
                (Stream::Nested(tls), form)
            }
        };
        exchange::ask(stream, url, form, asked, deadline).await
    }

    async fn connect(
        &self,
        url: &Url,
        way: &Way,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<TcpStream, Fault> {
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
        Ok(tcp)
    }

    async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        url: &Url,
        way: &Way,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<Box<TlsStream<S>>, Fault> {
        let host = url.host_str().unwrap_or_default();
        let began = Instant::now();
        let stuck = || "in the TLS handshake".to_owned();
        let offered = Alpn::Http(way.http_version);
        let shaking = self.tls.shake(stream, host, way, offered, timeline);
        let encrypted = deadline.bound(stuck, shaking).await??;
        timeline.add(Phase::Tls, began.elapsed());
        Ok(encrypted)
    }

    /// An address in the URL is taken as it is, and no time is counted for it.
    async fn resolve(
        &self,
        url: &Url,
        way: &Way,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<Addresses, Fault> {
        let name = match url.host().ok_or_else(no_host)? {
            // of the wrong family it is not found, as a name without such an address is not
            Host::Ipv4(address) if way.ip != Family::V6 => {
                return Ok([(address, 0).into()].into());
            }
            Host::Ipv6(address) if way.ip != Family::V4 => {
                return Ok([(address, 0).into()].into());
            }
            _ => url.host_str().unwrap_or_default(),
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

/// The way to other hosts, where it differs: they are not told who we are, nor asked for by the name of the configured one.
fn abroad(way: &Way) -> Option<Way> {
    (way.client.is_some() || way.server_name.is_some()).then(|| Way {
        client: None,
        server_name: None,
        ..way.clone()
    })
}

/// What follows from the protocol that the server chose.
fn encrypted_form<S>(tls: &TlsStream<S>, way: &Way) -> Result<Form, Fault> {
    let (_, session) = tls.get_ref();
    match (session.alpn_protocol(), way.http_version) {
        (Some(b"h2"), _) => Ok(Form::Two(Scheme::HTTPS)),
        (_, HttpVersions::Two) => {
            let error = "the server does not speak HTTP/2";
            Err(Fault::down(Reason::Protocol, error))
        }
        _ => Ok(Form::Origin),
    }
}

fn plain_form(way: &Way) -> Form {
    match way.http_version {
        HttpVersions::Two => Form::Two(Scheme::HTTP),
        HttpVersions::Auto | HttpVersions::One => Form::Origin,
    }
}

fn credentials(credentials: &Login) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&proxy::basic(credentials)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn told(headers: &HeaderMap, veil: &Veil) -> Vec<(String, ErrorText)> {
    let headers = headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.to_string(), ErrorText::new(veil.over(&value)))
    });
    headers.collect()
}

fn no_host() -> Fault {
    Fault::down(Reason::Dns, "the URL names no host")
}

impl std::fmt::Debug for HttpProber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpProber").finish_non_exhaustive()
    }
}
