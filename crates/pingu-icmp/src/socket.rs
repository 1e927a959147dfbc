//! One long-lived ICMP socket of one family: opened the best way this host
//! allows, with stamps, error queue, filter and large buffers.
//!
//! Promises: only echo replies and errors reach the caller; nothing blocks; an
//! option this kernel lacks costs what it would have told, not the socket. Leaves
//! out: what is received (see `received`).
//!
//! Sources: icmp(7), raw(7), ip(7), ipv6(7), socket(7), Linux
//! Documentation/networking/timestamping.rst.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::{Domain, Protocol, Socket as Descriptor, Type};

use crate::engine::{Config, SocketKind};
use crate::outcome::{Errno, LocalError};
use crate::received::Reader;
use crate::request::Family;
use crate::sys::{self, Inbox, Outgoing};

// linux/icmp.h, linux/icmpv6.h, linux/sock_diag.h, asm-generic/socket.h
const SOL_RAW: i32 = 255;
const ICMP_FILTER: i32 = 1;
const SOL_ICMPV6: i32 = 58;
const ICMPV6_FILTER: i32 = 1;
const SO_MEMINFO: i32 = 55;
const SK_MEMINFO_DROPS: usize = 8;

const STAMPS_IN: u32 = libc::SOF_TIMESTAMPING_RX_SOFTWARE | libc::SOF_TIMESTAMPING_SOFTWARE;
const STAMPS_OUT: u32 = libc::SOF_TIMESTAMPING_TX_SOFTWARE
    | libc::SOF_TIMESTAMPING_OPT_ID
    | libc::SOF_TIMESTAMPING_OPT_TSONLY;

#[derive(Debug)]
pub struct Socket {
    descriptor: Descriptor,
    pub reader: Reader,
    /// Whether the kernel stamps what is sent.
    pub stamps_sent: bool,
    /// Whether packets are sent whole or not at all.
    whole: bool,
    /// What path MTU discovery was like before it was first changed.
    discovery: Option<i32>,
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
        Err(refusal(family, datagram, raw))
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
            reader: Reader { family, kind, id },
            stamps_sent: false,
            whole: false,
            discovery: None,
        };
        if kind == SocketKind::Raw {
            // First, so that hardly anything unwanted is queued before it.
            socket.filter()?;
        }
        socket.descriptor.set_nonblocking(true)?;
        socket.buffers(config);
        socket.notices();
        socket.stamps(config.transmit_stamps);
        if kind == SocketKind::Datagram {
            socket.reader.id = socket.identify()?;
        }
        Ok(socket)
    }

    /// Lets echo replies alone through. Errors come by the error queue.
    fn filter(&self) -> io::Result<()> {
        match self.reader.family {
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
    fn notices(&self) {
        let (level, errors, ttl) = match self.reader.family {
            Family::V4 => (libc::IPPROTO_IP, libc::IP_RECVERR, libc::IP_RECVTTL),
            Family::V6 => (
                libc::IPPROTO_IPV6,
                libc::IPV6_RECVERR,
                libc::IPV6_RECVHOPLIMIT,
            ),
        };
        let options = [
            (level, errors),
            (level, ttl),
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL),
        ];
        for (level, option) in options {
            if option == ttl
                && self.reader.family == Family::V4
                && self.reader.kind == SocketKind::Raw
            {
                continue; // it is in the IP header that comes with every packet
            }
            // Linux has all three; some sandboxes that pass for it have not.
            drop(sys::set_option(
                self.fd(),
                level,
                option,
                &1i32.to_ne_bytes(),
            ));
        }
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
        let any: SocketAddr = match self.reader.family {
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

    /// Lets the packets from now on be sent `whole` or not at all, or as the system likes.
    pub fn send_whole(&mut self, whole: bool) -> io::Result<()> {
        if whole == self.whole {
            return Ok(());
        }
        let (level, option, probe) = match self.reader.family {
            Family::V4 => (
                libc::IPPROTO_IP,
                libc::IP_MTU_DISCOVER,
                libc::IP_PMTUDISC_PROBE,
            ),
            Family::V6 => (
                libc::IPPROTO_IPV6,
                libc::IPV6_MTU_DISCOVER,
                libc::IPV6_PMTUDISC_PROBE,
            ),
        };
        let before = if let Some(before) = self.discovery {
            before
        } else {
            let mut bytes = [0; 4];
            sys::option(self.fd(), level, option, &mut bytes)?;
            *self.discovery.insert(i32::from_ne_bytes(bytes))
        };
        let value = if whole { probe } else { before };
        sys::set_option(self.fd(), level, option, &value.to_ne_bytes())?;
        self.whole = whole;
        Ok(())
    }

    /// Reads up to `limit` packets; none is 0.
    pub fn receive(&self, inbox: &mut Inbox, limit: usize) -> io::Result<usize> {
        none_as_zero(sys::receive(self.fd(), inbox, false, limit))
    }

    /// Reads up to `limit` entries of the error queue; none is 0.
    pub fn receive_notices(&self, inbox: &mut Inbox, limit: usize) -> io::Result<usize> {
        none_as_zero(sys::receive(self.fd(), inbox, true, limit))
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
}

fn none_as_zero(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}

/// What it means that neither kind of socket could be opened.
fn refusal(family: Family, datagram: Errno, raw: Errno) -> LocalError {
    let both = [datagram.0, raw.0];
    let denied = |errno| matches!(errno, libc::EPERM | libc::EACCES);
    // Without the kind of socket, or not asked for it: the other one decides.
    let settled = |errno| denied(errno) || errno == libc::EPROTONOSUPPORT;
    if both.contains(&libc::EAFNOSUPPORT) {
        let errno = Errno(libc::EAFNOSUPPORT);
        LocalError::NoFamily { family, errno }
    } else if both.into_iter().any(denied) && both.into_iter().all(settled) {
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missing_is_told_apart() {
        let family = Family::V6;
        let refusal = |datagram, raw| refusal(family, Errno(datagram), Errno(raw));
        assert!(matches!(
            refusal(libc::EAFNOSUPPORT, libc::EAFNOSUPPORT),
            LocalError::NoFamily {
                family: Family::V6,
                ..
            }
        ));
        for (datagram, raw) in [
            (libc::EACCES, libc::EPERM),
            (libc::EPROTONOSUPPORT, libc::EPERM),
            (libc::EACCES, libc::EPROTONOSUPPORT),
        ] {
            assert!(matches!(
                refusal(datagram, raw),
                LocalError::NoPermission { .. }
            ));
        }
        for (datagram, raw) in [
            (libc::EMFILE, libc::EMFILE),
            (libc::EACCES, libc::EMFILE),
            (libc::EPROTONOSUPPORT, libc::EPROTONOSUPPORT),
        ] {
            assert!(matches!(
                refusal(datagram, raw),
                LocalError::NoSocket { .. }
            ));
        }
    }
}
