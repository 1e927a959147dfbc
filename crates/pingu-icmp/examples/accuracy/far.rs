//! The far end: answers each echo after a while, and tells how long it was there.

use std::collections::BTreeMap;
use std::io::{IoSliceMut, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use super::Failure;

const HOLD: Duration = Duration::from_millis(1);

/// Answers until `count` probes have come and gone, then prints a line for each:
/// the last 16 bits of the peer's address, and the nanoseconds it was here.
pub fn respond(count: usize) -> Result<(), Failure> {
    let requests = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    requests.set_recv_buffer_size(4 << 20)?;
    let replies = Socket::new(
        Domain::IPV4,
        Type::RAW,
        Some(Protocol::from(libc::IPPROTO_RAW)),
    )?;
    replies.set_header_included_v4(true)?;
    let tap = socket(
        AddressFamily::Packet,
        SockType::Datagram,
        SockFlag::empty(),
        SockProtocol::EthAll,
    )?;
    setsockopt(&tap, sockopt::ReceiveTimestampns, &true)?;
    setsockopt(&tap, sockopt::RcvBufForce, &(64 << 20))?;

    let (sender, held) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        for (due, packet) in held {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let to = Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]);
            // One that is not sent is one that is not measured.
            let _ = replies.send_to(&packet, &SocketAddr::from((to, 0)).into());
        }
    });
    thread::spawn(move || {
        let mut buffer = [0; 2_000];
        while let Ok(length) = (&requests).read(&mut buffer) {
            if buffer[20] == 8
                && sender
                    .send((Instant::now() + HOLD, reply(&buffer[..length])))
                    .is_err()
            {
                return;
            }
        }
    });
    println!("ready");

    let mut came: BTreeMap<u16, i64> = BTreeMap::new();
    let mut gone: BTreeMap<u16, i64> = BTreeMap::new();
    let mut buffer = [0; 2_000];
    let mut space = nix::cmsg_space!(TimeSpec);
    while gone.len() < count {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        // Nobody waits on the tap: a wake-up by each packet would delay it.
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = match recvmsg::<()>(tap.as_raw_fd(), &mut parts, Some(&mut space), flags) {
            Ok(message) => message,
            Err(Errno::EAGAIN) => {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let stamp = message.cmsgs()?.find_map(|told| match told {
            ControlMessageOwned::ScmTimestampns(stamp) => Some(nanoseconds(stamp)),
            _ => None,
        });
        let (Some(stamp), 28..) = (stamp, message.bytes) else {
            continue;
        };
        // Behind an IPv4 header without options: the type of the message.
        match (buffer[9], buffer[20]) {
            (1, 8) => drop(came.insert(u16::from_be_bytes([buffer[18], buffer[19]]), stamp)),
            (1, 0) => drop(gone.insert(u16::from_be_bytes([buffer[14], buffer[15]]), stamp)),
            _ => {}
        }
    }
    for (peer, left) in gone {
        if let Some(came) = came.get(&peer) {
            println!("{peer} {}", left - came);
        }
    }
    Ok(())
}

fn nanoseconds(stamp: TimeSpec) -> i64 {
    stamp.tv_sec() * 1_000_000_000 + stamp.tv_nsec()
}

/// The reply to a request, with its IP header.
fn reply(request: &[u8]) -> Vec<u8> {
    let mut packet = request.to_vec();
    packet[12..20].rotate_left(4);
    packet[20] = 0;
    // The type alone changed, from 8: the sum is smaller by that, its complement larger.
    let sum = u32::from(u16::from_be_bytes([packet[22], packet[23]])) + 0x0800;
    let sum = (sum & 0xffff) + (sum >> 16);
    packet[22..24].copy_from_slice(&(sum as u16).to_be_bytes());
    packet
}
