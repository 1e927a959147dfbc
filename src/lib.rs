//! Pingu watches targets: it probes each on its interval, stores every result and serves them.
//!
//! The way of one result, which is also the order in which to read the modules:
//!
//! ```text
//! targets.yaml → config → sync → scheduler → probe → pipeline ─┬→ storage → api → pages
//!                                                              ├→ incident → storage
//!                                                              └→ metrics
//! ```
//!
//! [`model`] holds the words that all of them speak in, [`app`] connects them, [`cli`] is how people start them. `ARCHITECTURE.md`
//! says who may know whom, and `tests/tidy.rs` holds it to that.

pub mod model;

// settings and targets enter
pub mod config;
pub mod environment;
pub mod sync;

// when, and what is measured
pub mod clock;
pub mod scheduler;

pub mod probe;

// where results go, and what they mean
pub mod incident;
pub mod pipeline;
pub mod storage;

// who reads them
pub mod api;
pub mod pages;

pub mod metrics;

// how it is put together, started and watched
pub mod app;
pub mod cli;
pub mod telemetry;
