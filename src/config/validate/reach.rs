//! The keys that say whom a probe talks to, of all types that connect to a host.

use std::net::IpAddr;

use super::super::problem::quoted;
use super::super::report::Report;
use super::host;
use super::key::Key;
use super::value::{Answer, Field};
use crate::model::{Family, Kind};

pub const KEYS: &[Key] = &[
    Key {
        name: "host",
        of: &[Kind::Icmp, Kind::Tcp, Kind::Tls],
        has_default: false,
        read: |draft, field, report| {
            let host = field.text("a name or an address, like 192.168.1.1", report);
            draft.reach.host = host.checked(report, host::checked);
        },
    },
    Key {
        name: "port",
        of: &[Kind::Tcp, Kind::Tls],
        has_default: false,
        read: |draft, field, report| draft.reach.port = field.number(1, u16::MAX, 443, report),
    },
    Key {
        name: "ip",
        of: &Kind::ALL,
        has_default: true,
        read: |draft, field, report| draft.reach.ip = family(field, report),
    },
];

/// Whom a target talks to.
#[derive(Debug, Default)]
pub struct ReachDraft {
    pub host: Answer<String>,
    pub port: Answer<u16>,
    pub ip: Answer<Family>,
}

impl ReachDraft {
    pub fn missing_host(&self) -> Option<(&'static str, &'static str)> {
        self.host.is_absent().then_some((
            "host",
            "add the name or the address to probe, like `host: 192.168.1.1`",
        ))
    }

    pub fn missing_port(&self) -> Option<(&'static str, &'static str)> {
        self.port
            .is_absent()
            .then_some(("port", "add the port to connect to, like `port: 22`"))
    }

    /// Tells of a family that the host, an address, is not of.
    pub fn cross_check(&self, host: Option<&str>, report: &mut Report) {
        if let (Answer::Said(family, at), Some(address)) = (&self.ip, host.and_then(literal))
            && !family.includes(address)
        {
            let message = format!("`ip` asks for another family than that of the host {address}");
            report.error(
                *at,
                message,
                "remove `ip`: an address has one family".to_owned(),
            );
        }
    }

    /// What the target or its defaults ask for, whatever its host is.
    pub fn wanted(&self, defaults: &Self) -> Family {
        let said = self.ip.said().or(defaults.ip.said());
        said.copied().unwrap_or_default()
    }

    /// The same for `host`: a default that does not suit an address was not meant for it.
    pub fn family(&self, host: Option<&str>, defaults: &Self) -> Family {
        let wanted = self.wanted(defaults);
        match host.and_then(literal) {
            Some(address) if !wanted.includes(address) => Family::Any,
            _ => wanted,
        }
    }
}

/// The address that a host is, if it is no name.
pub fn literal(host: &str) -> Option<IpAddr> {
    let (address, _scope) = host.split_once('%').unwrap_or((host, ""));
    address.parse().ok()
}

fn family(field: Field<'_>, report: &mut Report) -> Answer<Family> {
    let expected = "4, 6 or auto";
    field
        .text(expected, report)
        .checked(report, |text| match text.to_ascii_lowercase().as_str() {
            "4" | "ipv4" | "v4" => Ok(Family::V4),
            "6" | "ipv6" | "v6" => Ok(Family::V6),
            "auto" | "any" | "both" => Ok(Family::Any),
            _ => {
                let hint = if text.parse::<IpAddr>().is_ok() {
                    "did you mean `host`?".to_owned()
                } else {
                    format!("expected {expected}")
                };
                Err((format!("`ip` is {}", quoted(text)), Some(hint)))
            }
        })
}
