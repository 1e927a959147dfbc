//! CONNECT (RFC 9110 section 9.3.6): an HTTP proxy becomes a pipe.
//!
//! Promises that an answer is read to [`HEAD`] bytes at the most, and not a byte beyond its headers is taken for the target's.

use httparse::{EMPTY_HEADER, Response, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Destination, Refusal, broken};
use crate::model::{Login, Reason};
use crate::probe::wire::failure::Fault;

/// Answers to CONNECT have a line or two.
const HEAD: usize = 16 * 1024;
const LINES: usize = 64;
pub const WHO: &str =
    "asks who we are (status 407): its name and password in `proxy` are missing or wrong";
const AGENT: &str = concat!("Pingu/", env!("CARGO_PKG_VERSION"));

/// What an answer says, as far as it matters.
struct Answer {
    length: usize,
    status: u16,
    /// Squid says 503 for targets that it cannot connect to, and here why.
    squid: Option<String>,
}

/// Has the proxy connect.
pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    to: &Destination,
    credentials: Option<&Login>,
) -> Result<(), Refusal> {
    const DOING: &str = "it was asked to connect";
    let failed = |error| broken(&error, DOING);
    let signed = credentials.map_or_else(String::new, |credentials| {
        format!("Proxy-Authorization: {}\r\n", basic(credentials))
    });
    let request =
        format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: {AGENT}\r\n{signed}\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    stream.flush().await.map_err(failed)?;
    let mut head = Vec::with_capacity(1024);
    let mut done = 0;
    loop {
        match read(&head[done..])? {
            // it is on its way (RFC 9110 section 15.2)
            Some(answer) if (100..200).contains(&answer.status) => done += answer.length,
            Some(answer) => {
                let is_more = done + answer.length < head.len();
                return judge(&answer, is_more, to);
            }
            None if head.len() >= HEAD => {
                let error = format!("sent more than {} KiB of headers", HEAD / 1024);
                return Err(Refusal::Own(error));
            }
            None => {
                let mut chunk = [0; 1024];
                let count = stream.read(&mut chunk).await.map_err(failed)?;
                if count == 0 {
                    let error = "closed the connection without an answer";
                    return Err(Refusal::Own(error.to_owned()));
                }
                head.extend_from_slice(&chunk[..count]);
            }
        }
    }
}

/// Who we are, for the proxy (RFC 7617).
pub fn basic(credentials: &Login) -> String {
    use base64::Engine;
    let mut plain = credentials.user.clone();
    plain.push(b':');
    plain.extend_from_slice(&credentials.password);
    let encoded = base64::engine::general_purpose::STANDARD.encode(plain);
    format!("Basic {encoded}")
}

/// Nothing while it is not complete.
fn read(head: &[u8]) -> Result<Option<Answer>, Refusal> {
    let mut lines = [EMPTY_HEADER; LINES];
    let mut response = Response::new(&mut lines);
    match response.parse(head) {
        Ok(Status::Complete(length)) => {
            let mut headers = response.headers.iter();
            let squid = headers.find(|line| line.name.eq_ignore_ascii_case("x-squid-error"));
            Ok(Some(Answer {
                length,
                status: response.code.unwrap_or_default(),
                squid: squid.map(|line| String::from_utf8_lossy(line.value).into_owned()),
            }))
        }
        Ok(Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            Err(Refusal::Own(format!("sent more than {LINES} headers")))
        }
        Err(error) => Err(Refusal::Own(format!("does not speak HTTP: {error}"))),
    }
}

fn judge(answer: &Answer, is_more: bool, to: &Destination) -> Result<(), Refusal> {
    let squid = answer.squid.as_deref().unwrap_or_default();
    let of_target = match answer.status {
        502 | 504 => true,
        503 => squid.starts_with("ERR_CONNECT_FAIL") || squid.starts_with("ERR_DNS_FAIL"),
        _ => false,
    };
    match answer.status {
        // the target does not speak first: what came already is the proxy's
        200..300 if is_more => Err(Refusal::Own("sent more than its answer".to_owned())),
        200..300 => Ok(()),
        status if of_target => {
            let error = format!("{to} cannot be reached: the proxy answered {status}");
            Err(Refusal::Target(Fault::down(Reason::Unreachable, error)))
        }
        407 => Err(Refusal::Own(WHO.to_owned())),
        status => {
            let error = format!("refuses to connect to {to} (status {status})");
            Err(Refusal::Own(error))
        }
    }
}
