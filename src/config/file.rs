//! Reads a targets file: from a path to declared targets, or to everything that is wrong.
//!
//! Promises bounded time and memory: nothing larger than 32 MiB is read, and nothing that is not a regular file, so that a FIFO or a
//! device can neither block nor flood. Leaves out watching for changes (`reload`).

use std::fmt;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::problem::{Excerpt, Place, Problem};
use super::report::{Problems, Report};
use super::{validate, yaml};
use crate::model::Declared;

/// Five times the 100,000 targets that one poller is meant for, at 80 bytes each.
pub const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// A targets file that can be applied.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// In the order of the file.
    pub declared: Vec<Declared>,
    /// What is odd but can be applied.
    pub warnings: Vec<Problem>,
    /// Whether the file says nothing of targets at all, as opposed to `targets: []`.
    pub empty: bool,
    pub fingerprint: Fingerprint,
}

/// Tells one content of a file from another within one run. Not meant to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: u64,
    bytes: u64,
}

/// Why a targets file cannot be applied. Prints as the whole text for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It is not there, may not be read, or is no regular file.
    #[error("{}", Listing(problems))]
    Unreadable { problems: Problems },
    /// It is larger than [`MAX_BYTES`].
    #[error("{}", Listing(problems))]
    TooLarge { problems: Problems },
    /// Its content is wrong.
    #[error("{}", Listing(problems))]
    Invalid {
        problems: Problems,
        fingerprint: Fingerprint,
    },
}

/// The bytes of a file, and where they came from.
#[derive(Debug)]
pub struct Content {
    /// The path as it was given.
    file: String,
    bytes: Vec<u8>,
    pub fingerprint: Fingerprint,
}

/// Reads and validates the file at `path`.
pub fn load_file(path: &Path) -> Result<Loaded, FileError> {
    Content::read(path)?.parse()
}

impl Content {
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let name = path.display().to_string();
        let mut file = open(path).map_err(|error| unreadable(&name, path, &error))?;
        let size = regular_size(&mut file).map_err(|problem| problem.of(&name))?;
        let mut bytes = Vec::with_capacity(size);
        // one more than allowed shows a file that has grown since it was measured
        let read = file.by_ref().take(MAX_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| unreadable(&name, path, &error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Refusal::TooLarge.of(&name));
        }
        Ok(Self::new(name, bytes))
    }

    pub fn new(file: String, bytes: Vec<u8>) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        let fingerprint = Fingerprint {
            hash: hasher.finish(),
            bytes: bytes.len() as u64,
        };
        Self {
            file,
            bytes,
            fingerprint,
        }
    }

    pub fn parse(&self) -> Result<Loaded, FileError> {
        let fingerprint = self.fingerprint;
        let invalid = |problems| FileError::Invalid {
            problems,
            fingerprint,
        };
        let text = self.text().map_err(|problem| invalid(problem.into()))?;
        let mut report = Report::default();
        let tree = yaml::parse(text, &mut report);
        let declarations = validate::document(&tree, &mut report);
        let failed = report.has_errors();
        let (errors, warnings) = report.finish(&self.file, text);
        if failed {
            return Err(invalid(errors));
        }
        let mut warnings = warnings.shown;
        if declarations.targets.is_empty() {
            let hint =
                "add one below `targets:`, like `- {name: router, type: icmp, host: 192.168.1.1}`";
            warnings.push(whole(&self.file, "the file has no targets", hint));
        }
        Ok(Loaded {
            declared: declarations.targets,
            warnings,
            empty: declarations.is_empty,
            fingerprint,
        })
    }

    /// The text without its byte-order mark, if it is text at all.
    fn text(&self) -> Result<&str, Problem> {
        let bytes = self
            .bytes
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(&self.bytes);
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(whole(&self.file, "the file is UTF-16", "save it as UTF-8"));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let hint = "save the file as UTF-8";
            bad_byte(&self.file, bytes, error.valid_up_to(), "not UTF-8", hint)
        })?;
        let is_bad =
            |&byte: &u8| (byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) || byte == 0x7f;
        match bytes.iter().position(|byte| is_bad(byte)) {
            Some(at) => {
                let message = format!("a control character (byte {:#04x})", bytes[at]);
                Err(bad_byte(
                    &self.file,
                    bytes,
                    at,
                    &message,
                    "remove it; the file may be damaged or no text at all",
                ))
            }
            None => Ok(text),
        }
    }
}

