//! The connection under an exchange, in either version of HTTP, which moves only while someone waits for what it brings.
//!
//! No task of its own in either version, so that dropping a probe drops everything. HTTP/2 is hyper's, which wants to start tasks:
//! they are kept in a [`Crew`] and polled here. Promises bounds for HTTP/2: a header list of [`HEADERS`], windows of [`WINDOW`], no
//! pushed streams, and whatever a server sends before its answer [`stream`](super::stream) bounds.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;

use super::stream::Noted;

/// What is sent after the headers of a request.
pub(super) type Outgoing = Full<Bytes>;

/// Headers of an answer, status line included, may have this many bytes.
pub(super) const HEADERS: usize = 64 * 1024;
/// And this many lines, in HTTP/1.
pub(super) const LINES: usize = 256;
/// What a server may send of a body before it was read.
const WINDOW: u32 = 256 * 1024;
/// Streams that a server resets, or makes us reset, before it is given up.
const RESETS: usize = 16;

/// A connection that a request was sent on.
pub(super) enum Link {
    One {
        connection: Pin<Box<http1::Connection<TokioIo<Noted>, Outgoing>>>,
        ended: bool,
    },
    Two(Captain),
}

/// The futures that HTTP/2 would run as tasks. They refer to it themselves: whoever owns it dismisses them.
#[derive(Clone, Default)]
struct Crew(Arc<Mutex<Vec<Member>>>);

type Member = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Dismisses its crew when a probe ends, wherever that is.
pub(super) struct Captain(Crew);

impl Link {
    /// Sends a request and waits for the headers of the answer.
    pub(super) async fn ask(
        io: TokioIo<Noted>,
        request: Request<Outgoing>,
        speaks_two: bool,
    ) -> hyper::Result<(Response<Incoming>, Self)> {
        if speaks_two {
            // boxed, so that an exchange in HTTP/1 is no larger for it
            Box::pin(Self::ask_in_two(io, request)).await
        } else {
            let (mut sender, connection) = lenient().handshake(io).await?;
            let mut link = Self::One {
                connection: Box::pin(connection),
                ended: false,
            };
            let response = link.drive(sender.send_request(request)).await?;
            Ok((response, link))
        }
    }

    async fn ask_in_two(
        io: TokioIo<Noted>,
        request: Request<Outgoing>,
    ) -> hyper::Result<(Response<Incoming>, Self)> {
        let crew = Crew::default();
        let mut link = Self::Two(Captain(crew.clone()));
        let (mut sender, connection) = bounded(crew.clone()).handshake(io).await?;
        crew.join(Box::pin(async move {
            // an error reaches whoever waits for the answer or the body
            drop(connection.await);
        }));
        let response = link.drive(sender.send_request(request)).await?;
        Ok((response, link))
    }

    /// Waits for `wanted` while moving the connection along.
    pub(super) async fn drive<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            if let Poll::Ready(done) = wanted.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            self.move_on(cx);
            wanted.as_mut().poll(cx)
        })
        .await
    }

    fn move_on(&mut self, cx: &mut Context<'_>) {
        match self {
            Self::One { connection, ended } => {
                if !*ended && connection.as_mut().poll(cx).is_ready() {
                    // an error reaches whoever waits for the answer or the body
                    *ended = true;
                }
            }
            Self::Two(Captain(crew)) => crew.work(cx),
        }
    }
}

impl Crew {
    fn join(&self, member: Member) {
        self.members().push(member);
    }

    /// Gives each a turn; also those who join meanwhile.
    fn work(&self, cx: &mut Context<'_>) {
        let mut resting = Vec::new();
        loop {
            // one who joins does so while another has its turn
            let mut awake = std::mem::take(&mut *self.members());
            if awake.is_empty() {
                break;
            }
            awake.retain_mut(|member| member.as_mut().poll(cx).is_pending());
            resting.append(&mut awake);
        }
        *self.members() = resting;
    }

    fn members(&self) -> MutexGuard<'_, Vec<Member>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Crew {
    fn execute(&self, member: F) {
        self.join(Box::pin(member));
    }
}

impl Drop for Captain {
    fn drop(&mut self) {
        // outside of the lock: what goes may look for its crew
        let dismissed = std::mem::take(&mut *self.0.members());
        drop(dismissed);
    }
}

fn lenient() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .max_buf_size(HEADERS)
        .max_header_size(HEADERS)
        .max_headers(LINES);
    builder
}

fn bounded(crew: Crew) -> http2::Builder<Crew> {
    let mut builder = http2::Builder::new(crew);
    builder
        .max_header_list_size(HEADERS as u32)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_reset_streams(RESETS)
        .max_send_buf_size(HEADERS);
    builder
}
