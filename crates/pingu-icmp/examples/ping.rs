//! A minimal ping: `ping ADDRESS [COUNT]`, one echo a second.

use std::net::IpAddr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pingu_icmp::{Completion, Config, Engine, Outcome, Request};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let peer: IpAddr = arguments
        .next()
        .ok_or("usage: ping ADDRESS [COUNT]")?
        .parse()?;
    let count: u64 = arguments.next().map_or(Ok(4), |count| count.parse())?;

    let (sender, receiver) = mpsc::sync_channel(16);
    let engine = Engine::start(Config::default(), move |batch: &mut Vec<Completion>| {
        for completion in batch.drain(..) {
            // One request is under way at a time, so there is always room.
            let _ = sender.try_send(completion);
        }
    })?;

    for token in 0..count {
        if token > 0 {
            thread::sleep(Duration::from_secs(1));
        }
        engine.submit(&mut vec![Request::new(token, peer)])?;
        match receiver.recv()?.outcome {
            Outcome::Reply(reply) => println!(
                "{} bytes from {}: seq={token} ttl={} time={:.3} ms ({:?})",
                reply.payload_bytes,
                reply.from,
                reply.ttl.map_or("?".to_owned(), |ttl| ttl.to_string()),
                reply.rtt.as_secs_f64() * 1e3,
                reply.clock,
            ),
            Outcome::Timeout => println!("no reply: seq={token}"),
            Outcome::IcmpError(error) => {
                println!("{:?} from {}: seq={token}", error.kind, error.from);
            }
            Outcome::Local(error) => println!("{error}: seq={token}"),
        }
    }
    println!("{:?}", engine.stop());
    Ok(())
}
