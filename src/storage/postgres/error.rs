//! Sorts the server's errors by what can be done about them.
//!
//! Only a fault of the data itself ([`StoreError::Fault`]) may set results aside. Whatever else the server says, results wait.
//! No text holds a password: neither the server nor the client library ever repeats one.

use std::error::Error as _;
use std::io;

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::{DbError, SqlState};

use super::super::StoreError;

/// Why a piece of work failed, before it is sorted.
#[derive(Debug)]
pub enum Failed {
    Query(tokio_postgres::Error),
    Store(StoreError),
}

impl Failed {
    /// Whether the same work may succeed at once: two transactions were in each other's way, or what this process remembered of
    /// the database (partitions, series) is no longer so.
    pub fn is_passing(&self) -> bool {
        let Self::Query(error) = self else {
            return false;
        };
        [
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
            // what the server says to a row that no partition takes
            SqlState::CHECK_VIOLATION,
            SqlState::FOREIGN_KEY_VIOLATION,
            SqlState::UNIQUE_VIOLATION,
            // what batch_append.postgres.sql says of a floor that has risen
            SqlState::DIVISION_BY_ZERO,
        ]
        .iter()
        .any(|code| error.code() == Some(code))
    }

    /// Whether a row was there already.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Query(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }
}

impl From<tokio_postgres::Error> for Failed {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Query(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Query(error) => query_error(&error),
            Failed::Store(error) => error,
        }
    }
}

/// No connection could be had from a pool to `place`.
pub fn connect_error(place: &str, error: &PoolError) -> StoreError {
    let unavailable = |text: &str| StoreError::Unavailable(format!("{place}: {text}"));
    match error {
        PoolError::Closed => StoreError::Unavailable("the database is closed".to_owned()),
        PoolError::Timeout(TimeoutType::Wait) => unavailable("too many queries at once"),
        PoolError::Timeout(_) => unavailable("no answer in time"),
        PoolError::Backend(error) => match locate(cause(error), place) {
            // a server that speaks of a fault before there was any data
            StoreError::Fault(text) => StoreError::Unusable(text),
            error => error,
        },
        other => unavailable(&other.to_string()),
    }
}

fn query_error(error: &tokio_postgres::Error) -> StoreError {
    if error.is_closed() {
        return StoreError::Unavailable("the connection was lost".to_owned());
    }
    cause(error)
}

fn cause(error: &tokio_postgres::Error) -> StoreError {
    if let Some(error) = error.as_db_error() {
        return of_server(error);
    }
    let Some(source) = error.source() else {
        return StoreError::Fault(error.to_string());
    };
    let tls = |io: &io::Error| io.get_ref()?.downcast_ref::<rustls::Error>().cloned();
    match source.downcast_ref::<io::Error>() {
        Some(io) if tls(io).is_some() => StoreError::Unusable(format!(
            "TLS: {io}; sslmode and sslrootcert in DATABASE_URL say what is accepted"
        )),
        Some(io) => StoreError::Unavailable(io.to_string()),
        None => StoreError::Fault(format!("{error}: {source}")),
    }
}

/// Puts the server before an error that concerns it as a whole.
pub fn locate(error: StoreError, place: &str) -> StoreError {
    match error {
        StoreError::Unavailable(text) => StoreError::Unavailable(format!("{place}: {text}")),
        StoreError::Unusable(text) => StoreError::Unusable(format!("{place}: {text}")),
        StoreError::Fault(text) => StoreError::Fault(format!("{place}: {text}")),
        StoreError::Conflict(_) => error,
    }
}

/// By the code, or the class that is its first two characters (PostgreSQL documentation, appendix A).
fn of_server(error: &DbError) -> StoreError {
    let text = error.message();
    let unavailable = |text: &str| StoreError::Unavailable(text.to_owned());
    let unusable = |advice: &str| StoreError::Unusable(format!("{text}; {advice}"));
    match error.code().code() {
        "53100" => unavailable("the server's disk is full"),
        "53300" => unavailable("the server takes no more connections"),
        "25006" => unavailable("the server is read-only"),
        "57014" => unavailable("took too long"),
        "55P03" => unavailable("others are using the table"),
        "28000" | "28P01" => unusable("check user, password and sslmode in DATABASE_URL"),
        "3D000" => unusable("create it with createdb, or name another in DATABASE_URL"),
        "42501" => unusable("the user has to own the database, or its schema"),
        code => match code.get(..2).unwrap_or_default() {
            // data, integrity, limits of the server
            "22" | "23" | "54" => StoreError::Fault(text.to_owned()),
            // connection, transaction, resources, objects in use, operator, system; and internal errors, which pass more often
            // than they are the data's
            "08" | "25" | "40" | "53" | "55" | "57" | "58" | "XX" => unavailable(text),
            // syntax, names, rights, features: not the program's schema any more, or not its kind of server
            _ => StoreError::Unusable(text.to_owned()),
        },
    }
}
