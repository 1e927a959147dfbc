//! A regular expression that is looked for in bytes.
//!
//! It is kept as written and made ready when it is needed: processes that only read specs never do.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use super::memo::Memo;

/// A regular expression on bytes, in the syntax of the `regex` crate: it runs in time linear in the body.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

/// Each takes some tens of KiB as a rule and [`Pattern::BYTES`] at the most, and about as much again for each thread that searches.
static READY: Memo<Regex> = Memo::new(100);

impl Pattern {
    /// In characters.
    pub const MAX: usize = 1000;
    /// Of a compiled pattern, and of what a search remembers: together they bound a search's memory, and the first also its time for
    /// each byte. The worst pattern found below it takes ten seconds for a megabyte; usual ones take two milliseconds.
    const BYTES: usize = 512 * 1024;

    /// The pattern, or what is wrong with it in a few words.
    pub fn new(written: &str) -> Result<Self, String> {
        let made = READY.of(written, compile);
        made.map(|_| Self(written.to_owned())).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "it is too large: repeat less, or begin with (?-u) where \\w, \\d and \\s need no more than ASCII".to_owned()
            },
            error => {
                // the last line has the reason, those before it a drawing
                let text = error.to_string();
                let last = text.lines().last().unwrap_or_default();
                last.trim().trim_start_matches("error: ").to_owned()
            }
        })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is found. What is no pattern, as only a database that something else wrote to can have, is found nowhere.
    pub fn is_found_in(&self, text: &[u8]) -> bool {
        let regex = READY.of(&self.0, compile);
        regex.is_ok_and(|regex| regex.is_match(text))
    }
}

fn compile(written: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(written)
        .size_limit(Pattern::BYTES)
        .dfa_size_limit(Pattern::BYTES)
        .build()
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_need_not_be_text() {
        let pattern = Pattern::new(r"(?-u)^\xff+OK").unwrap();
        assert!(pattern.is_found_in(b"\xff\xffOK\r\n"));
        assert!(!pattern.is_found_in("ÿOK".as_bytes()));
        assert!(Pattern::new("é.").unwrap().is_found_in("caffé!".as_bytes()));
    }

    #[test]
    fn a_pattern_is_bounded_and_its_fault_is_one_line() {
        for (written, fault) in [
            ("(", "unclosed group"),
            ("a{2,1}", "invalid repetition count range"),
            ("(?<x", "group"),
            ("\\1", "backreferences are not supported"),
            ("((a{100}){100}){100}", "it is too large: repeat less"),
            ("(?:\\pL{1000}){1000}", "it is too large: repeat less"),
        ] {
            let error = Pattern::new(written).unwrap_err();
            assert!(
                error.contains(fault) && !error.contains('\n'),
                "{written}: {error}"
            );
        }
    }

    #[test]
    fn a_pattern_finds_bytes_that_are_no_text() {
        let pattern = Pattern::new(r"(?-u)\xff\x00").unwrap();
        assert!(pattern.is_found_in(b"a\xff\0b"));
        assert!(!Pattern::new("é").unwrap().is_found_in(b"\xff"));
        assert!(!Pattern("(".to_owned()).is_found_in(b"("));
    }

    #[test]
    fn what_is_stored_comes_back() {
        let pattern = Pattern::new(r"^220 \S+").unwrap();
        let stored = serde_json::to_string(&pattern).unwrap();
        assert_eq!(serde_json::from_str::<Pattern>(&stored).unwrap(), pattern);
    }
}
