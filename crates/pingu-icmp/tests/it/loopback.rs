//! What answers on loopback, through raw and through datagram sockets.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use pingu_icmp::{
    BadRequest, Clock, Completion, Config, Engine, Family, LocalError, MAX_PAYLOAD_BYTES,
    MIN_PAYLOAD_BYTES, Outcome, Request, SocketKind, SubmitError,
};

use crate::batch::{Collector, brief, patient, reply};
use crate::namespace::{LOOPBACK, Rights, SILENT, inside};

/// Probes many addresses of both families, with every option, and checks the replies.
fn loopback_answers(kind: SocketKind) {
    let collector = Collector::only(kind);
    assert_eq!(collector.engine.access(Family::V4), Ok(kind));
    assert_eq!(collector.engine.access(Family::V6), Ok(kind));
    let before = Instant::now();
    let mut requests: Vec<Request> = (0..300)
        .map(|n| patient(n, &format!("127.{}.3.{}", n % 7, n % 200 + 1)))
        .collect();
    requests.extend((300..400).map(|n| patient(n, "::1")));
    for (index, payload) in [MIN_PAYLOAD_BYTES, 57, 1_400, 9_000, MAX_PAYLOAD_BYTES]
        .into_iter()
        .enumerate()
    {
        for (token, peer) in [(400, "127.0.0.1"), (410, "::1")] {
            requests.push(Request {
                payload_bytes: payload,
                ..patient(token + index as u64, peer)
            });
        }
    }
    for (token, peer, source) in [(420, "127.0.0.1", "127.0.0.9"), (421, "::1", "::1")] {
        requests.push(Request {
            ttl: Some(3),
            dscp: Some(46),
            source: Some(source.parse().unwrap()),
            ..patient(token, peer)
        });
    }
    requests.push(patient(422, "::ffff:127.0.0.1"));
    let asked = requests.clone();
    let seen = collector.probe(requests);
    let spent = before.elapsed();
    for request in asked {
        let completion = &seen[&request.token];
        let sent_at = completion.sent_at.expect("it was sent");
        assert!(sent_at >= before && sent_at <= Instant::now());
        let reply = reply(completion.outcome);
        assert_eq!(reply.from, request.peer.to_canonical());
        assert_eq!(reply.ttl, Some(64), "{request:?}");
        assert_eq!(reply.payload_bytes, request.payload_bytes);
        assert!(
            reply.rtt > Duration::ZERO && reply.rtt <= spent,
            "{:?}",
            reply.rtt
        );
        assert_eq!(reply.clock, Clock::Kernel, "both stamps: {request:?}");
    }
    let stats = collector.stop_idle();
    assert_eq!((stats.taken, stats.sent, stats.replies), (413, 413, 413));
    assert_eq!(
        (
            stats.forged,
            stats.malformed,
            stats.bad_checksum,
            stats.duplicate
        ),
        (0, 0, 0, 0)
    );
    assert_eq!(
        (stats.overflows, stats.system_errors, stats.monotonic),
        (0, 0, 0)
    );
}

#[test]
fn raw_sockets_are_answered_on_loopback() {
    inside(
        "loopback::raw_sockets_are_answered_on_loopback",
        LOOPBACK,
        Rights::All,
        || {
            loopback_answers(SocketKind::Raw);
        },
    );
}

#[test]
fn datagram_sockets_are_answered_on_loopback() {
    let setup = format!("{LOOPBACK}\necho '0 2147483647' > /proc/sys/net/ipv4/ping_group_range");
    inside(
        "loopback::datagram_sockets_are_answered_on_loopback",
        &setup,
        Rights::None,
        || {
            loopback_answers(SocketKind::Datagram);
        },
    );
}

#[test]
fn without_stamps_of_sending_the_kernel_still_stamps_the_reply() {
    let collector = Collector::start(Config {
        transmit_stamps: false,
        ..Config::default()
    });
    let reply = reply(collector.probe_one(patient(1, "127.0.0.1")));
    assert_eq!(reply.clock, Clock::KernelReceive);
}

