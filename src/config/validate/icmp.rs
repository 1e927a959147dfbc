//! The keys of `type: icmp`.

use super::host;
use super::key::Key;
use super::value::Answer;
use crate::model::IcmpSpec;

pub const KEYS: &[Key] = &[Key {
    name: "host",
    has_default: false,
    read: |draft, field, report| {
        let host = field.text("a name or an address, like 192.168.1.1", report);
        draft.icmp.host = host.checked(report, host::checked);
    },
}];

/// What a target of this type said.
#[derive(Debug, Default)]
pub struct IcmpDraft {
    host: Answer<String>,
}

impl IcmpDraft {
    /// The keys that must be there and are not.
    pub fn missing(&self) -> Option<(&'static str, &'static str)> {
        self.host.is_absent().then_some((
            "host",
            "add the name or the address to probe, like `host: 192.168.1.1`",
        ))
    }

    pub fn finish(self) -> Option<IcmpSpec> {
        Some(IcmpSpec {
            host: self.host.into_said()?,
        })
    }
}
