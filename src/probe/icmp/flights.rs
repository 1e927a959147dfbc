//! Probes that are under way: what each was asked for, and who is told how it ended.
//!
//! Every probe that is admitted ends exactly once. A request's token is the probe's place, who had the place before it, and the
//! packet's number: what the engine says of a packet finds its probe without a search, and never another one.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pingu_icmp::{Afterword, Completion, Outcome, Request};
use slab::Slab;
use tokio::sync::Notify;

use super::strays::Strays;
use super::train::Train;
use super::verdict;
use super::{Asked, Sink};
use crate::model::{IcmpSpec, Observation, Reason};

/// The probes that the engine has packets of, or will have.
pub struct Flights<T> {
    pending: Mutex<Underway<T>>,
    empty: Notify,
    strays: Strays,
    sink: Sink<T>,
}

struct Underway<T> {
    probes: Slab<Pending<T>>,
    admitted: u32,
}

/// One probe.
struct Pending<T> {
    context: T,
    /// What its packets are like; the token is that of the first one.
    request: Request,
    train: Option<Box<Train>>,
    /// When the first packet went out.
    sent_at: Option<Instant>,
}

/// The next packet of a train.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    pub token: u64,
    /// After the packet before it.
    pub after: Duration,
}

impl<T: Asked> Flights<T> {
    pub fn new(sink: Sink<T>) -> Self {
        Self {
            pending: Mutex::new(Underway {
                probes: Slab::new(),
                admitted: 0,
            }),
            empty: Notify::new(),
            strays: Strays::default(),
            sink,
        }
    }

    fn pending(&self) -> MutexGuard<'_, Underway<T>> {
        // nothing that holds the lock can panic halfway
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first packet of a probe, and the one after it if there is one.
    pub fn admit(&self, context: T, address: SocketAddr) -> (Request, Option<Next>) {
        let spec = context.spec();
        let mut request = request(spec, address, context.timeout(), context.at());
        let train = spec.train.map(|spec| Box::new(Train::new(spec)));
        let after = train.as_deref().map(|train| train.spec.interval());
        let mut pending = self.pending();
        pending.admitted = pending.admitted.wrapping_add(1);
        let life = pending.admitted;
        let place = pending.probes.vacant_entry();
        request.token = first_token(place.key(), life);
        place.insert(Pending {
            context,
            request,
            train,
            sent_at: None,
        });
        let token = request.token + 1;
        (request, after.map(|after| Next { token, after }))
    }

    /// A packet of a train whose time has come, and the one after it. Nothing if the probe has ended.
    pub fn depart(&self, token: u64) -> Option<(Request, Option<Next>)> {
        let pending = self.pending();
        let probe = pending.probes.get(place(token))?;
        let spec = probe.train.as_deref().filter(|_| probe.has(token))?.spec;
        let request = Request {
            token,
            at: None,
            ..probe.request
        };
        let is_last = number(token) + 1 >= spec.packets;
        let next = (!is_last).then(|| Next {
            token: token + 1,
            after: spec.interval(),
        });
        Some((request, next))
    }

    /// A packet has ended; with the last one its probe does.
    pub fn complete(&self, completion: &Completion) {
        let mut pending = self.pending();
        let place = place(completion.token);
        let probe = pending.probes.get_mut(place);
        let Some(probe) = probe.filter(|probe| probe.has(completion.token)) else {
            return;
        };
        probe.sent_at = probe.sent_at.or(completion.sent_at);
        let ended = probe.train.as_mut().is_none_or(|train| {
            train.note(
                number(completion.token),
                completion.sent_at,
                &completion.outcome,
            )
        });
        if ended {
            let probe = pending.probes.remove(place);
            self.note_empty(&pending);
            drop(pending);
            let mut observation = probe.observe(completion.outcome);
            self.strays.add_to(probe.address(), &mut observation);
            (self.sink)(probe.context, probe.sent_at, observation);
        }
    }

    /// A reply came after its packet had ended: the next result of its address tells.
    pub fn came_after(&self, word: &Afterword) {
        self.strays.note(word);
    }

    /// Ends a probe whose packet the engine did not take.
    pub fn refuse(&self, token: u64, text: &str) {
        let mut pending = self.pending();
        let place = place(token);
        if !pending.probes.get(place).is_some_and(|it| it.has(token)) {
            return;
        }
        let probe = pending.probes.remove(place);
        self.note_empty(&pending);
        drop(pending);
        probe.end_early(&self.sink, text);
    }

    /// A probe that has no packet.
    pub fn end(&self, context: T, observation: Observation) {
        (self.sink)(context, None, observation);
    }

    /// Ends every probe, with what its packets have said so far.
    pub fn abandon(&self, text: &str) {
        let all = std::mem::take(&mut self.pending().probes);
        for (_, probe) in all {
            probe.end_early(&self.sink, text);
        }
        self.empty.notify_waiters();
    }

    /// Waits until none is under way.
    pub async fn idle(&self) {
        loop {
            let notified = self.empty.notified();
            if self.pending().probes.is_empty() {
                return;
            }
            notified.await;
        }
    }

    fn note_empty(&self, pending: &Underway<T>) {
        if pending.probes.is_empty() {
            self.empty.notify_waiters();
        }
    }
}

impl<T: Asked> Pending<T> {
    /// Whether the packet is one of this probe, and not of one that had its place before.
    const fn has(&self, token: u64) -> bool {
        token >> 8 == self.request.token >> 8
    }

    fn address(&self) -> IpAddr {
        self.request.peer
    }

    fn observe(&self, outcome: Outcome) -> Observation {
        match &self.train {
            None => verdict::observe(outcome, self.address(), self.request.timeout),
            Some(train) => train.observe(self.address(), self.request.timeout),
        }
    }

    fn end_early(self, sink: &Sink<T>, text: &str) {
        let heard = self.train.as_deref().filter(|train| train.has_heard());
        let observation = heard.map_or_else(
            || {
                let measurement = verdict::measurement(self.address(), None);
                Observation::unknown(Reason::Local, text, measurement)
            },
            |train| train.observe(self.address(), self.request.timeout),
        );
        sink(self.context, self.sent_at, observation);
    }
}

impl<T> std::fmt::Debug for Flights<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

/// 32 bits for the place, 24 for the life of it, 8 for the number of the packet.
const fn first_token(place: usize, life: u32) -> u64 {
    (place as u64) << 32 | ((life & 0xff_ffff) as u64) << 8
}

const fn place(token: u64) -> usize {
    (token >> 32) as usize
}

const fn number(token: u64) -> u8 {
    token as u8
}

fn request(spec: &IcmpSpec, address: SocketAddr, timeout: Duration, at: Instant) -> Request {
    Request {
        timeout,
        scope: match address {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(address) => address.scope_id(),
        },
        payload_bytes: spec.payload_bytes,
        ttl: spec.ttl,
        dscp: spec.dscp,
        source: spec.source,
        dont_fragment: spec.dont_fragment,
        at: Some(at),
        ..Request::new(0, address.ip())
    }
}
