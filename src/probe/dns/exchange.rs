//! The question goes out and its answer comes back, over a datagram or a stream.
//!
//! Promises bounded memory: 4 KiB for a datagram, 64 KiB for a message on a stream, which is all that its length can say.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hickory_resolver::proto::op::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::question::{Kinship, Question};
use crate::model::Reason;
use crate::probe::wire::failure::{self, Fault, Moment, source_of};
use crate::probe::wire::timeline::{Deadline, Phase, Timeline};
use crate::probe::wire::tls;

/// A message that answers the question.
pub(super) type Reply = Box<Message>;

/// Without EDNS an answer has at most 512 bytes (RFC 1035 section 4.2.1); some servers send more all the same.
const LONGEST: usize = 4096;

/// Asks from a socket, and so from a port, of its own.
pub(super) async fn over_udp(
    server: SocketAddr,
    question: &Question,
    deadline: Deadline,
    timeline: &mut Timeline,
) -> Result<Reply, Fault> {
    let here = |error: io::Error| failure::connecting(server, &error, Moment::AtOnce);
    let socket = open(server).await.map_err(here)?;
    let asked = Instant::now();
    socket.send(&question.bytes).await.map_err(here)?;
    let stuck = || format!("waiting for the answer of {server}");
    let reply = deadline
        .bound(stuck, hear(&socket, server, question))
        .await??;
    timeline.add(Phase::FirstByte, asked.elapsed());
    Ok(reply)
}

async fn open(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    Ok(socket)
}

/// Passes over whatever does not answer the question: it may be late, or forged, and the true answer may still come.
async fn hear(socket: &UdpSocket, server: SocketAddr, question: &Question) -> Result<Reply, Fault> {
    let mut buffer = vec![0; LONGEST];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(|error| {
            if error.kind() == ErrorKind::ConnectionRefused {
                let error = format!("nothing listens on {server} (ICMP port unreachable)");
                return Fault::down(Reason::Refused, error);
            }
            failure::connecting(server, &error, Moment::Later)
        })?;
        match question.recognise(&buffer[..length]) {
            Kinship::Answer(reply) => return Ok(reply),
            Kinship::Foreign => {}
            Kinship::Malformed if length == LONGEST => {
                let error = format!("an answer of {LONGEST} bytes or more over UDP");
                return Err(Fault::down(Reason::Protocol, error));
            }
            Kinship::Malformed => return Err(malformed()),
        }
    }
}

/// Asks on a connection that stands: nobody else can be speaking there, so whatever is not the answer is wrong.
pub(super) async fn over_stream(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    question: &Question,
    deadline: Deadline,
    timeline: &mut Timeline,
) -> Result<Reply, Fault> {
    let length = u16::try_from(question.bytes.len()).unwrap_or(u16::MAX);
    // in one write: some servers take the two bytes of the length for a whole message
    let framed = [&length.to_be_bytes(), &question.bytes[..]].concat();
    let asked = Instant::now();
    let asking = async {
        stream.write_all(&framed).await?;
        stream.flush().await?;
        stream.read_u8().await
    };
    let doing = "waiting for the answer";
    let stuck = || doing.to_owned();
    let first = deadline.bound(stuck, asking).await?;
    let high = first.map_err(|error| broken(&error, doing))?;
    let began = Instant::now();
    timeline.add(Phase::FirstByte, began.duration_since(asked));
    let reading = async {
        let low = stream.read_u8().await?;
        let mut bytes = vec![0; u16::from_be_bytes([high, low]).into()];
        stream.read_exact(&mut bytes).await?;
        Ok(bytes)
    };
    let doing = "reading the answer";
    let stuck = || doing.to_owned();
    let read: io::Result<Vec<u8>> = deadline.bound(stuck, reading).await?;
    let bytes = read.map_err(|error| broken(&error, doing))?;
    timeline.add(Phase::Transfer, began.elapsed());
    match question.recognise(&bytes) {
        Kinship::Answer(reply) if reply.metadata.truncation => {
            let error = "the answer is truncated even on a connection";
            Err(Fault::down(Reason::Protocol, error))
        }
        Kinship::Answer(reply) => Ok(reply),
        Kinship::Foreign => {
            let error = "the answer is to another question";
            Err(Fault::down(Reason::Protocol, error))
        }
        Kinship::Malformed => Err(malformed()),
    }
}

fn malformed() -> Fault {
    Fault::down(Reason::Protocol, "the answer is no DNS message")
}

fn broken(error: &io::Error, doing: &str) -> Fault {
    match source_of::<rustls::Error>(error as &(dyn StdError + 'static)) {
        Some(error) => tls::broken(error, doing),
        None => failure::broken(error, doing),
    }
}
