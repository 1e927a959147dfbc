//! The bytes of a targets file, as far as they may be read at all.
//!
//! Promises bounded time and memory: nothing larger than 32 MiB is read, and nothing that is not a regular file, so that a FIFO or a
//! device can neither block nor flood. Leaves out what the text means.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::file_error::FileError;
use super::problem::{Excerpt, Place, Problem};

/// Four times the 100,000 targets that one poller is meant for, at 80 bytes each.
pub const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// The bytes of a file, and where they came from.
#[derive(Debug)]
pub struct Content {
    /// The path as it was given.
    pub file: String,
    bytes: Vec<u8>,
    pub fingerprint: Fingerprint,
}

/// Tells one content of a file from another within one run. Not meant to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    hash: u64,
    bytes: u64,
}

impl Content {
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let failed = |error: io::Error| FileError::unreadable(path, &error);
        let mut file = open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            let hint = "give the path of the file itself";
            return Err(FileError::refused(path, "this is a directory", hint));
        }
        if !metadata.is_file() {
            let hint = "give the path of a regular file: it is read again on every change";
            return Err(FileError::refused(path, "this is a pipe or a device", hint));
        }
        if metadata.len() > MAX_BYTES {
            return Err(FileError::too_large(path, MAX_BYTES));
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        // one more than allowed shows a file that has grown since it was measured
        let read = file.by_ref().take(MAX_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(failed)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(FileError::too_large(path, MAX_BYTES));
        }
        Ok(Self::new(path.display().to_string(), bytes))
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

    /// The text without its byte-order mark, if it is text at all.
    pub fn text(&self) -> Result<&str, Box<Problem>> {
        let bytes = self
            .bytes
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(&self.bytes);
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(
                Problem::whole(&self.file, "the file is UTF-16", "save it as UTF-8").into(),
            );
        }
        let bad =
            |at, message: &str, hint| Box::new(bad_byte(&self.file, bytes, at, message, hint));
        let text = std::str::from_utf8(bytes)
            .map_err(|error| bad(error.valid_up_to(), "not UTF-8", "save the file as UTF-8"))?;
        let is_control = |byte: &u8| byte.is_ascii_control() && !b"\t\n\r".contains(byte);
        if let Some(at) = bytes.iter().position(is_control) {
            let message = format!("a control character (byte {:#04x})", bytes[at]);
            let hint = "remove it; the file may be damaged or no text at all";
            return Err(bad(at, &message, hint));
        }
        Ok(text)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.hash)
    }
}

/// Without waiting for the other end of a FIFO.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits() as i32)
        .open(path)
}

/// A problem of one byte in what may not be text.
fn bad_byte(file: &str, bytes: &[u8], at: usize, message: &str, hint: &str) -> Problem {
    let before = &bytes[..at];
    let line = before.split(|&byte| byte == b'\n').count() as u32;
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
        excerpt: Some(Excerpt::of(&shown, head.len(), 1, &[])),
    }
}
