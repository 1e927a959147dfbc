//! The door for the fuzzer: foreign bytes, as the kernel would hand them over, go
//! the whole way from the socket's parsers to the ledger. Not part of the
//! interface of this crate (feature `fuzzing`).
//!
//! An input is: flags (1 byte), length of the name, length of the control
//! messages (1 byte each), then name, control messages and packet. Flags: 1 IPv6,
//! 2 raw socket, 4 error queue, 8 truncated, 16 a genuine echo replaces the head
//! of the ICMP message (else no cookie would ever be right), 32 and 64 which
//! request's, 128 the checksum is made right.
//!
//! Promises: deterministic but for the secret. Checks, by panicking: nothing is
//! believed that was not sent, nobody but the peer answers, every request ends at
//! most once, and what is told stays bounded.

use std::cell::Cell;
use std::net::IpAddr;
use std::time::Duration;

use crate::afterword::EACH;
use crate::control;
use crate::cookie::{Cookie, Secret};
use crate::engine::SocketKind;
use crate::ledger::Ledger;
use crate::outcome::{IcmpError, IcmpErrorKind, Outcome};
use crate::packet;
use crate::received::{Notice, Reader, Received, read_notice};
use crate::request::{Family, Request};
use crate::slot::Flight;
use crate::sys::Incoming;
use crate::timestamp::Moment;

const ID: u16 = 0x1234;
const V6: u8 = 1;
const RAW: u8 = 2;
const ERRORS: u8 = 4;
const TRUNCATED: u8 = 8;
const GENUINE: u8 = 16;
const CHECKSUM: u8 = 128;

/// Requests under way in each run: two that wait, one that timed out, one of IPv6.
const PEERS: [&str; 4] = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "::1"];

thread_local! {
    /// Used until something happens to it: most of the time of a run would go into
    /// making it.
    static UNTOUCHED: Cell<Option<(Ledger, [Flight; 4])>> = const { Cell::new(None) };
}

/// Hands one input through.
pub fn receive(input: &[u8]) {
    drop(run(input));
}

/// Returns the ledger, if anything happened to it.
fn run(input: &[u8]) -> Option<Ledger> {
    let (&[flags, name, control], rest) = input.split_first_chunk()?;
    let (name, rest) = split(rest, name, control::NAME_BYTES);
    let (control, rest) = split(rest, control, control::CONTROL_IN_BYTES);
    let (mut ledger, flights) = UNTOUCHED.take().unwrap_or_else(start);
    let reader = Reader {
        family: if flags & V6 == 0 {
            Family::V4
        } else {
            Family::V6
        },
        kind: if flags & RAW == 0 {
            SocketKind::Datagram
        } else {
            SocketKind::Raw
        },
        id: ID,
    };
    let mut packet = rest.to_vec();
    let flight = flights[usize::from(flags >> 5 & 3)];
    forge(&mut packet, flags, reader, &ledger, flight);
    let message = Incoming {
        name,
        packet: &packet,
        control,
        truncated: flags & TRUNCATED != 0,
    };
    if flags & ERRORS == 0 {
        let read = ledger.clocks.sample();
        if let (Received::Reply(echo, arrival), _) = reader.read(&message) {
            // Twice, as a copy would come.
            ledger.reply(&echo, &arrival, &read);
            ledger.reply(&echo, &arrival, &read);
        }
    } else {
        notice(&mut ledger, reader.family, &message, flight);
    }
    verify(&ledger, flags & GENUINE != 0);
    if ledger.done.is_empty() && ledger.after.is_empty() {
        UNTOUCHED.set(Some((ledger, flights)));
        None
    } else {
        Some(ledger)
    }
}

/// Cuts `length` bytes off the front: no more than there are, or than the kernel writes.
fn split(bytes: &[u8], length: u8, most: usize) -> (&[u8], &[u8]) {
    bytes.split_at(usize::from(length).min(most).min(bytes.len()))
}

fn start() -> (Ledger, [Flight; 4]) {
    let mut ledger = Ledger::new(PEERS.len(), Secret::default());
    let sent = Moment {
        mono: 0,
        real: 0,
        era: 0,
    };
    let mut token = 0;
    let flights = PEERS.map(|peer| {
        let peer: IpAddr = peer.parse().expect("the constants are addresses");
        let timeout = Duration::from_millis(if token == 1 { 0 } else { 60_000 });
        let request = Request {
            timeout,
            ..Request::new(token, peer)
        };
        token += 1;
        let flight = ledger.open(&request, peer);
        ledger.sent(flight, sent);
        flight
    });
    ledger.expire(1 << 21, |_| None);
    ledger.done.clear();
    (ledger, flights)
}