#[test]
fn two_engines_side_by_side_take_each_other_for_foreign_and_nothing_worse() {
    inside(
        "loopback::two_engines_side_by_side_take_each_other_for_foreign_and_nothing_worse",
        LOOPBACK,
        Rights::All,
        || {
            let one = Collector::only(SocketKind::Raw);
            let other = Collector::only(SocketKind::Raw);
            for collector in [&one, &other] {
                let seen = collector.probe((0..100).map(|n| patient(n, "127.0.0.1")).collect());
                assert!(
                    seen.values()
                        .all(|end| matches!(end.outcome, Outcome::Reply(_)))
                );
            }
            // A reply to the other is read at the latest with the next of one's own.
            for collector in [one, other] {
                collector.probe_one(patient(7, "127.0.0.1"));
                let stats = collector.engine.stats();
                assert!(stats.foreign >= 100, "{stats:?}");
                assert_eq!((stats.forged, stats.malformed, stats.wrong_peer), (0, 0, 0));
            }
        },
    );
}

#[test]
fn a_request_is_not_sent_before_its_moment() {
    let collector = Collector::start(Config::default());
    let start = Instant::now();
    let at = |n: u64| start + Duration::from_micros(20_000 + n * 37 % 30_000);
    let later = |n: u64| Request {
        at: Some(at(n)),
        ..patient(n, "127.0.0.1")
    };
    let mut requests: Vec<Request> = (0..500).map(later).collect();
    // One without a moment, and one whose moment has passed, do not wait for them.
    requests.push(patient(500, "127.0.0.1"));
    requests.push(Request {
        at: Some(start),
        ..patient(501, "127.0.0.1")
    });
    let seen = collector.probe(requests);
    for (token, completion) in &seen {
        let sent_at = completion.sent_at.expect("it was sent");
        assert!(*token >= 500 || sent_at >= at(*token), "{token}");
        assert!(matches!(completion.outcome, Outcome::Reply(_)));
    }
    let sent = |token: u64| seen[&token].sent_at;
    assert!(sent(500) <= sent(0) && sent(501) <= sent(0));
    collector.stop_idle();
}

#[test]
fn stopping_completes_what_was_to_be_sent_later() {
    let collector = Collector::start(Config::default());
    let tomorrow = Instant::now() + Duration::from_secs(86_400);
    let requests = (0..200).map(|n| Request {
        at: Some(tomorrow),
        ..patient(n, "127.0.0.1")
    });
    collector.submit(requests.collect());
    collector.probe_one(patient(200, "127.0.0.1"));
    let stats = collector.engine.stop();
    assert_eq!((stats.sent, stats.local_errors), (1, 200));
    let ends: Vec<_> = collector.completions.try_iter().collect();
    assert_eq!(ends.len(), 200);
    assert!(
        ends.iter()
            .all(|end| end.sent_at.is_none() && end.outcome == Outcome::Local(LocalError::Stopped))
    );
}

#[test]
fn an_impossible_request_is_a_local_error_at_once() {
    let collector = Collector::start(Config::default());
    let good = patient(1, "127.0.0.1");
    let source = "::1".parse::<IpAddr>().ok();
    let cases = [
        (patient(1, "0.0.0.0"), BadRequest::Peer),
        (patient(1, "ff02::1"), BadRequest::Peer),
        (patient(1, "224.0.0.1"), BadRequest::Peer),
        (
            Request {
                payload_bytes: MIN_PAYLOAD_BYTES - 1,
                ..good
            },
            BadRequest::Payload,
        ),
        (
            Request {
                payload_bytes: MAX_PAYLOAD_BYTES + 1,
                ..good
            },
            BadRequest::Payload,
        ),
        (
            Request {
                ttl: Some(0),
                ..good
            },
            BadRequest::Ttl,
        ),
        (
            Request {
                dscp: Some(64),
                ..good
            },
            BadRequest::Dscp,
        ),
        (Request { source, ..good }, BadRequest::SourceFamily),
    ];
    for (request, expected) in cases {
        let end = collector.probe(vec![request])[&1];
        assert_eq!(
            end.outcome,
            Outcome::Local(LocalError::BadRequest(expected))
        );
        assert_eq!(end.sent_at, None);
    }
    assert!(matches!(collector.probe_one(good), Outcome::Reply(_)));
}

#[test]
fn a_silent_address_times_out_and_not_early() {
    inside(
        "loopback::a_silent_address_times_out_and_not_early",
        SILENT,
        Rights::All,
        || {
            let collector = Collector::start(Config::default());
            for peer in ["127.0.0.1", "::1"] {
                let begun = Instant::now();
                let outcome = collector.probe_one(brief(1, peer, 50));
                assert_eq!(outcome, Outcome::Timeout);
                assert!(
                    begun.elapsed() >= Duration::from_millis(50),
                    "{:?}",
                    begun.elapsed()
                );
            }
            assert_eq!(collector.stop_idle().timeouts, 2);
        },
    );
}

