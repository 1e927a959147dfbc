//! What the certificates of a handshake say.
//!
//! Promises the bounds of `model::Chain` whatever was presented, and that an unchanged chain is not read again: what was read is kept
//! by the digest of its bytes, for the few thousand chains that were seen last. By digest and not by target, because many targets
//! present the same one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use crate::model::{Certificate, Chain, Digest, ErrorText, Timestamp};

/// Chains that were read lately. About 3 kB each, 40 kB at the worst.
#[derive(Debug, Default)]
pub struct Chains(Mutex<Generations>);

/// What is not asked for again while the young generation fills up is forgotten with the old one.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Digest, Arc<Chain>>,
    old: HashMap<Digest, Arc<Chain>>,
}

impl Chains {
    /// Chains in a generation.
    const MOST: usize = 1024;

    /// What `presented` says; `distrust` says why it is not trusted, if it is not.
    pub fn of(
        &self,
        presented: &[CertificateDer<'_>],
        distrust: Option<&str>,
    ) -> Option<Arc<Chain>> {
        if presented.is_empty() {
            return None;
        }
        let digest = digest(presented, distrust);
        let known = self.known().find(&digest);
        Some(known.unwrap_or_else(|| {
            let chain = Arc::new(read(presented, digest, distrust));
            self.known().keep(&chain);
            chain
        }))
    }

    fn known(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn find(&mut self, digest: &Digest) -> Option<Arc<Chain>> {
        if let Some(chain) = self.young.get(digest) {
            return Some(Arc::clone(chain));
        }
        let chain = self.old.remove(digest)?;
        self.keep(&chain);
        Some(chain)
    }

    fn keep(&mut self, chain: &Arc<Chain>) {
        if self.young.len() >= Chains::MOST {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(chain.digest, Arc::clone(chain));
    }
}

fn digest(presented: &[CertificateDer<'_>], distrust: Option<&str>) -> Digest {
    let mut hash = Sha256::new();
    for certificate in presented {
        hash.update((certificate.len() as u64).to_le_bytes());
        hash.update(certificate);
    }
    hash.update(distrust.unwrap_or_default());
    Digest(hash.finalize().into())
}

fn read(presented: &[CertificateDer<'_>], digest: Digest, distrust: Option<&str>) -> Chain {
    let mut names_left = Chain::MOST_NAMES;
    let kept = presented.iter().take(Chain::MOST);
    Chain {
        digest,
        certificates: kept.map(|der| certificate(der, &mut names_left)).collect(),
        omitted: presented.len().saturating_sub(Chain::MOST) as u32,
        distrust: distrust.map(ErrorText::new),
    }
}

/// What cannot be read is told by its fingerprint alone.
fn certificate(der: &CertificateDer<'_>, names_left: &mut usize) -> Certificate {
    let sha256 = Digest(Sha256::digest(der).into()).to_string();
    let Ok((_, parsed)) = X509Certificate::from_der(der) else {
        let unread = || "cannot be read".to_owned();
        return Certificate {
            subject: unread(),
            issuer: unread(),
            names: Vec::new(),
            names_omitted: 0,
            serial: String::new(),
            not_before: Timestamp::default(),
            not_after: Timestamp::default(),
            sha256,
            key: unread(),
        };
    };
    let mut all = names_of(&parsed);
    let names: Vec<_> = all.by_ref().take(*names_left).map(clean).collect();
    *names_left -= names.len();
    let names_omitted = all.count() as u32;
    Certificate {
        subject: clean(parsed.subject().to_string()),
        issuer: clean(parsed.issuer().to_string()),
        names,
        names_omitted,
        serial: clean(hex(parsed.raw_serial())),
        not_before: timestamp(parsed.validity().not_before.timestamp()),
        not_after: timestamp(parsed.validity().not_after.timestamp()),
        sha256,
        key: key(&parsed),
    }
}

/// The kind of its key, and the size where the kind has several.
fn key(certificate: &X509Certificate<'_>) -> String {
    let algorithm = &certificate.public_key().algorithm;
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => format!("RSA {}", key.key_size()),
        Ok(PublicKey::EC(point)) => match point.key_size() {
            // the coordinates of P-521 are rounded up to whole bytes
            bits @ (256 | 384 | 521) => format!("EC P-{bits}"),
            528 => "EC P-521".to_owned(),
            bits => format!("EC {bits}"),
        },
        Ok(PublicKey::DSA(_)) => "DSA".to_owned(),
        _ => match algorithm.algorithm.to_id_string().as_str() {
            "1.3.101.112" => "Ed25519".to_owned(),
            "1.3.101.113" => "Ed448".to_owned(),
            other => clean(format!("OID {other}")),
        },
    }
}

/// The hosts that a certificate is for: names and addresses of its extension (RFC 5280 section 4.2.1.6).
pub fn names_of<'a>(certificate: &'a X509Certificate<'_>) -> impl Iterator<Item = String> + 'a {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let all = extension.map_or(&[][..], |extension| &extension.value.general_names);
    all.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    })
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    let v6 = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::Ipv6Addr::from(v6).to_string())
}

/// Like every text from outside.
fn clean(text: String) -> String {
    ErrorText::new(text).to_string()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // writing to a String cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}
