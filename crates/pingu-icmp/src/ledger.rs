//! Who is under way, and what is believed of the packets that come back.
//!
//! Promises: every request taken ends in exactly one completion; a reply counts
//! only if identifier, sequence, peer and cookie match and it came in time; no
//! allocation per probe once the tables have grown. Leaves out: sockets and
//! system calls, so that all of it is tested without a network.
//!
//! A slot is a place in a flat table. Its index is in the cookie and its low 16
//! bits are the sequence on the wire, so that a reply finds its slot without a
//! map and 65,536 sequences are no limit. Slots are used again oldest first and
//! only when [`RESERVE`] others are free: one that ended still knows its late and
//! duplicate replies, and a short quotation cannot name the wrong probe soon.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::afterword::{AT_ONCE, Afterword, AfterwordKind, EACH};
use crate::cookie::{Cookie, Secret};
use crate::outcome::{Clock, Completion, IcmpError, LocalError, Outcome, Reply};
use crate::packet::{Echo, Quote};
use crate::request::{Family, Request};
use crate::slot::{Flight, Slot, State};
use crate::stats::Stats;
use crate::timestamp::{Clocks, Moment, round_trip};
use crate::wheel::Wheel;

/// Ended slots kept before the oldest is used again (1.6 MB with their timers).
/// Documented at [`Afterword`].
const RESERVE: usize = 16_384;
/// A reply as it was received, before it is believed.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    pub from: IpAddr,
    pub scope: u32,
    pub ttl: Option<u8>,
    pub payload_bytes: u16,
    /// The first payload byte that is not what is sent there.
    pub damaged_at: Option<u16>,
    /// The kernel's stamp, ns since 1970.
    pub stamp: Option<i64>,
}

#[derive(Debug)]
pub struct Ledger {
    slots: Vec<Slot>,
    limit: usize,
    free: VecDeque<u32>,
    wheel: Wheel,
    secret: Secret,
    expired: Vec<u32>,
    waiting: [usize; 2],
    pub clocks: Clocks,
    pub stats: Stats,
    /// Ended requests, to be delivered.
    pub done: Vec<Completion>,
    /// What came after the end of requests, to be delivered.
    pub after: Vec<Afterword>,
}

impl Ledger {
    /// A ledger of at most `limit` requests under way. The address space for all
    /// of them is reserved at once, so that growing never copies them; memory is
    /// used only as far as slots were.
    pub fn new(limit: usize, secret: Secret) -> Self {
        Self {
            slots: Vec::with_capacity(limit),
            limit,
            free: VecDeque::new(),
            wheel: Wheel::with_capacity(limit),
            secret,
            expired: Vec::new(),
            waiting: [0; 2],
            clocks: Clocks::start(),
            stats: Stats::default(),
            done: Vec::new(),
            after: Vec::new(),
        }
    }

    /// How many more requests can be opened.
    pub fn room(&self) -> usize {
        self.limit - self.slots.len() + self.free.len()
    }

    /// Gives `request` a slot. There must be [`room`](Self::room).
    pub fn open(&mut self, request: &Request, peer: IpAddr) -> Flight {
        self.stats.taken += 1;
        let fresh = self.slots.len() < self.limit && self.free.len() <= RESERVE;
        let reused = if fresh { None } else { self.free.pop_front() };
        let index = reused.unwrap_or(self.slots.len() as u32);
        let generation = self
            .slots
            .get(index as usize)
            .map_or(0, |slot| slot.generation.wrapping_add(1));
        let slot = Slot::new(request, peer, generation);
        match self.slots.get_mut(index as usize) {
            Some(place) => *place = slot,
            None => self.slots.push(slot),
        }
        Flight {
            slot: index,
            generation,
        }
    }

    /// Ends a request that got no slot.
    pub fn refuse(&mut self, token: u64, error: LocalError) {
        self.stats.taken += 1;
        self.stats.local_errors += 1;
        self.done.push(Completion {
            token,
            sent_at: None,
            outcome: Outcome::Local(error),
        });
    }

