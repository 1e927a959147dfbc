//! Pingu watches targets: it probes each on its interval, stores every result and serves them.
//!
//! The way of one result, which is also the order of the modules:
//!
//! ```text
//! targets.yaml → config → sync → scheduler → probe → pipeline ─┬→ storage → api → page
//!                                                              └→ metrics
//! ```

pub mod model;

pub mod config;
pub mod probe;
