//! The keys of `type: icmp`.

use std::net::IpAddr;
use std::time::Duration;

use super::super::problem::quoted;
use super::super::report::Report;
use super::draft::Draft;
use super::key::Key;
use super::reach::{ReachDraft, literal};
use super::value::{Answer, Field};
use crate::model::{Family, IcmpSpec, Kind, TrainSpec};

pub const KEYS: &[Key] = &[
    Key {
        name: "packets",
        of: &[Kind::Icmp],
        has_default: true,
        read: |draft, field, report| {
            draft.icmp.packets = field.number(1, MAX_PACKETS, 10, report);
        },
    },
    Key {
        name: "packet_interval_ms",
        of: &[Kind::Icmp],
        has_default: true,
        read: |draft, field, report| {
            draft.icmp.packet_interval_ms = field.number(1, MAX_PACKET_INTERVAL, 100, report);
        },
    },
    Key {
        name: "payload_bytes",
        of: &[Kind::Icmp],
        has_default: true,
        read: |draft, field, report| {
            draft.icmp.payload_bytes = field.number(MIN_PAYLOAD, MAX_PAYLOAD, 56, report);
        },
    },
    Key {
        name: "ttl",
        of: &[Kind::Icmp],
        has_default: true,
        read: |draft, field, report| draft.icmp.ttl = field.number(1, u8::MAX, 64, report),
    },
    Key {
        name: "dscp",
        of: &[Kind::Icmp],
        has_default: true,
        read: |draft, field, report| draft.icmp.dscp = dscp(field, report),
    },
    Key {
        name: "source",
        of: &[Kind::Icmp],
        has_default: true,
        read: |draft, field, report| draft.icmp.source = source(field, report),
    },
    Key {
        name: "dont_fragment",
        of: &[Kind::Icmp],
        has_default: true,
        read: |draft, field, report| draft.icmp.dont_fragment = field.boolean(report),
    },
];

const MAX_PACKETS: u8 = 100;
/// A minute: longer trains are targets with a shorter interval.
const MAX_PACKET_INTERVAL: u32 = 60_000;
/// Room for what replies are recognised by, and what a packet can hold at the most (RFC 791 §3.1).
const MIN_PAYLOAD: u16 = pingu_icmp::MIN_PAYLOAD_BYTES;
const MAX_PAYLOAD: u16 = pingu_icmp::MAX_PAYLOAD_BYTES;
/// Between the packets of a train, where there is room for it.
const PACKET_INTERVAL: Duration = Duration::from_millis(100);

/// What a target of this type said.
#[derive(Debug, Default)]
pub struct IcmpDraft {
    packets: Answer<u8>,
    packet_interval_ms: Answer<u32>,
    payload_bytes: Answer<u16>,
    ttl: Answer<u8>,
    dscp: Answer<u8>,
    source: Answer<IpAddr>,
    dont_fragment: Answer<bool>,
}

impl IcmpDraft {
    /// Tells what does not fit together, given how long a probe may take and how often there is one.
    pub fn cross_check(
        &self,
        reach: &ReachDraft,
        defaults: &Draft,
        timeout: Duration,
        interval: Duration,
        report: &mut Report,
    ) {
        let own = reach.host.said().and_then(|host| literal(host));
        reach.cross_check(reach.host.said().map(String::as_str), report);
        if let Answer::Said(source, at) = &self.source {
            let wanted = match own {
                Some(address) => Family::of(address),
                None => reach.wanted(&defaults.reach),
            };
            if !wanted.includes(*source) {
                let message = format!("{source} is not of the family that is probed");
                report.error(
                    *at,
                    message,
                    "source and host must both be IPv4 or both IPv6".to_owned(),
                );
            }
        }
        if self.packets(&defaults.icmp) < 2 {
            return;
        }
        let at = self.packet_interval_ms.span().or(self.packets.span());
        if let Some(at) = at
            && let Some(train) = self.train(&defaults.icmp, timeout, interval)
            && train.length() + timeout > interval
        {
            let takes = (train.length() + timeout).as_millis();
            let message = format!(
                "{} packets, {} ms apart, and a timeout of {} ms take {takes} ms, but the interval is {} s",
                train.packets,
                train.interval_ms,
                timeout.as_millis(),
                interval.as_secs_f64()
            );
            let hint = "write a smaller `packet_interval_ms` or `timeout_ms`, or a longer `interval_seconds`";
            report.error(at, message, hint.to_owned());
        }
    }

