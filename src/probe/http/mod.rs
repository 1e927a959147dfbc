//! One HTTP exchange on a fresh connection, its phases timed apart.
//!
//! Promises: never an `Err`; ends at the deadline whatever the server does; may be dropped at any moment; keeps nothing of a body. The
//! way of a probe is the way of this file: for each hop a name, a connection, a handshake, a question, and at the last hop the body.
//! Leaves out schedules and limits on how many probes run at once.
//!
//! Latency runs from the start to the last byte read. A connection that ends before the answer does is `reset`, one that brings
//! something else than HTTP is `protocol`; whatever ends a TLS handshake is `tls`.

mod exchange;
mod form;
mod link;
mod redirect;
mod request;
mod stream;
mod two;

use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderValue, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

use self::exchange::Answer;
use self::form::Form;
use self::redirect::Route;
use self::stream::Stream;
use super::resolve::{Addresses, Resolver, Resolvers};
use super::wire::connect;
use super::wire::failure::Fault;
use super::wire::proxy::{self, Destination, Passage, Transport};
use super::wire::timeline::{Deadline, Phase, Timeline};
use super::wire::tls::{Alpn, Tls};
pub use super::wire::tls::{NoRoots, Roots};
use crate::model::{
    Credentials, Family, HttpSpec, HttpVersions, Observation, Reason, Verdict, Way,
};

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
        let verdict = match (verdict, timeline.expiring.take()) {
            (Verdict::Up, Some(expiring)) => Fault::down(Reason::CertExpired, expiring).0,
            (verdict, _) => verdict,
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
        let abroad = abroad(&spec.way);
        loop {
            let credentials = authorization.as_ref().filter(|_| route.is_at_home());
            let is_of_the_host = route.here().host() == spec.url.host();
            let way = abroad.as_ref().filter(|_| !is_of_the_host);
            let way = way.unwrap_or(&spec.way);
            let answer = self
                .ask(route.here(), way, credentials, deadline, timeline)
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
        let is_encrypted = url.scheme() == "https";
        match &way.proxy {
            None => {
                let tcp = self.connect(url, way, deadline, timeline).await?;
                let (stream, form) = if is_encrypted {
                    let tls = self.shake(tcp, url, way, deadline, timeline).await?;
                    let form = encrypted_form(&tls, way)?;
                    (Stream::Tls(tls), form)
                } else {
                    (Stream::Plain(tcp), plain_form(way))
                };
                exchange::ask(stream, url, form, authorization, deadline).await
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
                Box::pin(self.ask_through(passage, url, authorization, timeline)).await
            }
        }
    }

    /// The same through a proxy.
    async fn ask_through(
        &self,
        passage: Passage<'_>,
        url: &Url,
        authorization: Option<&HeaderValue>,
        timeline: &mut Timeline,
    ) -> Result<Answer, Fault> {
        let (way, proxy, deadline) = (passage.way, passage.proxy, passage.deadline);
        if url.scheme() != "https" && !proxy.scheme.is_socks() {
            let stream = match passage.enter(timeline).await? {
                Transport::Tcp(tcp) => Stream::Plain(tcp),
                Transport::Tls(tls) => Stream::Tls(tls),
            };
            let form = Form::Absolute(proxy.credentials.as_ref().and_then(credentials));
            let asked = exchange::ask(stream, url, form, authorization, deadline).await;
            return match asked {
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
            return exchange::ask(stream, url, plain_form(way), authorization, deadline).await;
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
        exchange::ask(stream, url, form, authorization, deadline).await
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

fn credentials(credentials: &Credentials) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&proxy::basic(credentials)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn no_host() -> Fault {
    Fault::down(Reason::Dns, "the URL names no host")
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
