//! A regular expression that is looked for in bytes.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// A regular expression in the linear-time syntax of the `regex` crate, for bytes that need not be UTF-8.
///
/// Compiled once, here, so that no probe has to. Two patterns are equal when they are written alike.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern {
    regex: Regex,
}

/// A text that is no regular expression, or one that is too large.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPattern(String);

impl Pattern {
    /// A pattern may take this much once compiled: `\w{100}` alone takes most of a megabyte.
    const LARGEST: usize = 1024 * 1024;

    pub fn as_str(&self) -> &str {
        self.regex.as_str()
    }

    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.regex.is_match(bytes)
    }
}

impl TryFrom<String> for Pattern {
    type Error = BadPattern;

    fn try_from(written: String) -> Result<Self, BadPattern> {
        written.as_str().try_into()
    }
}

impl TryFrom<&str> for Pattern {
    type Error = BadPattern;

    fn try_from(written: &str) -> Result<Self, BadPattern> {
        let regex = RegexBuilder::new(written)
            .size_limit(Self::LARGEST)
            .dfa_size_limit(Self::LARGEST)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => BadPattern("it is too large".to_owned()),
                // the text shows the pattern with a mark below; the last line says what is wrong
                other => {
                    let text = other.to_string();
                    let last = text.lines().last().unwrap_or_default();
                    BadPattern(last.trim_start_matches("error: ").to_owned())
                }
            })?;
        Ok(Self { regex })
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.as_str().to_owned()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_need_not_be_text() {
        let pattern = Pattern::try_from(r"(?-u)^\xff+OK").unwrap();
        assert!(pattern.is_in(b"\xff\xffOK\r\n"));
        assert!(!pattern.is_in("ÿOK".as_bytes()));
        assert!(Pattern::try_from("é.").unwrap().is_in("caffé!".as_bytes()));
    }

    #[test]
    fn a_wrong_pattern_says_why_in_a_line() {
        for (text, said) in [
            ("(a", "unclosed group"),
            ("a{2,1}", "invalid repetition count range"),
            (r"\w{1000}{100}", "it is too large"),
        ] {
            let error = Pattern::try_from(text).expect_err(text).to_string();
            assert!(error.contains(said) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn what_is_stored_comes_back() {
        let pattern = Pattern::try_from(r"^220 \S+").unwrap();
        let stored = serde_json::to_string(&pattern).unwrap();
        assert_eq!(serde_json::from_str::<Pattern>(&stored).unwrap(), pattern);
    }
}
