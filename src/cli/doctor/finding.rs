//! One thing that was looked at.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::style::{BAD, DIM, GOOD, WARN, paint};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Good,
    /// Works, but not as well as it could.
    Note,
    /// Something does not work.
    Bad,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub name: &'static str,
    pub state: State,
    pub found: String,
    /// Commands or steps that mend it, one a line.
    pub fix: Vec<String>,
}

impl Finding {
    pub fn good(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, State::Good, found.into(), Vec::new())
    }

    pub fn note(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(name, State::Note, found.into(), vec![fix.into()])
    }

    pub fn bad(name: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(name, State::Bad, found.into(), vec![fix.into()])
    }

    const fn new(name: &'static str, state: State, found: String, fix: Vec<String>) -> Self {
        Self {
            name,
            state,
            found,
            fix,
        }
    }

    /// Another way to mend it.
    pub fn or(mut self, fix: impl Into<String>) -> Self {
        self.fix.push(fix.into());
        self
    }

    pub fn is_mended_by_sysctl(&self) -> bool {
        self.fix.iter().any(|fix| fix.starts_with("sysctl "))
    }

    pub fn describe(&self) -> String {
        let (style, mark) = match self.state {
            State::Good => (GOOD, "✓"),
            State::Note => (WARN, "!"),
            State::Bad => (BAD, "✗"),
        };
        let name = paint(DIM, format!("{:<16}", self.name));
        let mut text = format!("  {} {name} {}\n", paint(style, mark), self.found);
        for (number, fix) in self.fix.iter().enumerate() {
            let lead = if number == 0 { "→" } else { "or" };
            let _ = writeln!(text, "      {} {fix}", paint(DIM, format!("{lead:<2}")));
        }
        text
    }
}
