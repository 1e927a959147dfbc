//! Proxies on loopback that pass on, refuse, stall and lie.
//!
//! A proxy knows the name `behind.test`, which is nowhere else: whoever reaches it had the proxy resolve it. Names that end in `.test`
//! otherwise do not exist.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::Server;

/// What a proxy does.
#[derive(Debug, Clone)]
pub enum Manner {
    /// CONNECT and absolute form; with a value, only for who sends it in `Proxy-Authorization`.
    Http(Option<&'static str>),
    /// These bytes for an answer to any request, then the end.
    HttpSays(&'static str),
    /// The same, and then nothing: the connection stays.
    HttpSaysAndStays(&'static str),
    /// Headers without end.
    HttpEndless,
    /// SOCKS 5; with a name and a password, only for who has them.
    Socks(Option<(&'static str, &'static str)>),
    /// These bytes to the greeting, these to the request, then the end.
    SocksSays(&'static [u8], &'static [u8]),
    /// These bytes to the greeting, and then nothing.
    SocksStays(&'static [u8]),
    /// Not a word.
    Silent,
    /// Closes at once.
    Closed,
}

/// A proxy, and what it was asked for.
pub struct ProxyServer {
    server: Server,
    asked: Arc<Mutex<Vec<String>>>,
}

type Asked = Arc<Mutex<Vec<String>>>;

impl ProxyServer {
    pub async fn start(manner: Manner) -> Self {
        let asked = Asked::default();
        let log = asked.clone();
        let server = Server::start(move |mut stream| {
            let (manner, log) = (manner.clone(), log.clone());
            async move {
                // the prober may go at any moment
                drop(serve(&mut stream, &manner, &log).await);
            }
        })
        .await;
        Self { server, asked }
    }

    /// The same, spoken to over TLS.
    pub async fn over_tls(manner: Manner, acceptor: TlsAcceptor) -> Self {
        let asked = Asked::default();
        let log = asked.clone();
        let server = Server::start(move |stream| {
            let (manner, log, acceptor) = (manner.clone(), log.clone(), acceptor.clone());
            async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    drop(serve(&mut stream, &manner, &log).await);
                }
            }
        })
        .await;
        Self { server, asked }
    }

    /// Its URL, `credentials` as in `user:password@`.
    pub fn url(&self, scheme: &str, credentials: &str) -> String {
        format!("{scheme}://{credentials}{}", self.server.address())
    }

    /// Whom it was to connect to, in the order of asking.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nothing panics with it").clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    manner: &Manner,
    log: &Asked,
) -> io::Result<()> {
    match manner {
        Manner::Closed => {}
        Manner::Silent => std::future::pending().await,
        Manner::Http(password) => http(stream, *password, log).await?,
        Manner::HttpSays(answer) | Manner::HttpSaysAndStays(answer) => {
            head(stream).await?;
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await?;
            if matches!(manner, Manner::HttpSaysAndStays(_)) {
                std::future::pending::<()>().await;
            }
            stream.shutdown().await?;
        }
        Manner::HttpEndless => {
            head(stream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nX-Long: ").await?;
            loop {
                stream.write_all(&[b'a'; 4096]).await?;
            }
        }
        Manner::Socks(login) => socks(stream, *login, log).await?,
        Manner::SocksSays(greeting, reply) => {
            greet(stream).await?;
            stream.write_all(greeting).await?;
            stream.flush().await?;
            if !reply.is_empty() {
                drop(wanted(stream).await);
                stream.write_all(reply).await?;
            }
            stream.shutdown().await?;
        }
        Manner::SocksStays(greeting) => {
            greet(stream).await?;
            stream.write_all(greeting).await?;
            stream.flush().await?;
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}

async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    String::from_utf8(head).map_err(io::Error::other)
}

async fn http<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    password: Option<&str>,
    log: &Asked,
) -> io::Result<()> {
    let head = head(stream).await?;
    let (line, rest) = head.split_once("\r\n").unwrap_or((&head, ""));
    log.lock()
        .expect("nothing panics with it")
        .push(line.to_owned());
    if let Some(password) = password {
        let expected = format!("proxy-authorization: {}\r\n", password.to_lowercase());
        if !rest.to_lowercase().contains(&expected) {
            let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer.as_bytes()).await?;
            return stream.shutdown().await;
        }
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    if method == Some("CONNECT") {
        let Ok(mut to) = connect(target).await else {
            let answer = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer.as_bytes()).await?;
            return stream.shutdown().await;
        };
        let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 Established\r\n\r\n";
        stream.write_all(answer.as_bytes()).await?;
        copy_bidirectional(stream, &mut to).await?;
        return Ok(());
    }
    let url = target.strip_prefix("http://").unwrap_or("origin-form/");
    let (authority, path) = url.split_once('/').unwrap_or((url, ""));
    let Ok(mut to) = connect(authority).await else {
        let answer = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).await?;
        return stream.shutdown().await;
    };
    let passed = format!("GET /{path} HTTP/1.1\r\n{rest}");
    to.write_all(passed.as_bytes()).await?;
    copy_bidirectional(stream, &mut to).await?;
    Ok(())
}

/// To `host:port`, where the host may be the name that only proxies know.
async fn connect(to: &str) -> io::Result<TcpStream> {
    let unknown = || io::Error::other("no such name");
    let (host, port) = to.rsplit_once(':').ok_or_else(unknown)?;
    let port: u16 = port.parse().map_err(io::Error::other)?;
    let host = host.trim_matches(['[', ']']);
    let address: IpAddr = match host {
        "behind.test" | "localhost" => Ipv4Addr::LOCALHOST.into(),
        _ => host.parse().map_err(io::Error::other)?,
    };
    TcpStream::connect(SocketAddr::new(address, port)).await
}

/// The ways to sign in that are offered.
async fn greet<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let _version = stream.read_u8().await?;
    let mut methods = vec![0; stream.read_u8().await?.into()];
    stream.read_exact(&mut methods).await?;
    Ok(methods)
}

