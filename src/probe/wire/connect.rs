//! A TCP connection to the first of several addresses that takes it.
//!
//! Attempts begin 250 ms apart, the families in turn (RFC 8305 "Happy Eyeballs" sections 4 and 5), so a dead address delays a live one
//! by that and no more. The first to stand wins, the others are dropped.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::failure::{self, Fault, Moment};

/// RFC 8305 section 8, "Connection Attempt Delay".
const STAGGER: Duration = Duration::from_millis(250);
/// Of a name with more addresses the first are tried: a hostile name server must not make us open hundreds of sockets.
const MOST: usize = 8;

/// Connects to one of `addresses` (never empty) on `port`.
pub async fn to_any(addresses: &[SocketAddr], port: u16) -> Result<(TcpStream, SocketAddr), Fault> {
    let addresses = in_turn(addresses, port);
    if let [only] = addresses[..] {
        return to(only).await;
    }
    let mut waiting = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut fault: Option<Fault> = None;
    loop {
        let more = waiting.next().map(|address| attempts.push(to(address)));
        let ended = if more.is_some() && waiting.len() > 0 {
            tokio::select! {
                ended = attempts.next() => ended,
                () = sleep(STAGGER) => continue,
            }
        } else {
            attempts.next().await
        };
        match ended {
            Some(Ok(connected)) => return Ok(connected),
            Some(Err(new)) => fault = Some(more_telling(fault, new)),
            None => return Err(fault.unwrap_or_else(|| Fault::local("no address to connect to"))),
        }
    }
}

/// What a target did says more than what this machine could not try; of equals the first.
fn more_telling(old: Option<Fault>, new: Fault) -> Fault {
    match old {
        Some(old) if !old.is_local() || new.is_local() => old,
        _ => new,
    }
}

/// The families in turn, beginning with the better one, otherwise in the given order.
fn in_turn(addresses: &[SocketAddr], port: u16) -> Vec<SocketAddr> {
    let with_port = addresses.iter().map(|address| {
        let mut address = *address;
        address.set_port(port);
        address
    });
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (better, other): (Vec<_>, Vec<_>) =
        with_port.partition(|address| address.is_ipv4() == first_is_v4);
    let (mut better, mut other) = (better.into_iter(), other.into_iter());
    let mut mixed = Vec::with_capacity(addresses.len().min(MOST));
    while mixed.len() < MOST {
        let before = mixed.len();
        mixed.extend(better.next());
        mixed.extend(other.next());
        if mixed.len() == before {
            break;
        }
    }
    mixed.truncate(MOST);
    mixed
}

/// Connects by hand, because only then it can be told whether an error is this machine's or came from the network.
async fn to(address: SocketAddr) -> Result<(TcpStream, SocketAddr), Fault> {
    let stream =
        begin(address).map_err(|error| failure::connecting(address, &error, Moment::AtOnce))?;
    let later = |error: io::Error| failure::connecting(address, &error, Moment::Later);
    stream.writable().await.map_err(later)?;
    match stream.take_error() {
        Ok(None) => Ok((stream, address)),
        Ok(Some(error)) | Err(error) => Err(later(error)),
    }
}

/// The socket with its connection under way.
fn begin(address: SocketAddr) -> io::Result<TcpStream> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&SockAddr::from(address)) {
        Ok(()) => {}
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    TcpStream::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reason;

    fn parsed(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_and_keep_their_order() {
        let addresses = parsed(&["[::1]:0", "[::2]:0", "[::3]:0", "1.1.1.1:0", "1.1.1.2:0"]);
        let expected = parsed(&["[::1]:9", "1.1.1.1:9", "[::2]:9", "1.1.1.2:9", "[::3]:9"]);
        assert_eq!(in_turn(&addresses, 9), expected);
    }

    #[test]
    fn a_flood_of_addresses_is_cut() {
        let addresses: Vec<SocketAddr> = (0..200).map(|n| ([192, 0, 2, n], 0).into()).collect();
        assert_eq!(in_turn(&addresses, 80).len(), MOST);
    }

    #[test]
    fn a_refusal_outweighs_a_missing_route_in_any_order() {
        let local = || Fault::local("no route");
        let refused = || Fault::down(Reason::Refused, "refused");
        for (first, second) in [(local(), refused()), (refused(), local())] {
            let fault = more_telling(Some(first), second);
            assert!(!fault.is_local(), "{fault:?}");
        }
    }
}
