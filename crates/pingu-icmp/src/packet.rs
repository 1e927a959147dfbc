//! The wire format of ICMP echo, version 4 and 6: pure functions over bytes.
//!
//! Promises: no input, however hostile, panics or is read past its end; what
//! [`Echo::write`] writes, [`parse_reply`] and [`parse_quote`] read back. Leaves
//! out: sockets, and whether an answer is believed (see `ledger`).
//!
//! Sources: RFC 792 (ICMP), RFC 4443 (`ICMPv6`), RFC 791 §3.1 (IPv4 header),
//! RFC 1071 (checksum).

use crate::cookie::Cookie;
use crate::request::Family;

/// Length of an echo header: type, code, checksum, identifier, sequence.
pub const ECHO_HEADER: usize = 8;
/// The longest IPv4 header there is: IHL is four bits of 32-bit words.
pub const IPV4_HEADER_MAX: usize = 60;
const IPV4_HEADER_MIN: usize = 20;
const PROTOCOL_ICMP: u8 = 1;

const ECHO_REPLY_V4: u8 = 0;
const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Ends before the part that was to be read.
    #[error("packet ends too early")]
    Short,
    /// An IPv4 header whose version, length or protocol is not right.
    #[error("ipv4 header is not valid")]
    Header,
    /// Not an echo reply (or, in a quotation, not an echo request), or a code other than 0.
    #[error("packet is not the expected kind of echo")]
    Kind,
}

/// Identifier, sequence and cookie of one echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    pub id: u16,
    pub seq: u16,
    pub cookie: Cookie,
}

/// An echo request as an error message quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    pub id: u16,
    pub seq: u16,
    /// Absent when the quotation ends before the cookie does: RFC 792 asks
    /// routers for only 8 bytes past the IP header.
    pub cookie: Option<Cookie>,
}

impl Echo {
    /// Writes an echo request over all of `packet`, whose length decides the
    /// payload: the cookie, then the [pattern](damage). The checksum is filled for
    /// IPv4 only; for IPv6 the kernel alone knows the source address it covers
    /// (RFC 3542 §3.1).
    ///
    /// `packet` must hold the header and a cookie.
    pub fn write(&self, family: Family, packet: &mut [u8]) {
        let (head, rest) = packet.split_at_mut(ECHO_HEADER + Cookie::BYTES);
        for part in rest.chunks_mut(PATTERN.len()) {
            part.copy_from_slice(&PATTERN[..part.len()]);
        }
        head[0] = match family {
            Family::V4 => ECHO_REQUEST_V4,
            Family::V6 => ECHO_REQUEST_V6,
        };
        head[1..4].fill(0);
        head[4..6].copy_from_slice(&self.id.to_be_bytes());
        head[6..8].copy_from_slice(&self.seq.to_be_bytes());
        head[ECHO_HEADER..].copy_from_slice(&self.cookie.to_bytes());
        if family == Family::V4 {
            let sum = checksum(packet);
            packet[2..4].copy_from_slice(&sum.to_be_bytes());
        }
    }
}

/// What follows the cookie, over and over: each byte of the payload is its own
/// position modulo 256.
const PATTERN: [u8; 256] = {
    let mut pattern = [0; 256];
    let mut at = 0;
    while at < 256 {
        pattern[at] = (at + Cookie::BYTES) as u8;
        at += 1;
    }
    pattern
};

/// The first byte of an echo's payload, counted from the end of the ICMP header,
/// that is not the one [`Echo::write`] puts there. The cookie is not looked at.
pub fn damage(icmp: &[u8]) -> Option<u16> {
    let rest = icmp.get(ECHO_HEADER + Cookie::BYTES..)?;
    // Whole parts are compared at once, since nearly all are sound.
    let (part, bytes) = rest
        .chunks(PATTERN.len())
        .enumerate()
        .find(|(_, bytes)| *bytes != &PATTERN[..bytes.len()])?;
    let at = bytes.iter().zip(&PATTERN).position(|(is, was)| is != was)?;
    u16::try_from(Cookie::BYTES + part * PATTERN.len() + at).ok()
}

