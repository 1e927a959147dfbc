//! Results as bytes: what lies in the spool.
//!
//! A body is a version and any number of results, about 45 bytes each. Reading gives back exactly what was written, and refuses bytes
//! that it does not understand instead of guessing: a disk may have changed them. Not for anything but the spool: the database has
//! columns.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::model::{
    Detail, Failure, Measurement, Observation, Outcome, ProbeResult, Reason, TargetId, Timestamp,
    Verdict,
};

const VERSION: u8 = 1;

// the first byte of a result: its outcome in the lower two bits, then what it has
const OUTCOME: u8 = 0b11;
const SLOW: u8 = 1 << 2;
const LATENCY: u8 = 1 << 3;
const STATUS: u8 = 1 << 4;
const ADDRESS: u8 = 1 << 5;
const IPV6: u8 = 1 << 6;
const DETAIL: u8 = 1 << 7;

/// Bytes that are no body of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part of the spool cannot be read")]
pub struct Unreadable;

pub fn encode(results: &[ProbeResult]) -> Vec<u8> {
    let mut body = Vec::with_capacity(1 + results.len() * 56);
    body.push(VERSION);
    for result in results {
        write(&mut body, result);
    }
    body
}

pub fn decode(body: &[u8]) -> Result<Vec<ProbeResult>, Unreadable> {
    let mut rest = Rest(body);
    if rest.byte()? != VERSION {
        return Err(Unreadable);
    }
    let mut results = Vec::new();
    while !rest.0.is_empty() {
        results.push(read(&mut rest)?);
    }
    Ok(results)
}

fn write(body: &mut Vec<u8>, result: &ProbeResult) {
    let measurement = &result.observation.measurement;
    let has = |flag: u8, present: bool| if present { flag } else { 0 };
    let outcome = match result.outcome() {
        Outcome::Up => 1,
        Outcome::Down => 2,
        Outcome::Unknown => 3,
    };
    body.push(
        outcome
            | has(SLOW, result.slow)
            | has(LATENCY, measurement.latency.is_some())
            | has(STATUS, measurement.status_code.is_some())
            | has(ADDRESS, measurement.resolved_ip.is_some())
            | has(IPV6, measurement.resolved_ip.is_some_and(|ip| ip.is_ipv6()))
            | has(DETAIL, measurement.detail.is_some()),
    );
    body.extend_from_slice(result.target.0.as_bytes());
    body.extend_from_slice(&result.slot.as_micros().to_le_bytes());
    number(body, nanos(result.lag));
    if let Some(latency) = measurement.latency {
        number(body, nanos(latency));
    }
    if let Some(code) = measurement.status_code {
        number(body, u64::from(code));
    }
    match measurement.resolved_ip {
        Some(IpAddr::V4(ip)) => body.extend_from_slice(&ip.octets()),
        Some(IpAddr::V6(ip)) => body.extend_from_slice(&ip.octets()),
        None => {}
    }
    if let Some(failure) = result.observation.verdict.failure() {
        text(body, failure.reason.as_str());
        text(body, failure.error.as_str());
    }
    if let Some(detail) = &measurement.detail {
        let json = serde_json::to_string(detail).expect("plain values always serialise");
        text(body, &json);
    }
}

fn read(rest: &mut Rest<'_>) -> Result<ProbeResult, Unreadable> {
    let flags = rest.byte()?;
    let has = |flag: u8| flags & flag != 0;
    let target = TargetId(uuid::Uuid::from_bytes(rest.array()?));
    let slot = Timestamp::from_micros(i64::from_le_bytes(rest.array()?));
    let lag = Duration::from_nanos(rest.number()?);
    let latency = if has(LATENCY) {
        Some(Duration::from_nanos(rest.number()?))
    } else {
        None
    };
    let status_code = if has(STATUS) {
        Some(u16::try_from(rest.number()?).map_err(|_| Unreadable)?)
    } else {
        None
    };
    let resolved_ip = match (has(ADDRESS), has(IPV6)) {
        (true, false) => Some(IpAddr::V4(Ipv4Addr::from(rest.array::<4>()?))),
        (true, true) => Some(IpAddr::V6(Ipv6Addr::from(rest.array::<16>()?))),
        (false, _) => None,
    };
    let verdict = match flags & OUTCOME {
        1 => Verdict::Up,
        2 => Verdict::Down(rest.failure()?),
        3 => Verdict::Unknown(rest.failure()?),
        _ => return Err(Unreadable),
    };
    let detail = if has(DETAIL) {
        let detail: Detail = serde_json::from_str(rest.text()?).map_err(|_| Unreadable)?;
        Some(Box::new(detail))
    } else {
        None
    };
    Ok(ProbeResult {
        target,
        slot,
        lag,
        slow: has(SLOW),
        observation: Observation {
            verdict,
            measurement: Measurement {
                latency,
                status_code,
                resolved_ip,
                detail,
                // the next result that reaches the database has it
                chain: None,
            },
        },
    })
}

