//! One long-lived ICMP socket of one family: opened the best way this host
//! allows, with stamps, error queue, filter and large buffers.
//!
//! Promises: only echo replies and errors reach the caller; a raw socket's IP
//! header is stripped and its checksums are verified; nothing blocks. Leaves
//! out: belief (see `ledger`).
//!
//! Sources: icmp(7), raw(7), ip(7), ipv6(7), socket(7), Linux
//! Documentation/networking/timestamping.rst.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket as Descriptor, Type};

use crate::control::{self, ExtendedError};
use crate::engine::{Config, SocketKind};
use crate::ledger::Arrival;
use crate::outcome::{Errno, LocalError};
use crate::packet::{self, Malformed};
use crate::request::Family;
use crate::sys::{self, Inbox, Incoming, Outgoing};

// linux/icmp.h, linux/icmpv6.h, linux/sock_diag.h, asm-generic/socket.h
const SOL_RAW: i32 = 255;
const ICMP_FILTER: i32 = 1;
const SOL_ICMPV6: i32 = 58;
const ICMPV6_FILTER: i32 = 1;
const SO_MEMINFO: i32 = 55;
const SK_MEMINFO_DROPS: usize = 8;
const SO_EE_ORIGIN_ICMP: u8 = 2;
const SO_EE_ORIGIN_ICMP6: u8 = 3;
const SO_EE_ORIGIN_TIMESTAMPING: u8 = 4;

const STAMPS_IN: u32 = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
const STAMPS_OUT: u32 = libc::SOF_TIMESTAMPING_TX_SOFTWARE
    | libc::SOF_TIMESTAMPING_OPT_ID
    | libc::SOF_TIMESTAMPING_OPT_TSONLY;

#[derive(Debug)]
pub struct Socket {
    descriptor: Descriptor,
    pub family: Family,
    pub kind: SocketKind,
    /// The identifier of every packet sent, and so of every reply that can be ours.
    pub id: u16,
    /// Whether the kernel stamps what is sent.
    pub stamps_sent: bool,
}

/// A packet received, as far as it can be judged without knowing what was sent.
#[derive(Debug)]
pub enum Received {
    Reply(packet::Echo, Arrival),
    /// Another process's.
    Foreign,
    Malformed,
    BadChecksum,
}

/// An entry of the error queue.
#[derive(Debug)]
pub enum Notice {
    /// Packet `number` (counted from the last [`Socket::restart_stamps`]) left at `stamp`.
    Stamped { number: u32, stamp: i64 },
    /// An ICMP error about a packet to `peer`.
    Icmp {
        error: ExtendedError,
        from: IpAddr,
        peer: IpAddr,
        scope: u32,
    },
    /// Something else.
    Other,
}

impl Socket {
    /// Opens a datagram ("ping") socket, or else a raw one. `id` is used on a raw socket.
    pub fn open(family: Family, config: &Config, id: u16) -> Result<Self, LocalError> {
        let attempt = |kind| {
            if config.socket.is_some_and(|only| only != kind) {
                return Err(io::Error::from_raw_os_error(libc::EPROTONOSUPPORT));
            }
            Self::open_kind(family, kind, config, id)
        };
        let datagram = match attempt(SocketKind::Datagram) {
            Ok(socket) => return Ok(socket),
            Err(error) => Errno::of(&error),
        };
        let raw = match attempt(SocketKind::Raw) {
            Ok(socket) => return Ok(socket),
            Err(error) => Errno::of(&error),
        };
        let denied = |errno: Errno| matches!(errno.0, libc::EPERM | libc::EACCES);
        Err(
            if [datagram, raw]
                .iter()
                .any(|errno| errno.0 == libc::EAFNOSUPPORT)
            {
                LocalError::NoFamily {
                    family,
                    errno: Errno(libc::EAFNOSUPPORT),
                }
            } else if denied(datagram) || denied(raw) {
                LocalError::NoPermission {
                    family,
                    datagram,
                    raw,
                }
            } else {
                LocalError::NoSocket {
                    family,
                    datagram,
                    raw,
                }
            },
        )
    }

