//! What to do to measure a target once: one kind of it a file, and what several kinds share.
//!
//! Specs are stored as JSON, so field names are a storage format: a field that is added needs a default.

mod answer;
mod ask;
mod dns;
mod expect;
mod host;
mod http;
mod icmp;
mod memo;
mod path;
mod pattern;
mod proxy;
mod tcp;
mod tls;
mod way;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use ask::{Ask, Credentials, Header, Method};
pub use dns::{DnsSpec, Rcode, Record, Transport};
pub use expect::{Expect, HeaderMatch, JsonMatch, Statuses};
pub use host::{Family, Host};
pub use http::HttpSpec;
pub use icmp::{IcmpSpec, TrainSpec};
pub use path::JsonPath;
pub use pattern::Pattern;
pub use proxy::{InvalidProxy, Login, Proxy, ProxyScheme};
pub use tcp::{BadEscape, Payload, TcpSpec};
pub use tls::{StartTls, TlsSpec};
pub use way::{ClientFiles, HttpVersions, Way};

/// What to do to measure a target once. Stored as JSON, so the field names are a storage format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ProbeSpec {
    Icmp(IcmpSpec),
    Http(HttpSpec),
    Tcp(TcpSpec),
    Dns(DnsSpec),
    Tls(TlsSpec),
}

/// The `type` of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Icmp,
    Http,
    Tcp,
    Dns,
    Tls,
}

impl ProbeSpec {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Icmp(_) => Kind::Icmp,
            Self::Http(_) => Kind::Http,
            Self::Tcp(_) => Kind::Tcp,
            Self::Dns(_) => Kind::Dns,
            Self::Tls(_) => Kind::Tls,
        }
    }

    /// Whom it talks to, where that is no URL: the `host` of the API.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Icmp(icmp) => Some(icmp.host.as_str()),
            Self::Http(_) => None,
            Self::Tcp(tcp) => Some(tcp.host.as_str()),
            Self::Dns(dns) => dns.server.as_ref().map(Host::as_str),
            Self::Tls(tls) => Some(tls.host.as_str()),
        }
    }

    /// What it fetches, as people may see it: the `url` of the API.
    pub fn url(&self) -> Option<String> {
        match self {
            Self::Http(http) => Some(http.shown()),
            Self::Icmp(_) | Self::Tcp(_) | Self::Dns(_) | Self::Tls(_) => None,
        }
    }
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Icmp, Self::Http, Self::Tcp, Self::Dns, Self::Tls];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Dns => "dns",
            Self::Tls => "tls",
        }
    }

    pub const fn default_timeout(self) -> Duration {
        match self {
            Self::Icmp => Duration::from_millis(1000),
            Self::Http | Self::Tcp | Self::Dns | Self::Tls => Duration::from_millis(3000),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde takes"
)]
pub const fn is_false(value: &bool) -> bool {
    !*value
}
