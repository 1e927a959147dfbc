//! The near end: probes, and holds what it measured against the truth.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use pingu_icmp::{Clock, Completion, Config, Engine, Outcome, Request};

use super::Failure;

const PROBES: usize = 10_000;

/// A reply's round trip by the engine, and by the clocks a program has: when the
/// sink was called less when the packet was handed over.
type Measured = (u16, Duration, Duration, Clock);

pub fn table(rate: u32) -> Result<(), Failure> {
    println!(
        "{PROBES} probes at {rate}/s over a veth pair; error against the far end's kernel stamps, µs"
    );
    println!(
        "{:<44} {:>8} {:>8} {:>8} {:>6}",
        "", "p50", "p99", "max", "lost"
    );
    let ways: [(&str, Config); 3] = [
        ("kernel stamps both ways (default)", Config::default()),
        (
            "kernel stamp of receiving only",
            Config {
                transmit_stamps: false,
                ..Config::default()
            },
        ),
        (
            "the program's clocks, read at once",
            Config {
                gather: Duration::ZERO,
                ..Config::default()
            },
        ),
    ];
    for busy in [0, 2] {
        let load = if busy == 0 { "idle" } else { "2 busy loops" };
        let hogs = (0..busy)
            .map(|_| {
                Ok(Hog(Command::new(std::env::current_exe()?)
                    .arg("busy")
                    .spawn()?))
            })
            .collect::<Result<Vec<Hog>, Failure>>()?;
        for (name, config) in &ways {
            let by_program = config.gather.is_zero();
            let run = run(config.clone(), rate)?;
            let mut errors: Vec<f64> = run
                .measured
                .iter()
                .filter_map(|(peer, engine, program, clock)| {
                    let told = if by_program { *program } else { *engine };
                    let as_meant = by_program || *clock != Clock::Monotonic;
                    let truth = run.truth.get(peer).filter(|_| as_meant)?;
                    Some((told.as_nanos() as f64 / 1e3 - *truth as f64 / 1e3).abs())
                })
                .collect();
            errors.sort_by(f64::total_cmp);
            let at = |share: f64| errors[((errors.len() - 1) as f64 * share) as usize];
            println!(
                "{:<46} {:>8.1} {:>8.1} {:>8.1} {:>6} {:>10.1}",
                format!("{name}, {load}"),
                at(0.5),
                at(0.99),
                at(1.0),
                PROBES - errors.len(),
                run.spent / PROBES as f64,
            );
        }
        drop(hogs);
    }
    Ok(())
}

/// A process that takes as much of a CPU as it gets.
struct Hog(Child);

impl Drop for Hog {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What came of one run.
struct Run {
    /// How long each probe was at the far end, in ns, by the last 16 bits of its peer.
    truth: BTreeMap<u16, i64>,
    measured: Vec<Measured>,
    /// CPU µs of the engine's thread, in which the kernel's work for the other end
    /// is included, as far as the pair goes.
    spent: f64,
}

fn run(config: Config, rate: u32) -> Result<Run, Failure> {
    let far = Command::new("ip")
        .args(["netns", "exec", "far"])
        .arg(std::env::current_exe()?)
        .args(["far", &PROBES.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut far = Hog(far);
    let mut lines = BufReader::new(far.0.stdout.take().ok_or("no pipe")?).lines();
    lines.next().ok_or("the far end did not start")??;

    let (sender, receiver) = mpsc::channel();
    let sink = move |batch: &mut Vec<Completion>| {
        let now = Instant::now();
        for end in batch.drain(..) {
            let _ = sender.send((now, end));
        }
    };
    let engine = Engine::start(config, sink)?;
    let begun = Instant::now();
    let mut batch = Vec::new();
    for token in 0..PROBES as u64 {
        let [high, low] = (token as u16).to_be_bytes();
        batch.push(Request::new(token, Ipv4Addr::new(10, 7, high, low).into()));
        // In ticks of a millisecond, as a scheduler would.
        let tick = |token: u64| Duration::from_millis(token * 1_000 / u64::from(rate));
        if tick(token + 1) > tick(token) {
            thread::sleep((begun + tick(token)).saturating_duration_since(Instant::now()));
            engine.submit(&mut batch)?;
        }
    }
    engine.submit(&mut batch)?;
    let mut measured = Vec::new();
    for _ in 0..PROBES {
        let (read, end) = receiver.recv()?;
        if let (Outcome::Reply(reply), Some(sent)) = (end.outcome, end.sent_at) {
            measured.push((end.token as u16, reply.rtt, read - sent, reply.clock));
        }
    }
    let spent = engine_cpu()?;
    engine.stop();
    let mut truth = BTreeMap::new();
    for line in lines {
        let line = line?;
        let (peer, held) = line.split_once(' ').ok_or("not a line of the far end")?;
        truth.insert(peer.parse()?, held.parse()?);
    }
    Ok(Run {
        truth,
        measured,
        spent,
    })
}

/// CPU µs of the engine's thread so far.
fn engine_cpu() -> Result<f64, Failure> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == "icmp" {
            let schedstat = std::fs::read_to_string(task.join("schedstat"))?;
            let nanos = schedstat.split(' ').next().ok_or("empty schedstat")?;
            return Ok(nanos.parse::<f64>()? / 1e3);
        }
    }
    Err("there is no thread of the engine".into())
}