/// At most 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow (LEB128, as in DWARF 5 section 7.6).
fn number(body: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        body.push(value as u8 | 0x80);
        value >>= 7;
    }
    body.push(value as u8);
}

fn text(body: &mut Vec<u8>, text: &str) {
    number(body, text.len() as u64);
    body.extend_from_slice(text.as_bytes());
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Unreadable)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Unreadable> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        self.take(N)?.try_into().map_err(|_| Unreadable)
    }

    fn number(&mut self) -> Result<u64, Unreadable> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(Unreadable);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Unreadable)
    }

    fn text(&mut self) -> Result<&'a str, Unreadable> {
        let length = usize::try_from(self.number()?).map_err(|_| Unreadable)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Unreadable)
    }

    fn failure(&mut self) -> Result<Failure, Unreadable> {
        let code = self.text()?;
        let reason = Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == code)
            .ok_or(Unreadable)?;
        Ok(Failure::new(reason, self.text()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{HttpVersion, Packets, Phases};

    fn observations() -> impl Strategy<Value = Observation> {
        let phases = any::<[Option<u32>; 5]>().prop_map(|it| Phases {
            dns_us: it[0],
            connect_us: it[1],
            tls_us: it[2],
            ttfb_us: it[3],
            transfer_us: it[4],
        });
        let packets = any::<(u16, u16, [Option<u32>; 4], Vec<Option<u32>>, u16)>().prop_map(
            |(sent, received, it, rtts_us, late)| Packets {
                sent,
                received,
                min_us: it[0],
                median_us: it[1],
                max_us: it[2],
                jitter_us: it[3],
                rtts_us,
                late,
                ..Packets::default()
            },
        );
        let detail = (
            proptest::option::of(phases),
            proptest::option::of(packets),
            proptest::option::of(0..4_000_000_000_000_000_i64),
            proptest::option::of(proptest::sample::select(vec![
                HttpVersion::OneZero,
                HttpVersion::One,
                HttpVersion::Two,
            ])),
        )
            .prop_map(|(phases, packets, expires, http_version)| {
                Box::new(Detail {
                    phases,
                    packets,
                    cert_expires_at: expires.map(Timestamp::from_micros),
                    http_version,
                    ..Detail::default()
                })
            });
        let measurement = (
            any::<Option<u64>>(),
            any::<Option<u16>>(),
            any::<Option<IpAddr>>(),
            proptest::option::of(detail),
        )
            .prop_map(|(latency, status_code, resolved_ip, detail)| Measurement {
                chain: None,
                latency: latency.map(Duration::from_nanos),
                status_code,
                resolved_ip,
                detail,
            });
        let reason = (0..Reason::ALL.len()).prop_map(|index| Reason::ALL[index]);
        (0..3, reason, any::<String>(), measurement).prop_map(
            |(outcome, reason, error, measurement)| match outcome {
                0 => Observation::up(measurement),
                1 => Observation::down(reason, error, measurement),
                _ => Observation::unknown(reason, error, measurement),
            },
        )
    }

    fn results() -> impl Strategy<Value = ProbeResult> {
        (
            any::<u128>(),
            any::<i64>(),
            any::<u64>(),
            any::<bool>(),
            observations(),
        )
            .prop_map(|(target, slot, lag, slow, observation)| ProbeResult {
                target: TargetId(uuid::Uuid::from_u128(target)),
                slot: Timestamp::from_micros(slot),
                lag: Duration::from_nanos(lag),
                slow,
                observation,
            })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(results in proptest::collection::vec(results(), 0..8)) {
            prop_assert_eq!(decode(&encode(&results)), Ok(results));
        }

        #[test]
        fn a_cut_body_is_unreadable_or_shorter(results in proptest::collection::vec(results(), 1..4), cut in 1..40_usize) {
            let body = encode(&results);
            let kept = body.len().saturating_sub(cut);
            if let Ok(read) = decode(&body[..kept]) {
                prop_assert!(results.starts_with(&read) && read.len() < results.len());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
            let _ = decode(&bytes);
            let _ = decode(&[&[VERSION], bytes.as_slice()].concat());
        }
    }

    #[test]
    fn the_format_of_version_one_stays_as_it_is() {
        let observation = Observation::down(
            Reason::Status,
            "status 503",
            Measurement {
                latency: Some(Duration::from_micros(300)),
                status_code: Some(503),
                resolved_ip: Some(Ipv4Addr::new(192, 0, 2, 1).into()),
                detail: None,
                chain: None,
            },
        );
        let result = ProbeResult {
            target: TargetId(uuid::Uuid::from_u128(1)),
            slot: Timestamp::from_micros(2),
            lag: Duration::from_nanos(128),
            slow: false,
            observation,
        };
        let mut expected = vec![1, 0b0011_1010];
        expected.extend([0; 15]);
        expected.extend([
            1, 2, 0, 0, 0, 0, 0, 0, 0, 0x80, 0x01, 0xe0, 0xa7, 0x12, 0xf7, 0x03, 192, 0, 2, 1,
        ]);
        expected.extend(b"\x06status\x0astatus 503");
        assert_eq!(encode(&[result]), expected);
    }
}
