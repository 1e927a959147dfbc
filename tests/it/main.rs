//! One binary for all integration tests: linking is most of the time that they take. Real sockets, real databases, the real program.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod account;
mod api;
mod cluster;
mod command;
mod conformance;
mod documents;
mod farm;
mod halves;
mod history;
mod hostile;
mod http_ask;
mod http_expect;
mod http_phases;
mod http_probe;
mod outage;
mod packaging;
mod pingu;
mod postgres;
mod proxy;
mod resolve;
mod retention;
mod secrets;
mod service;
mod siege;
mod spool;
mod verdicts;
mod views;
mod way;
