//! The messages that went out last, once for all readers: each reader keeps a position of its own.
//!
//! Bounded in messages and in bytes; the oldest go. A reader whose position has gone is told so, and so is one that comes back with an id
//! of another process, or from before a time when nobody listened.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

/// Two minutes at two messages a second, and the most that they may take.
const MESSAGES: usize = 256;
const BYTES: usize = 32 << 20;

#[derive(Debug)]
pub struct Ring {
    held: Mutex<Held>,
    /// How many messages there have been.
    count: watch::Sender<u64>,
    /// What the ids of this process begin with.
    process: String,
}

#[derive(Debug, Default)]
struct Held {
    messages: VecDeque<Bytes>,
    bytes: usize,
    /// How many messages there have been.
    count: u64,
}

/// What comes after a position.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Message(Bytes),
    /// It is the newest.
    Nothing,
    /// It is not in the ring any more.
    Gone,
}

impl Ring {
    pub fn new() -> Self {
        let mut process = uuid::Uuid::new_v4().simple().to_string();
        process.truncate(8);
        Self {
            held: Mutex::default(),
            count: watch::Sender::new(0),
            process,
        }
    }

    /// Adds a message of a kind, which gets the next id.
    pub fn push(&self, kind: &str, data: &str) -> usize {
        let mut held = self.held();
        held.count += 1;
        let id = self.id(held.count);
        let mut text = String::with_capacity(data.len() + kind.len() + id.len() + 24);
        write!(text, "id: {id}\nevent: {kind}\ndata: {data}\n\n")
            .expect("writing to a string cannot fail");
        let (count, length) = (held.count, text.len());
        held.bytes += length;
        held.messages.push_back(text.into());
        while held.messages.len() > MESSAGES || (held.bytes > BYTES && held.messages.len() > 1) {
            let oldest = held.messages.pop_front().map_or(0, |oldest| oldest.len());
            held.bytes -= oldest;
        }
        drop(held);
        self.count.send_replace(count);
        length
    }

    /// Lets everything go. Whoever was at any position before has missed something from now on.
    pub fn forget(&self) {
        let mut held = self.held();
        held.messages.clear();
        held.bytes = 0;
        held.count += 1;
    }

    pub fn after(&self, position: u64) -> Next {
        let held = self.held();
        let oldest = held.count - held.messages.len() as u64;
        if position > held.count || position < oldest {
            return Next::Gone;
        }
        let message = held.messages.get((position - oldest) as usize);
        message.map_or(Next::Nothing, |message| Next::Message(message.clone()))
    }

    /// The position of the newest message.
    pub fn newest(&self) -> u64 {
        self.held().count
    }

    /// The position of an id, if it is in the ring.
    pub fn find(&self, id: &str) -> Option<u64> {
        let (process, position) = id.split_once('-')?;
        let position = position.parse().ok()?;
        (process == self.process && self.after(position) != Next::Gone).then_some(position)
    }

    pub fn id(&self, position: u64) -> String {
        format!("{}-{position}", self.process)
    }

    /// Tells of each new message.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // nothing in here can be half done
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(next: Next) -> String {
        match next {
            Next::Message(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn a_position_leads_to_the_next_message_until_it_has_gone() {
        let ring = Ring::new();
        assert_eq!(ring.after(0), Next::Nothing);
        ring.push("beats", "1");
        let id = ring.id(1);
        assert_eq!(
            text(ring.after(0)),
            format!("id: {id}\nevent: beats\ndata: 1\n\n")
        );
        assert_eq!(ring.after(1), Next::Nothing);
        assert_eq!(ring.find(&id), Some(1));
        for _ in 0..MESSAGES {
            ring.push("beats", "2");
        }
        assert_eq!(ring.after(0), Next::Gone);
        assert!(text(ring.after(1)).contains("data: 2"));
        ring.push("beats", "3");
        assert_eq!(ring.find(&id), None);
    }

    #[test]
    fn ids_of_others_and_of_a_time_before_a_rest_lead_nowhere() {
        let ring = Ring::new();
        ring.push("beats", "1");
        let newest = ring.id(1);
        for id in [
            "",
            "1",
            "-1",
            "00000000-1",
            &Ring::new().id(1),
            &format!("{newest}x"),
            &ring.id(2),
            &ring.id(u64::MAX),
        ] {
            assert_eq!(ring.find(id), None, "{id}");
        }
        assert_eq!(ring.find(&newest), Some(1));
        ring.forget();
        assert_eq!(ring.find(&newest), None);
        assert_eq!(ring.after(ring.newest()), Next::Nothing);
    }

    #[test]
    fn a_ring_is_bounded_in_bytes() {
        let ring = Ring::new();
        let large = "x".repeat(BYTES / 3);
        for _ in 0..5 {
            ring.push("beats", &large);
        }
        assert!(ring.held().bytes <= BYTES);
        assert_eq!(ring.held().messages.len(), 2);
    }
}
