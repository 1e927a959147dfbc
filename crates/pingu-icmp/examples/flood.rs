//! What a probe costs: `flood [PROBES] [WINDOW] [stamps|plain] [datagram|raw] [RATE]`.
//!
//! Probes addresses of 127.0.0.0/8, keeping WINDOW under way, or RATE a second in
//! 1 ms ticks, and prints probes/s and CPU µs per probe of the whole process
//! (user + system; the kernel's answering is within it on loopback).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pingu_icmp::{Completion, Config, Engine, Outcome, Request, SocketKind};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |index: usize| arguments.get(index).map(String::as_str);
    let probes: u64 = argument(0).unwrap_or("1000000").parse()?;
    let window: u64 = argument(1).unwrap_or("1024").parse()?;
    let transmit_stamps = argument(2) != Some("plain");
    let socket = match argument(3) {
        Some("datagram") => Some(SocketKind::Datagram),
        Some("raw") => Some(SocketKind::Raw),
        _ => None,
    };
    let rate: Option<u64> = argument(4).map(str::parse).transpose()?;

    let ended = Arc::new(AtomicU64::new(0));
    let rtt = Arc::new(AtomicU64::new(0));
    let (counter, sum) = (Arc::clone(&ended), Arc::clone(&rtt));
    let sink = move |batch: &mut Vec<Completion>| {
        let nanos: u64 = batch
            .iter()
            .map(|completion| match completion.outcome {
                Outcome::Reply(reply) => reply.rtt.as_nanos() as u64,
                _ => 0,
            })
            .sum();
        sum.fetch_add(nanos, Ordering::Relaxed);
        counter.fetch_add(batch.len() as u64, Ordering::Release);
    };
    let config = Config {
        transmit_stamps,
        socket,
        ..Config::default()
    };
    let engine = Engine::start(config, sink)?;

    let (cpu, begun) = (cpu_time()?, Instant::now());
    let mut submitted = 0;
    let mut batch = Vec::with_capacity(1024);
    let mut due = begun;
    while submitted < probes {
        let room = match rate {
            Some(rate) => {
                due += Duration::from_millis(1);
                thread::sleep(due.saturating_duration_since(Instant::now()));
                rate / 1000
            }
            None => window - (submitted - ended.load(Ordering::Acquire)),
        };
        if room == 0 || (rate.is_none() && room < window.min(64)) {
            thread::sleep(Duration::from_micros(50));
            continue;
        }
        let count = room.min(probes - submitted);
        batch.extend((submitted..submitted + count).map(|token| {
            let peer = Ipv4Addr::from(0x7f00_0001 + (token % 10_000) as u32);
            Request::new(token, IpAddr::from(peer))
        }));
        while engine.submit(&mut batch).is_err() {
            thread::yield_now();
        }
        submitted += count;
    }
    while ended.load(Ordering::Acquire) < probes {
        thread::sleep(Duration::from_micros(200));
    }
    let (cpu, spent) = (cpu_time()? - cpu, begun.elapsed());
    let access = engine.access(pingu_icmp::Family::V4);
    let stats = engine.stop();
    println!(
        "{access:?} stamps={transmit_stamps}: {probes} probes, {:.0}/s, {:.2} CPU µs/probe, mean rtt {:.1} µs",
        probes as f64 / spent.as_secs_f64(),
        cpu * 1e6 / probes as f64,
        rtt.load(Ordering::Relaxed) as f64 / 1e3 / stats.replies.max(1) as f64,
    );
    println!("{stats:?}");
    Ok(())
}

/// Seconds of user and system time of this process so far.
fn cpu_time() -> Result<f64, Box<dyn std::error::Error>> {
    // /proc/self/stat counts ticks of 10 ms; schedstat counts nanoseconds, per thread.
    let mut nanos = 0.0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let schedstat = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += schedstat
            .split(' ')
            .next()
            .ok_or("empty schedstat")?
            .parse::<f64>()?;
    }
    Ok(nanos / 1e9)
}
