//! What a server presented to prove who it is.
//!
//! Promises bounds whatever was presented: at most [`Chain::MOST`] certificates, [`Chain::MOST_NAMES`] names among all of them, and
//! texts like those of errors. Belongs to a target and not to each of its results, so it is stored apart. Leaves out how it is read.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ErrorText, Timestamp};

/// The certificates of a handshake, the server's own first, and whether they are trusted for its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    pub digest: Digest,
    pub certificates: Vec<Certificate>,
    /// How many more were presented than are kept.
    pub omitted: u32,
    /// Why it is not trusted; nothing where it is.
    pub distrust: Option<ErrorText>,
}

/// Stands for all that a chain says, trust included: chains with the same digest are the same. SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// One certificate, for people. Stored as JSON, so the field names are a storage format, and served as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Certificate {
    /// Whose it is (RFC 4514).
    #[schema(example = "CN=www.example.com")]
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// The hosts it is for; the first hundred of the chain.
    pub names: Vec<String>,
    /// How many more there are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub names_omitted: u32,
    /// In hexadecimal, as its authority numbered it.
    pub serial: String,
    #[schema(value_type = String, format = DateTime)]
    pub not_before: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub not_after: Timestamp,
    /// The fingerprint: SHA-256 of the whole certificate, in hexadecimal.
    pub sha256: String,
    /// The kind of its key.
    #[schema(example = "EC P-256")]
    pub key: String,
}

impl Chain {
    /// Certificates that are kept. Real chains have two to four.
    pub const MOST: usize = 10;
    /// Names that are kept, of all certificates together.
    pub const MOST_NAMES: usize = 100;
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde takes"
)]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}
