//! A name server on loopback that answers with whatever bytes a test gives it, over UDP, TCP and TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::Server;

/// How a question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Udp,
    Stream,
}

type Answer = Arc<dyn Fn(&Message, Over) -> Vec<Vec<u8>> + Send + Sync>;

/// Each part of an answer is a datagram, or is written to the stream as it is; after the last a stream stays open.
pub struct Oracle {
    pub address: SocketAddr,
    udp: JoinHandle<()>,
    tcp: JoinHandle<()>,
}

impl Oracle {
    pub async fn start(
        answer: impl Fn(&Message, Over) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let answer: Answer = Arc::new(answer);
        let (udp, tcp) = both().await;
        let address = udp.local_addr().expect("a bound socket has an address");
        Self {
            address,
            udp: tokio::spawn(datagrams(udp, Arc::clone(&answer))),
            tcp: tokio::spawn(async move {
                loop {
                    if let Ok((stream, _)) = tcp.accept().await {
                        let answer = Arc::clone(&answer);
                        tokio::spawn(async move { drop(converse(stream, &answer).await) });
                    }
                }
            }),
        }
    }

    /// Over TLS, on a port of its own.
    pub async fn encrypted(
        acceptor: TlsAcceptor,
        answer: impl Fn(&Message, Over) -> Vec<Vec<u8>> + Send + Sync + 'static,
    ) -> Server {
        let answer: Answer = Arc::new(answer);
        Server::start(move |stream| {
            let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    drop(converse(stream, &answer).await);
                }
            }
        })
        .await
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        self.udp.abort();
        self.tcp.abort();
    }
}

async fn both() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.expect("loopback");
        let address = udp.local_addr().expect("a bound socket has an address");
        if let Ok(tcp) = TcpListener::bind(address).await {
            return (udp, tcp);
        }
    }
}

async fn datagrams(socket: UdpSocket, answer: Answer) {
    let mut buffer = [0; 1024];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let Ok(query) = Message::from_vec(&buffer[..length]) else {
            continue;
        };
        for part in answer(&query, Over::Udp) {
            drop(socket.send_to(&part, from).await);
        }
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: &Answer,
) -> std::io::Result<()> {
    let length = stream.read_u16().await?;
    let mut buffer = vec![0; length.into()];
    stream.read_exact(&mut buffer).await?;
    let query = Message::from_vec(&buffer).map_err(std::io::Error::other)?;
    let parts = answer(&query, Over::Stream);
    let is_over = parts.is_empty();
    for part in parts {
        stream.write_all(&part).await?;
        stream.flush().await?;
    }
    if !is_over {
        // until the prober goes
        drop(stream.read_u8().await);
    }
    Ok(())
}

/// An answer to `query` without any records.
pub fn empty(query: &Message) -> Message {
    let mut message = Message::response(query.metadata.id, query.metadata.op_code);
    message.metadata.recursion_desired = true;
    message.metadata.recursion_available = true;
    message.add_query(query.queries[0].clone());
    message
}

/// One with these records, of the name that was asked for.
pub fn with(query: &Message, records: &[RData]) -> Message {
    let mut message = empty(query);
    let name = query.queries[0].name().clone();
    for record in records {
        let record = Record::from_rdata(name.clone(), 60, record.clone());
        message.answers.push(record);
    }
    message
}

pub fn code(query: &Message, code: ResponseCode) -> Message {
    let mut message = empty(query);
    message.metadata.response_code = code;
    message
}

pub fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

pub fn bytes(message: &Message) -> Vec<u8> {
    message.to_vec().expect("an answer")
}

/// As it travels in a stream (RFC 1035 section 4.2.2).
pub fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("a message fits");
    [&length.to_be_bytes(), bytes].concat()
}

/// One message, as its transport wants it.
pub fn sent(message: &Message, over: Over) -> Vec<Vec<u8>> {
    match over {
        Over::Udp => vec![bytes(message)],
        Over::Stream => vec![framed(&bytes(message))],
    }
}