/// Whom to connect to.
async fn wanted<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<String> {
    let mut start = [0; 4];
    stream.read_exact(&mut start).await?;
    let host = match start[3] {
        1 => Ipv4Addr::from(stream.read_u32().await?).to_string(),
        4 => format!("[{}]", Ipv6Addr::from(stream.read_u128().await?)),
        _ => {
            let mut name = vec![0; stream.read_u8().await?.into()];
            stream.read_exact(&mut name).await?;
            String::from_utf8(name).map_err(io::Error::other)?
        }
    };
    Ok(format!("{host}:{}", stream.read_u16().await?))
}

async fn socks<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    login: Option<(&str, &str)>,
    log: &Asked,
) -> io::Result<()> {
    let methods = greet(stream).await?;
    let method = if login.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        return stream.write_all(&[5, 0xff]).await;
    }
    stream.write_all(&[5, method]).await?;
    if let Some((user, password)) = login {
        let _version = stream.read_u8().await?;
        let mut given = [Vec::new(), Vec::new()];
        for part in &mut given {
            *part = vec![0; stream.read_u8().await?.into()];
            stream.read_exact(part).await?;
        }
        let is_right = given == [user.as_bytes(), password.as_bytes()];
        stream.write_all(&[1, u8::from(!is_right)]).await?;
        if !is_right {
            return Ok(());
        }
    }
    let wanted = wanted(stream).await?;
    log.lock()
        .expect("nothing panics with it")
        .push(wanted.clone());
    let reply = |code| [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
    match connect(&wanted).await {
        Ok(mut to) => {
            stream.write_all(&reply(0)).await?;
            copy_bidirectional(stream, &mut to).await?;
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            stream.write_all(&reply(5)).await?;
        }
        Err(_) => stream.write_all(&reply(4)).await?,
    }
    Ok(())
}
