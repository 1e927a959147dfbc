//! Reads the `.env` file into pairs, without touching the environment of the process.
//!
//! Promises that no line is skipped in silence and that no value is printed. The format is `dotenvy`'s: quotes, comments, `export`, and
//! `$NAME` outside single quotes.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use super::setting;

/// One line of the file.
#[derive(Debug)]
pub struct Entry {
    pub line: usize,
    pub name: String,
    pub value: String,
}

/// What a `.env` file holds, and what is wrong or odd with it.
#[derive(Debug, Default)]
pub struct Dotenv {
    pub entries: Vec<Entry>,
    pub problems: Vec<String>,
    pub warnings: Vec<String>,
}

const MAX_BYTES: u64 = 1024 * 1024;

impl Dotenv {
    /// The file `.env` of `folder`. That there is none is usual.
    pub fn read(folder: &Path) -> Self {
        let path = folder.join(".env");
        let shown = path.display().to_string();
        let text = match text(&path) {
            Ok(Some(text)) => text,
            Ok(None) => return Self::default(),
            Err(problem) => {
                return Self {
                    problems: vec![format!("{shown}: {problem}")],
                    ..Self::default()
                };
            }
        };
        Self::parse(&shown, &text)
    }

    /// `file` is how messages call it.
    pub fn parse(file: &str, text: &str) -> Self {
        let mut found = Self::default();
        let (reader, lines) = LineByLine::new(text);
        for next in dotenvy::Iter::new(reader) {
            match next {
                Ok((name, value)) => {
                    let line = lines.get() - value.matches('\n').count().min(lines.get() - 1);
                    found.warn(file, line, &name);
                    found.entries.push(Entry { line, name, value });
                }
                Err(dotenvy::Error::LineParse(text, _)) => {
                    // the text holds all lines since a quote was opened
                    let line = (lines.get() + 1)
                        .saturating_sub(text.lines().count().max(1))
                        .max(1);
                    let hint = "expected NAME=value; a value with spaces, quotes or a $ stands between single quotes";
                    found
                        .problems
                        .push(format!("{file}:{line}: cannot be understood: {hint}"));
                }
                Err(error) => found
                    .problems
                    .push(format!("{file}: cannot be read: {error}")),
            }
        }
        found
    }

    fn warn(&mut self, file: &str, line: usize, name: &str) {
        if let Some(earlier) = self.entries.iter().find(|entry| entry.name == name)
            && setting::ALL.iter().any(|setting| setting.name == name)
        {
            let earlier = earlier.line;
            self.warnings.push(format!(
                "{file}:{line}: {name} is set twice: line {earlier} is ignored"
            ));
        }
        if let Some(known) = meant(name) {
            self.warnings.push(format!(
                "{file}:{line}: there is no setting {name}: did you mean {known}?"
            ));
        }
    }
}

/// The setting that `name` is one slip away from. Anything else in the file belongs to others.
fn meant(name: &str) -> Option<&'static str> {
    let names = || setting::ALL.iter().map(|setting| setting.name);
    if name.len() > 64 || names().any(|known| known == name) {
        return None;
    }
    let word = name.to_ascii_uppercase();
    names().find(|known| {
        strsim::damerau_levenshtein(&word, known) <= if known.len() >= 8 { 2 } else { 1 }
    })
}

fn text(path: &Path) -> Result<Option<String>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    if !is_file {
        return Err("is no regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err("is larger than 1 MiB".to_owned());
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| "is not UTF-8".to_owned())
}

/// Hands out one line with each read, so that the count of lines is known when `dotenvy` yields an entry or an error: it tells none.
struct LineByLine {
    rest: io::Cursor<Vec<u8>>,
    started: Rc<Cell<usize>>,
    within: bool,
}

impl LineByLine {
    fn new(text: &str) -> (Self, Rc<Cell<usize>>) {
        let started = Rc::new(Cell::new(0));
        // a blank after the last value is an error to dotenvy unless a line break follows
        let text = format!("{}\n", text.strip_prefix('\u{feff}').unwrap_or(text));
        let reader = Self {
            rest: io::Cursor::new(text.into_bytes()),
            started: Rc::clone(&started),
            within: false,
        };
        (reader, started)
    }
}

impl Read for LineByLine {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let at = self.rest.position() as usize;
        let rest = &self.rest.get_ref()[at..];
        let line = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(rest.len(), |end| end + 1);
        let size = line.min(buffer.len());
        if size > 0 && !self.within {
            self.started.set(self.started.get() + 1);
        }
        self.within = size < line;
        self.rest.read(&mut buffer[..size])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(found: &Dotenv) -> Vec<(usize, &str, &str)> {
        found
            .entries
            .iter()
            .map(|entry| (entry.line, entry.name.as_str(), entry.value.as_str()))
            .collect()
    }

    #[test]
    fn usual_lines_are_read() {
        let text = "\u{feff}A=1\r\n\n# comment\nexport B='two words # $A'\nC=\"x\ny\"\nD=plain # comment\nE= \nF=last ";
        let found = Dotenv::parse(".env", text);
        assert_eq!(found.problems, Vec::<String>::new());
        let expected = [
            (1, "A", "1"),
            (4, "B", "two words # $A"),
            (5, "C", "x\ny"),
            (7, "D", "plain"),
            (8, "E", ""),
            (9, "F", "last"),
        ];
        assert_eq!(pairs(&found), expected);
    }

    #[test]
    fn every_broken_line_is_told_with_its_number_and_without_its_text() {
        let long = "x".repeat(20_000);
        let text = format!(
            "A={long}\nB=two words hunter2\nC=ok\nnonsense hunter2\nD='never closed hunter2\nE=hunter2\n"
        );
        let found = Dotenv::parse(".env", &text);
        let lines: Vec<_> = found
            .problems
            .iter()
            .map(|problem| problem.split(": ").next().unwrap())
            .collect();
        assert_eq!(lines, [".env:2", ".env:4", ".env:5"]);
        assert!(!found.problems.concat().contains("hunter2"));
        assert_eq!(found.entries.len(), 2);
    }

    #[test]
    fn a_slip_in_a_known_name_is_warned_about() {
        let text = "DATABSE_URL=x\nlisten=x\nLISTENER=x\nLOGLEVEL=x\nTEST_DATABASE_URL=x\nHOME=x\nLISTEN=a\nLISTEN=b\n";
        let found = Dotenv::parse(".env", text);
        assert_eq!(
            found.warnings,
            [
                ".env:1: there is no setting DATABSE_URL: did you mean DATABASE_URL?",
                ".env:2: there is no setting listen: did you mean LISTEN?",
                ".env:4: there is no setting LOGLEVEL: did you mean LOG_LEVEL?",
                ".env:8: LISTEN is set twice: line 7 is ignored",
            ]
        );
    }
}
