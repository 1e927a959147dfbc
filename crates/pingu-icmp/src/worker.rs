//! The engine thread: receive, expire, take, send, deliver, sleep; round and round.
//!
//! Promises: what has arrived is read before anything is declared timed out, so
//! that a late wake-up of this thread loses no reply; it sleeps whenever there is
//! nothing to do; a panicking sink stops nothing. Leaves out: everything a turn
//! consists of.

use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::control;
use crate::engine::{Shared, Sink};
use crate::lane::{BLOCKED_NS, Inboxes, Lane};
use crate::ledger::Ledger;
use crate::outcome::{BadRequest, LocalError};
use crate::packet::{ECHO_HEADER, IPV4_HEADER_MAX};
use crate::request::{Family, MAX_PAYLOAD_BYTES, MIN_PAYLOAD_BYTES, Request};
use crate::sys::{self, BATCH, Inbox, Watch};

/// How overdue a timeout may get while packets keep pouring in faster than they are read.
const OVERDUE_NS: u64 = 250_000_000;
/// First room for a packet; grown when a larger one is sent.
const ROOM: usize = 256;

pub struct Worker<S> {
    shared: Arc<Shared>,
    sink: S,
    lanes: [Lane; 2],
    ledger: Ledger,
    inboxes: Inboxes,
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
    pub fn new(shared: Arc<Shared>, sink: S, lanes: [Lane; 2], ledger: Ledger) -> Self {
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
            intake: Vec::with_capacity(BATCH),
        }
    }

    /// Works until the queue is closed, then ends everything and returns.
    pub fn run(mut self) {
        let closing = Closing(Arc::clone(&self.shared));
        loop {
            let more = self.receive();
            self.expire(more);
            let closed = self.take(self.room());
            self.send();
            if closed {
                break;
            }
            self.deliver();
            if !more {
                self.sleep();
            }
        }
        self.finish();
        drop(closing);
    }

    fn receive(&mut self) -> bool {
        let mut more = false;
        for lane in &mut self.lanes {
            if lane.ready || self.ledger.waiting(lane.family) > 0 {
                more |= lane.receive(&mut self.ledger, &mut self.inboxes);
            }
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
            .expire(until, |peer| if peer.is_ipv4() { v4 } else { v6 });
    }

    /// How many requests can be taken now: none while a full socket holds some back.
    fn room(&self) -> usize {
        if self.lanes.iter().all(|lane| lane.outbox.is_empty()) {
            self.ledger.room().min(BATCH)
        } else {
            0
        }
    }

    /// Takes up to `limit` requests from the queue; true if the queue is closed.
    fn take(&mut self, limit: usize) -> bool {
        let mut intake = std::mem::take(&mut self.intake);
        let closed = self.shared.queue.take(limit, &mut intake);
        for request in intake.drain(..) {
            if let Err(error) = self.accept(&request) {
                self.ledger.refuse(request.token, error);
            }
        }
        self.intake = intake;
        closed
    }

    fn accept(&mut self, request: &Request) -> Result<(), LocalError> {
        let peer = request.peer.to_canonical();
        validate(request, peer).map_err(LocalError::BadRequest)?;
        let lane = &mut self.lanes[usize::from(peer.is_ipv6())];
        let socket = lane.socket.as_ref().map_err(|error| *error)?;
        let flight = self.ledger.open(request, peer);
        let echo = self.ledger.echo(socket.id, flight);
        let name = control::name(peer, request.scope);
        lane.outbox.push(lane.family, flight, name, &echo, request);
        let length = IPV4_HEADER_MAX + ECHO_HEADER + usize::from(request.payload_bytes);
        self.inboxes.packets.grow(length);
        Ok(())
    }

    fn send(&mut self) {
        for lane in &mut self.lanes {
            if !lane.outbox.is_empty() {
                lane.send(&mut self.ledger, &mut self.inboxes);
            }
        }
    }

    fn deliver(&mut self) {
        self.ledger.stats.clock_steps = u64::from(self.ledger.clocks.steps());
        self.shared.stats.store(&self.ledger.stats);
        if self.ledger.done.is_empty() {
            return;
        }
        let (sink, done) = (&mut self.sink, &mut self.ledger.done);
        if catch_unwind(AssertUnwindSafe(|| sink.complete(done))).is_err() {
            self.ledger.stats.sink_panics += 1;
        }
        self.ledger.done.clear();
    }

    fn sleep(&mut self) {
        if !self.shared.queue.prepare_sleep(self.room() > 0) {
            return;
        }
        let now = self.ledger.clocks.mono();
        let blocked = self
            .lanes
            .iter()
            .filter_map(Lane::blocked)
            .map(|since| since + BLOCKED_NS);
        let until = blocked.chain(self.ledger.next_expiry()).min();
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
        let ready = sys::wait(&watched, timeout).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                // Nothing known brings this about; if it comes it must not spin.
                self.ledger.stats.system_errors += 1;
                thread::sleep(Duration::from_millis(1));
            }
            [false; 3]
        });
        self.shared.queue.awake(ready[0]);
        for (lane, ready) in self.lanes.iter_mut().zip(&ready[1..]) {
            lane.ready = *ready;
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
        self.ledger.abandon();
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