    fn open_kind(family: Family, kind: SocketKind, config: &Config, id: u16) -> io::Result<Self> {
        let (domain, protocol) = match family {
            Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
            Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
        };
        let socket_type = match kind {
            SocketKind::Datagram => Type::DGRAM,
            SocketKind::Raw => Type::RAW,
        };
        let descriptor = Descriptor::new(domain, socket_type, Some(protocol))?;
        let mut socket = Self {
            descriptor,
            family,
            kind,
            id,
            stamps_sent: false,
        };
        if kind == SocketKind::Raw {
            // First, so that hardly anything unwanted is queued before it.
            socket.filter()?;
        }
        socket.descriptor.set_nonblocking(true)?;
        socket.buffers(config);
        socket.notices()?;
        socket.stamps(config.transmit_stamps);
        if kind == SocketKind::Datagram {
            socket.id = socket.identify()?;
        }
        Ok(socket)
    }

    /// Lets echo replies alone through. Errors come by the error queue.
    fn filter(&self) -> io::Result<()> {
        match self.family {
            // A set bit keeps that type out (raw(7)).
            Family::V4 => sys::set_option(self.fd(), SOL_RAW, ICMP_FILTER, &(!1u32).to_ne_bytes()),
            Family::V6 => {
                let mut blocked = [0xff; 32];
                // Type 129: bit 1 of the fifth 32-bit word.
                blocked[16..20].copy_from_slice(&(!2u32).to_ne_bytes());
                sys::set_option(self.fd(), SOL_ICMPV6, ICMPV6_FILTER, &blocked)
            }
        }
    }

    /// Large buffers: beyond the sysctl limit with `CAP_NET_ADMIN`, else up to it.
    fn buffers(&self, config: &Config) {
        let sizes = [
            (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, config.receive_buffer),
            (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, config.send_buffer),
        ];
        for (force, ask, bytes) in sizes {
            let value = i32::try_from(bytes).unwrap_or(i32::MAX).to_ne_bytes();
            if sys::set_option(self.fd(), libc::SOL_SOCKET, force, &value).is_err() {
                // The kernel caps this one and does not fail; whatever it gives is used.
                drop(sys::set_option(self.fd(), libc::SOL_SOCKET, ask, &value));
            }
        }
    }

    /// Asks for errors, time to live and the count of drops.
    ///
    /// The error queue is asked for on raw sockets too: without it Linux hides
    /// `ENOBUFS` of a full interface queue (ip(7)), and a packet dropped by this
    /// host would look like a peer that does not answer.
    fn notices(&self) -> io::Result<()> {
        let on = 1i32.to_ne_bytes();
        match self.family {
            Family::V4 => {
                sys::set_option(self.fd(), libc::IPPROTO_IP, libc::IP_RECVERR, &on)?;
                sys::set_option(self.fd(), libc::IPPROTO_IP, libc::IP_RECVTTL, &on)?;
            }
            Family::V6 => {
                sys::set_option(self.fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVERR, &on)?;
                sys::set_option(self.fd(), libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, &on)?;
            }
        }
        sys::set_option(self.fd(), libc::SOL_SOCKET, libc::SO_RXQ_OVFL, &on)
    }

    /// Asks for stamps, as good as the kernel gives them; none is survivable.
    fn stamps(&mut self, sent_too: bool) {
        let ask = |option: i32, value: u32| {
            sys::set_option(self.fd(), libc::SOL_SOCKET, option, &value.to_ne_bytes()).is_ok()
        };
        let both = sent_too && ask(libc::SO_TIMESTAMPING, STAMPS_IN | STAMPS_OUT);
        if !both && !ask(libc::SO_TIMESTAMPING, STAMPS_IN) {
            ask(libc::SO_TIMESTAMPNS, 1);
        }
        self.stamps_sent = both;
    }

    /// Starts the numbers of sent packets from 0 again: after a failed send it is
    /// not known whether the kernel counted it.
    pub fn restart_stamps(&mut self) {
        if self.stamps_sent {
            self.stamps(false);
            self.stamps(true);
        }
    }

