//! Is the answer what a target's file says it must be?
//!
//! Promises that only the first [`BODY`] bytes of a body count, also of one that was compressed; that searching one takes neither the
//! time of the threads that carry probes nor, for all probes together, more memory than [`DESKS`] bodies become as JSON; and an error
//! that says what was expected and what was found. Leaves out what the answer took.
//!
//! A body that is examined is asked for as it is (`Accept-Encoding: identity`). Servers that compress all the same, or are told to by a
//! header of the target, are understood for gzip and deflate: to refuse them would make a target down that any browser shows.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::exchange::{BODY, Body};
use super::json::Json;
use super::search;
use super::veil::Veil;
use crate::model::{Expect, HeaderMatch, JsonMatch, Pattern, Reason, Statuses};
use crate::probe::wire::failure::Fault;
use crate::probe::wire::timeline::Deadline;

/// Bodies of more bytes, and compressed ones, are examined on a thread of their own. The worst pattern takes twenty milliseconds for so
/// few.
const SMALL: usize = 4 * 1024;
/// How many of those are examined at once. As JSON a body may become twenty times as large.
const DESKS: usize = 2;
/// How much of a text is quoted, in characters.
const QUOTED: usize = 60;

/// Where bodies are examined. A clone shares its desks.
#[derive(Debug, Clone)]
pub(super) struct Court {
    desks: Arc<Semaphore>,
}

/// The final answer.
pub(super) struct Evidence {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
}

impl Court {
    pub(super) fn new() -> Self {
        Self {
            desks: Arc::new(Semaphore::new(DESKS)),
        }
    }

    pub(super) async fn judge(
        &self,
        expect: &Expect,
        evidence: Evidence,
        veil: &Veil,
        deadline: Deadline,
    ) -> Result<(), Fault> {
        status(expect, evidence.status)?;
        let miss = if evidence.is_small(expect) {
            examine(expect, evidence)
        } else {
            let work = self.at_a_desk(expect.clone(), evidence);
            let late = "there was no time left to examine the body: it is here, so the target is not to blame";
            timeout_at(deadline.at(), work)
                .await
                .map_err(|_| Fault::local(late))??
        };
        miss.map_or(Ok(()), |miss| Err(miss.told(veil)))
    }

    /// The work goes on to its end when nobody waits for it any more, and keeps its desk so long.
    async fn at_a_desk(&self, expect: Expect, evidence: Evidence) -> Result<Option<Miss>, Fault> {
        let ended = || Fault::local("the answer could not be examined: Pingu is stopping");
        let desk = self.desks.clone().acquire_owned().await;
        let desk = desk.map_err(|_| ended())?;
        let work = tokio::task::spawn_blocking(move || {
            let miss = examine(&expect, evidence);
            drop(desk);
            miss
        });
        work.await.map_err(|_| ended())
    }
}

impl Evidence {
    /// Whether looking at it takes no time worth mentioning.
    fn is_small(&self, expect: &Expect) -> bool {
        let mut headers = expect.headers.iter();
        let is_long = headers.any(|wanted| {
            let mut values = self.headers.get_all(&wanted.name).iter();
            values.any(|value| value.len() > SMALL)
        });
        let is_plain = !self.headers.contains_key(CONTENT_ENCODING);
        !is_long && (!expect.needs_body() || (is_plain && self.body.bytes.len() <= SMALL))
    }
}

fn status(expect: &Expect, status: StatusCode) -> Result<(), Fault> {
    let usual = Statuses::usual();
    let wanted = expect.status.as_ref().unwrap_or(&usual);
    let status = status.as_u16();
    if wanted.include(status) {
        return Ok(());
    }
    let error = format!("status {status}, expected {wanted}");
    Err(Fault::down(Reason::Status, error))
}

/// One of the headers of that name has to match.
fn header(wanted: &HeaderMatch, headers: &HeaderMap) -> Option<Miss> {
    let HeaderMatch { name, pattern } = wanted;
    let mut first = None;
    for value in headers.get_all(name.as_str()) {
        first.get_or_insert(value);
        if pattern.is_found_in(value.as_bytes()) {
            return None;
        }
    }
    let place = match first {
        Some(_) => format!("the header {name} is "),
        None => format!("there is no header {name}"),
    };
    Some(Miss {
        reason: Reason::Body,
        place,
        found: first.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        expected: format!(", expected to match {}", cut(pattern.as_str())),
    })
}

/// What was expected and not found. Quotes the server, so it has to be veiled.
struct Miss {
    reason: Reason,
    /// What was expected, which is from the file.
    place: String,
    found: Option<String>,
    expected: String,
}

impl Miss {
    fn told(self, veil: &Veil) -> Fault {
        let found = self.found.map(|found| cut_plain(&veil.over(&found)));
        let error = [Some(self.place), found, Some(self.expected)];
        let error: String = error.into_iter().flatten().collect();
        Fault::down(self.reason, error)
    }

    fn plain(reason: Reason, error: impl Into<String>) -> Self {
        Self {
            reason,
            place: error.into(),
            found: None,
            expected: String::new(),
        }
    }
}

/// What is amiss first.
fn examine(expect: &Expect, evidence: Evidence) -> Option<Miss> {
    let Evidence { headers, body, .. } = evidence;
    let miss = expect
        .headers
        .iter()
        .find_map(|wanted| header(wanted, &headers));
    if miss.is_some() || !expect.needs_body() {
        return miss;
    }
    let body = match Coding::of(&headers).and_then(|coding| coding.decode(body)) {
        Ok(body) => body,
        Err(miss) => return Some(miss),
    };
    let pattern = expect.body.as_ref();
    pattern
        .and_then(|pattern| search(pattern, &body))
        .or_else(|| json(&expect.json, &body))
}