    pub fn packets(&self, defaults: &Self) -> u8 {
        *self
            .packets
            .said()
            .or(defaults.packets.said())
            .unwrap_or(&1)
    }

    /// A packet interval that the target does not write itself never exceeds what there is room for, as with the timeout.
    fn train(&self, defaults: &Self, timeout: Duration, interval: Duration) -> Option<TrainSpec> {
        let packets = self.packets(defaults);
        let gaps = u32::from(packets.checked_sub(1).filter(|gaps| *gaps > 0)?);
        let fitting = interval.saturating_sub(timeout) / gaps;
        let default = defaults.packet_interval_ms.said();
        let default = default.map_or(PACKET_INTERVAL, |ms| Duration::from_millis((*ms).into()));
        let chosen = default.min(fitting).as_millis() as u32;
        Some(TrainSpec {
            packets,
            interval_ms: *self.packet_interval_ms.said().unwrap_or(&chosen.max(1)),
        })
    }

    pub fn finish(
        self,
        reach: &ReachDraft,
        defaults: &Draft,
        timeout: Duration,
        interval: Duration,
    ) -> Option<IcmpSpec> {
        let host = reach.host.said()?.clone();
        let own = literal(&host);
        let ip = reach.family(Some(&host), &defaults.reach);
        let defaults = &defaults.icmp;
        let train = self.train(defaults, timeout, interval);
        let wanted = own.map_or(ip, Family::of);
        let default_source = || {
            let source = defaults.source.said().copied();
            source.filter(|source| wanted.includes(*source))
        };
        let source = self.source.into_said().or_else(default_source);
        Some(IcmpSpec {
            // a name is probed at an address of the source's family: no other can be sent from it
            ip: source.filter(|_| own.is_none()).map_or(ip, Family::of),
            host: host.into(),
            train,
            payload_bytes: self
                .payload_bytes
                .into_said()
                .or(defaults.payload_bytes.said().copied())
                .unwrap_or(IcmpSpec::DEFAULT_PAYLOAD_BYTES),
            ttl: self.ttl.into_said().or(defaults.ttl.said().copied()),
            dscp: self.dscp.into_said().or(defaults.dscp.said().copied()),
            source,
            dont_fragment: self
                .dont_fragment
                .into_said()
                .or(defaults.dont_fragment.said().copied())
                .unwrap_or(false),
        })
    }
}

/// A number, or a name of RFC 4594 (class selectors, assured and expedited forwarding, voice-admit) or RFC 8622 (lower effort).
fn dscp(field: Field<'_>, report: &mut Report) -> Answer<u8> {
    let expected = "0 to 63, or a name like ef, af41 or cs1";
    field.text(expected, report).checked(report, |text| {
        code_point(&text.to_ascii_lowercase()).ok_or_else(|| {
            let message = format!("`dscp` is {}", quoted(text));
            (message, Some(format!("expected {expected}")))
        })
    })
}

fn code_point(text: &str) -> Option<u8> {
    match text.as_bytes() {
        b"df" | b"be" | b"default" => Some(0),
        b"le" => Some(1),
        b"va" | b"voice-admit" => Some(44),
        b"ef" => Some(46),
        [b'c', b's', class @ b'0'..=b'7'] => Some((class - b'0') * 8),
        [b'a', b'f', class @ b'1'..=b'4', drop @ b'1'..=b'3'] => {
            Some((class - b'0') * 8 + (drop - b'0') * 2)
        }
        _ => text.parse().ok().filter(|point| *point < 64),
    }
}

fn source(field: Field<'_>, report: &mut Report) -> Answer<IpAddr> {
    let expected = "an address of this machine, like 192.168.1.5";
    field.text(expected, report).checked(report, |text| {
        let address = text.parse::<IpAddr>().ok();
        let usable = address.filter(|it| !it.is_unspecified() && !it.is_multicast());
        usable.ok_or_else(|| {
            let message = format!("`source` is {}", quoted(text));
            (message, Some(format!("expected {expected}")))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_points_have_names() {
        for (text, point) in [
            ("0", Some(0)),
            ("63", Some(63)),
            ("64", None),
            ("ef", Some(46)),
            ("cs6", Some(48)),
            ("cs8", None),
            ("af41", Some(34)),
            ("af11", Some(10)),
            ("af14", None),
            ("le", Some(1)),
            ("e", None),
            ("", None),
            ("é1", None),
        ] {
            assert_eq!(code_point(text), point, "{text}");
        }
    }
}
