//! What a probe found, and what is stored of it.
//!
//! A probe answers with an [`Observation`]; with the target, the slot and the lag it is a [`ProbeResult`]. A failed probe is a value
//! like any other, never an `Err`. Every text that may have come from outside passes through [`ErrorText`].

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Chain, Detail, TargetId, Timestamp};

/// What a probe says of its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Up,
    Down,
    /// The prober's own fault kept it from measuring: says nothing of the target and never counts against it.
    Unknown,
}

/// Why a probe was not up. The codes are stable: clients may compare them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No answer within the target's timeout.
    Timeout,
    /// The name has no address, or its servers say they cannot tell; of a name server, that its answer is another than asked for.
    Dns,
    /// The port answered with a reset at connect.
    Refused,
    /// A router or the target's own stack said that it cannot be reached.
    Unreachable,
    /// The connection was cut after it stood.
    Reset,
    /// The handshake failed, or the certificate is not trusted for this name.
    Tls,
    /// The answer does not follow the protocol.
    Protocol,
    /// An HTTP status that was not expected.
    Status,
    /// A body, an answer or a record that was not expected.
    Body,
    /// Headers or a body beyond the cap that an expectation needed whole.
    TooLarge,
    /// Too many redirects, a loop, or one to a place that is not allowed.
    Redirect,
    /// The certificate has expired or expires within `cert_min_days`.
    CertExpired,
    /// The prober itself: no permission, no descriptors, no route of its own.
    Local,
}

/// What a probe concluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Up,
    Down(Failure),
    Unknown(Failure),
}

/// Why a target was not found up, for machines and for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub reason: Reason,
    pub error: ErrorText,
}

/// One line for people: at most 256 bytes, no control characters, no invisible direction marks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorText(Box<str>);

/// What was measured, whatever the verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measurement {
    /// Time to the answer: the round trip of an echo, or the whole of an exchange. Present whenever an answer came.
    pub latency: Option<Duration>,
    /// The final HTTP status.
    pub status_code: Option<u16>,
    /// The address that was probed.
    pub resolved_ip: Option<IpAddr>,
    /// What only some results have.
    pub detail: Option<Box<Detail>>,
    /// The certificates that were presented. They belong to the target: no result is stored with them.
    pub chain: Option<Arc<Chain>>,
}

/// What a probe hands back: its conclusion and its measurements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    pub verdict: Verdict,
    pub measurement: Measurement,
}

/// One probe of one target, ready to be stored. `(target, slot)` is its identity at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    pub target: TargetId,
    /// The scheduled instant: the `ts` of the API.
    pub slot: Timestamp,
    /// How late the probe started after its slot.
    pub lag: Duration,
    /// Up, but slower than the target's `slow_after`.
    pub slow: bool,
    pub observation: Observation,
}

/// A result as storage gives it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResult {
    /// Increases with every stored result; fits in 53 bits.
    pub id: i64,
    pub target_name: Arc<str>,
    pub location: Arc<str>,
    pub result: ProbeResult,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

impl Reason {
    pub const ALL: [Self; 13] = [
        Self::Timeout,
        Self::Dns,
        Self::Refused,
        Self::Unreachable,
        Self::Reset,
        Self::Tls,
        Self::Protocol,
        Self::Status,
        Self::Body,
        Self::TooLarge,
        Self::Redirect,
        Self::CertExpired,
        Self::Local,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Dns => "dns",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Status => "status",
            Self::Body => "body",
            Self::TooLarge => "too_large",
            Self::Redirect => "redirect",
            Self::CertExpired => "cert_expired",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Verdict {
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Up => Outcome::Up,
            Self::Down(_) => Outcome::Down,
            Self::Unknown(_) => Outcome::Unknown,
        }
    }

    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Up => None,
            Self::Down(failure) | Self::Unknown(failure) => Some(failure),
        }
    }
}

impl Observation {
    pub fn up(measurement: Measurement) -> Self {
        Self {
            verdict: Verdict::Up,
            measurement,
        }
    }

    /// The target failed: it counts against its uptime.
    pub fn down(reason: Reason, error: impl AsRef<str>, measurement: Measurement) -> Self {
        Self {
            verdict: Verdict::Down(Failure::new(reason, error)),
            measurement,
        }
    }

