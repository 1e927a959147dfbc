//! A farm of servers on loopback that answer well, badly and maliciously.
//!
//! Each behaviour is a path of [`answer`], served plain and over TLS; what goes wrong before a request can be read has a port of its own.
//! Raw bytes throughout: a polite HTTP library could not misbehave. Everything ends when the [`Farm`] is dropped.

mod answer;
pub mod certificate;
mod content;
pub mod dns;
pub mod h2;
pub mod judge;
pub mod oracle;
pub mod proxy;
pub mod script;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingu::probe::http::Roots;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub use answer::{End, request};
use certificate::Authority;
pub use certificate::Certificate;

/// All servers, and the authority that vouches for the good ones.
pub struct Farm {
    authority: Authority,
    plain: Server,
    trusted: Server,
    silent: Server,
    slammed: Server,
    full: Full,
    tls: Vec<Server>,
}

/// One listening port.
pub struct Server {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// A port whose queue is full: connecting to it never ends.
pub struct Full {
    address: SocketAddr,
    _listener: Socket,
    _waiting: Vec<Socket>,
}

impl Farm {
    pub async fn start() -> Self {
        let authority = Authority::new(Authority::NAME);
        let trusted = tls(authority.acceptor(&Certificate::Valid)).await;
        let slam = |stream: TcpStream| async move { reset(&stream) };
        let hold = |stream: TcpStream| async move {
            std::future::pending::<()>().await;
            drop(stream);
        };
        Self {
            plain: Server::start(serve_plain).await,
            silent: Server::start(hold).await,
            slammed: Server::start(slam).await,
            full: Full::start(),
            tls: Vec::new(),
            trusted,
            authority,
        }
    }

    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Trusts the farm's authority and no other.
    pub fn roots(&self) -> Roots {
        Roots::only([self.authority.der()]).expect("the authority is one")
    }

    /// A path of [`answer`] without TLS, such as `/ok`.
    pub fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.plain.address)
    }

    /// The same over TLS with a good certificate for `localhost` and the loopback addresses.
    pub fn https(&self, path: &str) -> String {
        format!("https://{}{path}", self.trusted.address)
    }

    /// The same over TLS with another certificate.
    pub async fn https_with(&mut self, certificate: &Certificate, path: &str) -> String {
        let server = tls(self.authority.acceptor(certificate)).await;
        let url = format!("https://{}{path}", server.address);
        self.tls.push(server);
        url
    }

    /// Accepts and never says a word, not even in a handshake.
    pub fn silent(&self) -> SocketAddr {
        self.silent.address
    }

    /// Accepts and resets at once.
    pub fn slammed(&self) -> SocketAddr {
        self.slammed.address
    }

    /// Never accepts: SYNs go unanswered.
    pub fn full(&self) -> SocketAddr {
        self.full.address
    }

    /// Nothing listens here.
    pub fn closed() -> SocketAddr {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        listener
            .local_addr()
            .expect("a bound socket has an address")
    }

    pub fn plain_port(&self) -> u16 {
        self.plain.address.port()
    }

    pub fn tls_port(&self) -> u16 {
        self.trusted.address.port()
    }
}

impl Server {
    /// Serves each connection in a task of its own.
    pub async fn start<F>(serve: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::at(([127, 0, 0, 1], 0).into(), serve).await
    }

    /// The same on an address of choice.
    pub async fn at<F>(
        address: SocketAddr,
        serve: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address)
            .await
            .expect("a free loopback address");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    connections.spawn(serve(stream));
                } else {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, accepting }
    }
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn http(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub fn https(&self) -> String {
        format!("https://{}/", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Full {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn start() -> Self {
        Self::at(([127, 0, 0, 1], 0).into())
    }

    /// The same on an address of choice.
    pub fn at(any: SocketAddr) -> Self {
        let domain = Domain::for_address(any);
        let listener = Socket::new(domain, Type::STREAM, None).expect("a socket");
        listener.bind(&any.into()).expect("a free loopback address");
        listener.listen(0).expect("a bound socket can listen");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        // the queue of a backlog of 0 holds one; what comes after waits for a place that never comes
        let waiting = (0..3)
            .map(|_| {
                let socket = Socket::new(domain, Type::STREAM, None).expect("a socket");
                socket.set_nonblocking(true).expect("a socket has flags");
                // in progress, for ever
                drop(socket.connect(&address));
                socket
            })
            .collect();
        Self {
            address: address.as_socket().expect("bound to an address"),
            _listener: listener,
            _waiting: waiting,
        }
    }
}

async fn serve_plain(mut stream: TcpStream) {
    if answer::serve(&mut stream).await == End::Reset {
        reset(&stream);
    }
}

async fn tls(acceptor: TlsAcceptor) -> Server {
    let acceptor = Arc::new(acceptor);
    Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(mut stream) = acceptor.accept(stream).await
                && answer::serve(&mut stream).await == End::Reset
            {
                reset(stream.get_ref().0);
            }
        }
    })
    .await
}

/// Closing will send a reset instead of a goodbye.
fn reset(stream: &TcpStream) {
    // the other side may be gone already
    drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}