#[test]
fn a_full_queue_keeps_what_it_takes_and_leaves_the_rest_in_order() {
    inside(
        "loopback::a_full_queue_keeps_what_it_takes_and_leaves_the_rest_in_order",
        SILENT,
        Rights::All,
        || {
            let config = Config {
                queue: 10,
                max_in_flight: 1,
                ..Config::default()
            };
            let collector = Collector::start(config);
            let mut batch: Vec<Request> = (0..100).map(|n| brief(n, "127.0.0.1", 5)).collect();
            assert_eq!(
                collector.engine.submit(&mut batch),
                Err(SubmitError::Full { left: 90 })
            );
            assert!(batch.iter().map(|request| request.token).eq(10..100));
            collector.submit(batch);
            let order: Vec<u64> = (0..100).map(|_| collector.next().token).collect();
            assert!(order.into_iter().eq(0..100));
            assert_eq!(collector.stop_idle().timeouts, 100);
        },
    );
}

#[test]
fn stopping_completes_what_is_under_way_and_what_is_queued() {
    inside(
        "loopback::stopping_completes_what_is_under_way_and_what_is_queued",
        SILENT,
        Rights::All,
        || {
            for dropped in [false, true] {
                let collector = Collector::start(Config {
                    max_in_flight: 500,
                    ..Config::default()
                });
                collector.submit((0..1_000).map(|n| patient(n, "127.0.0.1")).collect());
                collector.stats_when(|stats| stats.sent == 500);
                let Collector {
                    engine,
                    completions,
                } = collector;
                if dropped {
                    drop(engine);
                } else {
                    let stats = engine.stop();
                    assert_eq!((stats.taken, stats.local_errors), (1_000, 1_000));
                }
                let ends: Vec<Completion> = completions.iter().collect();
                assert_eq!(ends.len(), 1_000);
                assert!(
                    ends.iter()
                        .all(|end| end.outcome == Outcome::Local(LocalError::Stopped))
                );
                assert_eq!(ends.iter().filter(|end| end.sent_at.is_some()).count(), 500);
            }
        },
    );
}

#[test]
fn a_panicking_sink_stops_nothing() {
    let (sender, ends) = std::sync::mpsc::channel();
    let sink = move |batch: &mut Vec<Completion>| {
        for end in batch.drain(..) {
            assert_ne!(end.token, 1, "the panic this test is about");
            let _ = sender.send(end);
        }
    };
    let engine = Engine::start(Config::default(), sink).unwrap();
    engine.submit(&mut vec![patient(1, "127.0.0.1")]).unwrap();
    while engine.stats().replies == 0 {
        std::thread::yield_now();
    }
    engine.submit(&mut vec![patient(2, "127.0.0.1")]).unwrap();
    assert_eq!(ends.recv().unwrap().token, 2);
    assert_eq!(engine.stop().sink_panics, 1);
}

/// Seconds of CPU the threads of this process have used that are named `name`.
fn cpu_of(name: &str) -> f64 {
    let mut nanos = 0.0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        if std::fs::read_to_string(task.join("comm")).unwrap().trim() == name {
            let schedstat = std::fs::read_to_string(task.join("schedstat")).unwrap();
            nanos += schedstat.split(' ').next().unwrap().parse::<f64>().unwrap();
        }
    }
    nanos / 1e9
}

#[test]
fn a_waiting_engine_sleeps() {
    inside(
        "loopback::a_waiting_engine_sleeps",
        SILENT,
        Rights::All,
        || {
            let config = Config {
                thread_name: "idle-engine".to_owned(),
                ..Config::default()
            };
            let collector = Collector::start(config);
            // Errors and stamps wake it too, and must not keep it awake.
            collector.probe((0..10).map(|n| patient(n, "10.0.0.1")).collect());
            collector.submit((10..20).map(|n| patient(n, "127.0.0.1")).collect());
            collector.stats_when(|stats| stats.sent == 10);
            let before = cpu_of("idle-engine");
            assert!(before > 0.0, "the thread is found");
            std::thread::sleep(Duration::from_secs(2));
            let spent = cpu_of("idle-engine") - before;
            assert!(spent < 0.2, "{spent} s of CPU while it had nothing to do");
        },
    );
}
