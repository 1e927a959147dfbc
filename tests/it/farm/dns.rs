//! A name server on loopback that knows a few names and has bad habits.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinHandle;

/// What a name gets for an answer.
#[derive(Debug, Clone)]
pub enum Says {
    Addresses(Vec<IpAddr>),
    Code(ResponseCode),
    /// Nothing, ever.
    Nothing,
    /// Addresses after a while.
    Late(Duration, Vec<IpAddr>),
    /// The truncation bit; the addresses over TCP.
    Truncated(Vec<IpAddr>),
    /// Other questions' answers and rubbish, then the addresses.
    Noise(Vec<IpAddr>),
}

/// Names that are not listed do not exist; names under `.silent.test` are never answered.
pub struct NameServer {
    pub address: SocketAddr,
    asked: Arc<Mutex<Asked>>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Default)]
struct Asked {
    queries: usize,
    from: HashSet<SocketAddr>,
}

type Zone = Arc<HashMap<Name, Says>>;

impl NameServer {
    pub async fn start<const N: usize>(zone: [(&str, Says); N]) -> Self {
        let zone: Zone = Arc::new(
            zone.into_iter()
                .map(|(name, says)| (Name::from_ascii(name).expect("a name"), says))
                .collect(),
        );
        let (udp, tcp) = both().await;
        let address = udp.local_addr().expect("a bound socket has an address");
        let asked = Arc::default();
        let tasks = [
            tokio::spawn(over_udp(Arc::new(udp), zone.clone(), Arc::clone(&asked))),
            tokio::spawn(over_tcp(tcp, zone)),
        ];
        Self {
            address,
            asked,
            tasks,
        }
    }

    /// How many queries came over UDP, those for the root apart.
    pub fn asked(&self) -> usize {
        lock(&self.asked).queries
    }

    /// From how many sockets they came.
    pub fn askers(&self) -> usize {
        lock(&self.asked).from.len()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn lock(asked: &Mutex<Asked>) -> MutexGuard<'_, Asked> {
    asked.lock().expect("nothing panics while it counts")
}

/// A port that is free for UDP and TCP alike.
async fn both() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0")
            .await
            .expect("loopback is there");
        let address = udp.local_addr().expect("a bound socket has an address");
        if let Ok(tcp) = TcpListener::bind(address).await {
            return (udp, tcp);
        }
    }
}

async fn over_udp(socket: Arc<UdpSocket>, zone: Zone, asked: Arc<Mutex<Asked>>) {
    let mut buffer = [0; 1024];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        let Ok(query) = Message::from_vec(&buffer[..length]) else {
            continue;
        };
        let says = says(&zone, &query);
        if !query.queries[0].name().is_root() {
            let mut asked = lock(&asked);
            asked.queries += 1;
            asked.from.insert(from);
        }
        let socket = socket.clone();
        tokio::spawn(async move {
            for message in answers(&query, says).await {
                drop(socket.send_to(&message, from).await);
            }
        });
    }
}

async fn over_tcp(listener: TcpListener, zone: Zone) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else {
            continue;
        };
        let zone = zone.clone();
        tokio::spawn(async move {
            let length = stream.read_u16().await?;
            let mut buffer = vec![0; length.into()];
            stream.read_exact(&mut buffer).await?;
            let query = Message::from_vec(&buffer).map_err(std::io::Error::other)?;
            if let Says::Truncated(addresses) = says(&zone, &query) {
                let bytes = filled(&query, &addresses).to_vec().expect("an answer");
                stream.write_u16(bytes.len() as u16).await?;
                stream.write_all(&bytes).await?;
            }
            Ok::<_, std::io::Error>(())
        });
    }
}

fn says(zone: &Zone, query: &Message) -> Says {
    let name = query.queries[0].name();
    let silent = Name::from_ascii("silent.test.").expect("a name");
    match zone.get(name) {
        Some(says) => says.clone(),
        None if silent.zone_of(name) => Says::Nothing,
        None if name.is_root() => Says::Code(ResponseCode::NoError),
        None => Says::Code(ResponseCode::NXDomain),
    }
}

async fn answers(query: &Message, says: Says) -> Vec<Vec<u8>> {
    let bytes = |message: &Message| message.to_vec().expect("an answer");
    match says {
        Says::Nothing => Vec::new(),
        Says::Addresses(addresses) => vec![bytes(&filled(query, &addresses))],
        Says::Late(wait, addresses) => {
            tokio::time::sleep(wait).await;
            vec![bytes(&filled(query, &addresses))]
        }
        Says::Code(code) => {
            let mut message = empty(query);
            message.metadata.response_code = code;
            vec![bytes(&message)]
        }
        Says::Truncated(_) => {
            let mut message = empty(query);
            message.metadata.truncation = true;
            vec![bytes(&message)]
        }
        Says::Noise(addresses) => {
            let liar = [IpAddr::from([192, 0, 2, 66])];
            let mut other_id = filled(query, &liar);
            other_id.metadata.id = !query.metadata.id;
            let mut other_name = filled(query, &liar);
            other_name.queries[0].name = Name::from_ascii("other.test.").expect("a name");
            let mut echo = query.clone();
            echo.metadata.id = query.metadata.id;
            vec![
                b"?".to_vec(),
                vec![0xff; 300],
                bytes(&other_id),
                bytes(&other_name),
                bytes(&echo),
                bytes(&filled(query, &addresses)),
            ]
        }
    }
}

fn empty(query: &Message) -> Message {
    let mut message = Message::response(query.metadata.id, query.metadata.op_code);
    message.metadata.recursion_desired = true;
    message.metadata.recursion_available = true;
    message.add_query(query.queries[0].clone());
    message
}

fn filled(query: &Message, addresses: &[IpAddr]) -> Message {
    let mut message = empty(query);
    let (name, wanted) = (query.queries[0].name(), query.queries[0].query_type());
    for address in addresses {
        let fits = match address {
            IpAddr::V4(_) => wanted == RecordType::A,
            IpAddr::V6(_) => wanted == RecordType::AAAA,
        };
        if fits {
            let record = Record::from_rdata(name.clone(), 0, RData::from(*address));
            message.answers.push(record);
        }
    }
    message
}
