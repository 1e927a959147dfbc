//! Why a targets file cannot be applied.
//!
//! Promises that the whole error, printed, is a text that someone can act on.

use std::fmt;
use std::io;
use std::path::Path;

use super::content::Fingerprint;
use super::problem::Problem;
use super::report::Problems;

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

    /// Opening or reading failed.
    pub(super) fn unreadable(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::missing(path),
            io::ErrorKind::PermissionDenied => {
                let hint = "make it readable for the user that Pingu runs as";
                Self::refused(path, "cannot read the file: permission denied", hint)
            }
            _ => {
                let message = format!("cannot read the file: {error}");
                Self::refused(path, &message, "look at the path and at the disk")
            }
        }
    }

    fn missing(path: &Path) -> Self {
        if path.symlink_metadata().is_ok() {
            let hint = "create the file that it links to";
            return Self::refused(path, "this is a link to a file that is not there", hint);
        }
        let place = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let example = [
            "targets:",
            "  - name: myself",
            "    type: icmp",
            "    host: 127.0.0.1",
        ];
        let example = example.join("\n           ");
        let hint = format!(
            "set TARGETS_PATH to where it is, or create {} with a first target:\n           {example}",
            place.display()
        );
        Self::refused(path, "there is no such file", &hint)
    }

    /// There is something, but it is not read.
    pub(super) fn refused(path: &Path, message: &str, hint: &str) -> Self {
        let problem = Problem::whole(&path.display().to_string(), message, hint);
        Self::Unreadable {
            problems: problem.into(),
        }
    }

    pub(super) fn too_large(path: &Path, limit: u64) -> Self {
        let message = format!("the file is larger than {} MiB", limit / (1024 * 1024));
        let hint = "is this the right file? if it is, split it among several pollers";
        let problem = Problem::whole(&path.display().to_string(), message, hint);
        Self::TooLarge {
            problems: problem.into(),
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
