//! What is asked of the engine: one [`Request`] per probe.
//!
//! Promises: plain values, checked by the engine and not here. Leaves out: names
//! (resolve them first) and trains of packets (submit one request per packet).

use std::fmt;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::cookie::Cookie;

/// The payload of [`Request::new`], bytes: what ping(8) sends, 64 with the ICMP header.
pub const DEFAULT_PAYLOAD_BYTES: u16 = 56;
/// The smallest payload: it must hold the cookie a reply is recognised by.
pub const MIN_PAYLOAD_BYTES: u16 = Cookie::BYTES as u16;
/// The largest payload: 65,535 less an IPv4 header (20) and the ICMP header (8).
/// The same bound is kept for IPv6.
pub const MAX_PAYLOAD_BYTES: u16 = 65_507;

/// One echo request to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Given back in the completion; the engine does not look at it.
    pub token: u64,
    /// Where to. An IPv4-mapped IPv6 address is probed over IPv4. Unspecified and
    /// multicast addresses are refused ([`crate::LocalError::BadRequest`]): no
    /// reply could ever come from them.
    pub peer: IpAddr,
    /// IPv6 scope (interface index) of a link-local peer, else 0 (ipv6(7)).
    pub scope: u32,
    /// How long a reply is waited for, counted from the moment of sending. A reply
    /// that took longer is late, also if nobody noticed the deadline yet. The
    /// verdict comes up to about 1 ms after it. More than a day is cut to a day.
    pub timeout: Duration,
    /// Bytes after the ICMP header, [`MIN_PAYLOAD_BYTES`] to [`MAX_PAYLOAD_BYTES`]:
    /// a cookie of 16, then each byte its own position modulo 256, so that damage
    /// shows ([`crate::Reply::damaged_at`]).
    pub payload_bytes: u16,
    /// Time to live / hop limit, 1 to 255; `None` is the system's default.
    pub ttl: Option<u8>,
    /// Differentiated services code point, 0 to 63 (RFC 2474); `None` leaves it 0.
    pub dscp: Option<u8>,
    /// The local address to send from, of the peer's family; `None` lets routing choose.
    pub source: Option<IpAddr>,
    /// Send the packet whole or not at all: the IPv4 flag is set, this host does
    /// not fragment it, and what it remembers of the path's MTU is not asked
    /// (`IP_PMTUDISC_PROBE` of ip(7), `IPV6_MTU_DISCOVER` of ipv6(7)). A packet
    /// larger than the interface's MTU ends with [`crate::LocalError::TooLarge`],
    /// one too large for a link further on with
    /// [`crate::IcmpErrorKind::PacketTooBig`]; both tell the MTU.
    ///
    /// The kernel has this per socket and not per packet, so each change from one
    /// packet to the next costs a system call and begins a new batch: submit those
    /// with it together.
    ///
    /// `false` (the default of [`Request::new`]) leaves it to the system, which
    /// sets the IPv4 flag where the packet fits what it knows of the path, and
    /// fragments it where it does not.
    pub dont_fragment: bool,
    /// Not to be sent before this moment; `None` (the default of [`Request::new`]) is at once. The engine sends what became due in
    /// the last 1.5 ms together, so that many requests handed over some milliseconds early cost one wake-up each of the caller
    /// and of the engine where they would have cost two a request. A moment more than a day away is a day away.
    pub at: Option<Instant>,
}

impl Request {
    /// A request with 56 bytes of payload, one second of timeout, and the system's defaults.
    pub fn new(token: u64, peer: IpAddr) -> Self {
        Self {
            token,
            peer,
            scope: 0,
            timeout: Duration::from_secs(1),
            payload_bytes: DEFAULT_PAYLOAD_BYTES,
            ttl: None,
            dscp: None,
            source: None,
            dont_fragment: false,
            at: None,
        }
    }
}

/// IPv4 or IPv6: each has a socket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// ICMP over IPv4 (RFC 792).
    V4,
    /// `ICMPv6` (RFC 4443).
    V6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        })
    }
}
