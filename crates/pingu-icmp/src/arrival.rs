//! One family's receiving: packets, stamps of sending, ICMP errors, and how
//! trustworthy silence is.
//!
//! Promises: an error in the queue stops no reading; drops by this host are
//! noticed. Leaves out: bytes (see `received`) and belief (see `ledger`).

use std::io;

use crate::lane::{Inboxes, Lane};
use crate::ledger::Ledger;
use crate::outcome::{Errno, IcmpError, IcmpErrorKind};
use crate::packet;
use crate::received::{Notice, Received, read_notice};
use crate::revival::{FAILURES, deadly};
use crate::sys::BATCH;

/// Batches received before something else gets its turn.
const ROUNDS: usize = 16;
/// Room for packets nobody waits for: other processes' replies, copies.
const SPARE: usize = 8;

/// How far a reading got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Packets read.
    pub count: usize,
    /// There may be more.
    pub more: bool,
}

impl Lane {
    /// Reads what came, up to [`ROUNDS`] batches.
    pub fn receive(&mut self, ledger: &mut Ledger, inboxes: &mut Inboxes) -> Reading {
        let ready = std::mem::take(&mut self.ready);
        let mut reading = Reading::default();
        for _ in 0..ROUNDS {
            let Ok(socket) = &self.socket else {
                return reading;
            };
            let before = ledger.clocks.mono();
            // Headers are made for as many as there can be: mostly far less than a batch.
            let limit = (ledger.waiting(self.family) + SPARE).min(BATCH);
            let count = match socket.receive(&mut inboxes.packets, limit) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    // Mostly an ICMP error that came meanwhile, reported here too.
                    if self.clear_errors(ledger, inboxes) == 0 {
                        ledger.stats.system_errors += 1;
                        self.failures += 1;
                        let errno = Errno::of(&error);
                        if deadly(errno) || self.failures >= FAILURES {
                            self.lose(errno, ledger);
                        }
                    }
                    continue;
                }
            };
            self.failures = 0;
            if count > 0 && self.numbers.missing() > 0 {
                // A packet is stamped before it leaves, so the stamp is there by now.
                self.receive_stamps(ledger, inboxes);
            }
            self.judge(count, ledger, inboxes);
            reading.count += count;
            if count < limit {
                self.emptied = before;
                if ready.dead {
                    self.lose(Errno(libc::EPIPE), ledger);
                }
                return reading;
            }
        }
        reading.more = true;
        reading
    }

    fn judge(&mut self, count: usize, ledger: &mut Ledger, inboxes: &Inboxes) {
        let Ok(socket) = &self.socket else { return };
        if count == 0 {
            return;
        }
        let read = ledger.clocks.sample();
        let mut latest = None;
        for index in 0..count {
            let (received, drops) = socket.reader.read(&inboxes.packets.message(index));
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

    /// Reads the error queue until no stamp is missing, or it is empty.
    pub fn receive_stamps(&mut self, ledger: &mut Ledger, inboxes: &mut Inboxes) {
        self.stamps_left = false;
        self.receive_notices(ledger, inboxes, true);
    }

    /// Reads the error queue until it is empty, or with `stamps` until none of
    /// these is missing. Returns how many entries it had that were there before the
    /// last attempt to send.
    fn receive_notices(
        &mut self,
        ledger: &mut Ledger,
        inboxes: &mut Inboxes,
        stamps: bool,
    ) -> usize {
        let Ok(socket) = &self.socket else { return 0 };
        let mut found = 0;
        for _ in 0..ROUNDS {
            let limit = if stamps {
                self.numbers.missing().min(BATCH)
            } else {
                BATCH
            };
            if limit == 0 {
                break;
            }
            let count = match socket.receive_notices(&mut inboxes.notices, limit) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => {
                    ledger.stats.system_errors += 1;
                    0
                }
            };
            found += count;
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
                        self.troubled = true;
                        let quote = packet::parse_quote(self.family, message.packet)
                            .ok()
                            .filter(|quote| quote.id == socket.reader.id);
                        let kind = IcmpErrorKind::of(self.family, error.icmp_type, error.code);
                        let (icmp_type, code) = (error.icmp_type, error.code);
                        match (quote, kind) {
                            (Some(quote), Some(kind)) => {
                                let told = kind == IcmpErrorKind::PacketTooBig && error.info != 0;
                                let error = IcmpError {
                                    kind,
                                    icmp_type,
                                    code,
                                    from,
                                    mtu: told.then_some(error.info),
                                };
                                ledger.error(&quote, peer, scope, error);
                            }
                            (None, _) => ledger.stats.foreign_errors += 1,
                            (_, None) => ledger.stats.notices += 1,
                        }
                    }
                    Notice::TooLarge { mtu } => {
                        // The attempt to send that failed put it there itself.
                        self.too_large = Some(mtu);
                        found -= 1;
                    }
                    Notice::Other => {}
                }
            }
            if count < limit {
                break;
            }
        }
        found
    }

    /// Reads the error queue and takes the pending error off the socket: it
    /// belongs to an entry just read, or to one the kernel had no room to queue.
    pub fn clear_errors(&mut self, ledger: &mut Ledger, inboxes: &mut Inboxes) -> usize {
        let found = self.receive_notices(ledger, inboxes, false);
        if let Ok(socket) = &self.socket
            && let Some(error) = socket.take_error()
        {
            let errno = Errno::of(&error);
            if deadly(errno) {
                self.lose(errno, ledger);
            }
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
