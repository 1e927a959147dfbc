//! A connection as the HTTP library sees it: what it refuses by itself leaves in our own form, and whoever does not read is let go.
//!
//! hyper answers what it cannot read with a bare status. Such an answer is recognised by what all of ours carry and it does not, and is
//! replaced on its way out. After a refusal the rest of the request is read and thrown away for a moment, since a socket that is closed
//! with unread bytes takes the answer back (RFC 9112 §9.6).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::http::StatusCode;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use super::guests::Place;
use crate::api::{ApiError, MAX_TARGET, head};
use crate::metrics::Metrics;

/// How long a client may take no byte of what is written to it.
const UNREAD_DEADLINE: Duration = Duration::from_secs(20);
/// For how long and how far the rest of a refused request is read.
const REST_DEADLINE: Duration = Duration::from_secs(1);
const REST: usize = 4 << 20;

/// What the connection and its answers tell each other.
#[derive(Debug)]
pub struct Talk {
    pub place: Place,
    /// The answer has been handed over, though not all of it may be sent.
    pub answered: AtomicBool,
    /// More of the request may come than was read.
    pub broken_off: AtomicBool,
    /// The bytes of the request line that is being read, and whether it has ended.
    line: AtomicUsize,
    line_ended: AtomicBool,
}

pin_project! {
    /// The stream of one connection.
    #[derive(Debug)]
    pub struct Link {
        #[pin]
        io: TcpStream,
        talk: Arc<Talk>,
        metrics: Arc<Metrics>,
        // what is written in place of the library's own refusal, and how far
        refusal: Option<(Vec<u8>, usize)>,
        stalled: Option<Pin<Box<Sleep>>>,
        rest: Option<(Pin<Box<Sleep>>, usize)>,
    }
}

impl Talk {
    pub fn new(place: Place) -> Arc<Self> {
        Arc::new(Self {
            place,
            answered: AtomicBool::new(false),
            broken_off: AtomicBool::new(false),
            line: AtomicUsize::new(0),
            line_ended: AtomicBool::new(false),
        })
    }

    /// A request has been read.
    pub fn asked(&self) {
        self.line.store(0, Ordering::Relaxed);
        self.line_ended.store(false, Ordering::Relaxed);
        self.place.asks();
    }

    fn received(&self, bytes: &[u8]) {
        if self.line_ended.load(Ordering::Relaxed) {
            return;
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        self.line_ended.store(end.is_some(), Ordering::Relaxed);
        self.line
            .fetch_add(end.unwrap_or(bytes.len()), Ordering::Relaxed);
    }
}

impl Link {
    pub fn new(io: TcpStream, talk: Arc<Talk>, metrics: Arc<Metrics>) -> Self {
        Self {
            io,
            talk,
            metrics,
            refusal: None,
            stalled: None,
            rest: None,
        }
    }

    /// Fails when a client has taken nothing for too long.
    fn patience(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stalled = self.project().stalled;
        let timer = stalled.get_or_insert_with(|| Box::pin(sleep(UNREAD_DEADLINE)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.as_mut().project();
        match this.io.poll_write(cx, bytes) {
            Poll::Ready(written) => {
                *this.stalled = None;
                Poll::Ready(written)
            }
            Poll::Pending => self.patience(cx),
        }
    }

    /// Writes what stands for the library's refusal of `length` bytes.
    fn refuse(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        while let Some((text, mut done)) = self.as_mut().project().refusal.take() {
            let written = self.as_mut().write(cx, &text[done..]);
            if let Poll::Ready(Ok(count)) = &written {
                done += count;
            }
            if done < text.len() {
                *self.as_mut().project().refusal = Some((text, done));
            }
            if ready!(written)? == 0 {
                return Poll::Ready(Ok(0));
            }
        }
        Poll::Ready(Ok(length))
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let before = buf.filled().len();
        let read = this.io.poll_read(cx, buf);
        this.talk.received(&buf.filled()[before..]);
        read
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.refusal.is_none()
            && let Some(status) = refused(bytes)
        {
            // to the library the line is one of the headers
            let line_is_long = self.talk.line.load(Ordering::Relaxed) > MAX_TARGET;
            let status = if status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE && line_is_long {
                StatusCode::URI_TOO_LONG
            } else {
                status
            };
            self.talk.broken_off.store(true, Ordering::Relaxed);
            self.metrics
                .serving
                .answered("unread", status.as_u16(), Duration::ZERO);
            *self.as_mut().project().refusal = Some((answer(status), 0));
        }
        if self.refusal.is_some() {
            return self.refuse(cx, bytes.len());
        }
        self.write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = slices {
            return self.poll_write(cx, only);
        }
        let this = self.as_mut().project();
        match this.io.poll_write_vectored(cx, slices) {
            Poll::Ready(written) => {
                *this.stalled = None;
                Poll::Ready(written)
            }
            Poll::Pending => self.patience(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        ready!(this.io.poll_flush(cx))?;
        if this.talk.answered.swap(false, Ordering::Relaxed) {
            this.talk.place.rests();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        if this.rest.is_none() {
            ready!(this.io.as_mut().poll_shutdown(cx))?;
            if !this.talk.broken_off.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let (deadline, left) = this
            .rest
            .get_or_insert_with(|| (Box::pin(sleep(REST_DEADLINE)), REST));
        let mut space = [0; 16 * 1024];
        while *left > 0 && deadline.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut space);
            match this.io.as_mut().poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    *left = left.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// The status of an answer that the library made by itself. It writes such an answer in one piece; ours name `x-content-type-options`,
/// and no body of ours has an empty line with carriage returns.
fn refused(bytes: &[u8]) -> Option<StatusCode> {
    let code = bytes.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    let head = bytes.strip_suffix(b"\r\n\r\n")?;
    let text = std::str::from_utf8(head).ok()?;
    let status = StatusCode::from_bytes(code).ok()?;
    let bare =
        text.contains("\r\ncontent-length: 0") && !text.contains("\r\nx-content-type-options");
    (status.is_client_error() && bare).then_some(status)
}

fn answer(status: StatusCode) -> Vec<u8> {
    let body = ApiError::of_status(status).text();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut text = format!(
        "HTTP/1.1 {} {reason}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        status.as_u16(),
        body.len()
    );
    for (name, value) in head::SAFE.iter().chain(&[head::UNSTORED]) {
        text.push_str(name);
        text.push_str(": ");
        text.push_str(value);
        text.push_str("\r\n");
    }
    text.push_str("\r\n");
    text.push_str(&body);
    text.into_bytes()
}
