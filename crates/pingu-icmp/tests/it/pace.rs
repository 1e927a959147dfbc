//! A rate that was set is kept, and nobody waits for it at the end.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use pingu_icmp::{Config, LocalError, Outcome};

use crate::batch::{Collector, patient, reply};
use crate::namespace::{LOOPBACK, Rights, inside};

fn at_most(rate: u32) -> Collector {
    Collector::start(Config {
        max_pps: NonZeroU32::new(rate),
        ..Config::default()
    })
}

#[test]
fn what_is_above_the_rate_waits_and_its_sending_shows_it() {
    inside(
        "pace::what_is_above_the_rate_waits_and_its_sending_shows_it",
        LOOPBACK,
        Rights::All,
        || {
            let collector = at_most(1_000);
            let begun = Instant::now();
            let peers = ["127.0.0.1", "::1"];
            let requests = (0..500).map(|n| patient(n, peers[n as usize % 2]));
            let seen = collector.probe(requests.collect());
            let mut last = begun;
            for end in seen.values() {
                reply(end.outcome);
                last = last.max(end.sent_at.unwrap());
            }
            // All but the burst of 10 had to be saved up for, one a millisecond.
            let spent = last - begun;
            assert!(spent >= Duration::from_millis(490), "{spent:?}");
            collector.stop_idle();
        },
    );
}

#[test]
fn stopping_does_not_wait_for_the_rate() {
    inside(
        "pace::stopping_does_not_wait_for_the_rate",
        LOOPBACK,
        Rights::All,
        || {
            let Collector {
                engine,
                completions,
            } = at_most(1);
            engine
                .submit(&mut (0..5_000).map(|n| patient(n, "127.0.0.1")).collect())
                .unwrap();
            let stats = engine.stop();
            let stopped = completions
                .iter()
                .filter(|end| end.outcome == Outcome::Local(LocalError::Stopped))
                .count() as u64;
            // At a packet a second all of them would have taken over an hour.
            assert_eq!(stats.taken, 5_000);
            assert_eq!(stopped + stats.replies, 5_000, "{stats:?}");
            assert!(stats.sent < 100, "{stats:?}");
        },
    );
}
