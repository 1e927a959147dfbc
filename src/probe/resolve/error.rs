//! Why a name has no address, and what that says of the target.
//!
//! The one place where a failed lookup becomes a verdict: all probe types use it, so a name fails alike for all.

use std::io;

use crate::model::{Failure, Reason, Verdict};

/// A lookup without an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name servers say that there is no such name, or no address of the wanted family.
    #[error("no address for {name} ({said})")]
    NotFound {
        name: Box<str>,
        /// `NXDOMAIN`, `no records`, or why the name cannot be one.
        said: &'static str,
    },
    /// Every name server declined, while they answer for others.
    #[error("no address for {name}: the name server answered {code}")]
    ServerFailure { name: Box<str>, code: Box<str> },
    /// No answer for this name, while the name servers answer for others.
    #[error("no address for {name}: no answer from the name server")]
    Timeout { name: Box<str> },
    /// No name server says anything at all.
    #[error("looking up {name}: no name server can be reached ({servers})")]
    Unreachable { name: Box<str>, servers: Box<str> },
    /// The name servers can be reached and answer nothing, for any name.
    #[error("looking up {name}: no name server is of use ({servers})")]
    Unusable { name: Box<str>, servers: Box<str> },
    /// The lookup could not be made: too many are waiting, no descriptors, no such interface.
    #[error("looking up {name}: {cause}")]
    Local { name: Box<str>, cause: Box<str> },
}

impl ResolveError {
    /// What the failed lookup says of a target of that name: down when the name is at fault, unknown when the prober is.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::NotFound { .. } | Self::ServerFailure { .. } | Self::Timeout { .. } => {
                Verdict::Down(Failure::new(Reason::Dns, self.to_string()))
            }
            Self::Unreachable { .. } | Self::Unusable { .. } | Self::Local { .. } => {
                Verdict::Unknown(Failure::new(Reason::Local, self.to_string()))
            }
        }
    }

    pub(super) fn not_found(name: &str, said: &'static str) -> Self {
        Self::NotFound {
            name: name.into(),
            said,
        }
    }

    pub(super) fn local(name: &str, cause: impl std::fmt::Display) -> Self {
        Self::Local {
            name: name.into(),
            cause: cause.to_string().into(),
        }
    }
}

/// The system's words for an error, without its numbers: `connection refused`.
pub(in crate::probe) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;

    #[test]
    fn only_the_name_s_own_faults_are_down() {
        let name: Box<str> = "nosuch.invalid".into();
        let down = [
            ResolveError::not_found(&name, "NXDOMAIN"),
            ResolveError::ServerFailure {
                name: name.clone(),
                code: "SERVFAIL".into(),
            },
            ResolveError::Timeout { name: name.clone() },
        ];
        for error in down {
            let verdict = error.verdict();
            assert_eq!(verdict.outcome(), Outcome::Down);
            assert_eq!(verdict.failure().map(|f| f.reason), Some(Reason::Dns));
        }
        let unknown = [
            ResolveError::Unreachable {
                name: name.clone(),
                servers: "127.0.0.1:53".into(),
            },
            ResolveError::Unusable {
                name: name.clone(),
                servers: "127.0.0.1:53: SERVFAIL for everything".into(),
            },
            ResolveError::local(&name, "too many lookups are waiting"),
        ];
        for error in unknown {
            let verdict = error.verdict();
            assert_eq!(verdict.outcome(), Outcome::Unknown);
            assert_eq!(verdict.failure().map(|f| f.reason), Some(Reason::Local));
        }
    }

    #[test]
    fn errors_of_the_system_are_words() {
        let refused = rustix::io::Errno::CONNREFUSED.into();
        assert_eq!(words(&refused), "connection refused");
        assert_eq!(words(&io::Error::other("Odd")), "odd");
    }

    #[test]
    fn a_missing_name_reads_well() {
        assert_eq!(
            ResolveError::not_found("nosuch.invalid", "NXDOMAIN").to_string(),
            "no address for nosuch.invalid (NXDOMAIN)"
        );
    }
}
