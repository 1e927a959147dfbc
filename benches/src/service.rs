//! What the whole program costs while it probes thousands of targets and stores every result in SQLite: the optimised binary, asked
//! through its own `/metrics`.
//!
//! Targets are addresses of the loopback network, which this machine answers itself: the kernel's answering is part of the cost.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::figure::{Table, machine};
use crate::running;

/// Probes each of so many targets once a second, for as long as asked.
pub fn measure(program: &Path, counts: &[usize], span: Duration) -> anyhow::Result<Table> {
    let mut table = Table {
        title: "The whole service, storing to SQLite".to_owned(),
        machine: machine(),
        figures: Vec::new(),
    };
    let mut sizes = Vec::new();
    for &count in counts {
        eprintln!("{count} targets over ICMP");
        let seen = running::watch(program, &file(count), &[], span)?;
        let every = format!("{count} targets each second, {} s", span.as_secs());
        let (produced, cpu) = (seen.produced, seen.cpu.as_secs_f64() * 1e6);
        table.add(
            "a probe, from its slot to its row",
            format!("processor time, {every}"),
            (cpu / produced, "µs"),
            (count <= 10_000).then_some(20.0),
        );
        table.add("slots missed", &every, (seen.missed, ""), Some(0.0));
        table.add(
            "results other than up",
            &every,
            (seen.not_up, ""),
            Some(0.0),
        );
        table.add(
            "lag, 99th percentile",
            &every,
            (seen.lag_p99 * 1e3, "ms"),
            (count <= 10_000).then_some(2.0),
        );
        table.add(
            "memory",
            format!("resident, {every}"),
            (seen.resident as f64 / 1e6, "MB"),
            (count <= 10_000).then_some(60.0),
        );
        sizes.push((count, seen.resident));
    }
    if let [(few, small), .., (many, large)] = sizes[..] {
        table.add(
            "memory of each further target",
            format!("resident, {few} to {many} targets"),
            ((large as f64 - small as f64) / (many - few) as f64, "bytes"),
            Some(600.0),
        );
    }
    Ok(table)
}

fn file(targets: usize) -> String {
    let mut text = "defaults: {interval_seconds: 1, timeout_ms: 900}\ntargets:\n".to_owned();
    for number in 0..targets {
        let [.., second, third, fourth] = (number as u32 + 1).to_be_bytes();
        let _ = writeln!(
            text,
            "  - {{name: t{number}, type: icmp, host: 127.{}.{third}.{fourth}}}",
            second + 10
        );
    }
    text
}
