//! The keys of `type: dns`.

use std::net::IpAddr;

use super::super::problem::quoted;
use super::super::report::Report;
use super::draft::Draft;
use super::host;
use super::key::Key;
use super::reach::ReachDraft;
use super::value::{Answer, Field};
use super::way::WayDraft;
use crate::model::{DnsSpec, Host, Kind, Rcode, Record, Transport};

pub const KEYS: &[Key] = &[
    Key {
        name: "query",
        of: &[Kind::Dns],
        has_default: true,
        read: |draft, field, report| {
            let text = field.text("the name to ask for, like example.com", report);
            draft.dns.query = text.checked(report, question);
        },
    },
    Key {
        name: "record",
        of: &[Kind::Dns],
        has_default: true,
        read: |draft, field, report| {
            let words = Record::ALL.map(|it| (it.as_str(), it));
            draft.dns.record = field.choice(&words, &[], report);
        },
    },
    Key {
        name: "server",
        of: &[Kind::Dns],
        has_default: true,
        read: |draft, field, report| {
            let text = field.text("the address of a name server, like 192.168.1.1", report);
            draft.dns.server = text.checked(report, server);
        },
    },
    Key {
        name: "transport",
        of: &[Kind::Dns],
        has_default: true,
        read: |draft, field, report| {
            let words = Transport::ALL.map(|it| (it.as_str(), it));
            draft.dns.transport = field.choice(&words, &[("dot", Transport::Tls)], report);
        },
    },
    Key {
        name: "expect_rcode",
        of: &[Kind::Dns],
        has_default: true,
        read: |draft, field, report| {
            let words = Rcode::ALL.map(|it| (it.as_str(), it));
            draft.dns.expect_rcode = field.choice(&words, &[("OK", Rcode::NoError)], report);
        },
    },
    Key {
        name: "expect_answers",
        of: &[Kind::Dns],
        has_default: false,
        read: |draft, field, report| draft.dns.expect_answers = answers(field, report),
    },
];

const MAX_ANSWERS: usize = 64;
/// In characters: as long as a line of TXT that anybody writes into a file.
const MAX_ANSWER: usize = 2000;

/// A name server: none is this machine's; and its port, if it was written.
type Server = (Option<Host>, Option<u16>);

/// What a target of this type said.
#[derive(Debug, Default)]
pub struct DnsDraft {
    server: Answer<Server>,
    query: Answer<String>,
    record: Answer<Record>,
    transport: Answer<Transport>,
    expect_rcode: Answer<Rcode>,
    expect_answers: Answer<Vec<String>>,
}

impl DnsDraft {
    pub fn missing(&self, defaults: &Self) -> Option<(&'static str, &'static str)> {
        (self.query.is_absent() && defaults.query.is_absent()).then_some((
            "query",
            "add the name to ask for, like `query: example.com`",
        ))
    }

    /// The server as an address or a name, if it is written.
    fn host<'a>(&'a self, defaults: &'a Self) -> Option<&'a str> {
        let (host, _) = self.server.said().or(defaults.server.said())?;
        host.as_ref().map(Host::as_str)
    }

    fn record(&self, defaults: &Self) -> Record {
        let said = self.record.said().or(defaults.record.said());
        said.copied().unwrap_or_default()
    }

    fn transport(&self, defaults: &Self) -> Transport {
        let said = self.transport.said().or(defaults.transport.said());
        said.copied().unwrap_or_default()
    }

    fn rcode(&self, defaults: &Self) -> Rcode {
        let said = self.expect_rcode.said().or(defaults.expect_rcode.said());
        said.copied().unwrap_or_default()
    }

    /// Tells what does not fit together.
    pub fn cross_check(draft: &Draft, defaults: &Draft, report: &mut Report) {
        let (own, given) = (&draft.dns, &defaults.dns);
        draft.reach.cross_check(own.host(given), report);
        let record = own.record(given);
        if let Answer::Said(query, at) = &own.query
            && query.parse::<IpAddr>().is_ok()
            && record != Record::Ptr
        {
            let hint = "write `record: PTR` to ask for the name of an address".to_owned();
            report.error(*at, format!("`query` is the address {query}"), hint);
        }
        if let Answer::Said(answers, at) = &own.expect_answers {
            if own.rcode(given) != Rcode::NoError && !answers.is_empty() {
                let message = "`expect_answers` needs an `expect_rcode` of NOERROR";
                let hint = "no other answer holds records: remove one of them".to_owned();
                report.error(*at, message, hint);
            }
            for answer in answers {
                if record.canonical(answer).is_none() {
                    let message = format!(
                        "{} cannot be the answer to {}",
                        quoted(answer),
                        record.as_str()
                    );
                    report.error(*at, message, format!("expected like {}", record.example()));
                }
            }
        }
        if let Answer::Said(_, at) = &draft.way.server_name
            && own.transport(given) != Transport::Tls
        {
            let hint = "write `transport: tls`, or remove it".to_owned();
            report.error(*at, "`server_name` counts only over TLS", hint);
        }
    }

