//! One family's way to the network: its socket, what waits to be sent, and how
//! trustworthy silence on it is.
//!
//! Promises: a packet not sent is reported with the reason, and an error left over
//! from an earlier packet is never taken for that of a later one; a full socket
//! holds the other family up for at most [`BLOCKED_NS`]. Leaves out: the order
//! of things (see `worker`).

use std::io;

use crate::ledger::Ledger;
use crate::outbox::{Numbers, Outbox};
use crate::outcome::{Errno, IcmpError, IcmpErrorKind, LocalError};
use crate::packet;
use crate::received::{Notice, Received, read_notice};
use crate::request::Family;
use crate::socket::Socket;
use crate::sys::{BATCH, Inbox};

/// How long a socket may stay unwritable before its packets are given up.
pub const BLOCKED_NS: u64 = 100_000_000;
/// Batches received before something else gets its turn.
const ROUNDS: usize = 16;
/// Attempts to send one packet while the socket reports errors of earlier ones.
const ATTEMPTS: usize = 8;

#[derive(Debug)]
pub struct Lane {
    pub family: Family,
    pub socket: Result<Socket, LocalError>,
    pub outbox: Outbox,
    numbers: Numbers,
    blocked_since: Option<u64>,
    /// ppoll said there is something to be read.
    pub ready: bool,
    /// Everything that came before this moment (ns, monotonic) was read.
    pub emptied: u64,
    drops: u32,
    /// When the receive queue was last seen to have lost packets.
    pub overflowed: Option<u64>,
}

/// Buffers the lanes receive into in turn.
#[derive(Debug)]
pub struct Inboxes {
    pub packets: Inbox,
    pub notices: Inbox,
}

impl Lane {
    pub fn new(family: Family, socket: Result<Socket, LocalError>) -> Self {
        Self {
            family,
            socket,
            outbox: Outbox::default(),
            numbers: Numbers::new(),
            blocked_since: None,
            ready: false,
            emptied: 0,
            drops: 0,
            overflowed: None,
        }
    }

    /// The socket was full when last tried: wait until it can be written.
    pub fn blocked(&self) -> Option<u64> {
        self.blocked_since
    }

    /// Sends the outbox as far as the socket takes it.
    pub fn send(&mut self, ledger: &mut Ledger, inboxes: &mut Inboxes) {
        let mut attempts = 0;
        while !self.outbox.is_empty() {
            let Ok(socket) = &mut self.socket else { return };
            let moment = ledger.clocks.sample();
            let errno = match socket.send(self.outbox.messages()) {
                Ok(count) if count > 0 => {
                    for letter in self.outbox.rest().iter().take(count) {
                        if socket.stamps_sent {
                            self.numbers.push(letter.flight);
                        }
                        ledger.sent(letter.flight, moment);
                    }
                    self.outbox.advance(count);
                    self.blocked_since = None;
                    attempts = 0;
                    if !self.outbox.is_empty() {
                        // The next one failed; why, the next attempt will tell.
                        self.recount(ledger, inboxes);
                    }
                    continue;
                }
                Ok(_) => Errno(libc::EAGAIN),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Errno::of(&error),
            };
            self.recount(ledger, inboxes);
            if errno.0 == libc::EAGAIN {
                let since = *self.blocked_since.get_or_insert(moment.mono);
                if moment.mono - since < BLOCKED_NS {
                    return;
                }
                self.blocked_since = None;
            } else {
                // It may be the error of an earlier packet, which the kernel hands
                // to whoever calls next (ip(7)); it is also in the error queue.
                attempts += 1;
                let found = self.clear_errors(ledger, inboxes);
                if attempts == 1 || (found > 0 && attempts < ATTEMPTS) {
                    continue;
                }
            }
            self.give_up(ledger, errno);
            attempts = 0;
        }
        if self.numbers.incomplete() {
            // Most devices stamp within the call; read now, they need no wake-up.
            self.receive_notices(ledger, inboxes);
        }
    }

    /// Ends the next request with the error its sending met: all of them if the
    /// socket is stuck.
    fn give_up(&mut self, ledger: &mut Ledger, errno: Errno) {
        let stuck = errno.0 == libc::EAGAIN;
        let count = if stuck { self.outbox.rest().len() } else { 1 };
        for letter in self.outbox.rest().iter().take(count) {
            ledger.unsent(
                letter.flight,
                LocalError::of_send(errno, letter.with_source),
            );
        }
        self.outbox.advance(count);
    }

    /// Starts the numbers of stamps anew after a failed attempt to send, which the
    /// kernel may or may not have counted; stamps that are there are taken before.
    fn recount(&mut self, ledger: &mut Ledger, inboxes: &mut Inboxes) {
        if self.numbers.incomplete() {
            self.receive_notices(ledger, inboxes);
        }
        if let Ok(socket) = &mut self.socket
            && socket.stamps_sent
        {
            socket.restart_stamps();
            self.numbers.restart();
        }
    }

