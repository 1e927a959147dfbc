//! An instant on the wall clock, in microseconds.
//!
//! Promises one textual form everywhere: RFC 3339, UTC, `Z`, six decimals. Leaves out time zones: pages convert for people.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Microseconds since 1970-01-01T00:00:00Z. Years 0 to 9999 can be written; anything outside prints as the nearest bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A text that is no RFC 3339 instant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time with an offset, expected like 2026-02-23T01:53:52Z")]
pub struct InvalidTimestamp;

impl Timestamp {
    pub const MAX: Self = Self(253_402_207_200_000_000 - 1);
    pub const MIN: Self = Self(-62_167_219_200_000_000);

    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    pub const fn as_micros(self) -> i64 {
        self.0
    }

    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }

    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(micros(duration)))
    }

    /// The start of the bucket of this width that it lies in; buckets are aligned to 1970.
    pub const fn bucket(self, width: Duration) -> Self {
        let width = micros(width);
        Self(self.0.div_euclid(width) * width)
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        let difference = self.0.saturating_sub(earlier.0);
        Duration::from_micros(if difference > 0 { difference as u64 } else { 0 })
    }
}

/// Whole microseconds of `duration`, at most `i64::MAX`.
pub const fn micros(duration: Duration) -> i64 {
    let micros = duration.as_micros();
    if micros > i64::MAX as u128 {
        i64::MAX
    } else {
        micros as i64
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clamped = (*self).clamp(Self::MIN, Self::MAX);
        let instant = jiff::Timestamp::from_microsecond(clamped.0).map_err(|_| fmt::Error)?;
        write!(f, "{instant:.6}")
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // jiff accepts more than RFC 3339 does; a date alone or a bracketed zone is a slip here
        if text.len() > 64 || text.contains('[') {
            return Err(InvalidTimestamp);
        }
        let text = without_excess_digits(text);
        let parse = |text: &str| {
            text.parse::<jiff::Timestamp>()
                .map_err(|_| InvalidTimestamp)
        };
        match parse(&text) {
            Ok(instant) => Ok(Self(instant.as_microsecond())),
            // the last two days of the year 9999 are beyond jiff; they are people's "for ever"
            Err(_) if text.starts_with("9999-12-3") => {
                parse(&text.replacen("9999", "9998", 1)).map(|_| Self::MAX)
            }
            Err(error) => Err(error),
        }
    }
}

/// RFC 3339 allows any number of digits of a second; nine are more than a microsecond needs.
fn without_excess_digits(text: &str) -> String {
    let Some((whole, rest)) = text.split_once('.') else {
        return text.to_owned();
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    format!("{whole}.{}{}", &rest[..digits.min(9)], &rest[digits..])
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_utc_with_microseconds() {
        let instant = Timestamp::from_micros(1_771_811_632_223_350);
        assert_eq!(instant.to_string(), "2026-02-23T01:53:52.223350Z");
        assert_eq!(
            Timestamp::from_micros(0).to_string(),
            "1970-01-01T00:00:00.000000Z"
        );
    }

    #[test]
    fn offsets_are_accepted_and_converted() {
        let expected: Timestamp = "2026-02-23T00:00:00Z".parse().expect("valid");
        for text in [
            "2026-02-23T01:00:00+01:00",
            "2026-02-23T00:00:00.000000Z",
            "2026-02-22T19:00:00-05:00",
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn far_ends_and_fine_fractions_are_understood() {
        assert_eq!("9999-12-31T23:59:59Z".parse(), Ok(Timestamp::MAX));
        assert_eq!(
            "2026-02-23T00:00:00.12345678901234Z".parse(),
            "2026-02-23T00:00:00.123456Z".parse::<Timestamp>()
        );
        for text in [
            "9999-12-39T00:00:00Z",
            "9999-12-31",
            "2026-02-23T00:00:00.Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused() {
        for text in [
            "",
            "now",
            "2026-02-23",
            "2026-02-23T00:00:00",
            "2026-13-01T00:00:00Z",
            "1771811632",
            "2026-02-23T00:00:00+01:00[Europe/Paris]",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp), "{text}");
        }
    }

    #[test]
    fn the_bounds_can_be_written() {
        assert_eq!(Timestamp::from_micros(i64::MAX).to_string().len(), 27);
        assert!(Timestamp::from_micros(i64::MIN).to_string().ends_with('Z'));
    }
}