    /// What to send for an open slot.
    pub fn echo(&self, id: u16, flight: Flight) -> Echo {
        let cookie = self.secret.cookie(flight.slot, flight.generation);
        Echo {
            id,
            seq: flight.slot as u16,
            cookie,
        }
    }

    /// The packet of `flight` was accepted by the kernel; `moment` is from before.
    pub fn sent(&mut self, flight: Flight, moment: Moment) {
        let slot = &mut self.slots[flight.slot as usize];
        let due = slot.leave(moment);
        self.waiting[lane(slot.family())] += 1;
        self.wheel.insert(flight.slot, due);
        self.stats.sent += 1;
    }

    /// The kernel's stamp of when the packet of `flight` went out.
    pub fn stamped(&mut self, flight: Flight, stamp: i64) {
        if let Some(slot) = self.slots.get_mut(flight.slot as usize)
            && slot.generation == flight.generation
        {
            slot.stamped(stamp);
        }
    }

    /// The packet of `flight` could not be sent.
    pub fn unsent(&mut self, flight: Flight, error: LocalError) {
        self.end(flight.slot, Outcome::Local(error));
    }

    /// An echo reply with our identifier was read at `read`.
    pub fn reply(&mut self, echo: &Echo, arrival: &Arrival, read: &Moment) {
        let Cookie {
            slot: index,
            generation,
            ..
        } = echo.cookie;
        if !self.secret.made(echo.cookie) || echo.seq != index as u16 {
            self.stats.forged += 1;
            return;
        }
        let Some(slot) = self.slots.get(index as usize) else {
            self.stats.forged += 1;
            return;
        };
        if slot.generation != generation {
            self.stats.stale += 1;
            return;
        }
        if !slot.is_peer(arrival.from, arrival.scope) {
            self.stats.wrong_peer += 1;
            return;
        }
        let state = slot.state;
        if state == State::Taken {
            // Its cookie was on no wire yet.
            self.stats.forged += 1;
            return;
        }
        let (rtt, clock) = round_trip(&slot.sent(), arrival.stamp, read);
        let too_long = (arrival.payload_bytes > slot.payload_bytes).then_some(slot.payload_bytes);
        let reply = Reply {
            rtt,
            clock,
            from: arrival.from,
            ttl: arrival.ttl,
            payload_bytes: arrival.payload_bytes,
            damaged_at: arrival.damaged_at.or(too_long),
        };
        let in_time = rtt <= slot.timeout();
        self.stats.corrupted += u64::from(reply.damaged_at.is_some());
        match state {
            State::Waiting if in_time => {
                self.stats.monotonic += u64::from(clock == Clock::Monotonic);
                self.end(index, Outcome::Reply(reply));
            }
            State::Waiting => {
                self.end(index, Outcome::Timeout);
                self.tell(index, AfterwordKind::Late, reply);
            }
            State::Answered => self.tell(index, AfterwordKind::Duplicate, reply),
            State::Taken | State::Over => self.tell(index, AfterwordKind::Late, reply),
        }
    }

    /// Notes a reply that came after the end of its request.
    fn tell(&mut self, index: u32, kind: AfterwordKind, reply: Reply) {
        match kind {
            AfterwordKind::Late => self.stats.late += 1,
            AfterwordKind::Duplicate => self.stats.duplicate += 1,
        }
        let slot = &mut self.slots[index as usize];
        slot.state = State::Answered;
        if slot.told >= EACH || self.after.len() >= AT_ONCE {
            self.stats.untold += 1;
            return;
        }
        slot.told += 1;
        self.after.push(Afterword {
            token: slot.token,
            kind,
            reply,
        });
    }

