//! What results mean: the rule by which failures in a row are an incident, and what goes on at present.
//!
//! An incident opens after `fail_after` `down` results in a row and began with the first of them; it is resolved by `recover_after`
//! `up` results in a row and ended with the first of those. `unknown` says nothing of the target: it opens nothing, resolves
//! nothing, and leaves a run of results as it is, so that the prober's own trouble can neither make an outage nor cut one in two.
//!
//! Pure: (state, result) → changes. No clock, no database: `storage` writes what the [`Book`] holds.

mod book;
mod detector;

use std::borrow::Cow;

pub use book::Book;
pub use detector::Detector;

use crate::model::Incident;

/// Something that happened to an incident, and what it is since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'a> {
    pub what: What,
    pub incident: Cow<'a, Incident>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Opened,
    /// It was open when an earlier process ended, and goes on.
    Continued,
    /// One more failure.
    Failed,
    /// One more failure, for another reason than the last.
    Changed,
    Ended,
}
