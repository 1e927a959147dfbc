//! What the engine saw becomes what is said of the target.
//!
//! Silence and a router's word are the target's; every fault of this host is `unknown`: no permission, no buffer, no route of our
//! own never count against a target.

use std::net::IpAddr;
use std::time::Duration;

use pingu_icmp::{IcmpError, IcmpErrorKind, LocalError, Outcome};

use super::super::resolve::ResolveError;
use crate::model::{Measurement, Observation, Outcome as Verdict, Packets, Reason, micros};

/// Of one packet to `address` that was waited for so long.
pub fn observe(outcome: Outcome, address: IpAddr, timeout: Duration) -> Observation {
    let seen = |latency| measurement(address, latency);
    match outcome {
        Outcome::Reply(reply) => {
            let mut up = Observation::up(seen(Some(reply.rtt)));
            if reply.damaged_at.is_some() {
                packets(&mut up).corrupted = 1;
            }
            up
        }
        Outcome::Timeout => {
            let text = format!("no reply within {} ms", timeout.as_millis());
            Observation::down(Reason::Timeout, text, seen(None))
        }
        Outcome::IcmpError(error) => {
            Observation::down(Reason::Unreachable, told(&error, address), seen(None))
        }
        Outcome::Local(error) => Observation::unknown(Reason::Local, advice(&error), seen(None)),
    }
}

pub fn measurement(address: IpAddr, latency: Option<Duration>) -> Measurement {
    Measurement {
        latency,
        resolved_ip: Some(address),
        ..Measurement::default()
    }
}

/// The account of an observation's packets: where there is none yet, that of one packet, or of none where this host sent none that
/// can be judged.
pub fn packets(observation: &mut Observation) -> &mut Packets {
    let sent = u16::from(observation.verdict.outcome() != Verdict::Unknown);
    let measurement = &mut observation.measurement;
    let rtt = measurement.latency.map(|latency| micros(latency) as u32);
    let detail = measurement.detail.get_or_insert_default();
    detail.packets.get_or_insert_with(|| Packets {
        sent,
        received: u16::from(rtt.is_some()),
        min_us: rtt,
        median_us: rtt,
        max_us: rtt,
        rtts_us: vec![rtt; usize::from(sent)],
        ..Packets::default()
    })
}

/// What a router, or the target, says.
pub fn told(error: &IcmpError, target: IpAddr) -> String {
    let by = if error.from == target {
        "the target itself".to_owned()
    } else {
        error.from.to_string()
    };
    let (kind, code) = (error.icmp_type, error.code);
    let what = meaning(error.kind);
    let most = error.mtu.map(|mtu| format!(" (at most {mtu} bytes)"));
    let most = most.unwrap_or_default();
    format!("{what}{most}, says {by} (ICMP type {kind}, code {code})")
}

const fn meaning(kind: IcmpErrorKind) -> &'static str {
    match kind {
        IcmpErrorKind::NetworkUnreachable => "network unreachable",
        IcmpErrorKind::HostUnreachable => "host unreachable",
        IcmpErrorKind::ProtocolUnreachable => "protocol unreachable",
        IcmpErrorKind::PortUnreachable => "port unreachable",
        IcmpErrorKind::PacketTooBig => "packet too big for the path",
        IcmpErrorKind::Prohibited => "administratively prohibited",
        IcmpErrorKind::TtlExceeded => "time to live exceeded on the way",
        IcmpErrorKind::ReassemblyExceeded => "fragments did not arrive in time",
        IcmpErrorKind::ParameterProblem => "a router could not read the header",
        IcmpErrorKind::Other => "not delivered",
    }
}

/// The error, and what its reader can do about it where that is known.
pub fn advice(error: &LocalError) -> String {
    match error {
        LocalError::NoPermission { .. } => {
            "no permission to open an ICMP socket; run as root: sysctl -w net.ipv4.ping_group_range=\"0 2147483647\" \
             (Pingu notices within 10 s)"
                .to_owned()
        }
        other => other.to_string(),
    }
}

pub fn unresolved(error: &ResolveError) -> Observation {
    Observation {
        verdict: error.verdict(),
        measurement: Measurement::default(),
    }
}

pub fn no_address() -> Observation {
    let text = "the name has no address";
    Observation::down(Reason::Dns, text, Measurement::default())
}
