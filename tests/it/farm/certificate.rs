//! Certificates that are good and bad in one way each, from an authority that lives as long as the farm.

use std::sync::Arc;

use base64::Engine;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

/// What is wrong with a server's certificate.
#[derive(Debug, Clone)]
pub enum Certificate {
    Valid,
    /// Until 2020-01-02.
    Expired,
    /// From 2090-01-01.
    NotYet,
    /// Signed with its own key; as `openssl req -x509` makes them it is an authority too.
    SelfSigned {
        authority: bool,
    },
    /// From an authority that nobody trusts.
    Foreign,
    /// From an authority that bears the trusted one's name and has another key.
    Forged,
    /// Until this second since 1970.
    Until(i64),
    /// For these names only.
    For(Vec<String>),
    /// Valid for so many days from now.
    Days(u16),
}

/// What a server asks and offers in a handshake, beside its certificate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    /// In the order of its liking.
    pub alpn: &'static [&'static str],
    /// Only those whom the farm's authority vouches for may come in.
    pub asks_who: bool,
}

pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub const NAME: &str = "Farm Authority";

    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names to be wrong");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("a complete certificate");
        Self { issuer }
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    pub fn acceptor(&self, certificate: &Certificate) -> TlsAcceptor {
        self.acceptor_with(certificate, Manners::default())
    }

    pub fn acceptor_with(&self, certificate: &Certificate, manners: Manners) -> TlsAcceptor {
        let (chain, key) = self.issue(certificate);
        self.acceptor_of(chain, &key, manners)
    }

    /// Presents this chain.
    pub fn acceptor_of(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: &KeyPair,
        manners: Manners,
    ) -> TlsAcceptor {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).expect("an authority");
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider speaks TLS");
        let builder = if manners.asks_who {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().expect("there is a root"))
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder
            .with_single_cert(
                chain,
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("the key is the certificate's");
        let protocols = manners.alpn.iter();
        config.alpn_protocols = protocols.map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// The certificate and its key, as servers read them from files.
    pub fn pem(&self, certificate: &Certificate) -> (String, String) {
        let (chain, key) = self.issue(certificate);
        (pem(&chain[0]), key.serialize_pem())
    }

    /// The authority's own certificate, as clients read it from a file.
    pub fn root_pem(&self) -> String {
        pem(&self.der())
    }

    pub fn issue(&self, certificate: &Certificate) -> (Vec<CertificateDer<'static>>, KeyPair) {
        let names = match certificate {
            Certificate::For(names) => names.clone(),
            _ => ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into(),
        };
        let mut params = CertificateParams::new(names).expect("names that can be in one");
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2099, 1, 1);
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "Farm Server");
        match certificate {
            Certificate::Expired => params.not_after = date_time_ymd(2020, 1, 2),
            Certificate::Days(days) => {
                let span = jiff::Span::new().days(i64::from(*days));
                let end = jiff::Timestamp::now().in_tz("UTC").expect("UTC is known");
                let end = end.checked_add(span).expect("a day that there is");
                // from midnight: a day less than it will be at noon
                let (year, month, day) = (end.year(), end.month(), end.day());
                params.not_after = date_time_ymd(year.into(), month as u8, day as u8);
            }
            Certificate::NotYet => params.not_before = date_time_ymd(2090, 1, 1),
            Certificate::Until(second) => {
                let since = std::time::Duration::from_secs(second.cast_unsigned());
                params.not_after = date_time_ymd(1970, 1, 1) + since;
            }
            Certificate::SelfSigned { authority: true } => {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
            _ => {}
        }
        let key = key();
        let signed = match certificate {
            Certificate::SelfSigned { .. } => params.self_signed(&key),
            Certificate::Foreign => params.signed_by(&key, &Self::new("Stranger").issuer),
            Certificate::Forged => params.signed_by(&key, &Self::new(Self::NAME).issuer),
            _ => params.signed_by(&key, &self.issuer),
        };
        let signed = signed.expect("a complete certificate");
        (vec![signed.der().clone()], key)
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("the provider makes keys")
}

fn pem(der: &CertificateDer<'_>) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}
