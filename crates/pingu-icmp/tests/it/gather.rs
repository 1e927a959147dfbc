//! Replies that come thick wake the engine less often than once each, and are
//! timed by their stamps all the same.

use std::fs;
use std::thread;
use std::time::Duration;

use pingu_icmp::{Clock, SocketKind};

use crate::batch::{Collector, patient, reply};
use crate::namespace::{Rights, SILENT, inside};
use crate::responder::{Responder, answer};

const REPLIES: u64 = 2_000;

/// How often the engine's thread went to sleep so far.
fn sleeps() -> u64 {
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap().path();
        if fs::read_to_string(task.join("comm")).unwrap().trim() != "icmp" {
            continue;
        }
        let status = fs::read_to_string(task.join("status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("voluntary_ctxt_switches"))
            .unwrap();
        return line.split_whitespace().nth(1).unwrap().parse().unwrap();
    }
    panic!("there is no thread of the engine");
}

#[test]
fn thick_replies_are_read_together_and_timed_apart() {
    inside(
        "gather::thick_replies_are_read_together_and_timed_apart",
        SILENT,
        Rights::All,
        || {
            let responder = Responder::open();
            let collector = Collector::only(SocketKind::Raw);
            collector.submit(
                (0..REPLIES)
                    .map(|token| patient(token, "127.0.0.2"))
                    .collect(),
            );
            let asked: Vec<_> = (0..REPLIES).map(|_| responder.next()).collect();
            let before = sleeps();
            for one in &asked {
                // Far enough apart for each to find the engine asleep.
                thread::sleep(Duration::from_micros(200));
                responder.send(one.peer, one.source, &[], &answer(&one.icmp, |_| ()));
            }
            let mut rtts: Vec<Duration> = (0..REPLIES)
                .map(|_| {
                    let reply = reply(collector.next().outcome);
                    assert_eq!(reply.clock, Clock::Kernel);
                    reply.rtt
                })
                .collect();
            let woken = sleeps() - before;
            assert!(woken < REPLIES / 2, "{woken} times for {REPLIES} replies");
            // Read together, and still told apart.
            rtts.sort_unstable();
            rtts.dedup();
            assert!(rtts.len() as u64 > REPLIES / 10 * 9, "{}", rtts.len());
            collector.stop_idle();
        },
    );
}
