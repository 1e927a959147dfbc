//! Many at once, and from many threads: everything ends exactly once.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use pingu_icmp::{Completion, Config, LocalError, Outcome, Request, SocketKind, SubmitError};

use crate::batch::{Collector, brief, patient};
use crate::namespace::{LOOPBACK, Rights, SILENT, inside};

#[test]
fn a_hundred_thousand_under_way_at_once_end_exactly_once() {
    inside(
        "scale::a_hundred_thousand_under_way_at_once_end_exactly_once",
        SILENT,
        Rights::All,
        || {
            const SILENT_ONES: u64 = 100_000;
            const ANSWERED: u64 = 70_000;
            let collector = Collector::only(SocketKind::Raw);
            let requests = (0..SILENT_ONES).map(|n| {
                let peer = IpAddr::from(Ipv4Addr::from(0x7f01_0000 + n as u32));
                Request {
                    timeout: Duration::from_secs(20),
                    ..Request::new(n, peer)
                }
            });
            collector.submit(requests.collect());
            let stats = collector.stats_when(|stats| stats.sent == SILENT_ONES);
            assert_eq!(stats.timeouts, 0, "all of them were under way at once");

            // With every sequence number in use, others are still told apart.
            fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "0").unwrap();
            let requests = (0..ANSWERED).map(|n| patient(SILENT_ONES + n, "127.0.0.1"));
            collector.submit(requests.collect());

            let mut seen = vec![0; (SILENT_ONES + ANSWERED) as usize];
            for _ in 0..seen.len() {
                let end = collector.next();
                seen[end.token as usize] += 1;
                if end.token < SILENT_ONES {
                    assert_eq!(end.outcome, Outcome::Timeout);
                } else {
                    assert!(matches!(end.outcome, Outcome::Reply(_)), "{end:?}");
                }
            }
            assert!(seen.into_iter().all(|times| times == 1));
            let stats = collector.stop_idle();
            assert_eq!((stats.timeouts, stats.replies), (SILENT_ONES, ANSWERED));
            assert_eq!(
                (stats.taken, stats.sent),
                (SILENT_ONES + ANSWERED, SILENT_ONES + ANSWERED)
            );
        },
    );
}

#[test]
fn whatever_is_submitted_by_whomever_ends_exactly_once_also_across_a_stop() {
    inside(
        "scale::whatever_is_submitted_by_whomever_ends_exactly_once_also_across_a_stop",
        LOOPBACK,
        Rights::All,
        || {
            let config = Config {
                queue: 500,
                max_in_flight: 300,
                ..Config::default()
            };
            let Collector {
                engine,
                completions,
            } = Collector::start(config);
            let engine = Arc::new(engine);
            let submitters: Vec<_> = (0..4)
                .map(|thread| {
                    let engine = Arc::clone(&engine);
                    std::thread::spawn(move || {
                        let mut taken = 0;
                        for round in 0..200 {
                            let first = thread * 1_000_000 + round * 100;
                            let peers = ["127.0.0.1", "::1", "10.0.0.1", "0.0.0.0", "127.0.0.2"];
                            let mut batch: Vec<Request> = (first..first + 100)
                                .map(|n| brief(n, peers[n as usize % 5], n % 3))
                                .collect();
                            while let Err(error) = engine.submit(&mut batch) {
                                match error {
                                    SubmitError::Full { .. } => std::thread::yield_now(),
                                    SubmitError::Stopped { .. } => panic!("not stopped yet"),
                                }
                            }
                            taken += 100;
                        }
                        taken
                    })
                })
                .collect();
            let taken: u64 = submitters
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .sum();
            // The last of them are still queued or under way.
            let engine = Arc::into_inner(engine).expect("the submitters are gone");
            let stats = engine.stop();
            assert_eq!(stats.taken, taken);
            let mut seen: BTreeMap<u64, Completion> = BTreeMap::new();
            for end in completions {
                assert!(seen.insert(end.token, end).is_none(), "{end:?} came twice");
            }
            assert_eq!(seen.len() as u64, taken);
            let ended = stats.replies + stats.timeouts + stats.icmp_errors + stats.local_errors;
            assert_eq!(ended, taken, "{stats:?}");
            for end in seen.values() {
                let stopped = end.outcome == Outcome::Local(LocalError::Stopped);
                let as_expected = match end.token % 5 {
                    2 => matches!(end.outcome, Outcome::Local(LocalError::NoRoute(_))),
                    3 => matches!(end.outcome, Outcome::Local(LocalError::BadRequest(_))),
                    _ => matches!(end.outcome, Outcome::Reply(_) | Outcome::Timeout),
                };
                assert!(stopped || as_expected, "{end:?}");
            }
        },
    );
}
