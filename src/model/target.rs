//! What is watched.
//!
//! A [`TargetSpec`] is what a targets file says of one target; a [`Target`] is a spec that the database has given an id.
//! Values here are valid by construction in `config`; this module only holds them.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

/// The public identity of a target. It outlives renames, restarts and removal from the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetId(pub Uuid);

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is known of each target. An id is a random UUID that the database gave: it needs no hash that withstands an attacker.
pub type TargetMap<T> = HashMap<TargetId, T, BuildHasherDefault<IdHasher>>;

/// Takes the bytes of an id for its hash.
#[derive(Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            // ids need not be random: tests number them
            self.0 = (self.0.rotate_left(29) ^ u64::from_le_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// A target as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub id: TargetId,
    pub spec: TargetSpec,
}

/// A target as a file declares it: the file's own `id`, if it gave one, and everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// The `id` of the file as written: a slug or a UUID. With it a target may be renamed and keep its history.
    pub id: Option<String>,
    pub spec: TargetSpec,
}

/// Everything a file may say of a target but its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSpec {
    pub name: String,
    pub enabled: bool,
    /// Time between two slots; at least 100 ms.
    pub interval: Duration,
    /// How long one probe may take; at most the interval.
    pub timeout: Duration,
    /// An answer that takes longer is marked `slow`.
    pub slow_after: Duration,
    pub group: Option<String>,
    pub tags: Vec<String>,
    pub description: Option<String>,
    pub probe: ProbeSpec,
}

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

/// One echo request, or a train of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IcmpSpec {
    pub host: Host,
    /// Which addresses of a name may be probed.
    #[serde(default, skip_serializing_if = "Family::is_any")]
    pub ip: Family,
    /// More than one packet a probe; the timeout is that of each packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TrainSpec>,
    /// Bytes after the ICMP header.
    #[serde(
        default = "default_payload",
        skip_serializing_if = "is_default_payload"
    )]
    pub payload_bytes: u16,
    /// Time to live, or hop limit; none leaves it to the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u8>,
    /// Differentiated services code point, 0 to 63 (RFC 2474).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dscp: Option<u8>,
    /// The address of this machine to send from; none leaves it to routing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Routers must not cut a packet that is too large for a link (RFC 791 §3.1, "DF").
    #[serde(default, skip_serializing_if = "is_false")]
    pub dont_fragment: bool,
}

/// An address, with a scope where needed (`fe80::1%eth0`), or a name; and what it is, so that no probe has to find out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Host {
    written: String,
    address: Option<IpAddr>,
}

impl Host {
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The address, where it is one without a scope.
    pub const fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl From<String> for Host {
    fn from(written: String) -> Self {
        let address = written.parse().ok();
        Self { written, address }
    }
}

impl From<&str> for Host {
    fn from(written: &str) -> Self {
        written.to_owned().into()
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.written
    }
}

/// Several packets a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainSpec {
    /// 2 to 100.
    pub packets: u8,
    /// From one packet to the next, at least 1.
    pub interval_ms: u32,
}

/// Which addresses are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Family {
    /// Both, the better one first.
    #[default]
    #[serde(rename = "auto")]
    Any,
    #[serde(rename = "4")]
    V4,
    #[serde(rename = "6")]
    V6,
}

impl IcmpSpec {
    /// What ping(8) sends: 64 bytes with the ICMP header.
    pub const DEFAULT_PAYLOAD_BYTES: u16 = 56;

    /// One packet, as the system sends it.
    pub fn new(host: impl Into<Host>) -> Self {
        Self {
            host: host.into(),
            ip: Family::Any,
            train: None,
            payload_bytes: Self::DEFAULT_PAYLOAD_BYTES,
            ttl: None,
            dscp: None,
            source: None,
            dont_fragment: false,
        }
    }
}

impl TrainSpec {
    /// From the first packet to the last.
    pub fn length(self) -> Duration {
        self.interval() * u32::from(self.packets.saturating_sub(1))
    }

    pub const fn interval(self) -> Duration {
        Duration::from_millis(self.interval_ms as u64)
    }
}

impl Family {
    pub const fn includes(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }

    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the form that serde takes"
    )]
    const fn is_any(&self) -> bool {
        matches!(self, Self::Any)
    }
}

const fn default_payload() -> u16 {
    IcmpSpec::DEFAULT_PAYLOAD_BYTES
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde takes"
)]
const fn is_default_payload(bytes: &u16) -> bool {
    *bytes == IcmpSpec::DEFAULT_PAYLOAD_BYTES
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the form that serde takes"
)]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// One HTTP exchange.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSpec {
    /// `http` or `https`, with a host. It may hold a password: show [`HttpSpec::shown`] instead.
    pub url: Url,
    /// The URL as the file has it, letter by letter.
    pub written: String,
}

impl HttpSpec {
    /// The URL as the file has it, for people and the API: a password in it is `***`.
    pub fn shown(&self) -> String {
        let mask = || {
            let (scheme, rest) = self.written.split_once("://")?;
            let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            let (user, host) = rest[..end].rsplit_once('@')?;
            let (name, _) = user.split_once(':')?;
            Some(format!("{scheme}://{name}:***@{host}{}", &rest[end..]))
        };
        mask().unwrap_or_else(|| self.written.clone())
    }
}

impl fmt::Debug for HttpSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpSpec").field(&self.shown()).finish()
    }
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

/// When an answer is slow if the file does not say: after 80 % of the timeout, where the original service logged a slow response.
pub fn default_slow_after(timeout: Duration) -> Duration {
    timeout * 4 / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_never_shown() {
        let spec = |written: &str| HttpSpec {
            url: written.parse().unwrap(),
            written: written.to_owned(),
        };
        for (written, shown) in [
            (
                "https://example.com/?a=b:c@d",
                "https://example.com/?a=b:c@d",
            ),
            ("http://user@example.com", "http://user@example.com"),
            ("http://user:se:c@ret@h:1/p?q", "http://user:***@h:1/p?q"),
            ("http://:secret@[::1]:8/", "http://:***@[::1]:8/"),
        ] {
            let spec = spec(written);
            assert_eq!(spec.shown(), shown);
            assert!(!format!("{spec:?}").contains("secret"));
        }
    }
}
