//! One echo request, or a train of them.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Family, Host, is_false};

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

/// Several packets a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainSpec {
    /// 2 to 100.
    pub packets: u8,
    /// From one packet to the next, at least 1.
    pub interval_ms: u32,
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
