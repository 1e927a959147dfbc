//! On what terms a handshake is made: whom to trust, who we are, which protocols are offered.
//!
//! Promises that targets with the same terms share one configuration, made once; that files are read again within seconds of a change;
//! and that a file which breaks later changes nothing: it may have been caught while it was written. Sessions are never resumed.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CipherSuite, ClientConfig, RootCertStore, SupportedCipherSuite};

use super::certificate::Verifier;
use super::failure::Fault;
use crate::model::{ClientFiles, HttpVersions, Way};

/// Which protocols are offered within TLS (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// None: what is spoken needs no name.
    Silent,
    Http(HttpVersions),
}

/// What handshakes on the same terms share.
#[derive(Debug)]
pub struct Agreed {
    pub config: Arc<ClientConfig>,
    pub verifier: Arc<Verifier>,
}

/// Every configuration that was asked for.
#[derive(Debug)]
pub struct Terms {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    /// Those without files, which nearly all targets have: found without a lock.
    plain: [OnceLock<Arc<Agreed>>; 8],
    special: Mutex<HashMap<Special, Known>>,
}

/// Terms with files in them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Special {
    is_lenient: bool,
    alpn: Alpn,
    ca: Option<String>,
    client: Option<ClientFiles>,
}

#[derive(Debug)]
struct Known {
    agreed: Arc<Agreed>,
    stamps: Vec<Stamp>,
    compared: Instant,
}

/// A file's state, to notice a change without reading it.
type Stamp = Option<(SystemTime, u64)>;

impl Alpn {
    const fn number(self) -> usize {
        match self {
            Self::Silent => 0,
            Self::Http(HttpVersions::Auto) => 1,
            Self::Http(HttpVersions::One) => 2,
            Self::Http(HttpVersions::Two) => 3,
        }
    }

    fn protocols(self) -> Vec<Vec<u8>> {
        let names: &[&str] = match self {
            Self::Silent => &[],
            Self::Http(HttpVersions::Auto) => &["h2", "http/1.1"],
            Self::Http(HttpVersions::One) => &["http/1.1"],
            Self::Http(HttpVersions::Two) => &["h2"],
        };
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }
}

impl Terms {
    /// How often files are looked at.
    const COMPARE_EVERY: Duration = Duration::from_secs(5);
    /// Terms with files that are remembered; beyond that all of them are read anew.
    const MOST: usize = 1024;
    /// No certificate file is larger, in bytes.
    const LARGEST: u64 = 4 * 1024 * 1024;

    pub fn new(roots: Arc<RootCertStore>) -> Self {
        Self {
            provider: Arc::new(provider()),
            roots,
            plain: Default::default(),
            special: Mutex::default(),
        }
    }

    /// The terms of `way`. A fault only where a file of theirs was never read well.
    pub fn of(&self, way: &Way, alpn: Alpn) -> Result<Arc<Agreed>, Fault> {
        if way.ca.is_none() && way.client.is_none() {
            let place = &self.plain[alpn.number() + usize::from(way.insecure) * 4];
            let made = || Arc::new(self.agree(way.insecure, alpn, self.roots.clone(), None));
            return Ok(Arc::clone(place.get_or_init(made)));
        }
        let special = Special {
            is_lenient: way.insecure,
            alpn,
            ca: way.ca.clone(),
            client: way.client.clone(),
        };
        self.of_files(special, Instant::now())
    }

    fn of_files(&self, special: Special, now: Instant) -> Result<Arc<Agreed>, Fault> {
        let mut known = self.special.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get_mut(&special) {
            if now.duration_since(known.compared) < Self::COMPARE_EVERY {
                return Ok(Arc::clone(&known.agreed));
            }
            known.compared = now;
            let stamps = special.stamps();
            if known.stamps != stamps {
                known.stamps = stamps;
                match self.read(&special) {
                    Ok(agreed) => known.agreed = Arc::new(agreed),
                    Err(error) => tracing::warn!(%error, "keeping the certificates of before"),
                }
            }
            return Ok(Arc::clone(&known.agreed));
        }
        // before reading, so that a change meanwhile is noticed later
        let stamps = special.stamps();
        let agreed = Arc::new(self.read(&special).map_err(Fault::local)?);
        if known.len() >= Self::MOST {
            known.clear();
        }
        let compared = now;
        let kept = Known {
            agreed: Arc::clone(&agreed),
            stamps,
            compared,
        };
        known.insert(special, kept);
        Ok(agreed)
    }

