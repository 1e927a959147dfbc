//! The TLS handshake of a prober: honest and strict.
//!
//! Never resumes a session, so each probe pays for and measures a whole handshake. Trusts what this machine trusts, or Mozilla's list
//! where it has none. rustls speaks TLS 1.2 and 1.3 with forward secrecy only: a server that cannot is reported as such.

use std::io;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate::{self, untrusted};
use super::chain::Chains;
use super::failure::{self, Fault, source_of};
pub use super::terms::Alpn;
use super::terms::{Agreed, Terms};
use super::timeline::Timeline;
use crate::model::{Reason, Timestamp, Way};

/// The authorities whose certificates are trusted. Never empty.
#[derive(Debug, Clone)]
pub struct Roots(Arc<RootCertStore>);

/// What a server says that speaks none of what ALPN offered (RFC 7301 section 3.2).
const NO_PROTOCOL: &str = "the server speaks none of the protocols that were offered";

/// A list of authorities without a usable one.
#[derive(Debug, thiserror::Error)]
#[error("none of the given certificates can be a trusted root")]
pub struct NoRoots;

/// Shakes hands as a client. A clone shares everything.
#[derive(Debug, Clone)]
pub struct Tls {
    terms: Arc<Terms>,
    chains: Arc<Chains>,
}

impl Roots {
    /// What this machine trusts: its certificate store, or what `SSL_CERT_FILE` and `SSL_CERT_DIR` name. Reads files, so call it once.
    pub fn of_this_machine() -> Self {
        let loaded = rustls_native_certs::load_native_certs();
        for error in &loaded.errors {
            tracing::warn!(%error, "reading trusted certificates failed");
        }
        Self::only(loaded.certs).unwrap_or_else(|NoRoots| {
            tracing::warn!("this machine has no trusted certificates, using Mozilla's list");
            let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
            Self(Arc::new(roots))
        })
    }

    /// These authorities and no others.
    pub fn only(
        certificates: impl IntoIterator<Item = CertificateDer<'static>>,
    ) -> Result<Self, NoRoots> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates);
        if roots.is_empty() {
            return Err(NoRoots);
        }
        Ok(Self(Arc::new(roots)))
    }
}

impl Tls {
    pub fn new(roots: &Roots) -> Self {
        Self {
            terms: Arc::new(Terms::new(roots.0.clone())),
            chains: Arc::default(),
        }
    }

    /// Shakes hands for `host`, a name or an address as a URL has it, on the terms of `way`, and notes what was presented: also when it
    /// is not trusted. A certificate that is valid for too few days is noted as [`Timeline::expiring`], and no fault yet.
    pub async fn shake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: &str,
        way: &Way,
        alpn: Alpn,
        timeline: &mut Timeline,
    ) -> Result<Box<TlsStream<S>>, Fault> {
        let name = asked_for(way.server_name.as_deref().unwrap_or(host))?;
        let agreed = self.terms.of(way, alpn)?;
        let connector = TlsConnector::from(Arc::clone(&agreed.config));
        let shaken = connector.connect(name.clone(), stream).await;
        self.ended(shaken, &name, way, &agreed, timeline)
    }

    /// The same, with these protocols to choose from.
    pub async fn shake_offering<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: &str,
        way: &Way,
        alpn: &[String],
        timeline: &mut Timeline,
    ) -> Result<Box<TlsStream<S>>, Fault> {
        let name = asked_for(way.server_name.as_deref().unwrap_or(host))?;
        let agreed = self.terms.of(way, Alpn::Silent)?;
        let alpn = alpn.iter().map(|it| it.clone().into_bytes());
        let connector = TlsConnector::from(Arc::clone(&agreed.config));
        let connector = connector.with_alpn(alpn.collect());
        let shaken = connector.connect(name.clone(), stream).await;
        self.ended(shaken, &name, way, &agreed, timeline)
    }

    /// Notes what came of a handshake.
    fn ended<S>(
        &self,
        shaken: io::Result<TlsStream<S>>,
        name: &ServerName<'_>,
        way: &Way,
        agreed: &Agreed,
        timeline: &mut Timeline,
    ) -> Result<Box<TlsStream<S>>, Fault> {
        match shaken {
            Ok(stream) => {
                let (_, session) = stream.get_ref();
                let presented = session.peer_certificates().unwrap_or_default();
                let distrust = distrust(agreed, presented, name);
                self.note(presented, distrust.as_deref(), timeline);
                timeline.expiring = timeline.expiring.take().or_else(|| expiring(way, timeline));
                Ok(Box::new(stream))
            }
            Err(error) => {
                if let Some(why) = source_of::<rustls::Error>(&error).and_then(untrusted) {
                    self.note(&why.presented, Some(&why.error), timeline);
                }
                Err(failed(&error))
            }
        }
    }

    /// Shakes hands with a proxy: strictly, and without a note, because its certificate is not the target's.
    pub async fn shake_with_proxy<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: &str,
        way: &Way,
    ) -> Result<Box<TlsStream<S>>, Fault> {
        // a company's proxy is vouched for by the company's authority; who we are and what to put up with is between us and the target
        let terms = Way {
            ca: way.ca.clone(),
            ..Way::default()
        };
        let agreed = self.terms.of(&terms, Alpn::Silent)?;
        let connector = TlsConnector::from(Arc::clone(&agreed.config));
        let shaken = connector.connect(asked_for(host)?, stream).await;
        shaken.map(Box::new).map_err(|error| failed(&error))
    }

    fn note(
        &self,
        presented: &[CertificateDer<'_>],
        distrust: Option<&str>,
        timeline: &mut Timeline,
    ) {
        timeline.chain = self.chains.of(presented, distrust);
        let leaf = timeline.chain.iter().find_map(|it| it.certificates.first());
        let known = leaf.map(|leaf| leaf.not_after);
        // a certificate that cannot be read has no date
        timeline.cert_expires_at = known.filter(|at| *at != Timestamp::default());
    }
}