/// Makes the packet one of ours, as far as the flags ask for it.
fn forge(packet: &mut [u8], flags: u8, reader: Reader, ledger: &Ledger, flight: Flight) {
    let quoted = flags & ERRORS != 0;
    let header = if reader.kind == SocketKind::Raw && reader.family == Family::V4 && !quoted {
        usize::from(packet.first().copied().unwrap_or(0) & 15) * 4
    } else {
        0
    };
    let Some(icmp) = packet.get_mut(header..) else {
        return;
    };
    if flags & GENUINE != 0
        && let Some(head) = icmp.get_mut(..packet::ECHO_HEADER + Cookie::BYTES)
    {
        ledger.echo(ID, flight).write(reader.family, head);
        head[0] = match (reader.family, quoted) {
            (Family::V4, true) => 8,
            (Family::V4, false) => 0,
            (Family::V6, true) => 128,
            (Family::V6, false) => 129,
        };
    }
    if flags & CHECKSUM != 0 && icmp.len() >= packet::ECHO_HEADER {
        icmp[2..4].fill(0);
        let sum = packet::checksum(icmp);
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    }
}

fn notice(ledger: &mut Ledger, family: Family, message: &Incoming<'_>, flight: Flight) {
    match read_notice(message) {
        Notice::Stamped { stamp, .. } => ledger.stamped(flight, stamp),
        Notice::Icmp {
            error,
            from,
            peer,
            scope,
        } => {
            let (icmp_type, code) = (error.icmp_type, error.code);
            if let Ok(quote) = packet::parse_quote(family, message.packet)
                && let Some(kind) = IcmpErrorKind::of(family, icmp_type, code)
            {
                let told = IcmpError {
                    kind,
                    icmp_type,
                    code,
                    from,
                    mtu: Some(error.info),
                };
                ledger.error(&quote, peer, scope, told);
            }
        }
        Notice::TooLarge { .. } | Notice::Other => {}
    }
}

fn verify(ledger: &Ledger, genuine: bool) {
    // The second one timed out before.
    let mut ended = [0, 1, 0, 0];
    for end in &ledger.done {
        let token = end.token as usize;
        ended[token] += 1;
        if let Outcome::Reply(reply) = end.outcome {
            assert!(genuine, "a cookie was guessed");
            assert_eq!(reply.from.to_string(), PEERS[token]);
        }
    }
    assert!(ended.iter().all(|times| *times <= 1), "ended twice");
    assert!(ledger.after.len() <= usize::from(EACH) * PEERS.len());
    for word in &ledger.after {
        assert!(genuine && ended[word.token as usize] == 1);
    }
    let waiting = ledger.waiting(Family::V4) + ledger.waiting(Family::V6);
    assert_eq!(waiting + ledger.done.len() + 1, PEERS.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Stats;

    /// Inputs tried in a test run; the fuzzer itself goes on for as long as it is let.
    const INPUTS: u32 = if cfg!(miri) { 200 } else { 1_000_000 };

    /// xorshift64* (Vigna 2016): the same inputs in every run.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> u64 {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
        }

        fn below(&mut self, end: usize) -> usize {
            (self.roll() % end.max(1) as u64) as usize
        }
    }

    /// Each seed and its name.
    fn corpus() -> Vec<(String, Vec<u8>)> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/receive");
        let mut seeds: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap();
                (name, std::fs::read(entry.path()).unwrap())
            })
            .collect();
        seeds.sort();
        seeds
    }

    #[test]
    fn the_seeds_lead_where_their_names_say() {
        for (name, seed) in corpus() {
            UNTOUCHED.set(None);
            let stats = run(&seed).map_or(Stats::default(), |ledger| ledger.stats);
            let all = [
                ("reply", stats.replies),
                ("copy", stats.duplicate),
                ("late", stats.late),
                ("damaged", stats.corrupted),
                ("error", stats.icmp_errors),
            ];
            let seen: Vec<_> = all
                .iter()
                .filter(|one| one.1 > 0)
                .map(|one| one.0)
                .collect();
            let expected: &[&str] = match name.as_str() {
                "reply-late" => &["copy", "late"],
                "reply-damaged" | "reply-long" => &["reply", "copy", "damaged"],
                "reply-v4-datagram"
                | "reply-v4-raw"
                | "reply-v4-raw-options"
                | "reply-v6"
                | "reply-v6-raw-scope"
                | "reply-short" => &["reply", "copy"],
                "error-v4" | "error-v4-short" | "error-v4-too-big" | "error-v6"
                | "error-v6-too-big" => &["error"],
                _ => &[],
            };
            assert_eq!(seen, expected, "{name}: {stats:?}");
        }
    }

    #[test]
    fn a_million_changed_packets_are_survived_and_none_is_believed_wrongly() {
        let seeds: Vec<_> = corpus().into_iter().map(|seed| seed.1).collect();
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut input = Vec::new();
        for _ in 0..INPUTS {
            input.clear();
            input.extend_from_slice(&seeds[dice.below(seeds.len())]);
            for _ in 0..=dice.below(4) {
                let at = dice.below(input.len());
                match dice.below(6) {
                    0 => input[at] ^= 1 << dice.below(8),
                    1 => input[at] = dice.roll() as u8,
                    2 => input.truncate(at.max(3)),
                    3 => input.insert(at, dice.roll() as u8),
                    4 => {
                        let other = &seeds[dice.below(seeds.len())];
                        let from = dice.below(other.len());
                        input.extend_from_slice(&other[from..]);
                    }
                    _ => input[at] = [0, 1, 0x7f, 0x80, 0xff][dice.below(5)],
                }
            }
            receive(&input);
        }
    }
}
