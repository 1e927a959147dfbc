//! What comes after the verdict: replies that were late, or came again.
//!
//! Promises: an afterword changes no verdict and no counter of outcomes; at most
//! [`EACH`] of one request and [`AT_ONCE`] in one batch are told, the rest is
//! counted ([`crate::Stats::untold`]), so that a flood of copies stays a number.
//! Leaves out: reordering, which the caller sees (`Completion::sent_at` and
//! `Reply::rtt` add up to when a reply came).

use crate::outcome::Reply;

/// How many afterwords one request can have.
pub const EACH: u8 = 8;
/// How many afterwords one batch can have.
pub const AT_ONCE: usize = 1_024;

/// A reply that came when its request had ended already.
///
/// It is recognised as strictly as one in time: identifier, sequence, address and
/// cookie. A request is remembered until 16,384 others have ended after it (at
/// 10,000 a second: 1.6 s), and at least until its place is needed if fewer than
/// that are allowed to be under way ([`crate::Config::max_in_flight`]); what comes
/// later still is counted in [`crate::Stats::stale`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Afterword {
    /// The token of the request.
    pub token: u64,
    /// How it is out of place.
    pub kind: AfterwordKind,
    /// The reply itself. Its round trip is that of this copy, and may exceed the timeout.
    pub reply: Reply,
}

/// How a reply can be out of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AfterwordKind {
    /// The first reply, after the request had ended without one: with a timeout,
    /// an ICMP error, or a receive queue that overflowed.
    Late,
    /// Another copy: there was a reply before, in time or late.
    Duplicate,
}
