//! The engine thread: take, send, receive, expire, deliver, sleep; round and round.
//!
//! Promises: what has arrived is read before anything is declared timed out, so
//! that a late wake-up of this thread loses no reply; it sleeps whenever there is
//! nothing to do; what an engine says of its sockets is true before a completion
//! speaks of them; a panicking sink stops nothing. Leaves out: everything a turn
//! consists of.

use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::control;
use crate::engine::{Config, Shared, Sink};
use crate::lane::{BLOCKED_NS, Inboxes, Lane};
use crate::later::Later;
use crate::ledger::Ledger;
use crate::lull::Lull;
use crate::outcome::{BadRequest, LocalError};
use crate::pace::Pace;
use crate::packet::{ECHO_HEADER, IPV4_HEADER_MAX};
use crate::queue::Rest;
use crate::request::{Family, MAX_PAYLOAD_BYTES, MIN_PAYLOAD_BYTES, Request};
use crate::sys::{self, BATCH, Inbox, Ready, Watch};

/// How overdue a timeout may get while packets keep pouring in faster than they are read.
const OVERDUE_NS: u64 = 250_000_000;
/// The longest that replies may be left lying.
const LONGEST_GATHER: Duration = Duration::from_millis(10);
/// First room for a packet; grown when a larger one is sent.
const ROOM: usize = 256;

pub struct Worker<S> {
    shared: Arc<Shared>,
    sink: S,
    lanes: [Lane; 2],
    ledger: Ledger,
    inboxes: Inboxes,
    lull: Lull,
    pace: Pace,
    later: Later,
    intake: Vec<Request>,
}

/// Closes the queue even if the thread dies of a bug, so that nobody submits into the void.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.queue.close();
    }
}

impl<S: Sink> Worker<S> {
    pub fn new(
        shared: Arc<Shared>,
        sink: S,
        lanes: [Lane; 2],
        ledger: Ledger,
        config: &Config,
    ) -> Self {
        let inboxes = Inboxes {
            packets: Inbox::new(ROOM),
            notices: Inbox::new(ROOM),
        };
        Self {
            shared,
            sink,
            lanes,
            ledger,
            inboxes,
            lull: Lull::new(config.gather.min(LONGEST_GATHER).as_nanos() as u64),
            pace: Pace::new(config.max_pps),
            later: Later::new(config.queue.max(1)),
            intake: Vec::with_capacity(BATCH),
        }
    }

    /// Works until the queue is closed, then ends everything and returns.
    pub fn run(mut self) {
        let closing = Closing(Arc::clone(&self.shared));
        loop {
            self.revive();
            let room = self.room();
            let closed = self.take(room);
            self.send();
            if closed {
                break;
            }
            // After sending: what came meanwhile is read in the same turn, and
            // nothing waits for it.
            let more = self.receive();
            self.expire(more);
            self.deliver();
            if !more {
                self.sleep();
            }
        }
        self.finish();
        drop(closing);
    }

