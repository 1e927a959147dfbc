//! Socket addresses and control messages as bytes, in the kernel's layout:
//! written for sendmmsg(2), read from recvmmsg(2), without a pointer.
//!
//! Promises: no bytes panic the readers. Leaves out: the system calls.
//!
//! Sources: cmsg(3), ip(7), ipv6(7), Linux Documentation/networking/timestamping.rst.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::request::{Family, Request};

/// Holds `sockaddr_in` (16) and `sockaddr_in6` (28).
pub const NAME_BYTES: usize = 28;
/// Holds time to live, traffic class and packet info of either family.
pub const CONTROL_OUT_BYTES: usize = 96;
/// Holds three stamps, hop limit, drop counter and an extended error with its offender.
pub const CONTROL_IN_BYTES: usize = 256;

const ALIGN: usize = size_of::<usize>();
const HEADER: usize = size_of::<libc::cmsghdr>().next_multiple_of(ALIGN);

/// A few bytes of a fixed buffer.
#[derive(Debug, Clone, Copy)]
pub struct Short<const N: usize> {
    bytes: [u8; N],
    length: u8,
}

impl<const N: usize> Short<N> {
    const EMPTY: Self = Self {
        bytes: [0; N],
        length: 0,
    };

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    fn extend(&mut self, more: &[u8]) {
        let start = usize::from(self.length);
        self.bytes[start..start + more.len()].copy_from_slice(more);
        self.length += more.len() as u8;
    }
}

/// A socket address with port 0.
pub fn name(address: IpAddr, scope: u32) -> Short<NAME_BYTES> {
    let mut name = Short::EMPTY;
    match address {
        IpAddr::V4(v4) => {
            name.extend(&(libc::AF_INET as u16).to_ne_bytes());
            name.extend(&[0; 2]);
            name.extend(&v4.octets());
            name.extend(&[0; 8]);
        }
        IpAddr::V6(v6) => {
            name.extend(&(libc::AF_INET6 as u16).to_ne_bytes());
            name.extend(&[0; 6]);
            name.extend(&v6.octets());
            name.extend(&scope.to_ne_bytes());
        }
    }
    name
}

/// Reads a socket address: address and scope.
pub fn read_name(bytes: &[u8]) -> Option<(IpAddr, u32)> {
    let family = i32::from(u16::from_ne_bytes(*bytes.first_chunk()?));
    match family {
        libc::AF_INET => {
            let octets: [u8; 4] = *bytes.get(4..)?.first_chunk()?;
            Some((Ipv4Addr::from(octets).into(), 0))
        }
        libc::AF_INET6 => {
            let octets: [u8; 16] = *bytes.get(8..)?.first_chunk()?;
            let scope = u32::from_ne_bytes(*bytes.get(24..)?.first_chunk()?);
            Some((Ipv6Addr::from(octets).into(), scope))
        }
        _ => None,
    }
}

/// The control messages a request needs: none for an ordinary one.
pub fn outgoing(family: Family, request: &Request) -> Short<CONTROL_OUT_BYTES> {
    let mut control = Short::EMPTY;
    let (level, ttl, class, info) = match family {
        Family::V4 => (
            libc::IPPROTO_IP,
            libc::IP_TTL,
            libc::IP_TOS,
            libc::IP_PKTINFO,
        ),
        Family::V6 => (
            libc::IPPROTO_IPV6,
            libc::IPV6_HOPLIMIT,
            libc::IPV6_TCLASS,
            libc::IPV6_PKTINFO,
        ),
    };
    if let Some(value) = request.ttl {
        append(&mut control, level, ttl, &i32::from(value).to_ne_bytes());
    }
    if let Some(value) = request.dscp {
        // The code point is the upper six bits of the byte (RFC 2474 §3).
        append(
            &mut control,
            level,
            class,
            &i32::from(value << 2).to_ne_bytes(),
        );
    }
    match request.source {
        Some(IpAddr::V4(source)) => {
            let mut bytes = [0; 12]; // in_pktinfo: interface, spec_dst, addr
            bytes[4..8].copy_from_slice(&source.octets());
            append(&mut control, level, info, &bytes);
        }
        Some(IpAddr::V6(source)) => {
            let mut bytes = [0; 20]; // in6_pktinfo: addr, interface
            bytes[..16].copy_from_slice(&source.octets());
            bytes[16..].copy_from_slice(&request.scope.to_ne_bytes());
            append(&mut control, level, info, &bytes);
        }
        None => {}
    }
    control
}

fn append<const N: usize>(control: &mut Short<N>, level: i32, kind: i32, data: &[u8]) {
    let mut header = [0; HEADER];
    header[..ALIGN].copy_from_slice(&(HEADER + data.len()).to_ne_bytes());
    header[ALIGN..ALIGN + 4].copy_from_slice(&level.to_ne_bytes());
    header[ALIGN + 4..ALIGN + 8].copy_from_slice(&kind.to_ne_bytes());
    control.extend(&header);
    control.extend(data);
    let padding = data.len().next_multiple_of(ALIGN) - data.len();
    control.extend(&[0; ALIGN][..padding]);
}

