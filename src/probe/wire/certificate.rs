//! Whether a server's certificate is trusted, and in plain words why it is not.
//!
//! The chain is judged by webpki; this file reads the certificate a second time for its dates and names, because a prober must be able
//! to tell them also when the verdict is no. What else a chain says is read in `chain`.

use std::fmt::Write;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::chain::names_of;
use crate::model::Reason;

/// A certificate that is not trusted for its host.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct Untrusted {
    pub reason: Reason,
    pub error: String,
    /// All that was presented, the server's own first.
    pub presented: Arc<[CertificateDer<'static>]>,
}

/// Judges as webpki does, and answers with an [`Untrusted`] where it says no.
#[derive(Debug)]
pub struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    /// Lets anything pass; [`Self::judge`] tells what it would have said.
    pub is_lenient: bool,
}

impl Verifier {
    pub fn new(webpki: Arc<WebPkiServerVerifier>, is_lenient: bool) -> Self {
        Self { webpki, is_lenient }
    }

    /// What is wrong with a chain, if anything.
    pub fn judge(
        &self,
        presented: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let (leaf, rest) = presented
            .split_first()
            .ok_or(rustls::Error::NoCertificatesPresented)?;
        let judged = self.webpki.verify_server_cert(leaf, rest, host, &[], now);
        judged.map(drop).map_err(|error| match error {
            rustls::Error::InvalidCertificate(why) => {
                let untrusted = explain(&why, presented, host, now);
                let why = OtherError(Arc::new(untrusted));
                rustls::Error::InvalidCertificate(CertificateError::Other(why))
            }
            other => other,
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self.is_lenient {
            let presented: Vec<_> = std::iter::once(end_entity)
                .chain(intermediates)
                .cloned()
                .collect();
            self.judge(&presented, server_name, now)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.is_lenient {
            return Ok(HandshakeSignatureValid::assertion());
        }
        self.webpki.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if self.is_lenient {
            return Ok(HandshakeSignatureValid::assertion());
        }
        self.webpki.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}

/// What an error of TLS says of the certificate, where it is about it.
pub fn untrusted(error: &rustls::Error) -> Option<&Untrusted> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => {
            other.0.downcast_ref::<Untrusted>()
        }
        _ => None,
    }
}

fn explain(
    why: &CertificateError,
    presented: &[CertificateDer<'_>],
    host: &ServerName<'_>,
    now: UnixTime,
) -> Untrusted {
    let owned = presented.iter().map(|it| it.clone().into_owned());
    let untrusted = |(reason, error): (Reason, String)| Untrusted {
        reason,
        error,
        presented: owned.collect(),
    };
    let leaf = presented
        .first()
        .map(|leaf| X509Certificate::from_der(leaf));
    let Some(Ok((_, leaf))) = leaf else {
        let error = "the certificate cannot be read".to_owned();
        return untrusted((Reason::Tls, error));
    };
    untrusted(match why {
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
    })
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
    let mut names = names_of(leaf);
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

fn seconds(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// A day for people, of seconds since 1970.
pub fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| "a day out of range".to_owned(),
        |instant| instant.strftime("%Y-%m-%d").to_string(),
    )
}
