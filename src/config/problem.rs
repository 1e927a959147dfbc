//! One thing wrong in a file, as people read it.
//!
//! Promises a bounded text that is safe on a terminal and in a log: control characters are shown escaped, long lines are cut around
//! the place that matters, and passwords in URLs are never printed. Leaves out how problems are found (`report`) and collected.

use std::fmt;

/// Something wrong (or, as a warning, odd) in a targets file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's path as it was given.
    pub file: String,
    /// Where in the file; nothing when the file as a whole is meant (missing, too large).
    pub place: Option<Place>,
    /// What is wrong, in one line.
    pub message: String,
    /// What is expected, or what to do.
    pub hint: Option<String>,
    pub excerpt: Option<Excerpt>,
}

/// A place in a text: line and column count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub line: u32,
    pub column: u32,
}

/// The offending line, fit for printing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    pub text: String,
    /// Characters of `text` before the caret.
    pub indent: usize,
    /// How many carets; at least one.
    pub length: usize,
}

impl Problem {
    /// A problem of the file as a whole.
    pub fn whole(file: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            message: message.into(),
            hint: Some(hint.into()),
            excerpt: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(place) = self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        write!(f, ": {}", self.message)?;
        let margin = match (self.place, &self.excerpt) {
            (Some(place), Some(excerpt)) => {
                let number = place.line.to_string();
                let margin = number.len().max(5);
                write!(f, "\n{number:>margin$} | {}", excerpt.text)?;
                let indent = " ".repeat(excerpt.indent);
                let carets = "^".repeat(excerpt.length);
                write!(f, "\n{:margin$} | {indent}{carets}", "")?;
                margin
            }
            _ => 5,
        };
        if let Some(hint) = &self.hint {
            write!(f, "\n{:margin$} = {hint}", "")?;
        }
        Ok(())
    }
}

impl Excerpt {
    /// A line longer than this is cut around the caret.
    const MAX_WIDTH: usize = 100;
    /// How far a line's beginning and end are searched from the place, so that a file of one endless line costs nothing.
    const REACH: usize = 400;

    /// The line of `text` that holds the byte at `offset`, with carets under `length` bytes.
    pub fn of(text: &str, offset: usize, length: usize) -> Self {
        let offset = floor(text, offset.min(text.len()));
        let from = floor(text, offset.saturating_sub(Self::REACH));
        let start = text[from..offset]
            .rfind(['\n', '\r'])
            .map_or(from, |at| from + at + 1);
        let until = floor(text, (offset + Self::REACH).min(text.len()));
        let end = text[offset..until]
            .find(['\n', '\r'])
            .map_or(until, |at| offset + at);
        let stop = floor(text, (offset + length).min(end)).max(offset);

        let line = Masked::new(&text[start..end], end == until && until < text.len());
        let first = line.position(offset - start);
        let last = line.position(stop - start).max(first + 1);
        line.cut(first, last)
    }
}

/// The nearest character boundary at or before `index`.
fn floor(text: &str, index: usize) -> usize {
    (0..=index)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0)
}

/// A line whose secrets and control characters are replaced, and which still knows where each byte of the original went.
struct Masked {
    shown: Vec<char>,
    /// For every byte of the original line: its position in `shown`.
    positions: Vec<usize>,
}

impl Masked {
    fn new(line: &str, is_cut: bool) -> Self {
        let secret = userinfo(line, is_cut);
        let mut shown = Vec::with_capacity(line.len());
        let mut positions = Vec::with_capacity(line.len());
        for (at, character) in line.char_indices() {
            let here = shown.len();
            match secret.iter().find(|range| range.contains(&at)) {
                Some(range) if range.start == at => shown.extend(['*', '*', '*']),
                Some(_) => {}
                None if character == '\t' => shown.push(' '),
                None => shown.push(printable(character)),
            }
            positions.extend(std::iter::repeat_n(here, character.len_utf8()));
        }
        Self { shown, positions }
    }

    fn position(&self, byte: usize) -> usize {
        self.positions
            .get(byte)
            .copied()
            .unwrap_or(self.shown.len())
    }