/// Splits the IPv4 header, options included, from what a raw socket delivered
/// (raw(7)). Returns the payload and the time to live.
pub fn strip_ipv4(packet: &[u8]) -> Result<(&[u8], u8), Malformed> {
    let head = packet
        .first_chunk::<IPV4_HEADER_MIN>()
        .ok_or(Malformed::Short)?;
    let length = usize::from(head[0] & 0x0f) * 4;
    if head[0] >> 4 != 4 || length < IPV4_HEADER_MIN || head[9] != PROTOCOL_ICMP {
        return Err(Malformed::Header);
    }
    let payload = packet.get(length..).ok_or(Malformed::Short)?;
    Ok((payload, head[8]))
}

/// The identifier of an echo reply: what tells at once whether it can be ours.
pub fn reply_id(family: Family, icmp: &[u8]) -> Result<u16, Malformed> {
    let head = icmp.first_chunk::<ECHO_HEADER>().ok_or(Malformed::Short)?;
    let kind = match family {
        Family::V4 => ECHO_REPLY_V4,
        Family::V6 => ECHO_REPLY_V6,
    };
    if head[0] != kind || head[1] != 0 {
        return Err(Malformed::Kind);
    }
    Ok(u16::from_be_bytes([head[4], head[5]]))
}

/// Reads an echo reply that starts at its ICMP header. The checksum is not
/// looked at: see [`checksum`].
pub fn parse_reply(family: Family, icmp: &[u8]) -> Result<Echo, Malformed> {
    let id = reply_id(family, icmp)?;
    let (seq, cookie) = sequence_and_cookie(icmp);
    Ok(Echo {
        id,
        seq: seq.ok_or(Malformed::Short)?,
        cookie: cookie.ok_or(Malformed::Short)?,
    })
}

/// Reads an echo request quoted by an error message, from its ICMP header on.
pub fn parse_quote(family: Family, icmp: &[u8]) -> Result<Quote, Malformed> {
    let head = icmp.first_chunk::<ECHO_HEADER>().ok_or(Malformed::Short)?;
    let kind = match family {
        Family::V4 => ECHO_REQUEST_V4,
        Family::V6 => ECHO_REQUEST_V6,
    };
    if head[0] != kind || head[1] != 0 {
        return Err(Malformed::Kind);
    }
    let (seq, cookie) = sequence_and_cookie(icmp);
    Ok(Quote {
        id: u16::from_be_bytes([head[4], head[5]]),
        seq: seq.ok_or(Malformed::Short)?,
        cookie,
    })
}

fn sequence_and_cookie(icmp: &[u8]) -> (Option<u16>, Option<Cookie>) {
    let seq = icmp
        .get(6..ECHO_HEADER)
        .and_then(|bytes| bytes.first_chunk())
        .map(|bytes| u16::from_be_bytes(*bytes));
    let cookie = icmp
        .get(ECHO_HEADER..)
        .and_then(|payload| payload.first_chunk())
        .map(Cookie::from_bytes);
    (seq, cookie)
}

