//! One TLS handshake.

use serde::{Deserialize, Serialize};

use super::{Family, Host, is_false};

/// One TLS handshake, at once or after a dialogue in plain text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSpec {
    pub host: Host,
    /// 1 to 65535.
    pub port: u16,
    /// Which addresses of a name may be probed.
    #[serde(default, skip_serializing_if = "Family::is_any")]
    pub ip: Family,
    /// The name that is asked for, and that the certificate must be for; none is the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// Any certificate will do; it is read all the same.
    #[serde(default, skip_serializing_if = "is_false")]
    pub insecure: bool,
    /// A certificate that expires sooner makes the target down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_min_days: Option<u16>,
    /// The protocols that are offered (RFC 7301), the preferred one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
    /// The one that the server must choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_alpn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starttls: Option<StartTls>,
}

impl TlsSpec {
    pub const DEFAULT_PORT: u16 = 443;

    /// A handshake at once, for the host's own name, with any address of it.
    pub fn new(host: impl Into<Host>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            ip: Family::Any,
            server_name: None,
            insecure: false,
            cert_min_days: None,
            alpn: Vec::new(),
            expect_alpn: None,
            starttls: None,
        }
    }
}

/// A protocol that begins in plain text and turns to TLS when asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartTls {
    /// RFC 3207.
    Smtp,
    /// RFC 9051 section 6.2.1.
    Imap,
    /// RFC 2595 section 4.
    Pop3,
    /// `SSLRequest` of the Postgres protocol, section "SSL Session Encryption".
    Postgres,
}

impl StartTls {
    pub const ALL: [Self; 4] = [Self::Smtp, Self::Imap, Self::Pop3, Self::Postgres];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Postgres => "postgres",
        }
    }

    pub const fn port(self) -> u16 {
        match self {
            Self::Smtp => 25,
            Self::Imap => 143,
            Self::Pop3 => 110,
            Self::Postgres => 5432,
        }
    }
}