    /// An ICMP error quoting a packet to `peer` with our identifier came.
    pub fn error(&mut self, quote: &Quote, peer: IpAddr, scope: u32, error: IcmpError) {
        let found = match quote.cookie {
            Some(cookie) if self.secret.made(cookie) && quote.seq == cookie.slot as u16 => self
                .asked(cookie.slot, peer, scope)
                .filter(|slot| slot.generation == cookie.generation)
                .map(|_| cookie.slot),
            Some(_) => None,
            None => self.only_asked(quote.seq, peer, scope),
        };
        match found {
            Some(index) => self.end(index, Outcome::IcmpError(error)),
            None => self.stats.foreign_errors += 1,
        }
    }

    /// The one slot with this sequence that waits for `peer`; none if there are
    /// several, since nothing tells which is meant.
    fn only_asked(&self, seq: u16, peer: IpAddr, scope: u32) -> Option<u32> {
        let mut candidates = (u32::from(seq)..self.slots.len() as u32)
            .step_by(1 << 16)
            .filter(|index| self.asked(*index, peer, scope).is_some());
        let first = candidates.next();
        if candidates.next().is_some() {
            None
        } else {
            first
        }
    }

    fn asked(&self, index: u32, peer: IpAddr, scope: u32) -> Option<&Slot> {
        self.slots
            .get(index as usize)
            .filter(|slot| slot.state == State::Waiting && slot.is_peer(peer, scope))
    }

    /// Ends what was due by `until` (ns, monotonic) without an answer.
    /// `overflowed` tells when the receive queue of the peer's family last lost packets.
    pub fn expire(&mut self, until: u64, overflowed: impl Fn(Family) -> Option<u64>) {
        let mut expired = std::mem::take(&mut self.expired);
        self.wheel.expire(until, &mut expired);
        for index in expired.drain(..) {
            let slot = &self.slots[index as usize];
            let lost_here =
                overflowed(slot.family()).is_some_and(|at| at >= slot.sent().moment.mono);
            let outcome = if lost_here {
                Outcome::Local(LocalError::ReceiveOverflow)
            } else {
                Outcome::Timeout
            };
            self.end(index, outcome);
        }
        self.expired = expired;
    }

    /// How many sent requests of a family have no answer yet.
    pub fn waiting(&self, family: Family) -> usize {
        self.waiting[lane(family)]
    }

    /// When [`expire`](Self::expire) has something to do next.
    pub fn next_expiry(&self) -> Option<u64> {
        self.wheel.next_expiry()
    }

    /// Ends everything of a family that is under way.
    pub fn abandon(&mut self, family: Family, error: LocalError) {
        for index in 0..self.slots.len() as u32 {
            let slot = &self.slots[index as usize];
            if matches!(slot.state, State::Taken | State::Waiting) && slot.family() == family {
                self.end(index, Outcome::Local(error));
            }
        }
    }

    fn end(&mut self, index: u32, outcome: Outcome) {
        let slot = &mut self.slots[index as usize];
        let sent_at =
            (slot.state == State::Waiting).then(|| self.clocks.instant(slot.sent().moment.mono));
        if sent_at.is_some() {
            self.waiting[lane(slot.family())] -= 1;
        }
        let (state, counter) = match outcome {
            Outcome::Reply(_) => (State::Answered, &mut self.stats.replies),
            Outcome::Timeout => (State::Over, &mut self.stats.timeouts),
            Outcome::IcmpError(_) => (State::Over, &mut self.stats.icmp_errors),
            Outcome::Local(_) => (State::Over, &mut self.stats.local_errors),
        };
        *counter += 1;
        slot.state = state;
        self.done.push(Completion {
            token: slot.token,
            sent_at,
            outcome,
        });
        self.wheel.remove(index);
        self.free.push_back(index);
    }
}

