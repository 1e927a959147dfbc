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
        self.flights.fill(None);
        self.next = 0;
        self.missing = 0;
    }
}