    fn read(&self, special: &Special) -> Result<Agreed, String> {
        let mut roots = Arc::clone(&self.roots);
        if let Some(ca) = &special.ca {
            let (added, _) = Arc::make_mut(&mut roots).add_parsable_certificates(certificates(ca)?);
            if added == 0 {
                return Err(format!("{ca} holds no certificate that can be trusted"));
            }
        }
        let client = match &special.client {
            None => None,
            Some(files) => {
                let key = PrivateKeyDer::from_pem_slice(&bytes(&files.key)?)
                    .map_err(|error| format!("reading a private key in {}: {error}", files.key))?;
                Some((certificates(&files.cert)?, key, files))
            }
        };
        let agreed = |client| self.agree(special.is_lenient, special.alpn, roots, client);
        match client {
            None => Ok(agreed(None)),
            Some((chain, key, files)) => {
                let certified = rustls::sign::CertifiedKey::from_der(chain, key, &self.provider)
                    .map_err(|error| format!("using {} with {}: {error}", files.cert, files.key))?;
                Ok(agreed(Some(certified)))
            }
        }
    }

    fn agree(
        &self,
        is_lenient: bool,
        alpn: Alpn,
        roots: Arc<RootCertStore>,
        client: Option<rustls::sign::CertifiedKey>,
    ) -> Agreed {
        let webpki = WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone())
            .build()
            .expect("roots are never empty and no revocation lists are given");
        let verifier = Arc::new(Verifier::new(webpki, is_lenient));
        let builder = ClientConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider has the suites of TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(verifier.clone());
        let mut config = match client {
            None => builder.with_no_client_auth(),
            Some(certified) => {
                let resolver = rustls::sign::SingleCertAndKey::from(certified);
                builder.with_client_cert_resolver(Arc::new(resolver))
            }
        };
        config.resumption = Resumption::disabled();
        config.alpn_protocols = alpn.protocols();
        Agreed {
            config: Arc::new(config),
            verifier,
        }
    }
}

impl Special {
    fn stamps(&self) -> Vec<Stamp> {
        let client = self.client.iter();
        let files = client.flat_map(|client| [&client.cert, &client.key]);
        let stamp = |file| {
            let metadata = fs::metadata(file).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        files.chain(&self.ca).map(stamp).collect()
    }
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(file)?).collect();
    let all = all.map_err(|error| format!("reading certificates in {file}: {error}"))?;
    if all.is_empty() {
        return Err(format!("{file} holds no certificate"));
    }
    Ok(all)
}

fn bytes(file: &str) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("reading {file}: {error}");
    let metadata = fs::metadata(file).map_err(failed)?;
    if !metadata.is_file() || metadata.len() > Terms::LARGEST {
        return Err(format!("{file} is no certificate file"));
    }
    fs::read(file).map_err(failed)
}

/// AES-128 is offered first, as browsers do: its hash has instructions of its own in today's processors, while that of AES-256 was in
/// 3.6 % of the samples of a profile of handshakes.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let is_second =
        |suite: &SupportedCipherSuite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256;
    provider.cipher_suites.sort_by_key(is_second);
    provider
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> String {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn a_file_that_changes_is_followed_and_one_that_breaks_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let terms = Terms::new(Arc::new(RootCertStore::empty()));
        let special = Special {
            is_lenient: false,
            alpn: Alpn::Silent,
            ca: Some(path.display().to_string()),
            client: None,
        };
        let start = Instant::now();
        let of = |seconds| terms.of_files(special.clone(), start + Duration::from_secs(seconds));
        let fault = of(0).unwrap_err();
        assert!(fault.is_local(), "{fault:?}");
        fs::write(&path, authority()).unwrap();
        let first = of(0).unwrap();
        fs::write(&path, format!("another one\n{}", authority())).unwrap();
        assert!(Arc::ptr_eq(&first, &of(4).unwrap()));
        let second = of(5).unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        // caught while it is written, then gone
        fs::write(&path, "-----BEGIN CERTIFICATE-----\nMII").unwrap();
        assert!(Arc::ptr_eq(&second, &of(10).unwrap()));
        fs::remove_file(&path).unwrap();
        assert!(Arc::ptr_eq(&second, &of(15).unwrap()));
        fs::write(&path, authority()).unwrap();
        assert!(!Arc::ptr_eq(&second, &of(20).unwrap()));
    }

    #[test]
    fn terms_without_files_are_made_once() {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let terms = Terms::new(Arc::new(roots));
        let plain = Way::default();
        let lenient = Way {
            insecure: true,
            ..Way::default()
        };
        let offers = [
            Alpn::Silent,
            Alpn::Http(HttpVersions::Auto),
            Alpn::Http(HttpVersions::One),
            Alpn::Http(HttpVersions::Two),
        ];
        let mut all = Vec::new();
        for way in [&plain, &lenient] {
            for alpn in offers {
                let agreed = terms.of(way, alpn).unwrap();
                assert_eq!(agreed.verifier.is_lenient, way.insecure);
                assert_eq!(agreed.config.alpn_protocols, alpn.protocols());
                assert!(Arc::ptr_eq(&agreed, &terms.of(way, alpn).unwrap()));
                all.push(agreed);
            }
        }
        assert_eq!(all.len(), 8);
    }
}
