//! What keys there are, and which one a misspelt key was meant to be.
//!
//! A key is one entry in one table, and says itself which types have it: `shared.rs` has those of every type, `reach.rs` and `way.rs`
//! those of several, the file of a type its own.

use std::fmt::Write as _;

use strsim::damerau_levenshtein;

use super::super::report::Report;
use super::draft::Draft;
use super::value::Field;
use super::{dns, http, icmp, reach, shared, tcp, tls, way};
use crate::model::Kind;

/// A key of a target.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    /// The types that have it.
    pub of: &'static [Kind],
    /// Whether `defaults:` may give it.
    pub has_default: bool,
    /// Puts the value into the draft, or its problem into the report.
    pub read: fn(&mut Draft, Field<'_>, &mut Report),
}

/// Names that people write for a key, beyond slips of the finger.
const SYNONYMS: &[(&str, &str)] = &[
    ("address", "host"),
    ("addr", "host"),
    ("hostname", "host"),
    ("uri", "url"),
    ("link", "url"),
    ("endpoint", "url"),
    ("label", "name"),
    ("title", "name"),
    ("kind", "type"),
    ("protocol", "type"),
    ("disabled", "enabled"),
    ("active", "enabled"),
    ("every", "interval_seconds"),
    ("period", "interval_seconds"),
    ("frequency", "interval_seconds"),
    ("labels", "tags"),
    ("comment", "description"),
    ("slow", "slow_ms"),
    ("retries", "fail_after"),
    ("maxretries", "fail_after"),
    ("failurethreshold", "fail_after"),
    ("successthreshold", "recover_after"),
    ("count", "packets"),
    ("size", "payload_bytes"),
    ("payload_size", "payload_bytes"),
    ("packet_size", "payload_bytes"),
    ("tos", "dscp"),
    ("hop_limit", "ttl"),
    ("source_ip", "source"),
    ("source_address", "source"),
    ("interface", "source"),
    ("df", "dont_fragment"),
    ("ip_version", "ip"),
    ("family", "ip"),
    ("header", "headers"),
    ("httpheaders", "headers"),
    ("requestheaders", "headers"),
    ("verb", "method"),
    ("httpmethod", "method"),
    ("data", "body"),
    ("payload", "body"),
    ("requestbody", "body"),
    ("auth", "basic_auth"),
    ("authentication", "basic_auth"),
    ("authorization", "bearer"),
    ("authorisation", "bearer"),
    ("credentials", "basic_auth"),
    ("password", "basic_auth"),
    ("username", "basic_auth"),
    ("token", "bearer"),
    ("bearertoken", "bearer"),
    ("cookie", "headers"),
    ("cookies", "headers"),
    ("redirects", "follow_redirects"),
    ("followredirect", "follow_redirects"),
    ("status", "expect_status"),
    ("statuscode", "expect_status"),
    ("statuscodes", "expect_status"),
    ("expectedstatus", "expect_status"),
    ("regex", "expect_body"),
    ("match", "expect_body"),
    ("contains", "expect_body"),
    ("keyword", "expect_body"),
    ("jsonpath", "expect_json"),
    ("nameserver", "server"),
    ("name_server", "server"),
    ("dnsserver", "resolver"),
    ("question", "query"),
    ("qname", "query"),
    ("record_type", "record"),
    ("qtype", "record"),
    ("rcode", "expect_rcode"),
    ("answers", "expect_answers"),
    ("dns", "resolver"),
    ("nameserver", "resolver"),
    ("sni", "server_name"),
    ("servername", "server_name"),
    ("cacert", "ca"),
    ("cafile", "ca"),
    ("rootca", "ca"),
    ("cert", "client_cert"),
    ("key", "client_key"),
    ("verify", "insecure"),
    ("skipverify", "insecure"),
    ("insecureskipverify", "insecure"),
    ("tlsskipverify", "insecure"),
    ("regex", "expect"),
];

const TABLES: [&[Key]; 8] = [
    shared::KEYS,
    reach::KEYS,
    way::KEYS,
    icmp::KEYS,
    http::KEYS,
    tcp::KEYS,
    dns::KEYS,
    tls::KEYS,
];

