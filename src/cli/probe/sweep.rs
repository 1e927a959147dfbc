//! Every address of a network, once: who answers?

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;

use super::super::style::{BAR, BOLD, DIM, WARN, paint, print};
use super::{Echoes, exit_code, millis_of};
use crate::model::{Family, IcmpSpec, Observation, Outcome, Reason};
use crate::probe::resolve::Resolver;

/// The largest network, in bits of the host part: 65,536 addresses.
const MOST_BITS: u32 = 16;
/// How many the engine is given at once, less than its queue takes.
const AT_ONCE: usize = 8192;
const BAR_WIDTH: usize = 30;
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// The addresses from one to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    last: IpAddr,
}

/// One address and what was seen of it.
#[derive(Debug, Serialize)]
struct Found {
    address: IpAddr,
    outcome: Outcome,
    latency_us: Option<u64>,
    reason: Option<Reason>,
    error: Option<String>,
}

impl Network {
    /// Nothing if the text is no network at all; an error if it is one that cannot be swept. The address of an IPv4 network itself
    /// and its broadcast address are left out where there are others (RFC 919 §7).
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let Some(length) = length.parse::<u32>().ok().filter(|length| *length <= width) else {
            return Some(Err(format!(
                "{text} is no network: its length is a number from 0 to {width}, like {address}/24"
            )));
        };
        let bits = width - length;
        if bits > MOST_BITS {
            let least = width - MOST_BITS;
            return Some(Err(format!(
                "{text} has more than 65,536 addresses: sweep /{least} or less at a time"
            )));
        }
        let rest = (1_u128 << bits) - 1;
        let (first, last) = match address {
            IpAddr::V4(address) => {
                let first = u32::from(address) & !(rest as u32);
                let last = first | rest as u32;
                let inner = u32::from(bits > 1);
                (
                    IpAddr::from(Ipv4Addr::from(first + inner)),
                    IpAddr::from(Ipv4Addr::from(last - inner)),
                )
            }
            IpAddr::V6(address) => {
                let first = u128::from(address) & !rest;
                (
                    IpAddr::from(Ipv6Addr::from(first)),
                    IpAddr::from(Ipv6Addr::from(first | rest)),
                )
            }
        };
        Some(Ok(Self { first, last }))
    }

    fn addresses(self) -> Vec<IpAddr> {
        match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => (u32::from(first)..=u32::from(last))
                .map(|number| Ipv4Addr::from(number).into())
                .collect(),
            (IpAddr::V6(first), IpAddr::V6(last)) => (u128::from(first)..=u128::from(last))
                .map(|number| Ipv6Addr::from(number).into())
                .collect(),
            _ => Vec::new(),
        }
    }
}

pub async fn run(
    network: Network,
    template: IcmpSpec,
    timeout: Duration,
    packets_a_second: NonZeroU32,
    json: bool,
) -> anyhow::Result<ExitCode> {
    // the engine keeps the pace, and a timeout begins when its packet is sent
    let echoes = Echoes::start(Resolver::new(), Some(packets_a_second));
    let addresses = network.addresses();
    let mut progress = Progress::new(addresses.len());
    let mut found = Vec::with_capacity(addresses.len());
    let began = Instant::now();
    let mut waiting = addresses.into_iter();
    let echo = |address: IpAddr| {
        let spec = IcmpSpec {
            host: address.to_string().into(),
            ip: Family::Any,
            ..template.clone()
        };
        let observed = echoes.observe(spec, timeout);
        async move { (address, observed.await) }
    };
    let mut underway: FuturesUnordered<_> = waiting.by_ref().take(AT_ONCE).map(&echo).collect();
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    while !underway.is_empty() {
        tokio::select! {
            Some((address, observed)) = underway.next() => {
                found.push(Found::new(address, &observed?));
                progress.show(&found);
                underway.extend(waiting.next().map(&echo));
            }
            _ = &mut stop => break,
        }
    }
    drop(underway);
    progress.clear();
    echoes.0.stop().await;
    found.sort_by_key(|it| it.address);
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&found)?))?;
    } else {
        print(&describe(&found, began.elapsed()))?;
    }
    let answered = found.iter().any(|it| it.outcome == Outcome::Up);
    Ok(exit_code(if answered {
        Outcome::Up
    } else {
        Outcome::Down
    }))
}

