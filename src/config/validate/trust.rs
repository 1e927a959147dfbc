//! The keys that say which certificate of a server will do, of all types that speak TLS.

use super::host;
use super::key::Key;
use super::reach::literal;
use super::value::Answer;
use crate::model::Kind;

pub const KEYS: &[Key] = &[
    Key {
        name: "server_name",
        of: &[Kind::Dns, Kind::Tls],
        has_default: false,
        read: |draft, field, report| {
            let text = field.text("the name in the certificate, like example.com", report);
            draft.trust.server_name = text.checked(report, |text| {
                let name = host::checked(text)?;
                if name.contains('%') && literal(&name).is_some() {
                    let message = "`server_name` has a scope, which no certificate has".to_owned();
                    return Err((message, None));
                }
                Ok(name)
            });
        },
    },
    Key {
        name: "insecure",
        of: &[Kind::Tls],
        has_default: true,
        read: |draft, field, report| draft.trust.insecure = field.boolean(report),
    },
    Key {
        name: "cert_min_days",
        of: &[Kind::Tls],
        has_default: true,
        read: |draft, field, report| {
            draft.trust.cert_min_days = field.number(1, MAX_DAYS, 14, report);
        },
    },
];

/// No authority signs for longer.
const MAX_DAYS: u16 = 3650;

/// What a target asks of a certificate.
#[derive(Debug, Default)]
pub struct TrustDraft {
    pub server_name: Answer<String>,
    pub insecure: Answer<bool>,
    pub cert_min_days: Answer<u16>,
}
