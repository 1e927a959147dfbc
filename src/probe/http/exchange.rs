//! One request and one answer on a connection that stands.
//!
//! Promises bounded memory whatever the server sends: headers up to [`HEADERS`], a body of which at most [`BODY`] bytes are read, and
//! only the length is kept unless someone asks for more; a few interim answers. Lenient where servers are sloppy and the meaning is
//! clear.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;
use url::Url;

use super::form::Form;
use super::link::{HEADERS, LINES, Link};
use super::redirect::shown;
use super::request::Asked;
use super::stream::{Noted, Notes, Stream};
use super::two;
use crate::model::{HttpVersion, Reason};
use crate::probe::wire::failure::{self, Fault};
use crate::probe::wire::timeline::{Deadline, Phase, Timeline};
use crate::probe::wire::tls;

/// Reading stops here.
pub(super) const BODY: usize = 1024 * 1024;

/// An answer whose headers have come.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Incoming,
    link: Link,
    notes: Arc<Notes>,
    version: Option<HttpVersion>,
    asked: Instant,
    /// When the first byte of it came.
    first: Option<Instant>,
    /// When its headers were complete.
    pub(super) heard: Instant,
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
    form: Form,
    asked: Asked<'_>,
    deadline: Deadline,
) -> Result<Answer, Fault> {
    let notes = Arc::new(Notes::default());
    let speaks_two = matches!(form, Form::Two(_));
    let request = asked.request(url, notes.clone());
    let request = request
        .and_then(|request| form.apply(request))
        .ok_or_else(|| {
            let error = format!("{} cannot be put into a request", shown(url));
            Fault::down(Reason::Protocol, error)
        })?;
    let began = Instant::now();
    let io = TokioIo::new(Noted::new(stream, notes.clone()));
    let answering = Link::ask(io, request, speaks_two);
    let stuck = || match notes.first_byte() {
        Some(_) if !speaks_two => "reading the headers".to_owned(),
        _ => "waiting for the first byte".to_owned(),
    };
    let (response, link) = deadline
        .bound(stuck, answering)
        .await?
        .map_err(|error| unanswered(&error, &notes, speaks_two))?;
    notes.answered();
    let (head, body) = response.into_parts();
    let version = match head.version {
        Version::HTTP_10 => Some(HttpVersion::OneZero),
        Version::HTTP_11 => Some(HttpVersion::One),
        Version::HTTP_2 => Some(HttpVersion::Two),
        _ => None,
    };
    // what comes first in HTTP/2 is the server's settings, often before it has read the request
    let first = if speaks_two {
        Some(Instant::now())
    } else {
        notes.first_byte()
    };
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body,
        link,
        notes,
        version,
        asked: began,
        first,
        heard: Instant::now(),
    })
}

impl Answer {
    /// Notes the answer's times as far as its headers.
    pub(super) fn note(&self, timeline: &mut Timeline) {
        timeline.status_code = Some(self.status.as_u16());
        timeline.http_version = self.version;
        if let Some(first) = self.first {
            timeline.add(Phase::FirstByte, first.duration_since(self.asked));
        }
        timeline.answered(self.heard);
    }

    /// Counts what its headers took where nothing more of it is read.
    pub(super) fn pass(&self, timeline: &mut Timeline) {
        if let Some(first) = self.first {
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
        let first = self.first;
        timeline.unanswered();
        let reading = self.read_on(is_wanted);
        let read = deadline
            .bound(|| "reading the body".to_owned(), reading)
            .await?;
        let body = read.map_err(|error| cut_short(&error, &self.notes))?;
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

/// An answer that never became one.
fn unanswered(error: &hyper::Error, notes: &Notes, spoke_two: bool) -> Fault {
    let doing = match notes.first_byte() {
        Some(_) if !spoke_two => "reading the headers",
        _ => "waiting for the first byte",
    };
    // HTTP/2 keeps of an error its text alone
    if let Some(flood) = notes.flood() {
        return Fault::down(Reason::Protocol, flood.to_string());
    }
    if let Some(error) = failure::source_of::<h2::Error>(error) {
        return two::broken(error, notes.early(), doing);
    }
    if let Some(error) = notes.broke().filter(|_| spoke_two) {
        return tls::broken(error, doing);
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
fn cut_short(error: &hyper::Error, notes: &Notes) -> Fault {
    const DOING: &str = "reading the body";
    if let Some(error) = failure::source_of::<h2::Error>(error) {
        return two::broken(error, notes.early(), DOING);
    }
    match notes.broke() {
        Some(error) => tls::broken(error, DOING),
        None => interrupted(error, DOING),
    }
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
