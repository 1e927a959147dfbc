//! May Pingu ping, and how exactly?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::mpsc;
use std::time::Duration;

use pingu_icmp::{
    Clock, Completion, Config, Engine, Family, LocalError, Outcome, Request, SocketKind,
};

use super::finding::Finding;

const GROUPS: &str = "sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"";
/// Far longer than an answer from this machine itself takes.
const PATIENCE: Duration = Duration::from_secs(2);

pub fn examine() -> Vec<Finding> {
    let (sender, answers) = mpsc::channel();
    let sink = move |batch: &mut Vec<Completion>| {
        for completion in batch.drain(..) {
            // whoever asked may have given up
            let _ = sender.send(completion.outcome);
        }
    };
    let engine = match Engine::start(Config::default(), sink) {
        Ok(engine) => engine,
        Err(error) => {
            let fix = "raise the limits of open files and threads (ulimit -n, ulimit -u)";
            return vec![Finding::bad("engine", error.to_string(), fix)];
        }
    };
    let mut findings = vec![
        socket("IPv4 socket", engine.access(Family::V4)),
        socket("IPv6 socket", engine.access(Family::V6)),
    ];
    let reachable = [
        (Family::V4, IpAddr::from(Ipv4Addr::LOCALHOST)),
        (Family::V6, IpAddr::from(Ipv6Addr::LOCALHOST)),
    ];
    let usable = reachable
        .into_iter()
        .find(|(family, _)| engine.access(*family).is_ok());
    if let Some((_, address)) = usable {
        let mut request = vec![Request::new(0, address)];
        let asked = engine.submit(&mut request).is_ok();
        let answer = asked.then(|| answers.recv_timeout(PATIENCE).ok()).flatten();
        findings.push(timestamps(answer));
    }
    findings
}

fn socket(name: &'static str, access: Result<SocketKind, LocalError>) -> Finding {
    match access {
        Ok(SocketKind::Datagram) => Finding::good(name, "open, without any privilege"),
        Ok(SocketKind::Raw) => Finding::good(name, "open, by CAP_NET_RAW"),
        Err(LocalError::NoFamily { family, .. }) => Finding::note(
            name,
            format!("this machine has no {family}: its targets would be unknown"),
            "nothing to do if none of the targets needs it",
        ),
        Err(error @ LocalError::NoPermission { .. }) => {
            let finding = Finding::bad(name, error.to_string(), GROUPS);
            match std::env::current_exe() {
                Ok(program) => finding.or(format!("setcap cap_net_raw+ep {}", program.display())),
                Err(_) => finding,
            }
        }
        Err(error) => Finding::bad(name, error.to_string(), "ulimit -n 65536"),
    }
}

fn timestamps(answer: Option<Outcome>) -> Finding {
    let name = "timestamps";
    match answer {
        Some(Outcome::Reply(reply)) => match reply.clock {
            Clock::Kernel => Finding::good(
                name,
                format!(
                    "the kernel stamps both ways; this machine answered itself in {} µs",
                    reply.rtt.as_micros()
                ),
            ),
            Clock::KernelReceive => Finding::note(
                name,
                "the kernel stamps what comes in only: round trips are some µs too long",
                "use a kernel with SOF_TIMESTAMPING_TX_SOFTWARE (Linux 3.17 or newer)",
            ),
            Clock::Monotonic => Finding::note(
                name,
                "the kernel stamps nothing: round trips include the load of this machine",
                "use a Linux kernel rather than an emulation of one",
            ),
        },
        _ => Finding::bad(
            name,
            "this machine does not answer its own ping",
            "see what the packet filter does with ICMP on lo: nft list ruleset, or iptables -S",
        ),
    }
}
