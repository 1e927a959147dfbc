//! One request and one answer on a connection that stands.
//!
//! Promises bounded memory whatever the server sends: headers up to [`HEADERS`], a body of which at most [`BODY`] bytes are read, and
//! only the length is kept unless someone asks for more; a few interim answers. Lenient where servers are sloppy and the meaning is
//! clear.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection};
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use url::Url;

use super::redirect::shown;
use super::request::Asked;
use super::stream::{Noted, Notes, Stream, TooManyInterim};
use crate::model::Reason;
use crate::probe::wire::failure::{self, Fault};
use crate::probe::wire::timeline::{Deadline, Phase, Timeline};
use crate::probe::wire::tls;

/// Headers of an answer, status line included, may have this many bytes.
const HEADERS: usize = 64 * 1024;
/// And this many lines.
const LINES: usize = 256;
/// Reading stops here.
pub(super) const BODY: usize = 1024 * 1024;

/// An answer whose headers have come.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    link: Link,
    notes: Arc<Notes>,
    asked: Instant,
    /// When its headers were complete.
    pub(super) heard: Instant,
}

/// The connection, which moves only while someone waits for what it brings.
struct Link {
    connection: Pin<Box<Connection<TokioIo<Noted>, Full<Bytes>>>>,
    ended: bool,
}

/// What was kept of a body.
#[derive(Debug)]
pub(super) struct Body {
    /// At most [`BODY`] of them.
    pub(super) bytes: Vec<u8>,
    /// Whether these are all.
    pub(super) is_whole: bool,
}

/// Sends the request and waits for the headers of the answer.
pub(super) async fn ask(
    stream: Stream,
    url: &Url,
    asked: Asked<'_>,
    deadline: Deadline,
) -> Result<Answer, Fault> {
    let notes = Arc::new(Notes::default());
    let request = asked.request(url, notes.clone()).ok_or_else(|| {
        let error = format!("{} cannot be put into a request", shown(url));
        Fault::down(Reason::Protocol, error)
    })?;
    let began = Instant::now();
    let io = TokioIo::new(Noted::new(stream, notes.clone()));
    let answering = async {
        let (mut sender, connection) = lenient().handshake(io).await?;
        let mut link = Link {
            connection: Box::pin(connection),
            ended: false,
        };
        let response = link.drive(sender.send_request(request)).await?;
        Ok((response, link))
    };
    let stuck = || match notes.first_byte() {
        None => "waiting for the first byte".to_owned(),
        Some(_) => "reading the headers".to_owned(),
    };
    let (response, link) = deadline
        .bound(stuck, answering)
        .await?
        .map_err(|error| unanswered(&error, &notes))?;
    let (head, body) = response.into_parts();
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body,
        link,
        notes,
        asked: began,
        heard: Instant::now(),
    })
}

fn lenient() -> Builder {
    let mut builder = Builder::new();
    builder
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .max_buf_size(HEADERS)
        .max_header_size(HEADERS)
        .max_headers(LINES);
    builder
}

impl Answer {
    /// Notes the answer's times as far as its headers.
    pub(super) fn note(&self, timeline: &mut Timeline) {
        timeline.status_code = Some(self.status.as_u16());
        if let Some(first) = self.notes.first_byte() {
            timeline.add(Phase::FirstByte, first.duration_since(self.asked));
        }
        timeline.answered(self.heard);
    }

    /// Counts what its headers took where nothing more of it is read.
    pub(super) fn pass(&self, timeline: &mut Timeline) {
        if let Some(first) = self.notes.first_byte() {
            timeline.add(Phase::Transfer, self.heard.duration_since(first));
        }
    }

    /// Reads the body to its end or to [`BODY`], and notes when that was. Keeps it where it `is_wanted`.
    pub(super) async fn read(
        mut self,
        is_wanted: bool,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<Body, Fault> {
        let first = self.notes.first_byte();
        timeline.unanswered();
        let reading = self.read_on(is_wanted);
        let read = deadline
            .bound(|| "reading the body".to_owned(), reading)
            .await?;
        let body = read.map_err(|error| cut_short(&error))?;
        let now = Instant::now();
        if let Some(first) = first {
            timeline.add(Phase::Transfer, now.duration_since(first));
        }
        timeline.answered(now);
        Ok(body)
    }

    /// A body that is wanted is read one byte beyond the bound, to know whether it ends there.
    async fn read_on(&mut self, is_wanted: bool) -> hyper::Result<Body> {
        let most = if is_wanted { BODY + 1 } else { BODY };
        let mut bytes = Vec::new();
        let mut length = 0;
        while length < most {
            match self.link.drive(self.body.frame()).await {
                Some(Ok(frame)) => {
                    let data = frame.data_ref().map_or(&[][..], |data| data);
                    length += data.len();
                    if is_wanted {
                        let room = BODY - bytes.len();
                        bytes.extend_from_slice(&data[..data.len().min(room)]);
                    }
                }
                Some(Err(error)) => return Err(error),
                None => break,
            }
        }
        let is_whole = length < most;
        Ok(Body { bytes, is_whole })
    }
}

impl Link {
    /// Waits for `wanted` while moving the connection along: no task of its own, so dropping the probe drops everything.
    async fn drive<T>(&mut self, wanted: impl Future<Output = T>) -> T {
        let mut wanted = pin!(wanted);
        poll_fn(|cx| {
            if let Poll::Ready(done) = wanted.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            if !self.ended && self.connection.as_mut().poll(cx).is_ready() {
                // an error reaches whoever waits for the answer or the body
                self.ended = true;
            }
            wanted.as_mut().poll(cx)
        })
        .await
    }
}

/// An answer that never became one.
fn unanswered(error: &hyper::Error, notes: &Notes) -> Fault {
    let doing = match notes.first_byte() {
        None => "waiting for the first byte",
        Some(_) => "reading the headers",
    };
    if let Some(flood) = failure::source_of::<TooManyInterim>(error) {
        return Fault::down(
            Reason::Protocol,
            format!("{flood} (1xx) before the final one"),
        );
    }
    if error.is_parse_too_large() {
        let error = format!("headers beyond {} KiB or {LINES} lines", HEADERS / 1024);
        return Fault::down(Reason::TooLarge, error);
    }
    if notes.looks_like_tls() && error.is_parse() {
        let error = "the answer is TLS, not HTTP: is this an https port?";
        return Fault::down(Reason::Protocol, error);
    }
    if error.is_parse() {
        return Fault::down(Reason::Protocol, format!("the answer is not HTTP: {error}"));
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        let error = match notes.first_byte() {
            None => "the connection was closed without an answer",
            Some(_) => "the connection was closed while reading the headers",
        };
        return Fault::down(Reason::Reset, error);
    }
    interrupted(error, doing)
}

/// A body that did not come to its end.
fn cut_short(error: &hyper::Error) -> Fault {
    interrupted(error, "reading the body")
}

fn interrupted(error: &hyper::Error, doing: &str) -> Fault {
    if let Some(error) = failure::source_of::<rustls::Error>(error) {
        return tls::broken(error, doing);
    }
    match failure::source_of::<std::io::Error>(error) {
        Some(error) => failure::broken(error, doing),
        None => Fault::down(Reason::Protocol, format!("{error} while {doing}")),
    }
}
