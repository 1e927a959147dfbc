#![doc = include_str!("../README.md")]

mod control;
mod cookie;
mod engine;
mod lane;
mod ledger;
mod outbox;
mod outcome;
mod packet;
mod queue;
mod received;
mod request;
mod socket;
mod stats;
mod sys;
mod timestamp;
mod wheel;
mod worker;

pub use engine::{Config, Engine, Sink, SocketKind, StartError, SubmitError};
pub use outcome::{
    BadRequest, Clock, Completion, Errno, IcmpError, IcmpErrorKind, LocalError, Outcome, Reply,
};
pub use request::{DEFAULT_PAYLOAD_BYTES, Family, MAX_PAYLOAD_BYTES, MIN_PAYLOAD_BYTES, Request};
pub use stats::Stats;
