//! What a socket received, read from its bytes: packets, and entries of the error
//! queue.
//!
//! Promises: a raw socket's IP header is stripped, options and all, and its
//! checksums are verified; no bytes panic. Leaves out: belief (see `ledger`).

use std::net::IpAddr;

use crate::control::{self, ExtendedError};
use crate::engine::SocketKind;
use crate::ledger::Arrival;
use crate::packet::{self, Malformed};
use crate::request::Family;
use crate::sys::Incoming;

// linux/errqueue.h
const SO_EE_ORIGIN_LOCAL: u8 = 1;
const SO_EE_ORIGIN_ICMP: u8 = 2;
const SO_EE_ORIGIN_ICMP6: u8 = 3;
const SO_EE_ORIGIN_TIMESTAMPING: u8 = 4;

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
    /// Packet `number` (counted from the last `Socket::restart_stamps`) left at `stamp`.
    Stamped { number: u32, stamp: i64 },
    /// An ICMP error about a packet to `peer`.
    Icmp {
        error: ExtendedError,
        from: IpAddr,
        peer: IpAddr,
        scope: u32,
    },
    /// A packet just refused is larger than this many bytes.
    TooLarge { mtu: u32 },
    /// Something else.
    Other,
}

/// What decides how a socket's packets are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    pub family: Family,
    pub kind: SocketKind,
    /// The identifier of every packet sent, and so of every reply that can be ours.
    pub id: u16,
}

impl Reader {
    /// Reads a packet, and the drop counter that came with it.
    pub fn read(self, message: &Incoming<'_>) -> (Received, Option<u32>) {
        let told = control::incoming(message.control);
        let received = match self.read_reply(message, &told) {
            Ok(received) => received,
            Err(_) => Received::Malformed,
        };
        (received, told.drops)
    }

    fn read_reply(
        self,
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
                damaged_at: packet::damage(icmp),
                stamp: told.stamp,
            },
        ))
    }
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
        SO_EE_ORIGIN_LOCAL if error.errno == libc::EMSGSIZE as u32 && error.info != 0 => {
            Notice::TooLarge { mtu: error.info }
        }
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