impl Key {
    pub fn is_of(&self, kind: Kind) -> bool {
        self.of.contains(&kind)
    }

    /// Whether only some types have it.
    pub const fn is_special(&self) -> bool {
        self.of.len() < Kind::ALL.len()
    }
}

/// Every key of any type.
pub fn all() -> impl Iterator<Item = &'static Key> + Clone {
    TABLES.into_iter().flatten()
}

pub fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// Every key a target of `kind` may have; of any type when that is not known.
pub fn names(kind: Option<Kind>) -> impl Iterator<Item = &'static str> + Clone {
    all()
        .filter(move |key| kind.is_none_or(|kind| key.is_of(kind)))
        .map(|key| key.name)
}

/// Which of `known` was meant by `written`, if that is clear enough to say.
pub fn meant(
    written: &str,
    known: &(impl Iterator<Item = &'static str> + Clone),
) -> Option<&'static str> {
    // a distance takes the product of both lengths
    if written.len() > 64 {
        return None;
    }
    let plain = |name: &str| name.to_lowercase().replace(['-', '_', ' '], "");
    let word = plain(written);
    let first = written
        .split(['_', '-'])
        .next()
        .unwrap_or(written)
        .to_lowercase();
    let synonym = SYNONYMS
        .iter()
        .filter(|(other, _)| *other == word)
        .map(|&(_, name)| name)
        .find(|name| known.clone().any(|other| other == *name));
    let closest = || {
        let distances = known
            .clone()
            .map(|name| (damerau_levenshtein(&word, &plain(name)), name));
        distances
            .min()
            .filter(|&(distance, name)| distance <= 1 + name.len() / 5 && distance < word.len())
            .map(|(_, name)| name)
    };
    // `interval`, `timeout_seconds`: the first word tells which one
    let same_start = || {
        known
            .clone()
            .find(|name| name.contains('_') && name.split('_').next() == Some(first.as_str()))
    };
    synonym.or_else(closest).or_else(same_start)
}

/// A list for people: `a`, `b` and `c`.
pub fn listed(names: impl Iterator<Item = &'static str>) -> String {
    joined(names, "and")
}

/// A choice for people: `a`, `b` or `c`.
pub fn either(names: impl Iterator<Item = &'static str>) -> String {
    joined(names, "or")
}

fn joined(names: impl Iterator<Item = &'static str>, last: &str) -> String {
    let names: Vec<_> = names.collect();
    let mut text = String::new();
    for (at, name) in names.iter().enumerate() {
        let separator = match at {
            0 => "",
            _ if at + 1 == names.len() => &format!(" {last} "),
            _ => ", ",
        };
        let _ = write!(text, "{separator}`{name}`");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_keys_are_understood() {
        for (written, name) in [
            ("inteval_seconds", "interval_seconds"),
            ("interval", "interval_seconds"),
            ("intervalSeconds", "interval_seconds"),
            ("interval-seconds", "interval_seconds"),
            ("interval_ms", "interval_seconds"),
            ("timeout", "timeout_ms"),
            ("timeout_seconds", "timeout_ms"),
            ("Name", "name"),
            ("nmae", "name"),
            ("hosts", "host"),
            ("address", "host"),
            ("urls", "url"),
            ("tag", "tags"),
            ("enable", "enabled"),
            ("disabled", "enabled"),
            ("groups", "group"),
        ] {
            assert_eq!(meant(written, &names(None)), Some(name), "{written}");
        }
    }

    #[test]
    fn what_resembles_nothing_is_not_guessed() {
        for written in ["x", "", "owner", "é", "colour", &"a".repeat(1_000)] {
            assert_eq!(meant(written, &names(None)), None, "{written}");
        }
    }

    #[test]
    fn each_key_is_in_one_table_and_of_some_type() {
        let mut seen: Vec<_> = names(None).collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count);
        assert!(all().all(|key| !key.of.is_empty()));
    }
}
