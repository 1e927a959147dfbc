//! Who is there: `sweep NETWORK [PACKETS_A_SECOND]`, such as `sweep 127.0.0.0/16 5000`.
//!
//! Probes every address of an IPv4 or IPv6 network of up to 2^20 addresses once,
//! shows how far it is, and lists who answered.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::mpsc;
use std::time::Duration;

use pingu_icmp::{Completion, Config, Engine, Outcome, Request};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let network = arguments.next().ok_or("usage: sweep NETWORK [RATE]")?;
    let rate = arguments.next().map_or(Ok(1_000), |text| text.parse())?;
    let (first, count) = addresses(&network)?;

    let (sender, receiver) = mpsc::channel();
    let config = Config {
        max_pps: NonZeroU32::new(rate),
        ..Config::default()
    };
    let engine = Engine::start(config, move |batch: &mut Vec<Completion>| {
        let _ = sender.send(std::mem::take(batch));
    })?;

    let (mut asked, mut ended, mut waiting) = (0, 0, Vec::new());
    let mut found = BTreeMap::new();
    let mut faults = BTreeMap::new();
    while ended < count {
        let more = (count - asked).min(1_024 - waiting.len() as u64);
        waiting.extend((asked..asked + more).map(|token| Request::new(token, first.plus(token))));
        asked += more;
        // What does not fit is submitted again after the next completions.
        let _ = engine.submit(&mut waiting);
        let Ok(batch) = receiver.recv_timeout(Duration::from_millis(200)) else {
            continue;
        };
        for end in batch {
            ended += 1;
            match end.outcome {
                Outcome::Reply(reply) => drop(found.insert(reply.from, reply.rtt)),
                Outcome::Local(error) => *faults.entry(error.to_string()).or_insert(0) += 1,
                Outcome::Timeout | Outcome::IcmpError(_) => {}
            }
        }
        let share = ended * 100 / count;
        eprint!(
            "\r{share:>3} %  {ended} of {count} asked, {} there ",
            found.len()
        );
        std::io::stderr().flush()?;
    }
    eprintln!();
    for (address, rtt) in found {
        println!("{address}\t{:.3} ms", rtt.as_secs_f64() * 1e3);
    }
    for (fault, times) in faults {
        println!("{times} times: {fault}");
    }
    Ok(())
}

/// The address a network begins with, as a number.
#[derive(Clone, Copy)]
enum First {
    V4(u32),
    V6(u128),
}

impl First {
    fn plus(self, offset: u64) -> IpAddr {
        match self {
            Self::V4(first) => Ipv4Addr::from(first + offset as u32).into(),
            Self::V6(first) => Ipv6Addr::from(first + u128::from(offset)).into(),
        }
    }
}

/// Reads `ADDRESS/LENGTH` (RFC 4632 §3.1): where it begins, and how many there are.
fn addresses(network: &str) -> Result<(First, u64), Failure> {
    let (address, length) = network
        .split_once('/')
        .ok_or("a network is ADDRESS/LENGTH")?;
    let (address, length): (IpAddr, u32) = (address.parse()?, length.parse()?);
    let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
    let free = bits.checked_sub(length).filter(|free| *free <= 20);
    let count = 1 << free.ok_or("a network of at most 2^20 addresses, please")?;
    let first = match address {
        IpAddr::V4(v4) => First::V4(v4.to_bits() & !(count as u32 - 1)),
        IpAddr::V6(v6) => First::V6(v6.to_bits() & !(u128::from(count) - 1)),
    };
    Ok((first, count))
}
