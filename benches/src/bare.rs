//! What the same probes cost with nothing around them: a socket, a question, the answer read to its end. No prober that opens a connection
//! for each probe can cost less, on this machine in this hour.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_rustls::TlsConnector;

use crate::cpu;

/// Probes that are due within this time begin together, as Pingu has them begin.
const TOGETHER: Duration = Duration::from_millis(8);

/// Who asks, and how the answer ends.
#[derive(Debug, Clone)]
pub struct Bare {
    address: SocketAddr,
    /// How to shake hands, where that is part of it.
    config: Option<Arc<ClientConfig>>,
    /// Bytes of the body.
    body: usize,
}

impl Bare {
    /// Asks `address` for a page of `body` bytes; over TLS where it is told whom to trust.
    pub fn new(address: SocketAddr, roots: Option<&Path>, body: usize) -> anyhow::Result<Self> {
        let config = roots.map(|roots| {
            let mut store = RootCertStore::empty();
            store.add(CertificateDer::from_pem_file(roots)?)?;
            let config = ClientConfig::builder().with_root_certificates(store);
            let mut config = config.with_no_client_auth();
            config.resumption = Resumption::disabled();
            anyhow::Ok(Arc::new(config))
        });
        Ok(Self {
            address,
            config: config.transpose()?,
            body,
        })
    }

    /// Microseconds of processor time a probe, at `rate` probes a second.
    pub fn cost(&self, rate: usize, span: Duration) -> anyhow::Result<f64> {
        let this = self.clone();
        let running = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let before = cpu::of_thread();
            let asked = runtime.block_on(this.paced(rate, span))?;
            let cost = cpu::of_thread().saturating_sub(before);
            Ok(cost.as_secs_f64() * 1e6 / asked as f64)
        });
        running.join().expect("no panic")
    }

    async fn paced(self, rate: usize, span: Duration) -> anyhow::Result<usize> {
        let start = Instant::now();
        let mut ticks = interval(TOGETHER);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let (mut asked, mut under_way) = (0, JoinSet::new());
        while start.elapsed() < span {
            ticks.tick().await;
            let due = (start.elapsed().as_secs_f64() * rate as f64) as usize;
            for _ in asked..due {
                under_way.spawn(self.clone().ask());
            }
            asked = due;
            while let Some(ended) = under_way.try_join_next() {
                ended??;
            }
        }
        while let Some(ended) = under_way.join_next().await {
            ended??;
        }
        Ok(asked)
    }

    async fn ask(self) -> anyhow::Result<()> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        match &self.config {
            None => self.converse(stream).await,
            Some(config) => {
                let name = ServerName::from(self.address.ip());
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name, stream).await?;
                self.converse(stream).await
            }
        }
    }

    async fn converse(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
    ) -> anyhow::Result<()> {
        let question = b"GET / HTTP/1.1\r\nHost: bare\r\n\r\n";
        stream.write_all(question).await?;
        stream.flush().await?;
        let mut answer = [0; 8_192];
        let mut length = 0;
        loop {
            let read = stream.read(&mut answer[length..]).await?;
            ensure!(read > 0, "the connection was closed");
            length += read;
            let head = answer[..length].windows(4).position(|it| it == b"\r\n\r\n");
            if head.is_some_and(|head| length >= head + 4 + self.body) {
                let is_ok = answer.starts_with(b"HTTP/1.1 200");
                return is_ok.then_some(()).context("the answer is not 200");
            }
        }
    }
}
