//! Where a page of a list ended, as text that a client hands back: `?cursor=` continues right there.
//!
//! A cursor says a version, the list, a fingerprint of the filters and the position, and ends with a checksum: one that was altered,
//! cut, made up, or given for another list or filter is a 400, never a wrong page. The key of the checksum is part of the program,
//! so that cursors outlive a restart and every process on one database takes those of the others. Nothing in them is a secret, and
//! whoever computes one of their own gets a page that anyone may read.

use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::error::ApiError;
use crate::model::Timestamp;

/// To be raised when the bytes of a cursor, or the order of a list, come to mean something else.
const VERSION: u8 = 1;
const KEY: &[u8] = b"pingu list cursor 2b9f6e1c-57d0-4c0f-9c55-0d6a5c6f7b21";
const FINGERPRINT: usize = 8;
const CHECKSUM: usize = 8;
/// A name of 300 characters and everything else, in base64.
const LONGEST: usize = 2048;

/// The bytes of the shortest one: an instant and a number, with what every cursor has around them.
const SHORTEST: usize = 2 + FINGERPRINT + 1 + 16 + CHECKSUM;

/// A regular expression of what may be a cursor, for the description: which of them are, no expression can say.
pub fn shape() -> String {
    // six bits a character
    let shortest = (SHORTEST * 8).div_ceil(6);
    format!("^[A-Za-z0-9_-]{{{shortest},{LONGEST}}}$")
}

/// The lists that have pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum List {
    Targets = 1,
    TargetResults = 2,
    Results = 3,
    LatestByTarget = 4,
    Summary = 5,
    Incidents = 6,
    TargetIncidents = 7,
}

/// The last item of a page, by what its list is ordered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Of lists that are newest first: an instant, and the number that orders what has the same one.
    Instant { at: Timestamp, id: i64 },
    /// Of lists that are ordered by name, or by a rank and by name where ranks are equal.
    Place { rank: i64, name: String, id: Uuid },
}

/// A list as it was asked for: what a cursor belongs to.
#[derive(Debug, Clone)]
pub struct Scope {
    list: List,
    filters: Sha256,
}

impl Scope {
    pub fn new(list: List) -> Self {
        Self {
            list,
            filters: Sha256::new(),
        }
    }

    /// Adds a filter, also where it was not given. To be called in one order; what only says how long a page is, is none.
    pub fn filtered(mut self, name: &str, value: Option<impl Display>) -> Self {
        let value = value.map(|value| value.to_string());
        // lengths keep apart what would read alike in a row
        for part in [Some(name), value.as_deref()] {
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            self.filters.update(length.to_be_bytes());
            self.filters.update(part.unwrap_or_default());
        }
        self
    }

    /// The cursor of the page that ended here.
    pub fn cursor(&self, position: &Position) -> String {
        let mut bytes = vec![VERSION, self.list as u8];
        bytes.extend(self.fingerprint());
        match position {
            Position::Instant { at, id } => {
                bytes.push(1);
                bytes.extend(at.as_micros().to_be_bytes());
                bytes.extend(id.to_be_bytes());
            }
            Position::Place { rank, name, id } => {
                bytes.push(2);
                bytes.extend(rank.to_be_bytes());
                bytes.extend(id.as_bytes());
                bytes.extend(name.as_bytes());
            }
        }
        bytes.extend(checksum(&bytes));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Where the page before ended, by a cursor that must be of this very list.
    pub fn position(&self, cursor: &str) -> Result<Position, ApiError> {
        let broken = || {
            invalid(
                "this is no cursor of this server: hand back next_cursor as it came, or leave cursor away to begin anew",
            )
        };
        if cursor.len() > LONGEST {
            return Err(broken());
        }
        // the decoder refuses a last character with bits that say nothing
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| broken())?;
        let (body, sum) = bytes
            .len()
            .checked_sub(CHECKSUM)
            .map(|end| bytes.split_at(end))
            .ok_or_else(broken)?;
        if sum != checksum(body) {
            return Err(broken());
        }
        let [VERSION, list, rest @ ..] = body else {
            return Err(invalid(
                "this cursor is of another version of the server: leave cursor away to begin anew",
            ));
        };
        let (filters, position) = rest.split_at_checked(FINGERPRINT).ok_or_else(broken)?;
        if *list != self.list as u8 || filters != self.fingerprint() {
            return Err(invalid(
                "this cursor belongs to another list, or to other filters: repeat every parameter but limit as it was on the first page",
            ));
        }
        read(position).ok_or_else(broken)
    }

    /// Tells its filters from others.
    pub fn fingerprint(&self) -> [u8; FINGERPRINT] {
        first(&self.filters.clone().finalize())
    }
}

