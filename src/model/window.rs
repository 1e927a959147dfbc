//! A span of time that ends now.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A span that ends now, as `/summary?window=` takes it: a whole number and a unit (`15m`, `1h`, `24h`, `7d`, `2w`), up to 400 days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    written: String,
    length: Duration,
}

/// A text that is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid window format, expected like 15m, 1h, 7d")]
pub struct InvalidWindow;

impl Window {
    pub const MAX: Duration = Duration::from_secs(400 * 86_400);

    pub const fn length(&self) -> Duration {
        self.length
    }
}

impl FromStr for Window {
    type Err = InvalidWindow;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unit = text.chars().next_back().ok_or(InvalidWindow)?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return Err(InvalidWindow),
        };
        let digits = &text[..text.len() - unit.len_utf8()];
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidWindow);
        }
        let count: u64 = digits.parse().map_err(|_| InvalidWindow)?;
        let length = Duration::from_secs(count * seconds);
        if length.is_zero() || length > Self::MAX {
            return Err(InvalidWindow);
        }
        Ok(Self {
            written: text.to_owned(),
            length,
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_a_number_and_a_unit() {
        for (text, seconds) in [
            ("15m", 900),
            ("1h", 3_600),
            ("24h", 86_400),
            ("7d", 604_800),
            ("2w", 1_209_600),
            ("400d", 34_560_000),
            ("90s", 90),
        ] {
            let window: Window = text.parse().expect(text);
            assert_eq!(window.length(), Duration::from_secs(seconds));
            assert_eq!(window.to_string(), text);
        }
    }

    #[test]
    fn other_windows_are_refused() {
        for text in [
            "",
            "h",
            "1",
            "0h",
            "401d",
            "-1h",
            "1.5h",
            "1 h",
            "1y",
            "1H",
            "١h",
            "99999999999d",
            "1é",
        ] {
            assert_eq!(text.parse::<Window>(), Err(InvalidWindow), "{text}");
        }
    }
}