    /// Reads what came, up to [`ROUNDS`] batches; true if there may be more.
    pub fn receive(&mut self, ledger: &mut Ledger, inboxes: &mut Inboxes) -> bool {
        let noticed = std::mem::take(&mut self.ready);
        if noticed {
            // An ICMP error alone makes the socket ready without any packet.
            self.clear_errors(ledger, inboxes);
        }
        for _ in 0..ROUNDS {
            let Ok(socket) = &self.socket else {
                return false;
            };
            let before = ledger.clocks.mono();
            let count = match socket.receive(&mut inboxes.packets) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {
                    // Mostly an ICMP error that came meanwhile, reported here too.
                    if self.clear_errors(ledger, inboxes) == 0 {
                        ledger.stats.system_errors += 1;
                    }
                    continue;
                }
            };
            if count > 0 && self.numbers.incomplete() {
                // A packet is stamped before it leaves, so the stamp is there by now.
                self.receive_notices(ledger, inboxes);
            }
            self.judge(count, ledger, inboxes);
            if count < BATCH {
                self.emptied = before;
                return false;
            }
        }
        true
    }

    fn judge(&mut self, count: usize, ledger: &mut Ledger, inboxes: &Inboxes) {
        let Ok(socket) = &self.socket else { return };
        if count == 0 {
            return;
        }
        let read = ledger.clocks.sample();
        let mut latest = None;
        for index in 0..count {
            let (received, drops) = socket.read(&inboxes.packets.message(index));
            latest = drops.or(latest);
            match received {
                Received::Reply(echo, arrival) => ledger.reply(&echo, &arrival, &read),
                Received::Foreign => ledger.stats.foreign += 1,
                Received::Malformed => ledger.stats.malformed += 1,
                Received::BadChecksum => ledger.stats.bad_checksum += 1,
            }
        }
        if let Some(drops) = latest {
            self.note_drops(drops, read.mono, ledger);
        }
    }

    /// Reads the error queue until it is empty; returns how many entries it had.
    fn receive_notices(&mut self, ledger: &mut Ledger, inboxes: &mut Inboxes) -> usize {
        let Ok(socket) = &self.socket else { return 0 };
        let mut found = 0;
        for _ in 0..ROUNDS {
            let count = match socket.receive_notices(&mut inboxes.notices) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {
                    ledger.stats.system_errors += 1;
                    0
                }
            };
            for index in 0..count {
                let message = inboxes.notices.message(index);
                match read_notice(&message) {
                    Notice::Stamped { number, stamp } => {
                        if let Some(flight) = self.numbers.take(number) {
                            ledger.stamped(flight, stamp);
                        }
                    }
                    Notice::Icmp {
                        error,
                        from,
                        peer,
                        scope,
                    } => {
                        let quote = packet::parse_quote(self.family, message.packet)
                            .ok()
                            .filter(|quote| quote.id == socket.id);
                        let kind = IcmpErrorKind::of(self.family, error.icmp_type, error.code);
                        let (icmp_type, code) = (error.icmp_type, error.code);
                        match (quote, kind) {
                            (Some(quote), Some(kind)) => {
                                let error = IcmpError {
                                    kind,
                                    icmp_type,
                                    code,
                                    from,
                                };
                                ledger.error(&quote, peer, scope, error);
                            }
                            (None, _) => ledger.stats.foreign_errors += 1,
                            (_, None) => ledger.stats.notices += 1,
                        }
                    }
                    Notice::Other => {}
                }
            }
            found += count;
            if count < BATCH {
                break;
            }
        }
        found
    }

    /// Reads the error queue and takes the pending error off the socket: it
    /// belongs to an entry just read, or to one the kernel had no room to queue.
    fn clear_errors(&mut self, ledger: &mut Ledger, inboxes: &mut Inboxes) -> usize {
        let found = self.receive_notices(ledger, inboxes);
        if let Ok(socket) = &self.socket {
            drop(socket.take_error());
        }
        found
    }

    /// Asks the kernel for drops that no later packet has told of.
    pub fn probe_drops(&mut self, ledger: &mut Ledger) {
        if let Ok(socket) = &self.socket
            && let Some(drops) = socket.drops()
        {
            let now = ledger.clocks.mono();
            self.note_drops(drops, now, ledger);
        }
    }

    fn note_drops(&mut self, drops: u32, now: u64, ledger: &mut Ledger) {
        let more = drops.wrapping_sub(self.drops);
        // The count in a packet is from when it was queued, and can be the older one.
        if more != 0 && more < 1 << 31 {
            self.drops = drops;
            self.overflowed = Some(now);
            ledger.stats.overflows += u64::from(more);
        }
    }
}