    /// The prober failed: it says nothing of the target.
    pub fn unknown(reason: Reason, error: impl AsRef<str>, measurement: Measurement) -> Self {
        Self {
            verdict: Verdict::Unknown(Failure::new(reason, error)),
            measurement,
        }
    }
}

impl ProbeResult {
    /// `slow_after` is the target's: an answer that took longer is up, and slow.
    pub fn new(
        target: TargetId,
        slot: Timestamp,
        lag: Duration,
        slow_after: Duration,
        observation: Observation,
    ) -> Self {
        let slow = observation.verdict == Verdict::Up
            && observation
                .measurement
                .latency
                .is_some_and(|latency| latency > slow_after);
        Self {
            target,
            slot,
            lag,
            slow,
            observation,
        }
    }

    pub const fn outcome(&self) -> Outcome {
        self.observation.verdict.outcome()
    }

    /// Up, but a part of its packets was lost.
    pub fn lossy(&self) -> bool {
        self.outcome() == Outcome::Up
            && self
                .observation
                .measurement
                .detail
                .as_ref()
                .and_then(|detail| detail.packets.as_ref())
                .is_some_and(|packets| packets.received < packets.sent)
    }
}

impl Failure {
    pub fn new(reason: Reason, error: impl AsRef<str>) -> Self {
        Self {
            reason,
            error: ErrorText::new(error),
        }
    }
}

impl ErrorText {
    /// The longest text, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 256;

    /// Keeps what can be shown on one line: white space of any kind becomes one space, control and invisible format characters
    /// go, and what is too long is cut at a character with an ellipsis.
    pub fn new(text: impl AsRef<str>) -> Self {
        let mut clean = String::with_capacity(text.as_ref().len().min(Self::MAX_BYTES));
        for character in text.as_ref().chars() {
            let kept = if character.is_whitespace() {
                ' '
            } else {
                character
            };
            if kept == ' ' && (clean.is_empty() || clean.ends_with(' ')) {
                continue;
            }
            if kept.is_control() || is_invisible(kept) {
                continue;
            }
            if clean.len() + kept.len_utf8() > Self::MAX_BYTES {
                while clean.len() > Self::MAX_BYTES - '…'.len_utf8() {
                    clean.pop();
                }
                clean.push('…');
                return Self(clean.into());
            }
            clean.push(kept);
        }
        clean.truncate(clean.trim_end().len());
        Self(clean.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Marks that change direction or hide text: a page or a terminal must never obey a target's.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{00ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_error_is_one_clean_line() {
        let text = ErrorText::new("  bad\r\n\thost\u{1b}[31m red\u{0}\u{202e} end ");
        assert_eq!(text.as_str(), "bad host[31m red end");
    }

    #[test]
    fn a_long_error_is_cut_at_a_character() {
        let text = ErrorText::new("é".repeat(400));
        assert!(text.as_str().len() <= ErrorText::MAX_BYTES);
        assert!(text.as_str().ends_with('…'));
    }

    #[test]
    fn only_an_up_result_is_slow() {
        let measurement = Measurement {
            latency: Some(Duration::from_millis(900)),
            ..Measurement::default()
        };
        let target = TargetId(uuid::Uuid::nil());
        let slow_after = Duration::from_millis(800);
        let result = |observation| {
            ProbeResult::new(
                target,
                Timestamp::default(),
                Duration::ZERO,
                slow_after,
                observation,
            )
        };
        assert!(result(Observation::up(measurement.clone())).slow);
        assert!(!result(Observation::down(Reason::Status, "status 500", measurement)).slow);
        assert!(!result(Observation::up(Measurement::default())).slow);
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_bounded_line(text in any::<String>()) {
            let clean = ErrorText::new(&text);
            prop_assert!(clean.as_str().len() <= ErrorText::MAX_BYTES);
            prop_assert!(!clean.as_str().chars().any(char::is_control));
            let again = ErrorText::new(clean.as_str());
            prop_assert_eq!(again.as_str(), clean.as_str());
        }
    }
}