    pub fn finish(self, reach: &ReachDraft, way: WayDraft, defaults: &Draft) -> Option<DnsSpec> {
        let (own, given) = (self, &defaults.dns);
        let ip = reach.family(own.host(given), &defaults.reach);
        let record = own.record(given);
        let transport = own.transport(given);
        let expect_rcode = own.rcode(given);
        let server = own
            .server
            .into_said()
            .or_else(|| given.server.said().cloned());
        let (server, port) = server.unwrap_or_default();
        Some(DnsSpec {
            server,
            port,
            ip,
            query: own
                .query
                .into_said()
                .or_else(|| given.query.said().cloned())?,
            record,
            expect_answers: own.expect_answers.into_said(),
            expect_rcode,
            transport,
            server_name: way.server_name.into_said(),
        })
    }
}

/// An empty list asks for no record at all.
fn answers(field: Field<'_>, report: &mut Report) -> Answer<Vec<String>> {
    let expected = "a list of answers, like [192.0.2.1]";
    field.lines(MAX_ANSWERS, MAX_ANSWER, expected, report)
}

/// A name to ask for: of any characters that names have in the wild, the root, or an address whose name is asked for.
fn question(text: &str) -> Result<String, (String, Option<String>)> {
    let shown = quoted(text);
    let hint = Some("expected a name, like example.com".to_owned());
    if text == "." || text.parse::<IpAddr>().is_ok() {
        return Ok(text.to_owned());
    }
    if text.is_empty() {
        return Err(("`query` is empty".to_owned(), hint));
    }
    if text.contains(['/', ':', '@']) || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err((format!("`query` is {shown}, which is no name"), hint));
    }
    let ascii = host::ascii(text);
    let ascii = ascii.ok_or_else(|| {
        (
            format!("`query` is {shown}, which is no name"),
            hint.clone(),
        )
    })?;
    let name = ascii.strip_suffix('.').unwrap_or(&ascii);
    let fits = |label: &str| (1..=63).contains(&label.len());
    if name.len() > 253 || !name.split('.').all(fits) {
        let message = format!(
            "`query` is {shown}: a name has at most 253 characters, and 1 to 63 between its dots"
        );
        return Err((message, hint));
    }
    Ok(text.to_owned())
}

/// `system`, or a host with or without a port.
fn server(text: &str) -> Result<Server, (String, Option<String>)> {
    if text.eq_ignore_ascii_case("system") {
        return Ok((None, None));
    }
    if text.contains("://") {
        let hint =
            "write the host alone, like 192.168.1.1:53; `transport: tls` is a key of its own";
        return Err((
            format!("the server {} is a URL", quoted(text)),
            Some(hint.to_owned()),
        ));
    }
    let (host, port) = host_and_port(text);
    let port = match port {
        None => None,
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
            let message = format!("{} is no port", quoted(port));
            (
                message,
                Some("expected like 192.168.1.1:53 or [::1]:53".to_owned()),
            )
        })?),
    };
    Ok((Some(host::checked(host)?.into()), port))
}

/// Splits `a:53`, `[::1]:53` and `[::1]`; an address of IPv6 without brackets has no port.
pub fn host_and_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        match rest.strip_prefix(':') {
            Some(port) => return (host, Some(port)),
            None if rest.is_empty() => return (host, None),
            None => return (text, None),
        }
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_split() {
        for (text, host, port) in [
            ("192.168.1.1", Some("192.168.1.1"), None),
            ("192.168.1.1:5353", Some("192.168.1.1"), Some(5353)),
            ("::1", Some("::1"), None),
            ("[::1]", Some("::1"), None),
            ("[::1]:53", Some("::1"), Some(53)),
            ("fe80::1%eth0", Some("fe80::1%eth0"), None),
            ("ns.example.com:53", Some("ns.example.com"), Some(53)),
            ("system", None, None),
        ] {
            assert_eq!(server(text), Ok((host.map(Host::from), port)), "{text}");
        }
        for text in [
            "", ":53", "a:b", "a:0", "a:65536", "[::1]x", "[::1]:", "a/b", "tls://a",
        ] {
            assert!(server(text).is_err(), "{text}");
        }
    }

    #[test]
    fn questions_are_names_of_any_kind() {
        let long = format!("{}.com", "a".repeat(64));
        for text in [
            ".",
            "example.com",
            "example.com.",
            "_sip._tcp.example.com",
            "*.a",
            "münchen.example",
            "192.0.2.1",
            "::1",
        ] {
            assert!(question(text).is_ok(), "{text}");
        }
        for text in ["", "a b", "http://a/", "a..b", "a@b", &long] {
            assert!(question(text).is_err(), "{text}");
        }
    }
}
