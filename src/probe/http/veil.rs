//! Keeps secrets out of what is said of a probe.
//!
//! A server may send back what it was sent: in a redirect, a header or a body. What a result quotes of an answer passes here first.
//! Secrets of fewer than [`SHORTEST`] bytes are not looked for: they would hide every other word.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::byte_serialize;

use crate::model::{Failure, Verdict};

const SHORTEST: usize = 4;
/// Pieces of a header that are shorter are words.
const SHORTEST_PIECE: usize = 6;

/// What a path cannot hold as it is (<https://url.spec.whatwg.org/#path-percent-encode-set>).
const IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// The secrets of one probe, in every form in which they are sent.
#[derive(Debug, Default)]
pub(super) struct Veil {
    hidden: Vec<SecretString>,
}

impl Veil {
    pub(super) fn hide(&mut self, secret: &str) {
        let quoted = serde_json::to_string(secret).unwrap_or_default();
        let in_json = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        let forms = [
            secret.to_owned(),
            byte_serialize(secret.as_bytes()).collect(),
            utf8_percent_encode(secret, IN_PATHS).to_string(),
            utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
            in_json.unwrap_or_default().to_owned(),
            STANDARD.encode(secret),
        ];
        let mut known = BTreeSet::new();
        for form in forms {
            if form.len() >= SHORTEST && known.insert(form.clone()) {
                self.hidden.push(form.into());
            }
        }
        // a secret may hold another: the whole goes first
        self.hidden
            .sort_by_key(|it| std::cmp::Reverse(it.expose_secret().len()));
    }

    /// The value of a header, whole, and what it is made of: `Bearer x`, `a=x; b=y`.
    pub(super) fn hide_header(&mut self, value: &str) {
        self.hide(value);
        let pieces = value.split([' ', ';', ',', '=', '"']);
        for piece in pieces.filter(|piece| piece.len() >= SHORTEST_PIECE) {
            self.hide(piece);
        }
    }

    /// `text` with every secret as `***`. What was cut already, and says so with `…`, may end in the beginning of one.
    pub(super) fn over(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in self.hidden.iter().map(ExposeSecret::expose_secret) {
            if shown.contains(secret) {
                shown = shown.replace(secret, "***");
            }
            if let Some(cut) = shown.strip_suffix('…') {
                let begun = (SHORTEST..secret.len())
                    .rev()
                    .find(|&end| secret.is_char_boundary(end) && cut.ends_with(&secret[..end]));
                if let Some(end) = begun {
                    shown = format!("{}***…", &cut[..cut.len() - end]);
                }
            }
        }
        shown
    }

    pub(super) fn over_verdict(&self, verdict: Verdict) -> Verdict {
        let over = |Failure { reason, error }| Failure::new(reason, self.over(error.as_str()));
        match verdict {
            Verdict::Up => Verdict::Up,
            Verdict::Down(failure) => Verdict::Down(over(failure)),
            Verdict::Unknown(failure) => Verdict::Unknown(over(failure)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_covered_in_every_form() {
        let mut veil = Veil::default();
        veil.hide("hunter 2/x");
        veil.hide_header("session=abcdefgh; theme=dark");
        veil.hide("abc");
        veil.hide("q\"uote\\d\"");
        for (text, shown) in [
            ("nothing", "nothing"),
            ("a hunter 2/x b", "a *** b"),
            ("a=hunter+2%2Fx", "a=***"),
            ("/hunter%202/x/", "/***/"),
            ("q\\\"uote\\\\d\\\"", "***"),
            ("aHVudGVyIDIveA==", "***"),
            ("abcdefgh", "***"),
            ("the dark theme and abc", "the dark theme and abc"),
            ("cut off: hunter 2…", "cut off: ***…"),
            ("cut off: hun…", "cut off: hun…"),
        ] {
            assert_eq!(veil.over(text), shown, "{text}");
        }
        assert!(!format!("{veil:?}").contains("hunter"));
    }
}