    /// Opens what is not open, if it is time to try.
    fn revive(&mut self) {
        let called = self.shared.queue.called();
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if lane.socket.is_err() && lane.revive(&mut self.ledger, called) {
                self.shared.access()[index] = lane.access();
            }
        }
    }

    fn receive(&mut self) -> bool {
        let now = self.ledger.clocks.mono();
        let due = self.lull.until().is_some_and(|until| now >= until);
        let (mut read, mut woken, mut found, mut more) = (false, false, false, false);
        for lane in &mut self.lanes {
            let ready = lane.ready != Ready::default();
            if !(ready || due || self.ledger.waiting(lane.family) > 0) || lane.socket.is_err() {
                continue;
            }
            let reading = lane.receive(&mut self.ledger, &mut self.inboxes);
            read = true;
            woken |= ready;
            found |= reading.count > 0;
            more |= reading.more;
        }
        if read {
            self.lull.read(now, found, woken);
        }
        more
    }

    /// Ends what is overdue, judged by what was surely read.
    fn expire(&mut self, more: bool) {
        let now = self.ledger.clocks.mono();
        let mut until = now;
        for lane in &self.lanes {
            if self.ledger.waiting(lane.family) > 0 {
                until = until.min(lane.emptied);
            }
        }
        if more {
            until = until.max(now.saturating_sub(OVERDUE_NS));
        }
        if self.ledger.next_expiry().is_none_or(|next| next > until) {
            return;
        }
        for lane in &mut self.lanes {
            if self.ledger.waiting(lane.family) > 0 {
                lane.probe_drops(&mut self.ledger);
            }
        }
        let [v4, v6] = &self.lanes;
        let (v4, v6) = (v4.overflowed, v6.overflowed);
        self.ledger
            .expire(until, |family| if family == Family::V4 { v4 } else { v6 });
    }

    /// How many requests can be taken now: none while a full socket holds some back.
    fn room(&mut self) -> usize {
        if self.lanes.iter().all(|lane| lane.outbox.is_empty()) {
            let allowed = self.pace.allowed(self.ledger.clocks.mono());
            self.ledger.room().min(BATCH).min(allowed)
        } else {
            0
        }
    }

    /// Takes up to `limit` requests, those whose time has come first, then from
    /// the queue; true if the queue is closed.
    fn take(&mut self, limit: usize) -> bool {
        let now = self.ledger.clocks.mono();
        let mut left = limit;
        while left > 0
            && let Some(request) = self.later.take(now)
        {
            self.accept(&request);
            left -= 1;
        }
        let mut intake = std::mem::take(&mut self.intake);
        let closed = (self.shared.queue).take(left.min(self.later.room()), &mut intake);
        for request in intake.drain(..) {
            match request.at.map(|at| self.ledger.clocks.reading(at)) {
                Some(at) if at > now => self.later.put(at, now, request),
                _ => self.accept(&request),
            }
        }
        self.intake = intake;
        closed
    }

    fn accept(&mut self, request: &Request) {
        if let Err(error) = self.pack(request) {
            self.ledger.refuse(request.token, error);
        }
    }

    fn pack(&mut self, request: &Request) -> Result<(), LocalError> {
        let peer = request.peer.to_canonical();
        validate(request, peer).map_err(LocalError::BadRequest)?;
        let lane = &mut self.lanes[usize::from(peer.is_ipv6())];
        let socket = lane.socket.as_ref().map_err(|error| *error)?;
        let flight = self.ledger.open(request, peer);
        self.pace.spend();
        let echo = self.ledger.echo(socket.reader.id, flight);
        let name = control::name(peer, request.scope);
        lane.outbox.push(lane.family, flight, name, &echo, request);
        let length = IPV4_HEADER_MAX + ECHO_HEADER + usize::from(request.payload_bytes);
        self.inboxes.packets.grow(length);
        Ok(())
    }

    fn send(&mut self) {
        let lull = self.lull.until().is_some();
        for lane in &mut self.lanes {
            if lane.ready.noticed || (lull && lane.troubled) {
                // An error that is there would be taken for that of what is sent.
                lane.ready.noticed = false;
                lane.troubled = false;
                lane.clear_errors(&mut self.ledger, &mut self.inboxes);
            }
            if !lane.outbox.is_empty() {
                lane.send(&mut self.ledger, &mut self.inboxes);
            }
        }
    }

    fn deliver(&mut self) {
        self.ledger.stats.clock_steps = u64::from(self.ledger.clocks.steps());
        self.shared.stats.store(&self.ledger.stats);
        for (index, lane) in self.lanes.iter().enumerate() {
            if lane.socket.is_err() {
                // It may have been lost in this turn.
                self.shared.access()[index] = lane.access();
            }
        }
        let (sink, ledger) = (&mut self.sink, &mut self.ledger);
        if !ledger.done.is_empty() {
            if catch_unwind(AssertUnwindSafe(|| sink.complete(&mut ledger.done))).is_err() {
                ledger.stats.sink_panics += 1;
            }
            ledger.done.clear();
        }
        if !ledger.after.is_empty() {
            if catch_unwind(AssertUnwindSafe(|| sink.afterwards(&mut ledger.after))).is_err() {
                ledger.stats.sink_panics += 1;
            }
            ledger.after.clear();
        }
    }

    fn sleep(&mut self) {
        let room = self.room();
        let rest = self.shared.queue.prepare_sleep(room > 0);
        if rest == Rest::None {
            return;
        }
        let blocked = self.lanes.iter().any(|lane| lane.blocked().is_some());
        let lull = self.lull.until().filter(|_| !blocked);
        if lull.is_none() {
            for lane in &mut self.lanes {
                if lane.stamps_left {
                    // Left unread they would end the sleep at once.
                    lane.receive_stamps(&mut self.ledger, &mut self.inboxes);
                }
            }
        }
        let now = self.ledger.clocks.mono();
        let held = rest == Rest::Holding || self.later.is_due(now);
        let pace = self.pace.next().filter(|_| held && room == 0);
        let later = self.later.next().filter(|_| room > 0);
        let until = self
            .lanes
            .iter()
            .flat_map(|lane| {
                [
                    lane.blocked().map(|since| since + BLOCKED_NS),
                    lane.next_attempt(),
                ]
            })
            .chain([lull, pace, later, self.ledger.next_expiry()])
            .flatten()
            .min();
        let timeout = until.map(|until| Duration::from_nanos(until.saturating_sub(now)));
        let mut watched = [Watch {
            fd: self.shared.queue.event(),
            writable: false,
        }; 3];
        for (watch, lane) in watched[1..].iter_mut().zip(&self.lanes) {
            if let Ok(socket) = &lane.socket {
                *watch = Watch {
                    fd: socket.fd(),
                    writable: lane.blocked().is_some(),
                };
            }
        }
        let count = if lull.is_some() { 1 } else { watched.len() };
        let ready = sys::wait(&watched[..count], timeout).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                // Nothing known brings this about; if it comes it must not spin.
                self.ledger.stats.system_errors += 1;
                thread::sleep(Duration::from_millis(1));
            }
            [Ready::default(); 3]
        });
        self.shared.queue.awake(ready[0].readable);
        for (lane, ready) in self.lanes.iter_mut().zip(&ready[1..]) {
            lane.ready = if lane.socket.is_ok() {
                *ready
            } else {
                Ready::default()
            };
        }
    }

    /// The queue is closed: ends what is under way and what was still queued.
    fn finish(&mut self) {
        loop {
            self.shared.queue.take(BATCH, &mut self.intake);
            if self.intake.is_empty() {
                break;
            }
            for request in self.intake.drain(..) {
                self.ledger.refuse(request.token, LocalError::Stopped);
            }
        }
        for request in self.later.drain() {
            self.ledger.refuse(request.token, LocalError::Stopped);
        }
        for family in FAMILIES {
            self.ledger.abandon(family, LocalError::Stopped);
        }
        self.deliver();
        self.shared.stats.store(&self.ledger.stats);
    }
}

fn validate(request: &Request, peer: IpAddr) -> Result<(), BadRequest> {
    if peer.is_unspecified() || peer.is_multicast() {
        return Err(BadRequest::Peer);
    }
    if !(MIN_PAYLOAD_BYTES..=MAX_PAYLOAD_BYTES).contains(&request.payload_bytes) {
        return Err(BadRequest::Payload);
    }
    if request.ttl == Some(0) {
        return Err(BadRequest::Ttl);
    }
    if request.dscp.is_some_and(|dscp| dscp > 63) {
        return Err(BadRequest::Dscp);
    }
    if request
        .source
        .is_some_and(|source| source.is_ipv4() != peer.is_ipv4())
    {
        return Err(BadRequest::SourceFamily);
    }
    Ok(())
}

/// The lane of each family, IPv4 first.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];