/// The Internet checksum (RFC 1071) of `bytes`. Over a message whose checksum
/// field is filled the result is 0 if and only if it is intact.
pub fn checksum(bytes: &[u8]) -> u16 {
    // Any wider ones'-complement sum folds to the same 16 bits (RFC 1071 §2 (C)),
    // and 65,535 bytes of 32-bit words cannot overflow 64 bits.
    let (words, rest) = bytes.as_chunks::<4>();
    let mut sum: u64 = words
        .iter()
        .map(|word| u64::from(u32::from_be_bytes(*word)))
        .sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    sum += u64::from(u32::from_be_bytes(last));
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 §4.1, word by word.
    fn checksum_by_the_book(bytes: &[u8]) -> u16 {
        let mut sum: u32 = 0;
        for pair in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([
                pair[0],
                pair.get(1).copied().unwrap_or(0),
            ]));
            sum = (sum >> 16) + (sum & 0xffff);
        }
        !(sum as u16)
    }

    fn any_family() -> impl Strategy<Value = Family> {
        prop_oneof![Just(Family::V4), Just(Family::V6)]
    }

    fn any_echo() -> impl Strategy<Value = Echo> {
        (any::<u16>(), any::<u16>(), any::<[u8; Cookie::BYTES]>()).prop_map(|(id, seq, cookie)| {
            Echo {
                id,
                seq,
                cookie: Cookie::from_bytes(&cookie),
            }
        })
    }

    /// What a target does with a request (RFC 792 p. 14): another type, the rest as it was.
    fn answered(family: Family, mut packet: Vec<u8>) -> Vec<u8> {
        packet[0] = match family {
            Family::V4 => ECHO_REPLY_V4,
            Family::V6 => ECHO_REPLY_V6,
        };
        packet
    }

    #[test]
    fn the_checksum_is_the_one_of_the_rfc_example() {
        // RFC 1071 §3: these words sum to ddf2.
        assert_eq!(
            checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
            !0xddf2
        );
    }

    #[test]
    fn a_header_longer_than_the_packet_is_short() {
        let mut packet = [0; 24];
        packet[0] = 0x4f;
        packet[9] = PROTOCOL_ICMP;
        assert_eq!(strip_ipv4(&packet), Err(Malformed::Short));
    }

    #[test]
    fn a_header_shorter_than_the_minimum_is_refused() {
        let mut packet = [0; 24];
        packet[0] = 0x44;
        packet[9] = PROTOCOL_ICMP;
        assert_eq!(strip_ipv4(&packet), Err(Malformed::Header));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_any_parser(bytes in proptest::collection::vec(any::<u8>(), 0..200), family in any_family()) {
            let _ = strip_ipv4(&bytes);
            let _ = reply_id(family, &bytes);
            let _ = parse_reply(family, &bytes);
            let _ = parse_quote(family, &bytes);
            let _ = checksum(&bytes);
            let _ = damage(&bytes);
        }

        #[test]
        fn the_checksum_is_that_of_the_book(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(checksum(&bytes), checksum_by_the_book(&bytes));
        }

        #[test]
        fn a_written_request_reads_back_as_reply_and_as_quote(echo in any_echo(), extra in 0usize..200, family in any_family()) {
            let mut packet = vec![0xaa; ECHO_HEADER + Cookie::BYTES + extra];
            echo.write(family, &mut packet);
            if family == Family::V4 {
                prop_assert_eq!(checksum(&packet), 0);
            }
            let quote = parse_quote(family, &packet).unwrap();
            prop_assert_eq!(quote, Quote { id: echo.id, seq: echo.seq, cookie: Some(echo.cookie) });
            prop_assert_eq!(parse_reply(family, &answered(family, packet)).unwrap(), echo);
        }

        #[test]
        fn a_quote_cut_after_eight_bytes_keeps_id_and_sequence(echo in any_echo(), cut in 8usize..24, family in any_family()) {
            let mut packet = vec![0; ECHO_HEADER + Cookie::BYTES];
            echo.write(family, &mut packet);
            let quote = parse_quote(family, &packet[..cut]).unwrap();
            prop_assert_eq!(quote, Quote { id: echo.id, seq: echo.seq, cookie: None });
        }

        #[test]
        fn a_cut_reply_is_short(echo in any_echo(), cut in 0usize..24, family in any_family()) {
            let mut packet = vec![0; ECHO_HEADER + Cookie::BYTES];
            echo.write(family, &mut packet);
            prop_assert_eq!(parse_reply(family, &answered(family, packet)[..cut]), Err(Malformed::Short));
        }

        #[test]
        fn one_flipped_bit_breaks_the_checksum(echo in any_echo(), at in 0usize..(24 * 8)) {
            let mut packet = vec![0; ECHO_HEADER + Cookie::BYTES];
            echo.write(Family::V4, &mut packet);
            packet[at / 8] ^= 1 << (at % 8);
            prop_assert_ne!(checksum(&packet), 0);
        }

        #[test]
        fn a_sound_payload_has_no_damage_and_a_changed_byte_is_found(
            echo in any_echo(), extra in 1usize..3_000, at in any::<prop::sample::Index>(), flip in 1u8.., family in any_family(),
        ) {
            let mut packet = vec![0; ECHO_HEADER + Cookie::BYTES + extra];
            echo.write(family, &mut packet);
            prop_assert_eq!(damage(&packet), None);
            let at = Cookie::BYTES + at.index(extra);
            packet[ECHO_HEADER + at] ^= flip;
            prop_assert_eq!(damage(&packet), Some(at as u16));
            prop_assert_eq!(damage(&packet[..ECHO_HEADER + at]), None, "cut before it");
        }

        #[test]
        fn options_of_the_ip_header_are_skipped(words in 5u8..=15, ttl in any::<u8>(), payload in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut packet = vec![0x11; usize::from(words) * 4];
            packet[0] = 0x40 | words;
            packet[8] = ttl;
            packet[9] = PROTOCOL_ICMP;
            packet.extend_from_slice(&payload);
            prop_assert_eq!(strip_ipv4(&packet), Ok((&payload[..], ttl)));
        }
    }
}
