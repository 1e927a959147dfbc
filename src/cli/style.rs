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

/// Prints lines to standard output. A reader who has seen enough (`| head`) is no error; a full disk is.
pub fn print(text: &str) -> anyhow::Result<()> {
    use std::io::Write;
    let mut output = anstream::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("writing to standard output"))
        }
        _ => Ok(()),
    }
}

/// A text in a style.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}
