//! The TLS handshake of a prober: honest and strict.
//!
//! Never resumes a session, so each probe pays for and measures a whole handshake. Trusts what this machine trusts, or Mozilla's list
//! where it has none. rustls speaks TLS 1.2 and 1.3 with forward secrecy only: a server that cannot is reported as such.

use std::io;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate::{self, Anyone, Untrusted, Verifier};
use super::failure::{self, Fault, source_of};
use super::timeline::Timeline;
use crate::model::Reason;

const NO_PROTOCOL: &str = "the server speaks none of the protocols that were offered";

/// The authorities whose certificates are trusted. Never empty.
#[derive(Debug, Clone)]
pub struct Roots(Arc<RootCertStore>);

/// A list of authorities without a usable one.
#[derive(Debug, thiserror::Error)]
#[error("none of the given certificates can be a trusted root")]
pub struct NoRoots;

/// Shakes hands as a client.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    /// Takes any certificate.
    lenient: TlsConnector,
}

/// What is asked for in the first message, and whether the certificate must be trusted.
#[derive(Debug, Clone, Copy)]
pub struct Hello<'a> {
    /// A name or an address.
    pub name: &'a str,
    /// Protocols to choose from (RFC 7301).
    pub alpn: &'a [String],
    /// Any certificate will do.
    pub insecure: bool,
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
        let provider = Arc::new(aws_lc_rs::default_provider());
        let webpki = WebPkiServerVerifier::builder_with_provider(roots.0.clone(), provider.clone())
            .build()
            .expect("roots are never empty and no revocation lists are given");
        let strict = Arc::new(Verifier::new(webpki.clone()));
        let lenient = Arc::new(Anyone::new(webpki));
        Self {
            connector: TlsConnector::from(Arc::new(config(provider.clone(), strict))),
            lenient: TlsConnector::from(Arc::new(config(provider, lenient))),
        }
    }

    /// Shakes hands for `host`, a name or an address as a URL has it.
    pub async fn shake(
        &self,
        tcp: TcpStream,
        host: &str,
        timeline: &mut Timeline,
    ) -> Result<Box<TlsStream<TcpStream>>, Fault> {
        let name = server_name(host)?;
        finished(self.connector.connect(name, tcp).await, timeline)
    }

    /// Shakes hands with this first message.
    pub async fn greet(
        &self,
        tcp: TcpStream,
        hello: Hello<'_>,
        timeline: &mut Timeline,
    ) -> Result<Box<TlsStream<TcpStream>>, Fault> {
        let name = server_name(hello.name)?;
        let connector = if hello.insecure {
            &self.lenient
        } else {
            &self.connector
        };
        let alpn = hello.alpn.iter().map(|it| it.clone().into_bytes());
        let connector = connector.with_alpn(alpn.collect());
        finished(connector.connect(name, tcp).await, timeline)
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, Fault> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    // the root's dot is not part of a TLS name (RFC 6066 section 3)
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    ServerName::try_from(bare.to_owned()).map_err(|_| {
        let error = format!("{host} is no name that TLS can ask for");
        Fault::down(Reason::Tls, error)
    })
}

/// Reads the end of the certificate from a handshake that ended, well or not.
fn finished(
    handshake: io::Result<TlsStream<TcpStream>>,
    timeline: &mut Timeline,
) -> Result<Box<TlsStream<TcpStream>>, Fault> {
    match handshake {
        Ok(stream) => {
            let (_, session) = stream.get_ref();
            timeline.cert_expires_at = certificate::expiry(session.peer_certificates());
            Ok(Box::new(stream))
        }
        Err(error) => {
            let untrusted = source_of::<rustls::Error>(&error).and_then(untrusted);
            timeline.cert_expires_at = untrusted.and_then(|untrusted| untrusted.expires_at);
            Err(failed(&error))
        }
    }
}

fn config(provider: Arc<CryptoProvider>, verifier: Arc<dyn ServerCertVerifier>) -> ClientConfig {
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the suites of TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn untrusted(error: &rustls::Error) -> Option<&Untrusted> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref::<Untrusted>()
        }
        _ => None,
    }
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
