//! One TCP connection, and what is said on it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Family, Host, Pattern};

/// One TCP connection. With neither `send` nor `expect` the connection alone counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpSpec {
    pub host: Host,
    /// 1 to 65535.
    pub port: u16,
    /// Which addresses of a name may be probed.
    #[serde(default, skip_serializing_if = "Family::is_any")]
    pub ip: Family,
    /// What is said once the connection stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send: Option<Payload>,
    /// What must be found in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Pattern>,
}

/// Bytes to send, written as a text with escapes: `\r \n \t \0 \\ \xNN`. It may hold a password: it is never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Payload {
    written: String,
    bytes: Vec<u8>,
}

/// A text whose escapes cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{escape} is no escape")]
pub struct BadEscape {
    /// The backslash and what follows it.
    pub escape: String,
}

impl Payload {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl TryFrom<String> for Payload {
    type Error = BadEscape;

    fn try_from(written: String) -> Result<Self, BadEscape> {
        let bytes = unescaped(&written)?;
        Ok(Self { written, bytes })
    }
}

impl TryFrom<&str> for Payload {
    type Error = BadEscape;

    fn try_from(written: &str) -> Result<Self, BadEscape> {
        written.to_owned().try_into()
    }
}

impl From<Payload> for String {
    fn from(payload: Payload) -> Self {
        payload.written
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.bytes.len())
    }
}

fn unescaped(text: &str) -> Result<Vec<u8>, BadEscape> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        let (byte, length) = escape(after).ok_or_else(|| BadEscape {
            escape: format!("\\{}", after.chars().take(3).collect::<String>()),
        })?;
        bytes.push(byte);
        rest = &after[length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The byte that an escape means, and how long it is without its backslash.
fn escape(after: &str) -> Option<(u8, usize)> {
    Some(match after.as_bytes() {
        [b'r', ..] => (b'\r', 1),
        [b'n', ..] => (b'\n', 1),
        [b't', ..] => (b'\t', 1),
        [b'0', ..] => (0, 1),
        [b'\\', ..] => (b'\\', 1),
        [b'x', digits @ ..] => {
            let digits = std::str::from_utf8(digits.get(..2)?).ok()?;
            // a sign would do for the parser
            let hex = digits.bytes().all(|it| it.is_ascii_hexdigit());
            (u8::from_str_radix(digits, 16).ok().filter(|_| hex)?, 3)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_bytes() {
        for (text, bytes) in [
            (r"PING\r\n", b"PING\r\n".as_slice()),
            (r"\x00\xfF\t\0\\n", b"\x00\xff\t\0\\n"),
            ("é", "é".as_bytes()),
            ("", b""),
        ] {
            let payload = Payload::try_from(text).expect(text);
            assert_eq!(payload.bytes(), bytes, "{text}");
            assert_eq!(String::from(payload), text);
        }
    }

    #[test]
    fn what_is_no_escape_is_named() {
        for (text, escape) in [
            (r"a\qb", r"\qb"),
            (r"\", r"\"),
            (r"\x1", r"\x1"),
            (r"\x+1", r"\x+1"),
            (r"\xé1", r"\xé1"),
        ] {
            let error = Payload::try_from(text).expect_err(text);
            assert_eq!(error.escape, escape);
        }
    }

    #[test]
    fn a_payload_is_not_shown() {
        let payload = Payload::try_from("AUTH secret").unwrap();
        assert_eq!(format!("{payload:?}"), "Payload(11 bytes)");
    }
}