    /// Binds a datagram socket, which makes the kernel choose its identifier.
    fn identify(&self) -> io::Result<u16> {
        let any: SocketAddr = match self.family {
            Family::V4 => ([0; 4], 0).into(),
            Family::V6 => ([0u16; 8], 0).into(),
        };
        self.descriptor.bind(&any.into())?;
        let bound = self.descriptor.local_addr()?.as_socket();
        bound
            .map(|bound| bound.port())
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    pub fn send<'a>(&self, messages: impl Iterator<Item = Outgoing<'a>>) -> io::Result<usize> {
        sys::send(self.fd(), messages)
    }

    /// Reads up to a batch of packets; none is 0.
    pub fn receive(&self, inbox: &mut Inbox) -> io::Result<usize> {
        none_as_zero(sys::receive(self.fd(), inbox, false))
    }

    /// Reads up to a batch of the error queue; none is 0.
    pub fn receive_notices(&self, inbox: &mut Inbox) -> io::Result<usize> {
        none_as_zero(sys::receive(self.fd(), inbox, true))
    }

    /// Takes the pending error off the socket.
    pub fn take_error(&self) -> Option<io::Error> {
        self.descriptor.take_error().ok().flatten()
    }

    /// How many packets found the receive queue full so far, modulo 2^32.
    pub fn drops(&self) -> Option<u32> {
        let mut words = [0; 64];
        let length = sys::option(self.fd(), libc::SOL_SOCKET, SO_MEMINFO, &mut words).ok()?;
        let word = words
            .get(..length)?
            .get(SK_MEMINFO_DROPS * 4..)?
            .first_chunk()?;
        Some(u32::from_ne_bytes(*word))
    }

    /// Reads a packet, and the drop counter that came with it.
    pub fn read(&self, message: &Incoming<'_>) -> (Received, Option<u32>) {
        let told = control::incoming(message.control);
        let received = match self.read_reply(message, &told) {
            Ok(received) => received,
            Err(_) => Received::Malformed,
        };
        (received, told.drops)
    }

    fn read_reply(
        &self,
        message: &Incoming<'_>,
        told: &control::Ancillary,
    ) -> Result<Received, Malformed> {
        let (icmp, ttl) = match (self.kind, self.family) {
            (SocketKind::Raw, Family::V4) => {
                let (icmp, ttl) = packet::strip_ipv4(message.packet)?;
                (icmp, Some(ttl))
            }
            _ => (message.packet, told.ttl),
        };
        if packet::reply_id(self.family, icmp)? != self.id {
            return Ok(Received::Foreign);
        }
        if message.truncated {
            return Err(Malformed::Kind); // longer than anything that was sent
        }
        // The kernel verifies all but raw IPv4, which it delivers before icmp_rcv() looks.
        if self.kind == SocketKind::Raw && self.family == Family::V4 && packet::checksum(icmp) != 0
        {
            return Ok(Received::BadChecksum);
        }
        let echo = packet::parse_reply(self.family, icmp)?;
        let (from, scope) = control::read_name(message.name).ok_or(Malformed::Header)?;
        let payload_bytes = (icmp.len() - packet::ECHO_HEADER) as u16;
        Ok(Received::Reply(
            echo,
            Arrival {
                from,
                scope,
                ttl,
                payload_bytes,
                stamp: told.stamp,
            },
        ))
    }

    /// Reads an entry of the error queue.
    pub fn read_notice(message: &Incoming<'_>) -> Notice {
        let told = control::incoming(message.control);
        let Some(error) = told.error else {
            return Notice::Other;
        };
        match error.origin {
            SO_EE_ORIGIN_TIMESTAMPING => match told.stamp {
                Some(stamp) => Notice::Stamped {
                    number: error.data,
                    stamp,
                },
                None => Notice::Other,
            },
            SO_EE_ORIGIN_ICMP | SO_EE_ORIGIN_ICMP6 => {
                match (error.offender, control::read_name(message.name)) {
                    (Some(from), Some((peer, scope))) => Notice::Icmp {
                        error,
                        from,
                        peer,
                        scope,
                    },
                    _ => Notice::Other,
                }
            }
            _ => Notice::Other,
        }
    }
}

fn none_as_zero(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
