#![doc = include_str!("../README.md")]

mod afterword;
mod arrival;
mod control;
mod cookie;
mod engine;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod lane;
mod later;
mod ledger;
mod lull;
mod outbox;
mod outcome;
mod pace;
mod packet;
mod queue;
mod received;
mod request;
mod revival;
mod slot;
mod socket;
mod stats;
mod sys;
mod timestamp;
mod wheel;
mod worker;

pub use afterword::{Afterword, AfterwordKind};
pub use engine::{Config, Engine, Sink, SocketKind, StartError, SubmitError};
pub use outcome::{
    BadRequest, Clock, Completion, Errno, IcmpError, IcmpErrorKind, LocalError, Outcome, Reply,
};
pub use request::{DEFAULT_PAYLOAD_BYTES, Family, MAX_PAYLOAD_BYTES, MIN_PAYLOAD_BYTES, Request};
pub use stats::Stats;
