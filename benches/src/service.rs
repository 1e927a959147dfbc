//! What the whole program costs while it probes thousands of targets and stores every result in SQLite: the optimised binary, asked
//! through its own `/metrics`.
//!
//! Targets are addresses of the loopback network, which this machine answers itself: the kernel's answering is part of the cost.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::cpu;
use crate::figure::{Table, machine};

/// Until first looks, their burst of new rows, and the first roll-ups are over.
const WARM_UP: Duration = Duration::from_secs(15);

/// Probes each of so many targets once a second, for as long as asked.
pub fn measure(program: &Path, counts: &[usize], span: Duration) -> anyhow::Result<Table> {
    let mut table = Table {
        title: "The whole service, storing to SQLite".to_owned(),
        machine: machine(),
        figures: Vec::new(),
    };
    let mut sizes = Vec::new();
    for &count in counts {
        let seen = run(program, count, span)?;
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

/// What happened in the measured span.
struct Seen {
    produced: f64,
    not_up: f64,
    missed: f64,
    lag_p99: f64,
    cpu: Duration,
    resident: u64,
}

fn run(program: &Path, targets: usize, span: Duration) -> anyhow::Result<Seen> {
    let folder = TempDir::with_prefix("pingu-bench-")?;
    fs::write(folder.path().join("targets.yaml"), file(targets))?;
    let address = free_address()?;
    let log = File::create(folder.path().join("log"))?;
    let child = Command::new(program)
        .current_dir(folder.path())
        .env("LISTEN", address.to_string())
        // as the image and the unit have it
        .env("MALLOC_ARENA_MAX", "1")
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let mut service = Service { child, address };
    service.wait_until_ready(folder.path())?;
    eprintln!(
        "{targets} targets: waiting {} s, then measuring {} s",
        WARM_UP.as_secs(),
        span.as_secs()
    );
    std::thread::sleep(WARM_UP);
    let (before, cpu) = (service.metrics()?, service.cpu());
    std::thread::sleep(span);
    let (after, cpu) = (service.metrics()?, service.cpu().saturating_sub(cpu));
    let resident = service.resident()?;
    service.stop()?;
    let more = |name: &str| sum(&after, name) - sum(&before, name);
    let up = "pingu_results_produced_total{outcome=\"up\"}";
    Ok(Seen {
        produced: more("pingu_results_produced_total"),
        not_up: more("pingu_results_produced_total") - more(up),
        missed: more("pingu_slots_missed_total"),
        lag_p99: quantile(&before, &after, 0.99),
        cpu,
        resident,
    })
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

fn free_address() -> anyhow::Result<SocketAddr> {
    // taken by someone else between now and the start: then the start says so
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The running program; ended with this value.
struct Service {
    child: Child,
    address: SocketAddr,
}

/// Name with labels, and value.
type Figures = HashMap<String, f64>;

impl Service {
    fn wait_until_ready(&mut self, folder: &Path) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(self.address).is_err() {
            let is_over = self.child.try_wait()?.is_some() || Instant::now() > deadline;
            let log = || fs::read_to_string(folder.join("log")).unwrap_or_default();
            ensure!(!is_over, "it did not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn metrics(&self) -> anyhow::Result<Figures> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: pingu\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let lines = text.lines().filter(|line| line.starts_with("pingu_"));
        let figures = lines.filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        Ok(figures.collect())
    }

    fn cpu(&self) -> Duration {
        cpu::of(&self.child.id().to_string())
    }

    fn resident(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes =
            line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(kilobytes.context("no VmRSS")? * 1024)
    }

    fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-s", "TERM", &pid]).status()?;
        ensure!(self.child.wait()?.success(), "it did not end well");
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Over all labels, or of the one that is named.
fn sum(figures: &Figures, name: &str) -> f64 {
    let of =
        |key: &str| key == name || key.strip_prefix(name).is_some_and(|it| it.starts_with('{'));
    figures
        .iter()
        .filter(|(key, _)| of(key))
        .map(|it| it.1)
        .sum()
}

/// As Prometheus reckons it: evenly within a bucket.
fn quantile(before: &Figures, after: &Figures, q: f64) -> f64 {
    let prefix = "pingu_lag_seconds_bucket{le=\"";
    let mut buckets: Vec<(f64, f64)> = after
        .iter()
        .filter_map(|(key, count)| {
            let bound = key.strip_prefix(prefix)?.strip_suffix("\"}")?;
            let bound = bound.replace("+Inf", "inf").parse().ok()?;
            Some((bound, count - before.get(key).copied().unwrap_or_default()))
        })
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rank = buckets.last().map_or(0.0, |(_, all)| all * q);
    let (mut low, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if count >= rank {
            let share = (rank - below) / (count - below).max(1.0);
            return if bound.is_finite() {
                low + (bound - low) * share
            } else {
                low
            };
        }
        (low, below) = (bound, count);
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_lies_within_its_bucket() {
        let figures = |counts: [f64; 3]| -> Figures {
            let names = ["0.001", "0.01", "+Inf"];
            let key = |le| format!("pingu_lag_seconds_bucket{{le=\"{le}\"}}");
            names.map(key).into_iter().zip(counts).collect()
        };
        let (none, some) = (figures([0.0; 3]), figures([90.0, 100.0, 100.0]));
        assert!((quantile(&none, &some, 0.5) - 0.001 * 50.0 / 90.0).abs() < 1e-9);
        assert!((quantile(&none, &some, 0.95) - 0.0055).abs() < 1e-9);
    }
}