/// Where a family's figures are.
fn lane(family: Family) -> usize {
    usize::from(family == Family::V6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::IcmpErrorKind;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    const MS: u64 = 1_000_000;

    fn ledger(limit: usize) -> Ledger {
        Ledger::new(limit, Secret::default())
    }

    fn peer(n: u8) -> IpAddr {
        [127, 0, 0, n].into()
    }

    fn request(token: u64, timeout_ms: u64) -> Request {
        Request {
            timeout: Duration::from_millis(timeout_ms),
            ..Request::new(token, peer(1))
        }
    }

    fn at(mono: u64) -> Moment {
        Moment {
            mono,
            real: mono as i64,
            era: 0,
        }
    }

    fn arrival(from: IpAddr, stamp: Option<i64>) -> Arrival {
        Arrival {
            from,
            scope: 0,
            ttl: None,
            payload_bytes: 56,
            damaged_at: None,
            stamp,
        }
    }

    const UNREACHABLE: IcmpError = IcmpError {
        kind: IcmpErrorKind::HostUnreachable,
        icmp_type: 3,
        code: 1,
        from: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
        mtu: None,
    };

    fn short(echo: &Echo) -> Quote {
        Quote {
            id: echo.id,
            seq: echo.seq,
            cookie: None,
        }
    }

    #[test]
    fn a_reply_stamped_in_time_counts_however_late_it_is_read() {
        let mut ledger = ledger(4);
        let flight = ledger.open(&request(1, 10), peer(1));
        ledger.sent(flight, at(0));
        let echo = ledger.echo(7, flight);
        ledger.reply(&echo, &arrival(peer(1), Some(9 * MS as i64)), &at(500 * MS));
        assert!(
            matches!(ledger.done[0].outcome, Outcome::Reply(reply) if reply.rtt.as_millis() == 9)
        );
    }

    #[test]
    fn a_reply_stamped_too_late_is_a_timeout_before_the_wheel_says_so() {
        let mut ledger = ledger(4);
        let flight = ledger.open(&request(1, 10), peer(1));
        ledger.sent(flight, at(0));
        let echo = ledger.echo(7, flight);
        ledger.reply(&echo, &arrival(peer(1), Some(11 * MS as i64)), &at(11 * MS));
        assert_eq!(ledger.done[0].outcome, Outcome::Timeout);
        assert_eq!((ledger.stats.late, ledger.stats.timeouts), (1, 1));
        assert_eq!(ledger.next_expiry(), None);
    }

    #[test]
    fn the_reply_to_a_slot_s_earlier_life_is_stale() {
        let mut ledger = ledger(1);
        let first = ledger.open(&request(1, 10), peer(1));
        ledger.sent(first, at(0));
        ledger.expire(20 * MS, |_| None);
        let second = ledger.open(&request(2, 10), peer(1));
        assert_eq!((second.slot, second.generation), (first.slot, 1));
        ledger.sent(second, at(20 * MS));
        let old = ledger.echo(7, first);
        ledger.reply(&old, &arrival(peer(1), None), &at(21 * MS));
        assert_eq!((ledger.stats.stale, ledger.stats.replies), (1, 0));
    }

    #[test]
    fn a_short_quotation_finds_its_probe_among_those_with_the_same_sequence() {
        let mut ledger = ledger(1 << 18);
        let flights: Vec<Flight> = (0..200_000u64)
            .map(|n| {
                // Three slots share each sequence; every third goes to another peer.
                let flight = ledger.open(&request(n, 10_000), peer((n >> 16) as u8 + 1));
                ledger.sent(flight, at(0));
                flight
            })
            .collect();
        let meant = flights[5 + (1 << 16)];
        let quote = short(&ledger.echo(7, meant));
        ledger.error(&quote, peer(9), 0, UNREACHABLE);
        assert_eq!(ledger.stats.foreign_errors, 1, "nobody was asked there");
        ledger.error(&quote, peer(2), 0, UNREACHABLE);
        assert_eq!(ledger.done.len(), 1);
        assert_eq!(ledger.done[0].token, 5 + (1 << 16));
    }

    #[test]
    fn a_short_quotation_that_could_mean_two_probes_means_none() {
        let mut ledger = ledger(1 << 18);
        let mut first = None;
        for n in 0..=u64::from(u16::MAX) + 1 {
            let flight = ledger.open(&request(n, 10_000), peer(1));
            ledger.sent(flight, at(0));
            first.get_or_insert(flight);
        }
        let echo = ledger.echo(7, first.unwrap());
        ledger.error(&short(&echo), peer(1), 0, UNREACHABLE);
        assert_eq!((ledger.stats.foreign_errors, ledger.done.len()), (1, 0));
        let quote = Quote {
            cookie: Some(echo.cookie),
            ..short(&echo)
        };
        ledger.error(&quote, peer(1), 0, UNREACHABLE);
        assert_eq!(ledger.done[0].token, 0);
    }

    #[test]
    fn silence_while_our_queue_overflowed_is_our_fault() {
        let mut ledger = ledger(4);
        for (token, sent) in [(1, 0), (2, 10 * MS)] {
            let flight = ledger.open(&request(token, 20), peer(1));
            ledger.sent(flight, at(sent));
        }
        ledger.expire(40 * MS, |_| Some(5 * MS));
        let outcomes: BTreeMap<u64, Outcome> = ledger
            .done
            .iter()
            .map(|end| (end.token, end.outcome))
            .collect();
        assert_eq!(outcomes[&1], Outcome::Local(LocalError::ReceiveOverflow));
        assert_eq!(outcomes[&2], Outcome::Timeout, "it was sent after that");
    }

    #[test]
    fn what_comes_after_is_told_a_few_times_each_and_a_thousand_times_in_all() {
        let mut ledger = ledger(4_000);
        let flights: Vec<Flight> = (0..2_000)
            .map(|token| {
                let flight = ledger.open(&request(token, 10), peer(1));
                ledger.sent(flight, at(0));
                flight
            })
            .collect();
        ledger.expire(20 * MS, |_| None);
        let reply = |flight: &Flight, ledger: &mut Ledger| {
            let echo = ledger.echo(7, *flight);
            ledger.reply(&echo, &arrival(peer(1), Some(25 * MS as i64)), &at(30 * MS));
        };
        (0..20).for_each(|_| reply(&flights[0], &mut ledger));
        let kinds: Vec<_> = ledger.after.iter().map(|word| word.kind).collect();
        assert_eq!(kinds.len(), usize::from(EACH));
        assert_eq!(kinds[0], AfterwordKind::Late);
        assert!(
            kinds[1..]
                .iter()
                .all(|kind| *kind == AfterwordKind::Duplicate)
        );
        assert_eq!(ledger.after[0].reply.rtt.as_millis(), 25);
        for flight in &flights {
            reply(flight, &mut ledger);
        }
        assert_eq!(ledger.after.len(), AT_ONCE);
        let stats = ledger.stats;
        assert_eq!((stats.late, stats.duplicate), (2_000, 20));
        assert_eq!(stats.untold + AT_ONCE as u64, 2_020);
    }

    #[test]
    fn a_request_is_remembered_until_the_reserve_has_passed() {
        let mut ledger = ledger(1 << 18);
        let first = ledger.open(&request(1, 10), peer(1));
        ledger.sent(first, at(0));
        ledger.expire(20 * MS, |_| None);
        let answer = |ledger: &mut Ledger| {
            let echo = ledger.echo(7, first);
            ledger.reply(&echo, &arrival(peer(1), None), &at(30 * MS));
        };
        for token in 0..RESERVE as u64 {
            let flight = ledger.open(&request(token, 10), peer(1));
            ledger.unsent(flight, LocalError::Stopped);
        }
        answer(&mut ledger);
        assert_eq!((ledger.stats.late, ledger.stats.stale), (1, 0));
        for token in 0..2 {
            let flight = ledger.open(&request(token, 10), peer(1));
            ledger.unsent(flight, LocalError::Stopped);
        }
        answer(&mut ledger);
        assert_eq!((ledger.stats.late, ledger.stats.stale), (1, 1));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Open {
            timeout_ms: u64,
            peer: u8,
        },
        Refuse,
        Send(usize),
        Unsend(usize),
        Reply {
            flight: usize,
            from: u8,
            seq: u16,
            stamp: Option<i64>,
        },
        Error {
            flight: usize,
            to: u8,
            quoted: bool,
        },
        Advance(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let flight = || 0usize..40;
        prop_oneof![
            4 => (0u64..3_000, 1u8..4).prop_map(|(timeout_ms, peer)| Step::Open { timeout_ms, peer }),
            1 => Just(Step::Refuse),
            4 => flight().prop_map(Step::Send),
            1 => flight().prop_map(Step::Unsend),
            4 => (flight(), 1u8..4, prop_oneof![9 => Just(0u16), 1 => any::<u16>()], any::<Option<i64>>())
                .prop_map(|(flight, from, seq, stamp)| Step::Reply { flight, from, seq, stamp }),
            2 => (flight(), 1u8..4, any::<bool>())
                .prop_map(|(flight, to, quoted)| Step::Error { flight, to, quoted }),
            2 => (0u64..2_000 * MS).prop_map(Step::Advance),
        ]
    }

    proptest! {
        /// The promise of the crate, against every order of events.
        #[test]
        fn every_request_ends_exactly_once(steps in proptest::collection::vec(any_step(), 0..300), limit in 1usize..20) {
            let mut ledger = ledger(limit);
            let mut now = 0;
            let mut tokens = 0;
            // What the lanes know: flights not sent yet, and all there ever were.
            let mut unsent: Vec<Flight> = Vec::new();
            let mut ever: Vec<(Flight, u8)> = Vec::new();
            for step in steps {
                match step {
                    Step::Open { timeout_ms, peer: n } if ledger.room() > 0 => {
                        let flight = ledger.open(&request(tokens, timeout_ms), peer(n));
                        tokens += 1;
                        unsent.push(flight);
                        ever.push((flight, n));
                    }
                    Step::Refuse => {
                        ledger.refuse(tokens, LocalError::Stopped);
                        tokens += 1;
                    }
                    Step::Send(n) if n < unsent.len() => ledger.sent(unsent.remove(n), at(now)),
                    Step::Unsend(n) if n < unsent.len() => {
                        ledger.unsent(unsent.remove(n), LocalError::Stopped);
                    }
                    Step::Reply { flight, from, seq, stamp } if flight < ever.len() => {
                        let mut echo = ledger.echo(7, ever[ever.len() - 1 - flight].0);
                        echo.seq = echo.seq.wrapping_add(seq);
                        ledger.reply(&echo, &arrival(peer(from), stamp), &at(now));
                    }
                    Step::Error { flight, to, quoted } if flight < ever.len() => {
                        let echo = ledger.echo(7, ever[ever.len() - 1 - flight].0);
                        let cookie = quoted.then_some(echo.cookie);
                        ledger.error(&Quote { cookie, ..short(&echo) }, peer(to), 0, UNREACHABLE);
                    }
                    Step::Advance(by) => {
                        now += by;
                        ledger.expire(now, |_| None);
                    }
                    _ => {}
                }
            }
            ledger.abandon(Family::V4, LocalError::Stopped);
            let mut ended: Vec<u64> = ledger.done.iter().map(|end| end.token).collect();
            ended.sort_unstable();
            prop_assert!(ended.into_iter().eq(0..tokens));
            let stats = ledger.stats;
            prop_assert_eq!(stats.taken, tokens);
            prop_assert_eq!(stats.replies + stats.timeouts + stats.icmp_errors + stats.local_errors, tokens);
            prop_assert!(ledger.after.len() as u64 + stats.untold == stats.late + stats.duplicate);
            prop_assert_eq!(ledger.waiting, [0, 0]);
            prop_assert_eq!(ledger.room(), limit);
            prop_assert_eq!(ledger.next_expiry(), None);
            for end in &ledger.done {
                if let Outcome::Reply(reply) = end.outcome {
                    prop_assert!(reply.rtt <= Duration::from_secs(3));
                }
            }
        }
    }
}
