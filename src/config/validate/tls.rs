//! The keys of `type: tls`.

use super::super::report::Report;
use super::key::Key;
use super::reach::ReachDraft;
use super::value::Answer;
use super::way::WayDraft;
use crate::model::{Kind, StartTls, TlsSpec};

pub const KEYS: &[Key] = &[
    Key {
        name: "alpn",
        of: &[Kind::Tls],
        has_default: true,
        read: |draft, field, report| {
            let expected = "a list of protocols, like [h2, http/1.1]";
            draft.tls.alpn = field.lines(MAX_PROTOCOLS, MAX_PROTOCOL, expected, report);
        },
    },
    Key {
        name: "expect_alpn",
        of: &[Kind::Tls],
        has_default: false,
        read: |draft, field, report| {
            draft.tls.expect_alpn = field.line(MAX_PROTOCOL, "a protocol, like h2", report);
        },
    },
    Key {
        name: "starttls",
        of: &[Kind::Tls],
        has_default: false,
        read: |draft, field, report| {
            let words = StartTls::ALL.map(|it| (it.as_str(), it));
            let synonyms = [
                ("submission", StartTls::Smtp),
                ("pop", StartTls::Pop3),
                ("postgresql", StartTls::Postgres),
            ];
            draft.tls.starttls = field.choice(&words, &synonyms, report);
        },
    },
];

const MAX_PROTOCOLS: usize = 16;
/// In characters: RFC 7301 section 3.1 has room for 255 bytes.
const MAX_PROTOCOL: usize = 63;

/// What a target of this type said.
#[derive(Debug, Default)]
pub struct TlsDraft {
    alpn: Answer<Vec<String>>,
    expect_alpn: Answer<String>,
    starttls: Answer<StartTls>,
}

impl TlsDraft {
    /// Tells of a protocol that is expected and not offered.
    pub fn cross_check(&self, defaults: &Self, report: &mut Report) {
        if let Answer::Said(expected, at) = &self.expect_alpn
            && let Some(offered) = self.alpn.said().or(defaults.alpn.said())
            && !offered.is_empty()
            && !offered.contains(expected)
        {
            let message = "`expect_alpn` is not one of the protocols in `alpn`";
            report.error(*at, message, "a server chooses from those".to_owned());
        }
    }

    pub fn finish(
        self,
        reach: &ReachDraft,
        way: WayDraft,
        defaults: &super::draft::Draft,
    ) -> Option<TlsSpec> {
        let host = reach.host.said()?.clone();
        let starttls = self.starttls.into_said();
        let standard = starttls.map_or(TlsSpec::DEFAULT_PORT, StartTls::port);
        let ip = reach.family(Some(&host), &defaults.reach);
        let alpn = self.alpn.into_said();
        let alpn = alpn.or_else(|| defaults.tls.alpn.said().cloned());
        let expect_alpn = self.expect_alpn.into_said();
        let (own, given) = (way, &defaults.way);
        Some(TlsSpec {
            host: host.into(),
            port: *reach.port.said().unwrap_or(&standard),
            ip,
            server_name: own.server_name.into_said(),
            insecure: *own
                .insecure
                .said()
                .or(given.insecure.said())
                .unwrap_or(&false),
            cert_min_days: own
                .cert_min_days
                .said()
                .or(given.cert_min_days.said())
                .copied(),
            // what is expected must be offered
            alpn: alpn
                .filter(|offered| !offered.is_empty())
                .unwrap_or_else(|| expect_alpn.iter().cloned().collect()),
            expect_alpn,
            starttls,
        })
    }
}
