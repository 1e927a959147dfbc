//! Measurements enter here: one file or folder per probe type.
//!
//! Probes know what to measure and what it means for the target; they know neither schedule nor storage.

pub mod http;
pub mod icmp;
pub mod resolve;
