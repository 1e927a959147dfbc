//! One binary for all integration tests: linking is most of the time that they take. Real sockets, real databases, the real program.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod about;
mod account;
mod api;
mod beat_cases;
mod beats;
mod charts;
mod cluster;
mod command;
mod conformance;
mod dns_probe;
mod documents;
mod events;
mod examples;
mod farm;
mod guard;
mod halves;
mod history;
mod hostile;
mod http_ask;
mod http_expect;
mod http_phases;
mod http_probe;
mod incident_cases;
mod incidents;
mod kinds;
mod lists;
mod metrics;
mod outage;
mod overview;
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
mod tcp_probe;
mod tls_probe;
mod verdicts;
mod views;
mod way;