/// A name or an address as TLS has it.
fn asked_for(host: &str) -> Result<ServerName<'static>, Fault> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    // the root's dot is not part of a TLS name (RFC 6066 section 3)
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    ServerName::try_from(bare.to_owned()).map_err(|_| {
        let error = format!("{host} is no name that TLS can ask for");
        Fault::down(Reason::Tls, error)
    })
}

/// Why what was put up with is not trusted. What was not put up with was judged in the handshake.
fn distrust(
    agreed: &Agreed,
    presented: &[CertificateDer<'_>],
    name: &ServerName<'_>,
) -> Option<String> {
    if !agreed.verifier.is_lenient {
        return None;
    }
    let judged = agreed.verifier.judge(presented, name, UnixTime::now());
    judged.err().map(|error| match untrusted(&error) {
        Some(untrusted) => untrusted.error.clone(),
        None => error.to_string(),
    })
}

/// Whether the certificate is valid for fewer days than the target asks for.
fn expiring(way: &Way, timeline: &Timeline) -> Option<String> {
    const DAY: i64 = 86_400;
    let least = way.cert_min_days?;
    let expires_at = timeline.cert_expires_at?.as_micros() / 1_000_000;
    let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
    let left = expires_at.saturating_sub(now);
    if left >= i64::from(least) * DAY {
        return None;
    }
    let day = certificate::day(expires_at);
    Some(match left.div_euclid(DAY) {
        gone if gone < 0 => format!("certificate expired on {day}"),
        0 => format!("certificate expires within a day, on {day}: {least} days are asked for"),
        1 => format!("certificate expires in 1 day, on {day}: {least} days are asked for"),
        days => format!("certificate expires in {days} days, on {day}: {least} are asked for"),
    })
}

/// A handshake that did not end well. However it was cut, it is the handshake that failed.
fn failed(error: &io::Error) -> Fault {
    if let Some(error) = source_of::<rustls::Error>(error) {
        return broken(error, "in the TLS handshake");
    }
    let fault = failure::broken(error, "in the TLS handshake");
    match fault.0.failure() {
        Some(failure) if failure.reason == Reason::Reset => {
            Fault::down(Reason::Tls, failure.error.as_str())
        }
        _ => fault,
    }
}

/// What TLS itself objected to.
pub fn broken(error: &rustls::Error, doing: &str) -> Fault {
    if let Some(untrusted) = untrusted(error) {
        return Fault::down(untrusted.reason, &untrusted.error);
    }
    let text = match error {
        rustls::Error::InvalidMessage(_) => {
            "the answer is not TLS: is this a port for it?".to_owned()
        }
        rustls::Error::AlertReceived(alert) => refused(*alert),
        rustls::Error::PeerIncompatible(_) => {
            format!("the server speaks no TLS that is safe today: {error}")
        }
        rustls::Error::NoApplicationProtocol => NO_PROTOCOL.to_owned(),
        other => other.to_string(),
    };
    let error = match error {
        rustls::Error::InvalidMessage(_) => text,
        _ => format!("{text} ({doing})"),
    };
    Fault::down(Reason::Tls, error)
}

/// What a server says when it hangs up (RFC 8446 section 6).
fn refused(alert: AlertDescription) -> String {
    let what = match alert {
        AlertDescription::HandshakeFailure => {
            "the server shares no cipher with us: only TLS 1.2 and 1.3 with forward secrecy are spoken here"
        }
        AlertDescription::ProtocolVersion => "the server speaks neither TLS 1.2 nor 1.3",
        AlertDescription::UnrecognisedName => "the server does not know this host name",
        AlertDescription::CertificateRequired => "the server wants a client's certificate",
        AlertDescription::NoApplicationProtocol => NO_PROTOCOL,
        AlertDescription::InternalError => "the server had an internal error",
        AlertDescription::AccessDenied => "the server denied access",
        other => return format!("the server sent the TLS alert {other:?}"),
    };
    what.to_owned()
}