fn read(position: &[u8]) -> Option<Position> {
    let (tag, rest) = position.split_first()?;
    match tag {
        1 => {
            let (at, id) = rest.split_first_chunk()?;
            Some(Position::Instant {
                at: Timestamp::from_micros(i64::from_be_bytes(*at)),
                id: i64::from_be_bytes(id.try_into().ok()?),
            })
        }
        2 => {
            let (rank, rest) = rest.split_first_chunk()?;
            let (id, name) = rest.split_first_chunk()?;
            Some(Position::Place {
                rank: i64::from_be_bytes(*rank),
                name: String::from_utf8(name.to_vec()).ok()?,
                id: Uuid::from_bytes(*id),
            })
        }
        _ => None,
    }
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM] {
    first(
        &Sha256::new()
            .chain_update(KEY)
            .chain_update(body)
            .finalize(),
    )
}

fn first<const N: usize>(digest: &[u8]) -> [u8; N] {
    let (first, _) = digest
        .split_first_chunk()
        .expect("a digest has 32 bytes, more than is taken of it");
    *first
}

fn invalid(message: &str) -> ApiError {
    ApiError::bad_request("invalid_cursor", message)
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    fn scope() -> Scope {
        Scope::new(List::Results)
            .filtered("since", Some(5))
            .filtered("until", None::<i64>)
    }

    fn positions() -> impl Strategy<Value = Position> {
        let instant = (any::<i64>(), any::<i64>()).prop_map(|(at, id)| Position::Instant {
            at: Timestamp::from_micros(at),
            id,
        });
        let place =
            (any::<i64>(), ".{0,40}", any::<u128>()).prop_map(|(rank, name, id)| Position::Place {
                rank,
                name,
                id: Uuid::from_u128(id),
            });
        prop_oneof![instant, place]
    }

    fn refused(answer: Result<Position, ApiError>) -> bool {
        answer.is_err_and(|error| error.into_response().status() == StatusCode::BAD_REQUEST)
    }

    proptest! {
        #[test]
        fn a_cursor_says_what_it_was_made_of(position in positions()) {
            let cursor = scope().cursor(&position);
            prop_assert!(Regex::new(&shape()).unwrap().is_match(&cursor), "{}", cursor);
            prop_assert_eq!(scope().position(&cursor).ok(), Some(position));
        }

        #[test]
        fn whatever_is_no_cursor_is_refused(text in ".{0,120}") {
            prop_assert!(refused(scope().position(&text)));
        }

        #[test]
        fn bytes_that_look_like_a_cursor_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let scope = scope();
            let mut start = vec![VERSION, List::Results as u8];
            start.extend(scope.fingerprint());
            start.extend(bytes);
            prop_assert!(refused(scope.position(&URL_SAFE_NO_PAD.encode(start))));
        }
    }

    #[test]
    fn every_single_change_of_a_cursor_is_refused() {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ .";
        for position in [
            Position::Instant {
                at: Timestamp::from_micros(1_771_811_632_223_350),
                id: 897,
            },
            Position::Place {
                rank: -1,
                name: "bbc-uk".to_owned(),
                id: Uuid::from_u128(7),
            },
        ] {
            let cursor = scope().cursor(&position);
            for at in 0..cursor.len() {
                for other in alphabet.chars() {
                    if cursor[at..].starts_with(other) {
                        continue;
                    }
                    let changed = format!("{}{other}{}", &cursor[..at], &cursor[at + 1..]);
                    assert!(refused(scope().position(&changed)), "{changed}");
                    let longer = format!("{}{other}{}", &cursor[..at], &cursor[at..]);
                    assert!(refused(scope().position(&longer)), "{longer}");
                }
                let shorter = format!("{}{}", &cursor[..at], &cursor[at + 1..]);
                assert!(refused(scope().position(&shorter)), "{shorter}");
                assert!(refused(scope().position(&cursor[..at])), "cut at {at}");
            }
        }
    }

    #[test]
    fn a_cursor_of_another_list_or_filter_is_refused() {
        let position = Position::Instant {
            at: Timestamp::from_micros(1),
            id: 1,
        };
        let cursor = scope().cursor(&position);
        let since = |since: &str| Scope::new(List::Results).filtered("since", Some(since));
        for (what, other) in [
            ("list", Scope::new(List::TargetResults)),
            ("no filter", Scope::new(List::Results)),
            ("value", since("6").filtered("until", None::<i64>)),
            ("one more value", since("5").filtered("until", Some(9))),
            ("an empty value", since("5").filtered("until", Some(""))),
            ("name", since("5").filtered("limit", None::<i64>)),
            (
                "one more filter",
                scope().filtered("target", None::<String>),
            ),
        ] {
            assert!(refused(other.position(&cursor)), "{what}");
        }
        let same_filters = Scope {
            list: List::Incidents,
            ..scope()
        };
        assert!(refused(same_filters.position(&cursor)));
        assert_eq!(scope().position(&cursor).ok(), Some(position));
    }

    #[test]
    fn a_cursor_stays_valid_in_the_next_version_of_this_program() {
        let position = Position::Instant {
            at: Timestamp::from_micros(1_771_811_632_223_350),
            id: 897,
        };
        let written = "AQNLHY5lDAKFTAEABkt0CvKUdgAAAAAAAAOB3eUK56c7XmU";
        assert_eq!(scope().cursor(&position), written);
    }
}