impl Found {
    fn new(address: IpAddr, observation: &Observation) -> Self {
        let failure = observation.verdict.failure();
        Self {
            address,
            outcome: observation.verdict.outcome(),
            latency_us: observation
                .measurement
                .latency
                .map(|latency| latency.as_micros() as u64),
            reason: failure.map(|failure| failure.reason),
            error: failure.map(|failure| failure.error.to_string()),
        }
    }
}

/// A line on the terminal, on standard error: what is printed can be piped meanwhile.
struct Progress {
    all: usize,
    began: Instant,
    shown: Option<Instant>,
    live: bool,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self {
            all,
            began: Instant::now(),
            shown: None,
            live: std::io::stderr().is_terminal(),
        }
    }

    fn show(&mut self, found: &[Found]) {
        let is_early = self.shown.is_some_and(|shown| shown.elapsed() < SHOW_EVERY);
        if !self.live || is_early {
            return;
        }
        self.shown = Some(Instant::now());
        let filled = found.len() * BAR_WIDTH / self.all.max(1);
        let up = found.iter().filter(|it| it.outcome == Outcome::Up).count();
        let left = self.began.elapsed().as_secs_f64() * (self.all - found.len()) as f64
            / found.len().max(1) as f64;
        let line = format!(
            "{}{}  {} of {}  {up} answered  {left:.0} s left",
            paint(BAR, "█".repeat(filled)),
            paint(DIM, "░".repeat(BAR_WIDTH - filled)),
            found.len(),
            self.all
        );
        // nobody may be looking any more
        let _ = write!(anstream::stderr(), "\r\x1b[2K{line}");
    }

    fn clear(&self) {
        if self.shown.is_some() {
            let _ = write!(anstream::stderr(), "\r\x1b[2K");
        }
    }
}

fn describe(found: &[Found], took: Duration) -> String {
    let mut text = String::new();
    let up = found.iter().filter(|it| it.outcome == Outcome::Up);
    for it in up.clone() {
        let latency = it.latency_us.map_or_else(String::new, millis_of);
        let _ = writeln!(text, "  {:<40}{latency:>12}", it.address.to_string());
    }
    let unknown: Vec<_> = found
        .iter()
        .filter(|it| it.outcome == Outcome::Unknown)
        .collect();
    let _ = writeln!(
        text,
        "{} of {} addresses answered, in {:.1} s",
        paint(BOLD, up.count()),
        found.len(),
        took.as_secs_f64()
    );
    if let Some(error) = unknown.first().and_then(|it| it.error.as_deref()) {
        let count = unknown.len();
        let _ = writeln!(
            text,
            "{}",
            paint(WARN, format!("{count} could not be probed: {error}"))
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str) -> (String, String, usize) {
        let network = Network::parse(text).unwrap().unwrap();
        let count = network.addresses().len();
        (network.first.to_string(), network.last.to_string(), count)
    }

    #[test]
    fn a_network_is_its_addresses() {
        for (text, first, last, count) in [
            ("192.168.1.77/24", "192.168.1.1", "192.168.1.254", 254),
            ("10.0.0.0/30", "10.0.0.1", "10.0.0.2", 2),
            ("10.0.0.0/31", "10.0.0.0", "10.0.0.1", 2),
            ("10.0.0.7/32", "10.0.0.7", "10.0.0.7", 1),
            ("fd00::/126", "fd00::", "fd00::3", 4),
            (
                "255.255.255.255/16",
                "255.255.0.1",
                "255.255.255.254",
                65_534,
            ),
        ] {
            assert_eq!(
                span(text),
                (first.to_owned(), last.to_owned(), count),
                "{text}"
            );
        }
        assert_eq!(Network::parse("host/24"), None);
        assert_eq!(Network::parse("10.0.0.1"), None);
        for text in [
            "10.0.0.0/33",
            "10.0.0.0/8",
            "10.0.0.0/x",
            "fd00::/64",
            "10.0.0.0/",
        ] {
            assert!(Network::parse(text).unwrap().is_err(), "{text}");
        }
    }
}
