//! Opening a family's socket again: one that was lost, or could not be opened yet.
//!
//! Promises: nothing sent by a socket that was lost ends as a timeout; a socket
//! that cannot be opened, or does not live, is tried ever less often, every 10 s
//! in the end. Leaves out: faults that are a packet's and not the socket's, such
//! as an interface that is down (see `lane`); what is open and well is left alone.
//!
//! An unbound socket outlives every interface, and a permission once used is not
//! asked again. What kills one is somebody else: shutdown(2) or close(2) on its
//! descriptor, or `ss --kill`.

use crate::engine::Config;
use crate::lane::Lane;
use crate::ledger::Ledger;
use crate::outcome::{Errno, LocalError};
use crate::socket::Socket;

/// Errors of receiving in a row, none of them explained by the error queue, after
/// which a socket counts as lost.
pub const FAILURES: u32 = 64;
const FIRST_NS: u64 = 100_000_000;
const LONGEST_NS: u64 = 10_000_000_000;

/// When to try, and with what.
#[derive(Debug)]
pub struct Revival {
    config: Config,
    id: u16,
    opened: u64,
    next: u64,
    pause: u64,
}

impl Revival {
    /// After a first attempt to open, whatever came of it.
    pub fn new(config: Config, id: u16) -> Self {
        Self {
            config,
            id,
            opened: 0,
            next: FIRST_NS,
            pause: FIRST_NS,
        }
    }

    /// Lost at `now`: one that lived long is replaced at once.
    fn lost(&mut self, now: u64) {
        if now - self.opened > LONGEST_NS {
            self.pause = FIRST_NS;
            self.next = now;
        } else {
            self.failed(now);
        }
    }

    fn failed(&mut self, now: u64) {
        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_NS);
    }
}

impl Lane {
    /// Gives the socket up: what it had under way cannot be answered any more.
    pub fn lose(&mut self, errno: Errno, ledger: &mut Ledger) {
        if self.socket.is_err() {
            return;
        }
        let lost = LocalError::SocketLost(errno);
        self.socket = Err(lost);
        ledger.abandon(self.family, lost);
        self.forget();
        self.revival.lost(ledger.clocks.mono());
    }

    /// When to try to open the socket again.
    pub fn next_attempt(&self) -> Option<u64> {
        self.socket.is_err().then_some(self.revival.next)
    }

    /// Tries to open a socket that is not open, if it is time or `now_at_once`.
    /// True if it was tried.
    pub fn revive(&mut self, ledger: &mut Ledger, at_once: bool) -> bool {
        let Some(next) = self.next_attempt() else {
            return false;
        };
        let now = ledger.clocks.mono();
        if now < next && !at_once {
            return false;
        }
        self.socket = Socket::open(self.family, &self.revival.config, self.revival.id);
        if self.socket.is_ok() {
            ledger.stats.reopened += 1;
            self.revival.opened = now;
        } else {
            self.revival.failed(now);
        }
        true
    }
}

/// Whether an error means that the socket itself is no more.
pub fn deadly(errno: Errno) -> bool {
    // EPIPE: shut down (ip_append_data); ECONNABORTED: destroyed (sock_diag(7)).
    [libc::EBADF, libc::ENOTSOCK, libc::EPIPE, libc::ECONNABORTED].contains(&errno.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_open_is_tried_ever_less_often() {
        let mut revival = Revival::new(Config::default(), 1);
        let mut now = revival.next;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            revival.failed(now);
            pauses.push((revival.next - now) / 1_000_000);
            now = revival.next;
        }
        assert_eq!(
            pauses,
            [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]
        );
    }

    #[test]
    fn what_lived_long_is_replaced_at_once_and_what_did_not_is_not() {
        let mut revival = Revival::new(Config::default(), 1);
        revival.opened = 5 * LONGEST_NS;
        revival.lost(7 * LONGEST_NS);
        assert_eq!(revival.next, 7 * LONGEST_NS);
        revival.opened = 7 * LONGEST_NS;
        revival.lost(7 * LONGEST_NS + 1);
        assert_eq!(revival.next, 7 * LONGEST_NS + 1 + FIRST_NS);
    }
}
