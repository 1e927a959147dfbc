//! A server that does what a list says, on each connection anew: for protocols in which both sides speak in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

use super::{Server, reset};

#[derive(Clone)]
pub enum Step {
    Say(Vec<u8>),
    /// Reads until the other side has said this, and closes if it never does.
    Hear(Vec<u8>),
    Pause(Duration),
    /// Says it again and again, without end.
    Flood(&'static [u8]),
    /// The same, one byte at a time.
    Drip(&'static [u8]),
    /// Shakes hands in TLS and waits for the end.
    Tls(TlsAcceptor),
    Reset,
    /// Never says another word.
    Hold,
}

/// A scripted server, and what its clients took.
pub struct Scripted {
    pub server: Server,
    said: Arc<AtomicUsize>,
}

pub fn say(text: impl AsRef<[u8]>) -> Step {
    Step::Say(text.as_ref().to_vec())
}

pub fn hear(text: impl AsRef<[u8]>) -> Step {
    Step::Hear(text.as_ref().to_vec())
}

impl Scripted {
    pub async fn start(steps: impl Into<Vec<Step>>) -> Self {
        let steps: Arc<[Step]> = steps.into().into();
        let said = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&said);
        let server = Server::start(move |stream| {
            let (steps, said) = (Arc::clone(&steps), Arc::clone(&counted));
            async move {
                // errors mean that the prober has gone
                drop(play(stream, &steps, &said).await);
            }
        })
        .await;
        Self { server, said }
    }

    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// Bytes that were handed to the system for clients, in all.
    pub fn said(&self) -> usize {
        self.said.load(Ordering::Relaxed)
    }
}

async fn play(mut stream: TcpStream, steps: &[Step], said: &AtomicUsize) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    for step in steps {
        match step {
            Step::Say(bytes) => stream.write_all(bytes).await?,
            Step::Hear(text) => listen(&mut stream, text).await?,
            Step::Pause(time) => sleep(*time).await,
            Step::Flood(bytes) => loop {
                stream.write_all(bytes).await?;
                said.fetch_add(bytes.len(), Ordering::Relaxed);
            },
            Step::Drip(bytes) => loop {
                for byte in *bytes {
                    stream.write_all(&[*byte]).await?;
                    sleep(Duration::from_millis(2)).await;
                }
            },
            Step::Tls(acceptor) => {
                let mut encrypted = acceptor.accept(stream).await?;
                let mut rest = Vec::new();
                encrypted.read_to_end(&mut rest).await?;
                return Ok(());
            }
            Step::Reset => {
                reset(&stream);
                return Ok(());
            }
            Step::Hold => std::future::pending().await,
        }
    }
    stream.shutdown().await
}

async fn listen(stream: &mut TcpStream, wanted: &[u8]) -> std::io::Result<()> {
    let mut heard = Vec::new();
    while !heard.windows(wanted.len()).any(|part| part == wanted) {
        heard.push(stream.read_u8().await?);
    }
    Ok(())
}
