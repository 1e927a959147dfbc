//! Threads of their own for probes that wait for connections.
//!
//! Whatever else the process does - answering readers, deciding, storing - does not stand in the way of a probe and is not in its
//! latency. Few threads: a probe that moves between two costs a wake-up of the other with each of its steps.

use std::io;
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Handle, Runtime};

/// At the 80 to 145 µs a plain probe and the 470 µs a TLS handshake of `make bench-http` a thread has room for some 7,000 or 2,000 a
/// second.
const CORES_EACH: usize = 4;

/// Runs probes as long as it lives.
#[derive(Debug)]
pub struct Threads(Option<Runtime>);

impl Threads {
    /// One thread for every four cores, at least one.
    pub fn start() -> io::Result<Self> {
        let cores = available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(cores.div_ceil(CORES_EACH))
            .thread_name("probes")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    pub fn handle(&self) -> &Handle {
        let runtime = self.0.as_ref();
        runtime.expect("it is taken by drop alone").handle()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // waiting for it is not allowed where other tasks run
            runtime.shutdown_background();
        }
    }
}
