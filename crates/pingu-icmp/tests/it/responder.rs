//! Plays the far end on a loopback whose kernel is silent: receives echo
//! requests raw and sends whatever a test wants to be received.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::batch::PATIENCE;

/// An IPv4 echo request as the far end sees it.
#[derive(Debug, Clone)]
pub struct Asked {
    pub source: Ipv4Addr,
    pub peer: Ipv4Addr,
    pub tos: u8,
    /// The IP header, as it came.
    pub header: Vec<u8>,
    /// From the ICMP header on.
    pub icmp: Vec<u8>,
}

/// IPv4: whole packets are written, so that every byte can be wrong.
pub struct Responder {
    receiver: Socket,
    sender: Socket,
}

impl Responder {
    pub fn open() -> Self {
        let receiver = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
        receiver.set_read_timeout(Some(PATIENCE)).unwrap();
        receiver.set_recv_buffer_size(4 << 20).unwrap();
        let sender = Socket::new(
            Domain::IPV4,
            Type::RAW,
            Some(Protocol::from(libc::IPPROTO_RAW)),
        )
        .unwrap();
        sender.set_header_included_v4(true).unwrap();
        Self { receiver, sender }
    }

    /// The next echo request.
    pub fn next(&self) -> Asked {
        let mut buffer = [0; 2_000];
        loop {
            let length = (&self.receiver).read(&mut buffer).expect("an echo request");
            let packet = &buffer[..length];
            let (header, icmp) = packet.split_at(usize::from(packet[0] & 15) * 4);
            if icmp[0] != 8 {
                continue;
            }
            return Asked {
                source: Ipv4Addr::new(packet[12], packet[13], packet[14], packet[15]),
                peer: Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]),
                tos: packet[1],
                header: header.to_vec(),
                icmp: icmp.to_vec(),
            };
        }
    }

    /// Sends `icmp` as it is, after an IP header with `options`.
    pub fn send(&self, from: Ipv4Addr, to: Ipv4Addr, options: &[u8], icmp: &[u8]) {
        let mut packet = vec![0; 20];
        packet[0] = 0x45 + (options.len() / 4) as u8;
        packet[8] = 61;
        packet[9] = 1;
        packet[12..16].copy_from_slice(&from.octets());
        packet[16..20].copy_from_slice(&to.octets());
        packet.extend_from_slice(options);
        packet.extend_from_slice(icmp);
        self.sender
            .send_to(&packet, &SocketAddr::from((to, 0)).into())
            .unwrap();
    }
}

/// IPv6: the kernel fills the IP header and the checksum.
pub struct Responder6(Socket);

impl Responder6 {
    /// Answers from `address`.
    pub fn open(address: IpAddr) -> Self {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.bind(&SocketAddr::from((address, 0)).into()).unwrap();
        Self(socket)
    }

    /// The next echo request, from its ICMP header on.
    pub fn next(&self) -> Vec<u8> {
        let mut buffer = [0; 2_000];
        loop {
            let length = (&self.0).read(&mut buffer).expect("an echo request");
            if buffer[0] == 128 {
                return buffer[..length].to_vec();
            }
        }
    }

    pub fn send(&self, to: IpAddr, icmp: &[u8]) {
        self.0
            .send_to(icmp, &SocketAddr::from((to, 0)).into())
            .unwrap();
    }
}

/// Makes the reply to an IPv4 request after `change`, with the right checksum.
pub fn answer(request: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut icmp = request.to_vec();
    icmp[0] = 0;
    change(&mut icmp);
    with_checksum(icmp)
}

pub fn with_checksum(mut icmp: Vec<u8>) -> Vec<u8> {
    icmp[2..4].fill(0);
    let mut sum: u32 = icmp
        .chunks(2)
        .map(|pair| {
            u32::from(u16::from_be_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or(0),
            ]))
        })
        .sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    icmp[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    icmp
}

/// An ICMP error of `icmp_type` and `code` that quotes `quoted` (from its IP header on).
pub fn error(icmp_type: u8, code: u8, quoted: &[u8]) -> Vec<u8> {
    let mut icmp = vec![icmp_type, code, 0, 0, 0, 0, 0, 0];
    icmp.extend_from_slice(quoted);
    with_checksum(icmp)
}
