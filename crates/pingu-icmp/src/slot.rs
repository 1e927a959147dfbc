//! What is remembered of one request: while it is under way, and after its
//! verdict until its place is used again.
//!
//! Promises: 72 bytes each, as there can be hundreds of thousands. Leaves out:
//! what happens to it (see `ledger`).

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use crate::request::{Family, Request};
use crate::timestamp::{Departure, Moment};

/// Longest timeout waited for; a longer one is cut to it.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Taken, not sent.
    Taken,
    /// Sent, unanswered.
    Waiting,
    /// Ended, and answered at least once: in time or not.
    Answered,
    /// Ended, never answered.
    Over,
}

/// A slot in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flight {
    pub slot: u32,
    pub generation: u32,
}

#[derive(Debug)]
pub struct Slot {
    pub token: u64,
    timeout_ns: u64,
    mono: u64,
    real: i64,
    /// 0 for none, which no packet of today has.
    stamp: i64,
    /// IPv4 addresses are mapped: half the size of an `IpAddr` and its tag.
    peer: Ipv6Addr,
    scope: u32,
    pub generation: u32,
    era: u32,
    pub payload_bytes: u16,
    pub state: State,
    /// How many afterwords were given.
    pub told: u8,
}

impl Slot {
    pub fn new(request: &Request, peer: IpAddr, generation: u32) -> Self {
        Self {
            token: request.token,
            timeout_ns: request.timeout.min(LONGEST).as_nanos() as u64,
            mono: 0,
            real: 0,
            stamp: 0,
            peer: match peer {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            },
            scope: request.scope,
            generation,
            era: 0,
            payload_bytes: request.payload_bytes,
            state: State::Taken,
            told: 0,
        }
    }

    /// The packet was accepted by the kernel; `moment` is from before. Returns
    /// when it is due.
    pub fn leave(&mut self, moment: Moment) -> u64 {
        self.state = State::Waiting;
        (self.mono, self.real, self.era) = (moment.mono, moment.real, moment.era);
        self.stamp = 0;
        moment.mono + self.timeout_ns
    }

    /// The kernel stamped the packet. A number taken for another packet's would
    /// show as a stamp from before it was handed over.
    pub fn stamped(&mut self, stamp: i64) {
        if matches!(self.state, State::Waiting | State::Over) && stamp >= self.real {
            self.stamp = stamp;
        }
    }

    pub fn sent(&self) -> Departure {
        Departure {
            moment: Moment {
                mono: self.mono,
                real: self.real,
                era: self.era,
            },
            stamp: (self.stamp != 0).then_some(self.stamp),
        }
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_nanos(self.timeout_ns)
    }

    pub fn family(&self) -> Family {
        if self.peer.to_ipv4_mapped().is_some() {
            Family::V4
        } else {
            Family::V6
        }
    }

    /// A scope is compared only where one was asked for: it is filled in for
    /// link-local addresses alone.
    pub fn is_peer(&self, address: IpAddr, scope: u32) -> bool {
        let same = match address {
            IpAddr::V4(v4) => self.peer == v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => self.peer == v6,
        };
        same && (self.scope == 0 || scope == 0 || self.scope == scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_no_larger_than_promised() {
        assert_eq!(size_of::<Slot>(), 72);
    }

    #[test]
    fn peers_of_both_families_are_told_apart() {
        for (peer, other, family) in [
            ("10.0.0.1", "10.0.0.2", Family::V4),
            ("fd00::1", "fd00::2", Family::V6),
            ("0.0.0.1", "::1", Family::V4),
        ] {
            let [peer, other] = [peer, other].map(|text| text.parse::<IpAddr>().unwrap());
            let slot = Slot::new(&Request::new(1, peer), peer, 0);
            assert_eq!(slot.family(), family);
            assert!(slot.is_peer(peer, 0) && !slot.is_peer(other, 0));
        }
    }
}