fn search(pattern: &Pattern, body: &Body) -> Option<Miss> {
    if pattern.is_found_in(&body.bytes) {
        return None;
    }
    let wanted = cut(pattern.as_str());
    Some(if !body.is_whole {
        let error = format!("no match for {wanted} in the first {BODY_IN_WORDS} of the body");
        Miss::plain(Reason::TooLarge, error)
    } else if body.bytes.is_empty() {
        let error = format!("the body is empty, expected to match {wanted}");
        Miss::plain(Reason::Body, error)
    } else {
        let length = body.bytes.len();
        let error = format!("no match for {wanted} in the body of {length} bytes");
        Miss::plain(Reason::Body, error)
    })
}

const BODY_IN_WORDS: &str = "1 MiB";
const _: () = assert!(BODY == 1024 * 1024);

fn json(wanted: &[JsonMatch], body: &Body) -> Option<Miss> {
    if wanted.is_empty() {
        return None;
    }
    if !body.is_whole {
        let error = format!("the body is beyond {BODY_IN_WORDS}, so it is not read as JSON");
        return Some(Miss::plain(Reason::TooLarge, error));
    }
    // the parser bounds nesting at 128; its errors have a place and nothing of the text
    let root: Json = match serde_json::from_slice(&body.bytes) {
        Ok(root) => root,
        Err(error) => {
            let error = format!("the body cannot be read as JSON: {error}");
            return Some(Miss::plain(Reason::Body, error));
        }
    };
    let length = body.bytes.len();
    wanted
        .iter()
        .find_map(|wanted| place(wanted, &root, length))
}

/// Every value at the path has to be the expected one.
fn place(JsonMatch { path, value }: &JsonMatch, root: &Json, length: usize) -> Option<Miss> {
    let shown = cut_plain(path.as_str());
    let expected = format!(", expected {}", cut_plain(&written(value)));
    let found = match search::find(path, root, length) {
        Ok(found) => found,
        Err(error) => return Some(Miss::plain(Reason::Body, format!("{shown}: {error}"))),
    };
    let miss = |place, found| {
        Some(Miss {
            reason: Reason::Body,
            place,
            found,
            expected,
        })
    };
    if found.is_empty() {
        return miss(format!("there is nothing at {shown}"), None);
    }
    let other = found.iter().find(|found| !found.is(value))?;
    let place = match found.len() {
        1 => format!("{shown} is "),
        many => format!("one of the {many} values at {shown} is "),
    };
    miss(place, Some(written(*other)))
}

/// As JSON, as much of it as is ever quoted: a secret that is cut in two would not be recognised.
fn written(value: &impl Serialize) -> String {
    struct Bounded(Vec<u8>);
    impl io::Write for Bounded {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend(bytes);
            if self.0.len() > 64 * 1024 {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut bounded = Bounded(Vec::new());
    // what is beyond the bound is not shown
    let _ = serde_json::to_writer(&mut bounded, value);
    String::from_utf8_lossy(&bounded.0).into_owned()
}

/// How a body was compressed (RFC 9110 section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Identity,
    Gzip,
    Deflate,
}

impl Coding {
    fn of(headers: &HeaderMap) -> Result<Self, Miss> {
        let mut coding = Self::Identity;
        for value in headers.get_all(CONTENT_ENCODING) {
            let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
            for name in text.split(',').map(str::trim) {
                coding = match (name, coding) {
                    ("" | "identity", coding) => coding,
                    ("gzip" | "x-gzip", Self::Identity) => Self::Gzip,
                    ("deflate", Self::Identity) => Self::Deflate,
                    _ => {
                        return Err(Miss {
                            reason: Reason::Body,
                            place: "the body is compressed as ".to_owned(),
                            found: Some(text.clone()),
                            expected: ", expected none, gzip or deflate".to_owned(),
                        });
                    }
                };
            }
        }
        Ok(coding)
    }

    /// The body as it was before, as far as [`BODY`].
    fn decode(self, body: Body) -> Result<Body, Miss> {
        let Body { bytes, is_whole } = body;
        if bytes.is_empty() {
            return Ok(Body { bytes, is_whole });
        }
        // many servers send deflate without the wrapping that the standard asks for
        let is_wrapped = bytes[0] & 0x0f == 8 && bytes.len() > 1 && {
            let check = u16::from_be_bytes([bytes[0], bytes[1]]);
            check % 31 == 0
        };
        let mut plain = Vec::new();
        let most = BODY as u64 + 1;
        let read = match self {
            Self::Identity => return Ok(Body { bytes, is_whole }),
            Self::Gzip => MultiGzDecoder::new(&bytes[..])
                .take(most)
                .read_to_end(&mut plain),
            Self::Deflate if is_wrapped => ZlibDecoder::new(&bytes[..])
                .take(most)
                .read_to_end(&mut plain),
            Self::Deflate => DeflateDecoder::new(&bytes[..])
                .take(most)
                .read_to_end(&mut plain),
        };
        if read.is_err() && is_whole {
            let error = format!("the body says that it is {self}, and is not");
            return Err(Miss::plain(Reason::Body, error));
        }
        let is_whole = is_whole && plain.len() <= BODY;
        plain.truncate(BODY);
        Ok(Body {
            bytes: plain,
            is_whole,
        })
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        })
    }
}

/// In backticks.
fn cut(text: &str) -> String {
    format!("`{}`", cut_plain(text))
}

fn cut_plain(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
