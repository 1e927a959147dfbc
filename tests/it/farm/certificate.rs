//! Certificates that are good and bad in one way each, from an authority that lives as long as the farm.

use std::sync::Arc;

use base64::Engine;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
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
        self.choosing(certificate, &[])
    }

    /// One that speaks these protocols, the preferred one first (RFC 7301).
    pub fn choosing(&self, certificate: &Certificate, alpn: &[&str]) -> TlsAcceptor {
        let (chain, key) = self.issue(certificate);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider speaks TLS")
            .with_no_client_auth()
            .with_single_cert(
                chain,
                PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
            )
            .expect("the key is the certificate's");
        config.alpn_protocols = alpn.iter().map(|it| it.as_bytes().to_vec()).collect();
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

    fn issue(&self, certificate: &Certificate) -> (Vec<CertificateDer<'static>>, KeyPair) {
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
