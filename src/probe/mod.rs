//! Measurements enter here: one file or folder per probe type.
//!
//! Probes know what to measure and what it means for the target; they know neither schedule nor storage.

pub mod http;
pub mod icmp;
pub mod resolve;
mod wire;

/// The nice value that threads ask for which keep time and do little else (setpriority(2)): programs that compute must not make probes
/// late. It needs `CAP_SYS_NICE`; without it they wait their turn.
pub const URGENT: i8 = -10;