    fn cut(self, first: usize, last: usize) -> Excerpt {
        let width = Excerpt::MAX_WIDTH;
        let from = if self.shown.len() <= width {
            0
        } else {
            first.saturating_sub(width / 2)
        };
        let until = self.shown.len().min(from + width);
        let mut text = String::new();
        let mut indent = first - from;
        if from > 0 {
            text.push('…');
            indent += 1;
        }
        text.extend(&self.shown[from..until]);
        if until < self.shown.len() {
            text.push('…');
        }
        text.truncate(text.trim_end().len());
        Excerpt {
            text,
            indent,
            length: last.min(until.max(first + 1)) - first,
        }
    }
}

/// Where a line holds the `user:password` part of a URL. Rather hides too much than too little: a password may hold anything that
/// should have been escaped. `is_cut` tells that the line goes on, so that what is missing may be the `@`.
fn userinfo(line: &str, is_cut: bool) -> Vec<std::ops::Range<usize>> {
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, _) in line.match_indices("//") {
        let rest = &line[at + 2..];
        let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
        let authority = &word[..word.find(['/', '?', '#']).unwrap_or(word.len())];
        let length = match authority.split_once(':') {
            None => authority.rfind('@'),
            Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => word.rfind('@'),
            Some(_) => rest.rfind('@').or(is_cut.then_some(rest.len())),
        };
        let start = at + 2;
        if let Some(length) = length
            && found.last().is_none_or(|earlier| earlier.end <= start)
        {
            found.push(start..start + length);
        }
    }
    found
}

/// A character as it may reach a terminal: control characters and direction marks become a picture of themselves.
fn printable(character: char) -> char {
    match character {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + character as u32).unwrap_or('\u{fffd}'),
        '\u{7f}'..='\u{9f}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => '\u{fffd}',
        _ => character,
    }
}

/// A piece of the file inside a message: in backticks, cut, printable, without passwords.
pub fn quoted(text: &str) -> String {
    const MAX: usize = 60;
    let head = &text[..floor(text, text.len().min(Excerpt::REACH))];
    let masked = Masked::new(head, head.len() < text.len()).shown;
    let mut shown = String::from("`");
    shown.extend(masked.iter().take(MAX));
    if masked.len() > MAX || head.len() < text.len() {
        shown.push('…');
    }
    shown.push('`');
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_password_in_a_url_is_never_printed() {
        let line = "  url: https://admin:hunter2@example.com/a";
        assert_eq!(
            Excerpt::of(line, 7, 35).text,
            "  url: https://***@example.com/a"
        );
        for password in [
            "hunter2",
            "hun/ter2",
            "12/34",
            "a b",
            "a,b",
            "a@b",
            "a\"b'c",
            &"x".repeat(1_000),
        ] {
            let shown = quoted(&format!("https://admin:{password}@example.com"));
            assert!(shown.starts_with("`https://***"), "{shown}");
        }
    }

    #[test]
    fn an_at_sign_in_a_path_hides_nothing() {
        assert_eq!(
            quoted("https://example.com/@me"),
            "`https://example.com/@me`"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let line = format!("{}here{}", "a".repeat(5_000), "b".repeat(5_000));
        let excerpt = Excerpt::of(&line, 5_000, 4);
        let caret: String = excerpt
            .text
            .chars()
            .skip(excerpt.indent)
            .take(excerpt.length)
            .collect();
        assert_eq!(caret, "here");
        assert!(excerpt.text.chars().count() <= Excerpt::MAX_WIDTH + 2);
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(quoted("a\u{1b}[31m\u{202e}b"), "`a␛[31m\u{fffd}b`");
    }

    proptest! {
        #[test]
        fn any_place_of_any_text_has_an_excerpt(text in any::<String>(), offset in 0_usize..200, length in 0_usize..200) {
            let excerpt = Excerpt::of(&text, offset, length);
            prop_assert!(excerpt.length >= 1);
            prop_assert!(!excerpt.text.chars().any(char::is_control));
        }
    }
}
