//! Replies that came after the verdict: late, or again. The next result of their address carries how many there were.
//!
//! By address, since the result they belong to is stored already. Bounded: of more than [`ADDRESSES`] addresses with such replies,
//! the others' go uncounted here, though not in the engine's own figures.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pingu_icmp::{Afterword, AfterwordKind};

use super::verdict;
use crate::model::Observation;

const ADDRESSES: usize = 65_536;

#[derive(Debug, Default)]
pub struct Strays {
    by_address: Mutex<HashMap<IpAddr, Count>>,
    /// How many addresses there are: mostly none, and then nobody locks anything.
    addresses: AtomicUsize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    late: u16,
    duplicates: u16,
    corrupted: u16,
}

impl Strays {
    fn by_address(&self) -> MutexGuard<'_, HashMap<IpAddr, Count>> {
        // nothing that holds the lock can panic halfway
        self.by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub fn note(&self, word: &Afterword) {
        let mut by_address = self.by_address();
        if by_address.len() >= ADDRESSES && !by_address.contains_key(&word.reply.from) {
            return;
        }
        let count = by_address.entry(word.reply.from).or_default();
        let kind = match word.kind {
            AfterwordKind::Late => &mut count.late,
            AfterwordKind::Duplicate => &mut count.duplicates,
        };
        *kind = kind.saturating_add(1);
        count.corrupted = count
            .corrupted
            .saturating_add(u16::from(word.reply.damaged_at.is_some()));
        self.addresses.store(by_address.len(), Ordering::Relaxed);
    }

    /// Puts what came from `address` since its last result into this one.
    pub fn add_to(&self, address: IpAddr, observation: &mut Observation) {
        if self.addresses.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut by_address = self.by_address();
        let Some(count) = by_address.remove(&address) else {
            return;
        };
        self.addresses.store(by_address.len(), Ordering::Relaxed);
        drop(by_address);
        let packets = verdict::packets(observation);
        packets.late = packets.late.saturating_add(count.late);
        packets.duplicates = packets.duplicates.saturating_add(count.duplicates);
        packets.corrupted = packets.corrupted.saturating_add(count.corrupted);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use pingu_icmp::{Clock, Reply};

    use super::*;
    use crate::model::{Measurement, Reason};

    fn word(last: u8, kind: AfterwordKind, damaged_at: Option<u16>) -> Afterword {
        Afterword {
            token: 0,
            kind,
            reply: Reply {
                rtt: Duration::from_secs(2),
                clock: Clock::Kernel,
                from: Ipv4Addr::new(127, 0, 0, last).into(),
                ttl: None,
                payload_bytes: 56,
                damaged_at,
            },
        }
    }

    #[test]
    fn the_next_result_of_an_address_tells_what_came_after_the_last() {
        let strays = Strays::default();
        strays.note(&word(1, AfterwordKind::Late, None));
        strays.note(&word(1, AfterwordKind::Duplicate, Some(20)));
        strays.note(&word(2, AfterwordKind::Duplicate, None));
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let told = || {
            let latency = Some(Duration::from_millis(3));
            let mut seen = Observation::up(Measurement {
                latency,
                ..verdict::measurement(address, latency)
            });
            strays.add_to(address, &mut seen);
            seen.measurement.detail.and_then(|detail| detail.packets)
        };
        let packets = told().unwrap();
        assert_eq!((packets.sent, packets.received), (1, 1));
        assert_eq!(
            (packets.late, packets.duplicates, packets.corrupted),
            (1, 1, 1)
        );
        assert_eq!(packets.rtts_us, [Some(3000)]);
        assert_eq!(told(), None, "it is told once");
    }

    #[test]
    fn a_probe_that_this_host_could_not_carry_out_sent_nothing() {
        let strays = Strays::default();
        strays.note(&word(1, AfterwordKind::Late, None));
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let measurement = verdict::measurement(address, None);
        let mut seen = Observation::unknown(Reason::Local, "no buffer space", measurement);
        strays.add_to(address, &mut seen);
        let packets = seen.measurement.detail.unwrap().packets.unwrap();
        assert_eq!((packets.sent, packets.late), (0, 1));
        assert_eq!(packets.rtts_us, []);
    }
}
