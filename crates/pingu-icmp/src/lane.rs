//! One family's way to the network: its socket, and what waits to be sent.
//!
//! Promises: a packet not sent is reported with the reason, and an error left over
//! from an earlier packet is never taken for that of a later one; a full socket
//! holds the other family up for at most [`BLOCKED_NS`]. Leaves out: receiving
//! (see `arrival`), opening again (see `revival`), the order of things (see
//! `worker`).

use std::io;

use crate::engine::{Access, Config};
use crate::ledger::Ledger;
use crate::outbox::{Numbers, Outbox};
use crate::outcome::{Errno, LocalError};
use crate::request::Family;
use crate::revival::{Revival, deadly};
use crate::socket::Socket;
use crate::sys::{Inbox, Ready};

/// How long a socket may stay unwritable before its packets are given up.
pub const BLOCKED_NS: u64 = 100_000_000;
/// Attempts to send one packet while the socket reports errors of earlier ones.
const ATTEMPTS: usize = 8;
/// Stamps of sent packets that may lie unread while replies are not waited for.
const STAMPS_LEFT: usize = 1_024;

#[derive(Debug)]
pub struct Lane {
    pub family: Family,
    pub socket: Result<Socket, LocalError>,
    pub outbox: Outbox,
    pub revival: Revival,
    pub numbers: Numbers,
    /// Stamps of sent packets were left to be read later.
    pub stamps_left: bool,
    blocked_since: Option<u64>,
    /// What ppoll said there is.
    pub ready: Ready,
    /// Everything that came before this moment (ns, monotonic) was read.
    pub emptied: u64,
    pub drops: u32,
    /// When the receive queue was last seen to have lost packets.
    pub overflowed: Option<u64>,
    /// The limit the kernel told when it last refused a packet as too large.
    pub too_large: Option<u32>,
    /// An ICMP error came lately: there may soon be another.
    pub troubled: bool,
    /// Errors of receiving in a row that nothing explains.
    pub failures: u32,
}

/// Buffers the lanes receive into in turn.
#[derive(Debug)]
pub struct Inboxes {
    pub packets: Inbox,
    pub notices: Inbox,
}

impl Lane {
    /// Opens the socket, or keeps why it is not. `id` is used on raw sockets.
    pub fn open(family: Family, config: Config, id: u16) -> Self {
        Self {
            family,
            socket: Socket::open(family, &config, id),
            outbox: Outbox::default(),
            revival: Revival::new(config, id),
            numbers: Numbers::new(),
            stamps_left: false,
            blocked_since: None,
            ready: Ready::default(),
            emptied: 0,
            drops: 0,
            overflowed: None,
            too_large: None,
            troubled: false,
            failures: 0,
        }
    }

    /// How the socket is open, or why it is not.
    pub fn access(&self) -> Access {
        match &self.socket {
            Ok(socket) => Ok(socket.reader.kind),
            Err(error) => Err(*error),
        }
    }

    /// The socket was full when last tried: wait until it can be written.
    pub fn blocked(&self) -> Option<u64> {
        self.blocked_since
    }

    /// Forgets everything that belonged to a socket that is no more.
    pub fn forget(&mut self) {
        self.outbox.clear();
        self.numbers.restart();
        self.blocked_since = None;
        self.ready = Ready::default();
        self.drops = 0;
        self.too_large = None;
        self.failures = 0;
    }

    /// Sends the outbox as far as the socket takes it. The stamps of what was sent
    /// are left to be read together with the replies.
    pub fn send(&mut self, ledger: &mut Ledger, inboxes: &mut Inboxes) {
        let mut attempts = 0;
        while let Some(letter) = self.outbox.rest().first() {
            let whole = letter.whole;
            let Ok(socket) = &mut self.socket else { return };
            let moment = ledger.clocks.sample();
            let sent = socket
                .send_whole(whole)
                .and_then(|()| socket.send(self.outbox.messages(whole)));
            let errno = match sent {
                Ok(count) if count > 0 => {
                    for letter in self.outbox.rest().iter().take(count) {
                        if socket.stamps_sent {
                            self.numbers.push(letter.flight);
                        }
                        ledger.sent(letter.flight, moment);
                    }
                    let asked = self.outbox.messages(whole).count();
                    self.outbox.advance(count);
                    self.blocked_since = None;
                    attempts = 0;
                    if count < asked {
                        // The next one failed; why, the next attempt will tell.
                        self.recount(ledger, inboxes);
                    }
                    continue;
                }
                Ok(_) => Errno(libc::EAGAIN),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Errno::of(&error),
            };
            if deadly(errno) {
                return self.lose(errno, ledger);
            }
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
        self.stamps_left = true;
        if self.numbers.missing() > STAMPS_LEFT {
            self.receive_stamps(ledger, inboxes);
        }
    }

    /// Ends the next request with the error its sending met: all of them if the
    /// socket is stuck.
    fn give_up(&mut self, ledger: &mut Ledger, errno: Errno) {
        let stuck = errno.0 == libc::EAGAIN;
        let count = if stuck { self.outbox.rest().len() } else { 1 };
        let mtu = self.too_large.take();
        for letter in self.outbox.rest().iter().take(count) {
            ledger.unsent(
                letter.flight,
                LocalError::of_send(errno, letter.with_source, mtu),
            );
        }
        self.outbox.advance(count);
    }

    /// Starts the numbers of stamps anew after a failed attempt to send, which the
    /// kernel may or may not have counted; stamps that are there are taken before.
    fn recount(&mut self, ledger: &mut Ledger, inboxes: &mut Inboxes) {
        if self.numbers.missing() > 0 {
            self.receive_stamps(ledger, inboxes);
        }
        if let Ok(socket) = &mut self.socket
            && socket.stamps_sent
        {
            socket.restart_stamps();
            self.numbers.restart();
        }
    }
}
