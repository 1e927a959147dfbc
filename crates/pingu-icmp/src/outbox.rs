//! The packets of one batch, encoded and not yet taken by the kernel, and the
//! numbers the kernel will stamp them with.
//!
//! Promises: no allocation once the largest packet was seen; order is kept.
//! Leaves out: sending (see `lane`).

use crate::control::{self, CONTROL_OUT_BYTES, NAME_BYTES, Short};
use crate::packet::{ECHO_HEADER, Echo};
use crate::request::{Family, Request};
use crate::slot::Flight;
use crate::sys::{BATCH, Outgoing};

#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    letters: Vec<Letter>,
    /// How many letters are dealt with.
    gone: usize,
}

/// One packet.
#[derive(Debug)]
pub struct Letter {
    pub flight: Flight,
    pub with_source: bool,
    /// To be sent whole or not at all.
    pub whole: bool,
    start: usize,
    length: usize,
    name: Short<NAME_BYTES>,
    control: Short<CONTROL_OUT_BYTES>,
}

impl Outbox {
    /// Encodes a packet after the others.
    pub fn push(
        &mut self,
        family: Family,
        flight: Flight,
        name: Short<NAME_BYTES>,
        echo: &Echo,
        request: &Request,
    ) {
        let length = ECHO_HEADER + usize::from(request.payload_bytes);
        let start = self.bytes.len();
        self.bytes.resize(start + length, 0);
        echo.write(family, &mut self.bytes[start..]);
        self.letters.push(Letter {
            flight,
            with_source: request.source.is_some(),
            whole: request.dont_fragment,
            start,
            length,
            name,
            control: control::outgoing(family, request),
        });
    }

    /// The packets still to be sent, as far as they are to be sent alike: all
    /// `whole`, or none.
    pub fn messages(&self, whole: bool) -> impl Iterator<Item = Outgoing<'_>> {
        self.letters[self.gone..]
            .iter()
            .take_while(move |letter| letter.whole == whole)
            .take(BATCH)
            .map(|letter| Outgoing {
                name: letter.name.as_slice(),
                packet: &self.bytes[letter.start..letter.start + letter.length],
                control: letter.control.as_slice(),
            })
    }

    /// The letters still to be sent.
    pub fn rest(&self) -> &[Letter] {
        &self.letters[self.gone..]
    }

    /// Marks the next `count` packets as dealt with.
    pub fn advance(&mut self, count: usize) {
        self.gone = (self.gone + count).min(self.letters.len());
        if self.gone == self.letters.len() {
            self.bytes.clear();
            self.letters.clear();
            self.gone = 0;
        }
    }

    /// Forgets all packets.
    pub fn clear(&mut self) {
        self.advance(self.letters.len());
    }

    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }
}

/// How many sent packets can wait for their stamp: at 100,000 packets a second
/// 160 ms of them. A power of two, as the kernel's numbers wrap at 2^32.
const STAMPED: usize = 16_384;

/// Which packet the kernel's stamp number belongs to (`SOF_TIMESTAMPING_OPT_ID`).
#[derive(Debug)]
pub struct Numbers {
    flights: Box<[Option<Flight>]>,
    next: u32,
    missing: usize,
}

impl Numbers {
    pub fn new() -> Self {
        Self {
            flights: vec![None; STAMPED].into_boxed_slice(),
            next: 0,
            missing: 0,
        }
    }

    /// The kernel took the packet of `flight` next.
    pub fn push(&mut self, flight: Flight) {
        let place = &mut self.flights[self.next as usize % STAMPED];
        if place.replace(flight).is_none() {
            self.missing += 1;
        }
        self.next = self.next.wrapping_add(1);
    }

    /// The packet of a stamp that came.
    pub fn take(&mut self, number: u32) -> Option<Flight> {
        let age = self.next.wrapping_sub(number);
        if age == 0 || age as usize > STAMPED {
            return None;
        }
        let flight = self.flights[number as usize % STAMPED].take()?;
        self.missing -= 1;
        Some(flight)
    }

    /// How many stamps are still to come.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// The kernel counts from 0 again.
    pub fn restart(&mut self) {
        if self.missing > 0 {
            self.flights.fill(None);
        }
        self.next = 0;
        self.missing = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::Cookie;
    use proptest::prelude::*;

    fn flight(slot: u32) -> Flight {
        Flight {
            slot,
            generation: 0,
        }
    }

    #[test]
    fn packets_that_are_sent_alike_go_together_and_in_order() {
        let mut outbox = Outbox::default();
        let peer = [127, 0, 0, 1].into();
        let pattern = [false, false, true, true, false];
        for (slot, dont_fragment) in (0..).zip(pattern) {
            let request = Request {
                dont_fragment,
                payload_bytes: 16 + slot as u16,
                ..Request::new(1, peer)
            };
            let echo = Echo {
                id: 1,
                seq: slot as u16,
                cookie: Cookie::from_bytes(&[7; 16]),
            };
            outbox.push(
                Family::V4,
                flight(slot),
                control::name(peer, 0),
                &echo,
                &request,
            );
        }
        let mut runs = Vec::new();
        while let Some(letter) = outbox.rest().first() {
            let (whole, first) = (letter.whole, letter.flight.slot);
            let lengths: Vec<usize> = outbox.messages(whole).map(|one| one.packet.len()).collect();
            assert_eq!(lengths[0], 24 + first as usize);
            assert_eq!(outbox.messages(!whole).count(), 0);
            runs.push((whole, lengths.len()));
            outbox.advance(lengths.len());
        }
        assert_eq!(runs, [(false, 2), (true, 2), (false, 1)]);
        assert!(outbox.is_empty());
    }

    proptest! {
        /// Stamps may come in any order, twice, never, or for packets of long ago.
        #[test]
        fn a_number_names_the_packet_it_was_given_to_once(
            start in any::<u32>(), count in 1u32..300, stamps in proptest::collection::vec(0u32..400, 0..400),
        ) {
            let mut numbers = Numbers::new();
            numbers.next = start;
            (0..count).for_each(|slot| numbers.push(flight(slot)));
            let mut left: Vec<bool> = vec![true; count as usize];
            for at in stamps {
                let expected = left.get_mut(at as usize).is_some_and(std::mem::take);
                let taken = numbers.take(start.wrapping_add(at));
                prop_assert_eq!(taken, expected.then(|| flight(at)));
            }
            prop_assert_eq!(numbers.missing(), left.iter().filter(|missing| **missing).count());
            numbers.restart();
            prop_assert_eq!((numbers.missing(), numbers.take(0)), (0, None));
        }

        #[test]
        fn more_packets_than_the_ring_holds_forget_the_oldest(extra in 1u32..500) {
            let mut numbers = Numbers::new();
            let count = STAMPED as u32 + extra;
            (0..count).for_each(|slot| numbers.push(flight(slot)));
            prop_assert_eq!(numbers.missing(), STAMPED);
            prop_assert_eq!(numbers.take(extra - 1), None);
            prop_assert_eq!(numbers.take(extra), Some(flight(extra)));
        }
    }
}
