//! One run: CPU per probe, or memory per request.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pingu_icmp::{Completion, Config, Engine, Outcome, Request, SocketKind};

use super::Failure;

/// Keeps WINDOW probes of addresses of 127.0.0.0/8 under way, or sends RATE a
/// second in ticks of 1 ms, and prints what it cost.
pub fn one(arguments: &[String]) -> Result<(), Failure> {
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
        if rate.is_none() && room < window.div_ceil(2) {
            // Rarely woken: this thread's cost is not what is measured.
            thread::sleep(Duration::from_micros(500));
            continue;
        }
        let count = room.min(probes - submitted);
        batch.extend(
            (submitted..submitted + count)
                .map(|token| Request::new(token, IpAddr::from(peer(token)))),
        );
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

/// One of 10,000 addresses that this host answers for.
pub fn peer(number: u64) -> Ipv4Addr {
    Ipv4Addr::from(0x7f00_0001 + (number % 10_000) as u32)
}

/// Prints how much the process grows with each further request under way.
pub fn memory() -> Result<(), Failure> {
    const COUNT: u64 = 100_000;
    std::fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1")?;
    let engine = Engine::start(Config::default(), |_: &mut Vec<Completion>| ())?;
    let under_way = |count: u64| -> Result<u64, Failure> {
        let first = engine.stats().sent;
        let mut batch = Vec::with_capacity(1024);
        for token in first..count {
            batch.push(Request {
                timeout: Duration::from_secs(600),
                ..Request::new(token, IpAddr::from(peer(token)))
            });
            while batch.len() == batch.capacity() && engine.submit(&mut batch).is_err() {
                thread::yield_now();
            }
        }
        while engine.submit(&mut batch).is_err() || engine.stats().sent < count {
            thread::sleep(Duration::from_millis(1));
        }
        let statm = std::fs::read_to_string("/proc/self/statm")?;
        let pages: u64 = statm.split(' ').nth(1).ok_or("empty statm")?.parse()?;
        Ok(pages * 4096)
    };
    let before = under_way(COUNT)?;
    let after = under_way(2 * COUNT)?;
    println!(
        "memory: {} bytes for each further request under way ({} MB in all with {})",
        (after - before) / COUNT,
        after >> 20,
        2 * COUNT
    );
    Ok(())
}

/// Seconds of user and system time of this process so far.
fn cpu_time() -> Result<f64, Failure> {
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