/// Each control message: level, type, data.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (i32, i32, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from_ne_bytes(*bytes.first_chunk()?);
        let level = i32::from_ne_bytes(*bytes.get(ALIGN..)?.first_chunk()?);
        let kind = i32::from_ne_bytes(*bytes.get(ALIGN + 4..)?.first_chunk()?);
        let data = bytes.get(HEADER..length)?;
        bytes = bytes
            .get(length.checked_next_multiple_of(ALIGN)?..)
            .unwrap_or(&[]);
        Some((level, kind, data))
    })
}

/// What the kernel told beside a packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ancillary {
    /// Software stamp, ns since 1970.
    pub stamp: Option<i64>,
    pub ttl: Option<u8>,
    /// Packets this socket has dropped since it was opened, modulo 2^32.
    pub drops: Option<u32>,
    pub error: Option<ExtendedError>,
}

/// `sock_extended_err` of ip(7) and its offender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedError {
    pub errno: u32,
    pub origin: u8,
    pub icmp_type: u8,
    pub code: u8,
    /// For a stamp: which (0: handed to the device). For a packet that was too
    /// large: the largest that is not.
    pub info: u32,
    /// For a stamp: the number of the packet.
    pub data: u32,
    pub offender: Option<IpAddr>,
}

pub fn incoming(bytes: &[u8]) -> Ancillary {
    let mut told = Ancillary::default();
    for (level, kind, data) in messages(bytes) {
        match (level, kind) {
            // Both layouts begin with a timespec; of the three of SCM_TIMESTAMPING
            // the first is the software stamp.
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING | libc::SCM_TIMESTAMPNS) => {
                told.stamp = timespec(data).or(told.stamp);
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
                told.drops = data.first_chunk().map(|word| u32::from_ne_bytes(*word));
            }
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                told.ttl = data
                    .first_chunk()
                    .and_then(|word| u8::try_from(i32::from_ne_bytes(*word)).ok());
            }
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                told.error = extended_error(data);
            }
            _ => {}
        }
    }
    told
}

fn timespec(data: &[u8]) -> Option<i64> {
    // `long` of the platform, as in the layouts behind SO_TIMESTAMPING here.
    const WORD: usize = size_of::<libc::time_t>();
    let seconds = libc::time_t::from_ne_bytes(*data.first_chunk()?);
    let nanos = libc::time_t::from_ne_bytes(*data.get(WORD..)?.first_chunk()?);
    let stamp = seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?;
    (stamp != 0).then_some(stamp)
}

fn extended_error(data: &[u8]) -> Option<ExtendedError> {
    let head: &[u8; 16] = data.first_chunk()?;
    let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    Some(ExtendedError {
        errno: word(0),
        origin: head[4],
        icmp_type: head[5],
        code: head[6],
        info: word(8),
        data: word(12),
        offender: read_name(&data[16..]).map(|(address, _)| address),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_request_asks_for_is_in_the_control_messages() {
        for (peer, source) in [("127.0.0.1", "127.0.0.9"), ("::1", "::1")] {
            let peer: IpAddr = peer.parse().unwrap();
            let mut request = Request::new(1, peer);
            let family = if peer.is_ipv4() {
                Family::V4
            } else {
                Family::V6
            };
            assert!(outgoing(family, &request).as_slice().is_empty());
            request.ttl = Some(7);
            request.dscp = Some(46);
            request.source = Some(source.parse().unwrap());
            let control = outgoing(family, &request);
            let read: Vec<_> = messages(control.as_slice()).collect();
            assert_eq!(read.len(), 3);
            assert_eq!(read[0].2, 7i32.to_ne_bytes());
            assert_eq!(read[1].2, 184i32.to_ne_bytes());
            assert_eq!(incoming(control.as_slice()).ttl, Some(7));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_the_readers(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = incoming(&bytes);
            let _ = read_name(&bytes);
            let _ = extended_error(&bytes);
        }

        #[test]
        fn small_lengths_do_not_panic_or_hang(length in 0usize..64, kind in 0i32..64, rest in proptest::collection::vec(any::<u8>(), 0..80)) {
            let mut bytes = length.to_ne_bytes().to_vec();
            bytes.extend_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.extend_from_slice(&rest);
            let _ = incoming(&bytes);
        }

        #[test]
        fn an_address_reads_back(address in any::<IpAddr>(), scope in any::<u32>()) {
            let expected = if address.is_ipv4() { 0 } else { scope };
            prop_assert_eq!(read_name(name(address, scope).as_slice()), Some((address, expected)));
        }
    }
}
