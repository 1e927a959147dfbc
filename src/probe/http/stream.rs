//! The bytes of one connection, plain or encrypted, and what is noted of them on the way in.
//!
//! Sits above TLS, so the first byte is the first of the answer and not of the handshake.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

/// A connection that a request can be sent on.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What was noted of the bytes that came in.
#[derive(Debug, Default)]
pub(super) struct Notes {
    first_byte: OnceLock<Instant>,
    first_value: AtomicU8,
    interim: AtomicU32,
}

/// A stream that notes what comes in.
pub(super) struct Noted {
    stream: Stream,
    notes: Arc<Notes>,
}

/// The stream was stopped because the server sends interim answers without end.
#[derive(Debug, thiserror::Error)]
#[error("more than {} interim answers", Notes::MOST_INTERIM)]
pub(super) struct TooManyInterim;

impl Notes {
    /// A server may send a few answers 1xx before the final one (RFC 9110 section 15.2).
    const MOST_INTERIM: u32 = 20;

    pub(super) fn first_byte(&self) -> Option<Instant> {
        self.first_byte.get().copied()
    }

    /// A plain connection answered with a TLS record: an alert or a handshake (RFC 8446 section 5.1).
    pub(super) fn looks_like_tls(&self) -> bool {
        self.first_byte().is_some() && matches!(self.first_value.load(Ordering::Relaxed), 21 | 22)
    }

    pub(super) fn interim(&self) {
        self.interim.fetch_add(1, Ordering::Relaxed);
    }

    fn came_in(&self, bytes: &[u8]) {
        if let Some(first) = bytes.first()
            && self.first_byte.get().is_none()
        {
            self.first_value.store(*first, Ordering::Relaxed);
            self.first_byte.get_or_init(Instant::now);
        }
    }
}

impl Noted {
    pub(super) fn new(stream: Stream, notes: Arc<Notes>) -> Self {
        Self { stream, notes }
    }
}

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.notes.interim.load(Ordering::Relaxed) > Notes::MOST_INTERIM {
            return Poll::Ready(Err(io::Error::other(TooManyInterim)));
        }
        let before = buffer.filled().len();
        let read = match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Stream::Tls(tls) => match Pin::new(tls.as_mut()).poll_read(cx, buffer) {
                // many servers close without saying so in TLS; a body that ends early is noticed by its length
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                read => read,
            },
        };
        self.notes.came_in(&buffer.filled()[before..]);
        read
    }
}

impl AsyncWrite for Noted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}