impl FileError {
    /// Everything wrong, with line and column where there is one: the first fifty problems.
    pub fn problems(&self) -> &[Problem] {
        &self.all().shown
    }

    /// How many more there are.
    pub fn omitted(&self) -> usize {
        self.all().omitted
    }

    /// Which content is wrong; nothing when there was none.
    pub const fn fingerprint(&self) -> Option<Fingerprint> {
        match self {
            Self::Invalid { fingerprint, .. } => Some(*fingerprint),
            Self::Unreadable { .. } | Self::TooLarge { .. } => None,
        }
    }

    fn all(&self) -> &Problems {
        match self {
            Self::Unreadable { problems }
            | Self::TooLarge { problems }
            | Self::Invalid { problems, .. } => problems,
        }
    }
}

/// All problems of a file below each other.
struct Listing<'a>(&'a Problems);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.shown.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        if self.0.omitted > 0 {
            write!(f, "\nand {} more", self.0.omitted)?;
        }
        Ok(())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.hash)
    }
}

/// Why something that could be opened is not read.
enum Refusal {
    Directory,
    NotRegular,
    TooLarge,
    Io(io::Error),
}

impl Refusal {
    fn of(self, file: &str) -> FileError {
        let (message, hint) = match self {
            Self::TooLarge => {
                let message = format!("the file is larger than {} MiB", MAX_BYTES / (1024 * 1024));
                let problem = whole(
                    file,
                    &message,
                    "is this the right file? split it among several pollers if it is",
                );
                return FileError::TooLarge {
                    problems: problem.into(),
                };
            }
            Self::Directory => (
                "this is a directory".to_owned(),
                "give the path of the file itself",
            ),
            Self::NotRegular => (
                "this is a pipe or a device".to_owned(),
                "give the path of a regular file: it is read again on every change",
            ),
            Self::Io(error) => (
                format!("cannot read the file: {error}"),
                "look at its permissions and at the disk",
            ),
        };
        FileError::Unreadable {
            problems: whole(file, &message, hint).into(),
        }
    }
}

/// Without waiting for the other end of a FIFO.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
}

fn regular_size(file: &mut File) -> Result<usize, Refusal> {
    let metadata = file.metadata().map_err(Refusal::Io)?;
    if metadata.is_dir() {
        return Err(Refusal::Directory);
    }
    if !metadata.is_file() {
        return Err(Refusal::NotRegular);
    }
    if metadata.len() > MAX_BYTES {
        return Err(Refusal::TooLarge);
    }
    Ok(metadata.len() as usize)
}

fn unreadable(file: &str, path: &Path, error: &io::Error) -> FileError {
    if error.kind() != io::ErrorKind::NotFound {
        let hint = if error.kind() == io::ErrorKind::PermissionDenied {
            "make it readable for the user that Pingu runs as"
        } else {
            "look at the path and at the disk"
        };
        return FileError::Unreadable {
            problems: whole(file, &format!("cannot read the file: {error}"), hint).into(),
        };
    }
    let hint = if path.symlink_metadata().is_ok() {
        "this is a link to a file that is not there".to_owned()
    } else {
        let place = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
        format!(
            "looked for {}; create it with a first target:\n          targets:\n            - name: myself\n              type: icmp\n              host: 127.0.0.1\n        or set TARGETS_PATH to where it is",
            place.display()
        )
    };
    FileError::Unreadable {
        problems: whole(file, "there is no such file", &hint).into(),
    }
}

fn whole(file: &str, message: &str, hint: &str) -> Problem {
    Problem {
        file: file.to_owned(),
        place: None,
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
        excerpt: None,
    }
}

/// A problem of one byte in what may not be text.
fn bad_byte(file: &str, bytes: &[u8], at: usize, message: &str, hint: &str) -> Problem {
    let before = &bytes[..at];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() as u32 + 1;
    let start = before
        .iter()
        .rposition(|&byte| byte == b'\n')
        .map_or(0, |newline| newline + 1);
    let head = String::from_utf8_lossy(&before[start..]);
    let rest = &bytes[at..bytes.len().min(at + 200)];
    let shown = format!("{head}{}", String::from_utf8_lossy(rest));
    Problem {
        file: file.to_owned(),
        place: Some(Place {
            line,
            column: head.chars().count() as u32 + 1,
        }),
        message: message.to_owned(),
        hint: Some(hint.to_owned()),
        excerpt: Some(Excerpt::of(&shown, head.len(), 1)),
    }
}
