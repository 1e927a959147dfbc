//! What the kernel allows: buffers, neighbours, descriptors, clocks, names, the address to listen on.

use std::fs;
use std::net::TcpListener;

use rustix::process::{Resource, getrlimit};

use super::Load;
use super::finding::Finding;
use crate::config::Settings;

/// What a received reply takes of a socket's buffer until it is read, in bytes (its `skb`, socket(7) `SO_RCVBUF`).
const REPLY_BYTES: f64 = 800.0;
/// How long a busy machine may keep the engine from reading.
const STALL_SECONDS: f64 = 0.25;
/// Descriptors of an HTTP probe, which may try two addresses at once, and those that Pingu needs itself.
const PER_PROBE: u64 = 2;
const OWN: u64 = 48;
/// Clocks that are read without a system call (vDSO).
const FAST_CLOCKS: [&str; 6] = [
    "tsc",
    "kvm-clock",
    "arch_sys_counter",
    "hyperv_clocksource_tsc_page",
    "hyperv_clocksource_msr",
    "xen",
];
/// Earlier than this program: a clock that was never set.
const EARLIEST: &str = "2026-01-01";

pub fn examine(settings: &Settings, load: Load) -> Vec<Finding> {
    let mut findings = vec![buffers(load)];
    findings.extend(neighbours(load));
    findings.push(descriptors(settings));
    findings.extend(clock_source());
    findings.push(wall_clock());
    findings.push(names());
    findings.push(listener(settings));
    findings
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn buffers(load: Load) -> Finding {
    let name = "receive buffer";
    let wanted = (load.packets * STALL_SECONDS * REPLY_BYTES) as u64;
    match number("/proc/sys/net/core/rmem_max") {
        // the kernel doubles what is asked for (socket(7))
        Some(most) if most * 2 < wanted => Finding::note(
            name,
            format!(
                "net.core.rmem_max is {most}: replies would be lost here if this machine stalled for {STALL_SECONDS} s"
            ),
            format!("sysctl -w net.core.rmem_max={}", wanted.next_power_of_two()),
        ),
        Some(most) => Finding::good(
            name,
            format!("net.core.rmem_max is {most}, enough for the targets"),
        ),
        None => Finding::note(name, "net.core.rmem_max cannot be read", "mount /proc"),
    }
}

/// Hosts on the links of this machine have an entry each in a table with a bound (arp(7)).
fn neighbours(load: Load) -> Vec<Finding> {
    let table = |name, family: &str| {
        let key = format!("net.{family}.neigh.default.gc_thresh3");
        let most = number(&format!("/proc/sys/{}", key.replace('.', "/")))?;
        let targets = load.targets as u64;
        Some(if targets > most {
            let wanted = (targets * 2).next_power_of_two();
            Finding::note(
                name,
                format!(
                    "{key} is {most}, less than the {targets} targets: matters if they are on the links of this machine"
                ),
                format!("sysctl -w {key}={wanted}"),
            )
        } else {
            Finding::good(name, format!("room for {most}"))
        })
    };
    [
        table("IPv4 neighbours", "ipv4"),
        table("IPv6 neighbours", "ipv6"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn descriptors(settings: &Settings) -> Finding {
    let name = "open files";
    let probes = settings.probes_at_once() as u64;
    let wanted = probes * PER_PROBE + OWN;
    match getrlimit(Resource::Nofile).maximum {
        Some(most) if most < wanted => Finding::note(
            name,
            format!(
                "at most {most}, but {probes} probes at once (HTTP_CONCURRENCY and its like) want {wanted}"
            ),
            format!("ulimit -Hn {wanted}"),
        )
        .or(format!("LimitNOFILE={wanted} in the unit of systemd")),
        Some(most) => Finding::good(name, format!("{most} allowed, {wanted} wanted")),
        None => Finding::good(name, "no limit"),
    }
}

fn clock_source() -> Option<Finding> {
    let name = "clock source";
    let folder = "/sys/devices/system/clocksource/clocksource0";
    let read = |file: &str| fs::read_to_string(format!("{folder}/{file}")).ok();
    let current = read("current_clocksource")?.trim().to_owned();
    if FAST_CLOCKS.contains(&current.as_str()) {
        return Some(Finding::good(
            name,
            format!("{current}, read without a system call"),
        ));
    }
    let available = read("available_clocksource").unwrap_or_default();
    let better = available
        .split_whitespace()
        .find(|it| FAST_CLOCKS.contains(it));
    let found = format!("{current}: each look at the clock is a system call");
    Some(match better {
        Some(better) => Finding::note(
            name,
            found,
            format!("echo {better} > {folder}/current_clocksource"),
        ),
        None => Finding::note(name, found, "nothing to do: this machine has no other"),
    })
}

fn wall_clock() -> Finding {
    let now = crate::clock::Clock::start().now().to_string();
    if now.as_str() < EARLIEST {
        let fix = "set it, and keep it set: timedatectl set-ntp true";
        return Finding::bad("wall clock", format!("says {now}"), fix);
    }
    Finding::good("wall clock", now)
}

fn names() -> Finding {
    let name = "name servers";
    let file = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let mut servers = Vec::new();
    for line in file.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("nameserver") {
            servers.extend(words.next());
        }
    }
    if servers.is_empty() {
        let fix = "add a line to /etc/resolv.conf, like: nameserver 192.168.1.1";
        return Finding::note(name, "none: targets given by name would be unknown", fix);
    }
    Finding::good(name, servers.join(", "))
}

fn listener(settings: &Settings) -> Finding {
    let name = "listening";
    let address = settings.listen;
    if let Err(error) = TcpListener::bind(address) {
        let found = format!("{address}: {error}");
        return match error.kind() {
            std::io::ErrorKind::AddrInUse => Finding::note(
                name,
                found,
                "right if that is a running Pingu; otherwise set LISTEN to another port",
            ),
            _ => Finding::bad(
                name,
                found,
                "set LISTEN to an address of this machine, such as 127.0.0.1:8000",
            ),
        };
    }
    if settings.api_token.is_none() && !address.ip().is_loopback() {
        return Finding::note(
            name,
            format!("{address} is free; anyone who can reach it may read everything"),
            "set API_TOKEN, or put a proxy with a login before it",
        );
    }
    Finding::good(name, format!("{address} is free"))
}
