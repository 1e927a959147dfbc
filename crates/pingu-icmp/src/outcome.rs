//! What becomes of a request: one [`Completion`] each, exactly one.
//!
//! Promises: a failed probe is a value, and whose fault it was can be told apart:
//! [`Outcome::Local`] is this host's, [`Outcome::IcmpError`] a router's or the
//! target's word, [`Outcome::Timeout`] silence. Leaves out: the verdict up, down
//! or unknown, which is the caller's.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::request::{Family, MAX_PAYLOAD_BYTES, MIN_PAYLOAD_BYTES};

/// The end of one request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completion {
    /// The request's own token.
    pub token: u64,
    /// When the packet was handed to the kernel; `None` if it never was.
    pub sent_at: Option<Instant>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// The peer answered in time; identifier, sequence, address and cookie matched.
    Reply(Reply),
    /// Nothing believable came before the timeout.
    Timeout,
    /// A router or the target itself said that the packet could not be delivered.
    IcmpError(IcmpError),
    /// A fault of this host: it says nothing about the peer.
    Local(LocalError),
}

/// A believed echo reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Round trip; never negative, and never more than the request's timeout.
    pub rtt: Duration,
    /// Which clocks measured it.
    pub clock: Clock,
    /// Who answered: always the peer asked.
    pub from: IpAddr,
    /// Time to live / hop limit left in the reply, if the kernel told.
    pub ttl: Option<u8>,
    /// Payload bytes that came back: some hosts shorten long replies.
    pub payload_bytes: u16,
    /// The first payload byte, counted from 0, that is not what was sent, or that
    /// was not sent at all: something on the way altered the packet and made its
    /// checksum right again, or the peer did. `None` for a sound reply, also a
    /// shortened one. The 16 bytes of the cookie are never damaged in a reply: one
    /// with another cookie is not recognised.
    pub damaged_at: Option<u16>,
}

/// The clocks behind a round-trip time, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Clock {
    /// The kernel stamped the packet going out and the reply coming in.
    Kernel,
    /// The kernel stamped the reply; the send time was read before the system
    /// call, so that the time to send a batch (some µs per packet) is included.
    KernelReceive,
    /// The monotonic clock, read before sending and after receiving: the kernel
    /// gave no stamp, or the wall clock its stamps come from was stepped.
    /// Includes the time the engine took to notice the reply.
    Monotonic,
}

/// An ICMP error message that quoted our packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// The meaning, the same for both families.
    pub kind: IcmpErrorKind,
    /// ICMP type as received (RFC 792; RFC 4443).
    pub icmp_type: u8,
    /// ICMP code as received.
    pub code: u8,
    /// Who sent it. An address of this host means that the last hop is this host
    /// itself, typically because the neighbour did not answer ARP or discovery.
    pub from: IpAddr,
    /// With [`IcmpErrorKind::PacketTooBig`]: the largest packet, in bytes from the
    /// IP header on, that the next link takes (RFC 1191 §4; RFC 4443 §3.2); `None`
    /// if the router did not say.
    pub mtu: Option<u32>,
}

/// The meaning of an ICMP error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IcmpErrorKind {
    /// No route to the network at some router.
    NetworkUnreachable,
    /// The host does not answer its last router, or is unknown there.
    HostUnreachable,
    /// The host does not speak the protocol.
    ProtocolUnreachable,
    /// The port is closed (odd for an echo, but some firewalls say so).
    PortUnreachable,
    /// The packet is larger than a link on the way and may not be fragmented.
    PacketTooBig,
    /// A rule forbids it (administratively prohibited, policy, reject route).
    Prohibited,
    /// The time to live / hop limit was used up on the way.
    TtlExceeded,
    /// Fragments did not arrive completely in time.
    ReassemblyExceeded,
    /// A router could not read the header.
    ParameterProblem,
    /// Any other error message; see type and code.
    Other,
}

impl IcmpErrorKind {
    /// The meaning of a type and code; `None` for messages that do not say that
    /// the packet was lost (redirect, source quench) and so end no probe.
    ///
    /// Sources: IANA "ICMP Parameters" and "`ICMPv6` Parameters"; RFC 1122 §3.2.2.1;
    /// RFC 1812 §5.2.7.1; RFC 6633 (source quench is dead).
    pub(crate) fn of(family: Family, icmp_type: u8, code: u8) -> Option<Self> {
        Some(match (family, icmp_type, code) {
            (Family::V4, 4 | 5, _) | (Family::V6, 137, _) => return None,
            (Family::V4, 3, 0 | 6 | 11) | (Family::V6, 1, 0 | 2) => Self::NetworkUnreachable,
            (Family::V4, 3, 1 | 5 | 7 | 8 | 12) | (Family::V6, 1, 3) => Self::HostUnreachable,
            (Family::V4, 3, 2) => Self::ProtocolUnreachable,
            (Family::V4, 3, 3) | (Family::V6, 1, 4) => Self::PortUnreachable,
            (Family::V4, 3, 4) | (Family::V6, 2, _) => Self::PacketTooBig,
            (Family::V4, 3, 9 | 10 | 13..=15) | (Family::V6, 1, 1 | 5 | 6) => Self::Prohibited,
            (Family::V4, 11, 0) | (Family::V6, 3, 0) => Self::TtlExceeded,
            (Family::V4, 11, 1) | (Family::V6, 3, 1) => Self::ReassemblyExceeded,
            (Family::V4, 12, _) | (Family::V6, 4, _) => Self::ParameterProblem,
            _ => Self::Other,
        })
    }
}

