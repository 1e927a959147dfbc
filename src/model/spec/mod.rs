//! What to do to measure a target once: one kind of it a file, and what several kinds share.
//!
//! Specs are stored as JSON, so field names are a storage format: a field that is added needs a default.

mod ask;
mod expect;
mod host;
mod http;
mod icmp;
mod memo;
mod path;
mod proxy;
mod way;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use ask::{Ask, Credentials, Header, Method};
pub use expect::{Expect, HeaderMatch, JsonMatch, Pattern, Statuses};
pub use host::{Family, Host};
pub use http::HttpSpec;
pub use icmp::{IcmpSpec, TrainSpec};
pub use path::JsonPath;
pub use proxy::{InvalidProxy, Login, Proxy, ProxyScheme};
pub use way::{ClientFiles, HttpVersions, Way};

/// What to do to measure a target once. Stored as JSON, so the field names are a storage format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ProbeSpec {
    Icmp(IcmpSpec),
    Http(HttpSpec),
}

/// The `type` of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Icmp,
    Http,
}

impl ProbeSpec {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Icmp(_) => Kind::Icmp,
            Self::Http(_) => Kind::Http,
        }
    }
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Icmp, Self::Http];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Http => "http",
        }
    }

    pub const fn default_timeout(self) -> Duration {
        match self {
            Self::Icmp => Duration::from_millis(1000),
            Self::Http => Duration::from_millis(3000),
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
