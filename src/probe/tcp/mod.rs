//! One TCP connection: is the port open, and does it say what it should?
//!
//! Promises: never an `Err`; ends at the deadline whatever the other side does; keeps at most 64 KiB of what it says. Without `send` and
//! `expect` the connection alone counts. Latency runs from the start to the end of what was asked: the connection, the last byte
//! handed over, or the byte with which the pattern was found.

mod listen;

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::resolve::Resolver;
use super::wire::dial;
use super::wire::failure::{self, Fault};
use super::wire::timeline::{Deadline, Timeline};
use crate::model::{Observation, TcpSpec, Verdict};

/// Probes TCP targets. A clone shares everything.
#[derive(Debug, Clone)]
pub struct TcpProber {
    resolver: Resolver,
}

impl TcpProber {
    pub fn new(resolver: Resolver) -> Self {
        Self { resolver }
    }

    /// Measures a target once, within `timeout`.
    pub async fn probe(&self, spec: &TcpSpec, timeout: Duration) -> Observation {
        let start = Instant::now();
        let mut timeline = Timeline::new(start);
        let deadline = Deadline::new(start, timeout);
        let verdict = match self.ask(spec, deadline, &mut timeline).await {
            Ok(()) => Verdict::Up,
            Err(Fault(verdict)) => verdict,
        };
        Observation {
            verdict,
            measurement: timeline.measurement(),
        }
    }

    async fn ask(
        &self,
        spec: &TcpSpec,
        deadline: Deadline,
        timeline: &mut Timeline,
    ) -> Result<(), Fault> {
        let resolver = &self.resolver;
        let addresses = dial::resolve(resolver, &spec.host, spec.ip, deadline, timeline).await?;
        let mut stream = dial::connect(&addresses, spec.port, deadline, timeline).await?;
        let asked = Instant::now();
        if let Some(payload) = &spec.send {
            let stuck = || "sending".to_owned();
            let sending = stream.write_all(payload.bytes());
            let sent = deadline.bound(stuck, sending).await?;
            sent.map_err(|error| failure::broken(&error, "sending"))?;
        }
        if let Some(pattern) = &spec.expect {
            return listen::until(&mut stream, pattern, asked, deadline, timeline).await;
        }
        timeline.answered(Instant::now());
        Ok(())
    }
}
