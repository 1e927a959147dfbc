//! Colours of the terminal. They vanish by themselves when the output is no terminal, or `NO_COLOR` is set.

use anstyle::{AnsiColor, Style};

use crate::model::Outcome;

pub const GOOD: Style = AnsiColor::Green.on_default().bold();
pub const WARN: Style = AnsiColor::Yellow.on_default().bold();
pub const BAD: Style = AnsiColor::Red.on_default().bold();
pub const DIM: Style = Style::new().dimmed();
pub const BOLD: Style = Style::new().bold();
pub const BAR: Style = AnsiColor::Cyan.on_default();

pub const fn of_outcome(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Up => GOOD,
        Outcome::Down => BAD,
        Outcome::Unknown => WARN,
    }
}

/// A text in a style.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