/// A fault of this host. Nothing here is the peer's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// Neither kind of socket may be opened: the user is in no group of
    /// `net.ipv4.ping_group_range` and the process has no `CAP_NET_RAW`.
    #[error(
        "opening an icmp socket for {family} is not permitted (datagram: {datagram}; raw: {raw})"
    )]
    NoPermission {
        /// Which family.
        family: Family,
        /// What opening a datagram ("ping") socket said.
        datagram: Errno,
        /// What opening a raw socket said.
        raw: Errno,
    },
    /// This host does not have the address family at all.
    #[error("this host has no {family}: {errno}")]
    NoFamily {
        /// Which family.
        family: Family,
        /// What opening a socket said.
        errno: Errno,
    },
    /// The sockets could not be opened for another reason, such as `EMFILE`.
    #[error("opening an icmp socket for {family} failed (datagram: {datagram}; raw: {raw})")]
    NoSocket {
        /// Which family.
        family: Family,
        /// What opening a datagram ("ping") socket said.
        datagram: Errno,
        /// What opening a raw socket said.
        raw: Errno,
    },
    /// No route: `ENETUNREACH`; an `unreachable` route: `EHOSTUNREACH`; a
    /// `blackhole` route: `EINVAL` (ip-route(8)).
    #[error("sending: no route to the peer: {0}")]
    NoRoute(Errno),
    /// The interface is down or gone: `ENETDOWN`, `ENODEV`, `ENXIO`.
    #[error("sending: the interface is down: {0}")]
    InterfaceDown(Errno),
    /// Forbidden here: `EPERM` by a packet filter, `EACCES` by a `prohibit` route
    /// or because the peer is a broadcast address (ip(7)).
    #[error("sending was refused by this host: {0}")]
    Denied(Errno),
    /// The kernel or the interface queue had no room: `ENOBUFS`, `ENOMEM`, or the
    /// socket stayed unwritable for 100 ms (`EAGAIN`).
    #[error("sending: no buffer space: {0}")]
    NoBuffers(Errno),
    /// Larger than the interface allows where fragments are not allowed
    /// ([`crate::Request::dont_fragment`]), or than any packet can be: `EMSGSIZE`.
    #[error("sending: the packet is too large: {errno}{}", Limit(*mtu))]
    TooLarge {
        /// What sending said.
        errno: Errno,
        /// The largest packet that would have been sent, in bytes from the IP
        /// header on, if the kernel told.
        mtu: Option<u32>,
    },
    /// The source asked for is not an address of this host: `EADDRNOTAVAIL`,
    /// `EINVAL`. Some kernels say `ENETUNREACH`, which is [`NoRoute`](Self::NoRoute) here.
    #[error("sending from the given source failed: {0}")]
    BadSource(Errno),
    /// Any other error of the system call.
    #[error("sending failed: {0}")]
    Send(Errno),
    /// The request itself cannot be carried out.
    #[error("the request is not valid: {0}")]
    BadRequest(BadRequest),
    /// No reply was seen, but the receive queue of this host overflowed while the
    /// probe waited: the reply may have been dropped here.
    #[error("waiting for the reply: the receive queue overflowed")]
    ReceiveOverflow,
    /// The socket had to be opened anew while the probe was under way: what it sent
    /// cannot be answered to the new one.
    #[error("waiting for the reply: the socket had to be opened again: {0}")]
    SocketLost(Errno),
    /// The engine was stopped before the answer, or the sending, came.
    #[error("the engine was stopped")]
    Stopped,
}

/// The end of a message about a packet that is too large.
struct Limit(Option<u32>);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(mtu) => write!(f, " (more than {mtu} bytes)"),
            None => Ok(()),
        }
    }
}

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// The peer is unspecified or a multicast group, from which no reply can come.
    #[error("the peer is not a unicast address")]
    Peer,
    /// The payload has no room for the cookie, or more than a packet holds.
    #[error("payload_bytes is not in {MIN_PAYLOAD_BYTES}..={MAX_PAYLOAD_BYTES}")]
    Payload,
    /// A time to live of 0.
    #[error("ttl is 0")]
    Ttl,
    /// A code point that does not fit six bits.
    #[error("dscp is above 63")]
    Dscp,
    /// Peer and source are not of the same family.
    #[error("source and peer are not of one address family")]
    SourceFamily,
}

/// An error number of the operating system, printed as its text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl Errno {
    pub(crate) fn of(error: &io::Error) -> Self {
        Self(error.raw_os_error().unwrap_or(0))
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({}: {self})", self.0)
    }
}

impl LocalError {
    /// Tells what a failed send means. A source is the likelier culprit of an
    /// address that is not valid than a blackhole route.
    pub(crate) fn of_send(errno: Errno, with_source: bool, mtu: Option<u32>) -> Self {
        match errno.0 {
            libc::EADDRNOTAVAIL => Self::BadSource(errno),
            libc::EINVAL if with_source => Self::BadSource(errno),
            libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EINVAL => Self::NoRoute(errno),
            libc::ENETDOWN | libc::ENODEV | libc::ENXIO => Self::InterfaceDown(errno),
            libc::EPERM | libc::EACCES => Self::Denied(errno),
            libc::ENOBUFS | libc::ENOMEM | libc::EAGAIN => Self::NoBuffers(errno),
            libc::EMSGSIZE => Self::TooLarge { errno, mtu },
            _ => Self::Send(errno),
        }
    }
}
