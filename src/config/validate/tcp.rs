//! The keys of `type: tcp`.

use super::super::problem::quoted;
use super::key::Key;
use super::reach::ReachDraft;
use super::value::Answer;
use crate::model::{Kind, Pattern, Payload, TcpSpec};

pub const KEYS: &[Key] = &[
    Key {
        name: "send",
        of: &[Kind::Tcp],
        has_default: false,
        read: |draft, field, report| {
            let text = field.text(r"what to send, like 'PING\r\n'", report);
            draft.tcp.send = text.checked(report, |text| {
                length("send", text, MAX_SEND)?;
                Payload::try_from(text).map_err(|error| {
                    let message =
                        format!("`send` holds {}, which is no escape", quoted(&error.escape));
                    let hint = r"known are \r, \n, \t, \0, \xNN and \\ for a backslash";
                    (message, Some(hint.to_owned()))
                })
            });
        },
    },
    Key {
        name: "expect",
        of: &[Kind::Tcp],
        has_default: false,
        read: |draft, field, report| {
            let text = field.text("a regular expression, like '^220 '", report);
            draft.tcp.expect = text.checked(report, |text| {
                length("expect", text, MAX_EXPECT)?;
                Pattern::new(text).map_err(|error| {
                    let message = format!("`expect` is no regular expression: {error}");
                    let hint = "the syntax is that of RE2, without look-around and back-references";
                    (message, Some(hint.to_owned()))
                })
            });
        },
    },
];

/// In bytes as written.
const MAX_SEND: usize = 8192;
const MAX_EXPECT: usize = 2000;

/// What a target of this type said.
#[derive(Debug, Default)]
pub struct TcpDraft {
    send: Answer<Payload>,
    expect: Answer<Pattern>,
}

impl TcpDraft {
    pub fn finish(self, reach: &ReachDraft, defaults: &ReachDraft) -> Option<TcpSpec> {
        let host = reach.host.said()?.clone();
        Some(TcpSpec {
            ip: reach.family(Some(&host), defaults),
            host: host.into(),
            port: *reach.port.said()?,
            send: self.send.into_said(),
            expect: self.expect.into_said(),
        })
    }
}

fn length(name: &str, text: &str, most: usize) -> Result<(), (String, Option<String>)> {
    match text.len() {
        0 => Err((
            format!("`{name}` is empty"),
            Some("remove it: without it nothing is asked for".to_owned()),
        )),
        length if length > most => Err((
            format!("`{name}` is {length} bytes long: at most {most}"),
            None,
        )),
        _ => Ok(()),
    }
}
