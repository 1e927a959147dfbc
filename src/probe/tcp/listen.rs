//! Listens for a pattern in what comes back, which may come in any pieces, or never.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout};

use crate::model::{Pattern, Reason};
use crate::probe::wire::failure::{self, Fault};
use crate::probe::wire::timeline::{Deadline, Phase, Timeline};

/// An answer is read as far as this, in bytes.
const LONGEST: usize = 64 * 1024;
/// While little comes at a time the pattern is tried once in this: each try reads all there is, and a server that drips must not make
/// us read the same 64 KiB for each byte of them.
const PAUSE: Duration = Duration::from_millis(5);
/// What is told of an answer, in bytes.
const SHOWN: usize = 120;

/// What was heard so far.
struct Heard {
    bytes: Vec<u8>,
    /// How many of them the pattern was tried on.
    tried: usize,
    first: Option<Instant>,
    last: Instant,
}

/// How listening ended.
enum End {
    Found,
    Closed,
    Full,
}

/// Waits for `pattern`, and notes when its last byte came.
pub(super) async fn until(
    stream: &mut (impl AsyncRead + Unpin),
    pattern: &Pattern,
    asked: Instant,
    deadline: Deadline,
    timeline: &mut Timeline,
) -> Result<(), Fault> {
    let mut heard = Heard {
        bytes: Vec::new(),
        tried: 0,
        first: None,
        last: asked,
    };
    let stuck = || "waiting for the answer".to_owned();
    let ended = deadline.bound(stuck, heard.listen(stream, pattern)).await;
    if let Some(first) = heard.first {
        timeline.add(Phase::FirstByte, first.duration_since(asked));
    }
    match ended {
        Ok(Ok(End::Found)) => {}
        Ok(Ok(End::Closed)) if heard.bytes.is_empty() => {
            let error = "the connection was closed without an answer";
            return Err(Fault::down(Reason::Reset, error));
        }
        Ok(Ok(End::Closed)) => {
            heard.note(timeline);
            return Err(heard.differs("does not match"));
        }
        Ok(Ok(End::Full)) => {
            let error = format!("no match in the first {} KiB of the answer", LONGEST / 1024);
            return Err(Fault::down(Reason::TooLarge, error));
        }
        Ok(Err(error)) => return Err(failure::broken(&error, "reading the answer")),
        // what came in the last pause was not tried
        Err(_) if heard.is_found(pattern) => {}
        Err(fault) if heard.bytes.is_empty() => return Err(fault),
        Err(_) => return Err(heard.differs("did not match before the time was up")),
    }
    heard.note(timeline);
    Ok(())
}

impl Heard {
    async fn listen(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        pattern: &Pattern,
    ) -> std::io::Result<End> {
        let mut piece = [0; 2048];
        loop {
            let reading = stream.read(&mut piece);
            let read = if self.tried == self.bytes.len() {
                reading.await?
            } else if let Ok(read) = timeout(PAUSE, reading).await {
                read?
            } else if self.is_found(pattern) {
                return Ok(End::Found);
            } else {
                continue;
            };
            let room = LONGEST - self.bytes.len();
            self.bytes.extend_from_slice(&piece[..read.min(room)]);
            if read > 0 {
                self.last = Instant::now();
                self.first.get_or_insert(self.last);
            }
            let is_over = read == 0 || read >= room;
            let has_grown = self.bytes.len() - self.tried >= self.tried / 16;
            if (is_over || has_grown) && self.is_found(pattern) {
                return Ok(End::Found);
            }
            if is_over {
                return Ok(if read == 0 { End::Closed } else { End::Full });
            }
        }
    }

    fn is_found(&mut self, pattern: &Pattern) -> bool {
        self.tried = self.bytes.len();
        pattern.is_found_in(&self.bytes)
    }

    /// The answer ended with the last byte that came.
    fn note(&self, timeline: &mut Timeline) {
        if let Some(first) = self.first {
            timeline.add(Phase::Transfer, self.last.duration_since(first));
        }
        timeline.answered(self.last);
    }

    fn differs(&self, how: &str) -> Fault {
        let shown = &self.bytes[..self.bytes.len().min(SHOWN)];
        let shown = String::from_utf8_lossy(shown);
        let error = format!("the answer {how}: \"{}\"", shown.trim());
        Fault::down(Reason::Body, error)
    }
}
