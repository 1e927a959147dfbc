//! The bytes of one connection, plain or encrypted, and what is noted of them on the way in.
//!
//! Sits above TLS, so the first byte is the first of the answer and not of the handshake.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::probe::wire::failure::source_of;

/// A connection that a request can be sent on.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// TLS with the target within TLS with a proxy.
    Nested(Box<TlsStream<Box<TlsStream<TcpStream>>>>),
}

/// What was noted of the bytes that came in.
#[derive(Debug, Default)]
pub(super) struct Notes {
    first_byte: OnceLock<Instant>,
    first_value: AtomicU8,
    interim: AtomicU32,
    /// Bytes that came in before the answer's headers were complete.
    early: AtomicUsize,
    is_answered: AtomicBool,
    broke: OnceLock<rustls::Error>,
}

/// A stream that notes what comes in.
pub(super) struct Noted {
    stream: Stream,
    notes: Arc<Notes>,
    /// Bytes that were read since the deadline was looked at.
    unrested: usize,
}

/// The stream was stopped because the server sends without end, and no answer.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub(super) enum Flood {
    #[error(
        "more than {} interim answers (1xx) before the final one",
        Notes::MOST_INTERIM
    )]
    Interim,
    #[error("more than {} KiB before the headers of an answer", Notes::MOST_EARLY / 1024)]
    Early,
}

impl Notes {
    /// A server may send a few answers 1xx before the final one (RFC 9110 section 15.2).
    const MOST_INTERIM: u32 = 20;
    /// Twice what the headers of an answer may have, and room for what HTTP/2 says besides.
    const MOST_EARLY: usize = 256 * 1024;

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

    /// The headers of the answer are complete.
    pub(super) fn answered(&self) {
        self.is_answered.store(true, Ordering::Relaxed);
    }

    /// How many bytes came in before they were.
    pub(super) fn early(&self) -> usize {
        self.early.load(Ordering::Relaxed)
    }

    /// Why nothing more is read.
    pub(super) fn flood(&self) -> Option<Flood> {
        if self.interim.load(Ordering::Relaxed) > Self::MOST_INTERIM {
            return Some(Flood::Interim);
        }
        let is_early = !self.is_answered.load(Ordering::Relaxed);
        (is_early && self.early() > Self::MOST_EARLY).then_some(Flood::Early)
    }

    /// What TLS objected to: HTTP/2 keeps no more than the text of an error.
    pub(super) fn broke(&self) -> Option<&rustls::Error> {
        self.broke.get()
    }

    fn came_in(&self, bytes: &[u8]) {
        if !self.is_answered.load(Ordering::Relaxed) {
            self.early.fetch_add(bytes.len(), Ordering::Relaxed);
        }
        if let Some(first) = bytes.first()
            && self.first_byte.get().is_none()
        {
            self.first_value.store(*first, Ordering::Relaxed);
            self.first_byte.get_or_init(Instant::now);
        }
    }
}

impl Noted {
    /// Who floods us must not keep us from looking at the clock: HTTP/2 pings without end held the deadline up by 23 ms (debug build, busy
    /// machine), with this by 6.
    const PIECE: usize = 64 * 1024;

    pub(super) fn new(stream: Stream, notes: Arc<Notes>) -> Self {
        Self {
            stream,
            notes,
            unrested: 0,
        }
    }
}

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(flood) = self.notes.flood() {
            return Poll::Ready(Err(io::Error::other(flood)));
        }
        if self.unrested >= Self::PIECE {
            self.unrested = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Stream::Tls(tls) => politely(Pin::new(tls.as_mut()).poll_read(cx, buffer)),
            Stream::Nested(tls) => politely(Pin::new(tls.as_mut()).poll_read(cx, buffer)),
        };
        if let Poll::Ready(Err(error)) = &read
            && let Some(error) = source_of::<rustls::Error>(error)
        {
            self.notes.broke.get_or_init(|| error.clone());
        }
        let came = &buffer.filled()[before..];
        self.notes.came_in(came);
        self.unrested += came.len();
        read
    }
}

/// Many servers close without saying so in TLS; a body that ends early is noticed by its length.
fn politely(read: Poll<io::Result<()>>) -> Poll<io::Result<()>> {
    match read {
        Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Poll::Ready(Ok(()))
        }
        read => read,
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
            Stream::Nested(tls) => Pin::new(tls.as_mut()).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
            Stream::Nested(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            // closing it, which follows, says the same
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
            Stream::Nested(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}
