//! One name server: queries leave, answers come back to whoever asked.
//!
//! All queries share one connected UDP socket, told apart by their ids, so ten thousand names that never answer hold a table of ids
//! and not ten thousand descriptors (a socket for each query is what the resolver library does). Against forged answers there are a
//! random id, the question, the kernel's check of the peer, and a source port that changes every [`Wire::LIFE`]. A truncated answer is
//! asked for again over TCP. Promises nothing about time: whoever asks bounds it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::proto::op::{Message, MessageType, Query};
use hickory_resolver::proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{Semaphore, oneshot};

pub(super) struct NameServer {
    address: SocketAddr,
    wire: Mutex<Option<Arc<Wire>>>,
    tcp: Semaphore,
}

/// A socket and those who wait for an answer on it.
struct Wire {
    socket: Arc<UdpSocket>,
    waiting: Arc<Waiting>,
    born: Instant,
    reader: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Waiting(Mutex<HashMap<u16, Waiter>>);

struct Waiter {
    query: Query,
    /// Taken by the answer; the id stays in use until its [`Place`] goes.
    answer: Option<oneshot::Sender<io::Result<Message>>>,
}

/// Frees an id when the one who asked has the answer or has gone.
struct Place<'a> {
    waiting: &'a Waiting,
    id: u16,
}

impl NameServer {
    /// Truncated answers are rare; this many at once are plenty and bound the descriptors.
    const TCP_AT_ONCE: usize = 16;

    pub(super) fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            address,
            wire: Mutex::new(None),
            tcp: Semaphore::new(Self::TCP_AT_ONCE),
        })
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks once and waits for ever. Errors are of the way there: nothing listens, no route, no descriptors.
    pub(super) async fn ask(&self, name: &Name, record_type: RecordType) -> io::Result<Message> {
        let query = Query::query(name.clone(), record_type);
        let wire = self.wire().await?;
        let (place, answer) = wire.waiting.join(&query)?;
        let mut message = Message::query();
        message.metadata.id = place.id;
        message.metadata.recursion_desired = true;
        message.add_query(query.clone());
        let bytes = message.to_vec().map_err(io::Error::other)?;
        // the first error may be the refusal of an earlier query, kept by the socket
        if wire.socket.send(&bytes).await.is_err() {
            wire.socket.send(&bytes).await?;
        }
        let answer = answer
            .await
            .map_err(|_| io::Error::other("the socket was closed"))??;
        if answer.metadata.truncation {
            return self.ask_over_tcp(&bytes, &query).await;
        }
        Ok(answer)
    }

    /// The next query opens a new socket: this machine's own address may have changed under the old one.
    pub(super) fn renew(&self) {
        *self.current() = None;
    }

    async fn wire(&self) -> io::Result<Arc<Wire>> {
        if let Some(wire) = self.current().as_ref()
            && wire.born.elapsed() < Wire::LIFE
            && wire.waiting.table().len() < Wire::CROWD
        {
            return Ok(wire.clone());
        }
        let wire = Arc::new(Wire::open(self.address).await?);
        *self.current() = Some(wire.clone());
        Ok(wire)
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Arc<Wire>>> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_over_tcp(&self, bytes: &[u8], query: &Query) -> io::Result<Message> {
        let _permit = self.tcp.acquire().await.map_err(io::Error::other)?;
        let mut stream = TcpStream::connect(self.address).await?;
        let length = u16::try_from(bytes.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes(), bytes].concat();
        stream.write_all(&framed).await?;
        let length = stream.read_u16().await?;
        let mut buffer = vec![0; usize::from(length)];
        stream.read_exact(&mut buffer).await?;
        let message = Message::from_vec(&buffer).map_err(io::Error::other)?;
        if buffer.get(..2) == bytes.get(..2) && message.queries.first() == Some(query) {
            Ok(message)
        } else {
            Err(io::Error::other("the answer is to another question"))
        }
    }
}

impl Wire {
    /// How long one source port is used.
    const LIFE: Duration = Duration::from_secs(30);
    /// With more waiting than this, the next opens another socket: ids must stay easy to find and hard to guess.
    const CROWD: usize = 16_384;
    /// Without EDNS an answer has at most 512 bytes (RFC 1035 section 4.2.1); some servers send more all the same.
    const LONGEST: usize = 4096;

    async fn open(server: SocketAddr) -> io::Result<Self> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = Arc::new(UdpSocket::bind((any, 0)).await?);
        socket.connect(server).await?;
        let waiting = Arc::new(Waiting::default());
        let reader = tokio::spawn(Self::read(socket.clone(), waiting.clone()));
        Ok(Self {
            socket,
            waiting,
            born: Instant::now(),
            reader,
        })
    }

    async fn read(socket: Arc<UdpSocket>, waiting: Arc<Waiting>) {
        let mut buffer = vec![0; Self::LONGEST];
        loop {
            match socket.recv(&mut buffer).await {
                Ok(length) => waiting.deliver(&buffer[..length]),
                Err(error) => {
                    waiting.fail(&error);
                    // an error that stays must not spin
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Waiting {
    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<u16, Waiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(
        &self,
        query: &Query,
    ) -> io::Result<(Place<'_>, oneshot::Receiver<io::Result<Message>>)> {
        let mut table = self.table();
        // half of the ids stay free, so a random one is found in a few draws
        let id = (0..64)
            .filter(|_| table.len() < usize::from(u16::MAX / 2))
            .map(|_| Message::query().metadata.id)
            .find(|id| !table.contains_key(id))
            .ok_or_else(|| io::Error::other("too many queries are waiting"))?;
        let (sender, receiver) = oneshot::channel();
        table.insert(
            id,
            Waiter {
                query: query.clone(),
                answer: Some(sender),
            },
        );
        Ok((Place { waiting: self, id }, receiver))
    }

    /// Gives an answer to whoever asked that question with that id; anything else is no answer.
    fn deliver(&self, bytes: &[u8]) {
        let Some(id) = bytes.first_chunk().map(|id| u16::from_be_bytes(*id)) else {
            return;
        };
        if !self.table().contains_key(&id) {
            return;
        }
        let Ok(message) = Message::from_vec(bytes) else {
            return;
        };
        let mut table = self.table();
        let Some(waiter) = table.get_mut(&id) else {
            return;
        };
        let expected = message.metadata.message_type == MessageType::Response
            && message.queries.first() == Some(&waiter.query);
        if expected && let Some(answer) = waiter.answer.take() {
            // the one who asked may have left in this instant
            let _ = answer.send(Ok(message));
        }
    }

    /// An error of a connected UDP socket is the server's refusal of all that is under way.
    fn fail(&self, error: &io::Error) {
        let mut table = self.table();
        for answer in table.values_mut().filter_map(|waiter| waiter.answer.take()) {
            let same = error.raw_os_error().map_or_else(
                || io::Error::from(error.kind()),
                io::Error::from_raw_os_error,
            );
            let _ = answer.send(Err(same));
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.table().remove(&self.id);
    }
}
