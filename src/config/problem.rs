//! One thing wrong in a file, as people read it.
//!
//! Promises a bounded text that is safe on a terminal and in a log: control characters are shown escaped, long lines are cut around
//! the place that matters, and passwords in URLs are never printed. Leaves out how problems are found (`report`) and collected.

use std::fmt;
use std::ops::Range;

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
    pub(super) const REACH: usize = 400;

    /// The line of `text` that holds the byte at `offset`, with carets under `length` bytes. Of `secrets`, ranges of `text`, nothing is
    /// shown.
    pub fn of(text: &str, offset: usize, length: usize, secrets: &[Range<usize>]) -> Self {
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

        let within = |secret: &Range<usize>| {
            let from = secret.start.max(start) - start;
            from..secret.end.min(end).saturating_sub(start)
        };
        let secrets = secrets
            .iter()
            .map(within)
            .filter(|secret| !secret.is_empty());
        let is_cut = end == until && until < text.len();
        let line = Masked::new(&text[start..end], is_cut, secrets.collect());
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
    fn new(line: &str, is_cut: bool, mut secret: Vec<Range<usize>>) -> Self {
        secret.extend(userinfo(line, is_cut));
        secret.extend(telling(line));
        let secret = merged(secret);
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
fn userinfo(line: &str, is_cut: bool) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
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

/// Where a line holds what stands after a key that tells of a secret: for lines that were never understood, and for keys that count
/// no more.
fn telling(line: &str) -> Vec<Range<usize>> {
    const WORDS: &[&str] = &[
        "password",
        "passwd",
        "secret",
        "token",
        "bearer",
        "authori",
        "cookie",
        "api-key",
        "api_key",
        "apikey",
        "credential",
    ];
    let lower = line.to_ascii_lowercase();
    let mut found = Vec::new();
    for (colon, _) in lower.match_indices(':') {
        let key = lower[..colon].trim_end_matches(['"', '\'', ' ']);
        let begin = key
            .rfind([' ', '{', ',', '"', '\'', '['])
            .map_or(0, |at| at + 1);
        if !WORDS.iter().any(|word| key[begin..].contains(word)) {
            continue;
        }
        let value = &line[colon + 1..];
        let start = colon + 1 + (value.len() - value.trim_start().len());
        let value = value.trim_start();
        let length = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].find(quote).map_or(value.len(), |at| at + 2),
            // a mapping: its keys tell for themselves
            Some('{' | '|' | '>' | '*' | '&') | None => continue,
            Some(_) => [", ", "}"]
                .iter()
                .filter_map(|end| value.find(end))
                .min()
                .unwrap_or(value.len()),
        };
        if length > 0 {
            found.push(start..start + length);
        }
    }
    found
}

/// In order and apart.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
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
    let masked = Masked::new(head, head.len() < text.len(), Vec::new()).shown;
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
            Excerpt::of(line, 7, 35, &[]).text,
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
    fn what_stands_after_a_telling_key_is_never_printed() {
        for (line, shown) in [
            ("  bearer: hunter2", "  bearer: ***"),
            ("bearer: \"hun ter2", "bearer: ***"),
            (
                "- {name: a, X-Api-Key: 'a, b', foo: c}",
                "- {name: a, X-Api-Key: ***, foo: c}",
            ),
            (
                "basic_auth: {username: ada, password: hunter2}",
                "basic_auth: {username: ada, password: ***}",
            ),
            ("Authorization : Basic x", "Authorization : ***"),
            ("description: a colon: here", "description: a colon: here"),
        ] {
            assert_eq!(Excerpt::of(line, 0, 1, &[]).text, shown);
        }
        let line = "headers: {X-Own: hunter2, X: y}";
        let excerpt = Excerpt::of(line, 26, 1, std::slice::from_ref(&(17..24)));
        assert_eq!(excerpt.text, "headers: {X-Own: ***, X: y}");
        assert_eq!((excerpt.indent, excerpt.length), (22, 1));
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
        let excerpt = Excerpt::of(&line, 5_000, 4, &[]);
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
            let excerpt = Excerpt::of(&text, offset, length, &[]);
            prop_assert!(excerpt.length >= 1);
            prop_assert!(!excerpt.text.chars().any(char::is_control));
        }
    }
}
