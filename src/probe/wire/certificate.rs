//! What a server's certificate says, and in plain words why it is not trusted.
//!
//! The chain is judged by webpki; this file reads the certificate a second time for its dates and names, because a prober must be able
//! to tell them also when the verdict is no. `cert_expires_at` is the leaf's: that is the one its owner renews, and servers send
//! expired certificates of old cross-signatures that no client minds.

use std::fmt::Write;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::model::{Reason, Timestamp};

/// A certificate that is not trusted for its host.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct Untrusted {
    pub reason: Reason,
    pub error: String,
    pub expires_at: Option<Timestamp>,
}

/// Judges as webpki does, and answers with an [`Untrusted`] where it says no.
#[derive(Debug)]
pub struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
}

impl Verifier {
    pub fn new(webpki: Arc<WebPkiServerVerifier>) -> Self {
        Self { webpki }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.webpki
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| match error {
                rustls::Error::InvalidCertificate(why) => {
                    let untrusted = explain(&why, end_entity, server_name, now);
                    let why = OtherError(Arc::new(untrusted));
                    rustls::Error::InvalidCertificate(CertificateError::Other(why))
                }
                other => other,
            })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// Takes any certificate, whoever signed it and for whom, from a server that has its key.
#[derive(Debug)]
pub struct Anyone {
    webpki: Arc<WebPkiServerVerifier>,
}

impl Anyone {
    pub fn new(webpki: Arc<WebPkiServerVerifier>) -> Self {
        Self { webpki }
    }
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// When the first certificate of a chain expires.
pub fn expiry(chain: Option<&[CertificateDer<'_>]>) -> Option<Timestamp> {
    let leaf = chain?.first()?;
    let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
    Some(timestamp(leaf.validity().not_after.timestamp()))
}

fn explain(
    why: &CertificateError,
    leaf: &CertificateDer<'_>,
    host: &ServerName<'_>,
    now: UnixTime,
) -> Untrusted {
    let parsed = X509Certificate::from_der(leaf).ok().map(|(_, leaf)| leaf);
    let Some(leaf) = parsed else {
        return Untrusted {
            reason: Reason::Tls,
            error: "the certificate cannot be read".to_owned(),
            expires_at: None,
        };
    };
    let (reason, error) = match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (Reason::CertExpired, expired(why, &leaf, now))
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            let day = day(leaf.validity().not_before.timestamp());
            (
                Reason::Tls,
                format!("certificate is not valid before {day}"),
            )
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let (names, host) = (names(&leaf), host.to_str());
            (
                Reason::Tls,
                format!("certificate is for {names}, not for {host}"),
            )
        }
        // webpki tells a self-signed leaf in several ways, by what else it lacks
        _ if leaf.issuer() == leaf.subject() => (
            Reason::Tls,
            "certificate is self-signed, no authority vouches for it".to_owned(),
        ),
        CertificateError::UnknownIssuer => {
            let issuer = leaf.issuer();
            let error = format!("certificate was issued by an unknown authority ({issuer})");
            (Reason::Tls, error)
        }
        CertificateError::BadSignature => {
            let issuer = leaf.issuer();
            let error = format!("certificate was not signed by the authority it names ({issuer})");
            (Reason::Tls, error)
        }
        other => (Reason::Tls, format!("certificate is not trusted: {other}")),
    };
    Untrusted {
        reason,
        error,
        expires_at: Some(timestamp(leaf.validity().not_after.timestamp())),
    }
}

fn expired(why: &CertificateError, leaf: &X509Certificate<'_>, now: UnixTime) -> String {
    let not_after = leaf.validity().not_after.timestamp();
    if not_after < seconds(now) {
        return format!("certificate expired on {}", day(not_after));
    }
    match why {
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "an authority's certificate in the chain expired on {}",
            day(seconds(*not_after))
        ),
        _ => "an authority's certificate in the chain expired".to_owned(),
    }
}

/// The hosts a certificate is for, the first few of them.
fn names(leaf: &X509Certificate<'_>) -> String {
    const SHOWN: usize = 3;
    let extension = leaf.subject_alternative_name().ok().flatten();
    let all = extension.map_or(&[][..], |extension| &extension.value.general_names);
    let mut names = all.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    let mut text = names.by_ref().take(SHOWN).collect::<Vec<_>>().join(", ");
    let more = names.count();
    if text.is_empty() {
        "no host at all".clone_into(&mut text);
    }
    if more > 0 {
        // writing to a String cannot fail
        let _ = write!(text, " and {more} more");
    }
    text
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(v6).to_string())
}

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}

fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| "a day out of range".to_owned(),
        |instant| instant.strftime("%Y-%m-%d").to_string(),
    )
}
