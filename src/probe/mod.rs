//! Measurements enter here: one file or folder per probe type.
//!
//! Probes know what to measure and what it means for the target; they know neither schedule nor storage.

mod clients;
pub mod dns;
pub mod http;
pub mod icmp;
pub mod resolve;
pub mod tcp;
pub mod threads;
pub mod tls;
mod wire;

pub use clients::Clients;

/// The nice value that threads ask for which keep time and do little else (setpriority(2)): programs that compute must not make probes
/// late. It needs `CAP_SYS_NICE`; without it they wait their turn.
pub const URGENT: i8 = -10;
