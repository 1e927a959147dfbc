//! An engine whose completions are collected, with a generous deadline for all
//! of them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use pingu_icmp::{Completion, Config, Engine, Outcome, Reply, Request, SocketKind, Stats};

/// The machine may be busy: nothing that should come is given up before this.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Collector {
    pub engine: Engine,
    pub completions: Receiver<Completion>,
}

impl Collector {
    pub fn start(config: Config) -> Self {
        let (sender, completions) = mpsc::channel();
        let sink = move |batch: &mut Vec<Completion>| {
            for completion in batch.drain(..) {
                let _ = sender.send(completion);
            }
        };
        Self {
            engine: Engine::start(config, sink).unwrap(),
            completions,
        }
    }

    /// One kind of socket and no other.
    pub fn only(kind: SocketKind) -> Self {
        Self::start(Config {
            socket: Some(kind),
            ..Config::default()
        })
    }

    /// Submits everything, waiting for room as needed.
    pub fn submit(&self, mut requests: Vec<Request>) {
        while self.engine.submit(&mut requests).is_err() {
            std::thread::yield_now();
        }
    }

    /// The next completion.
    pub fn next(&self) -> Completion {
        self.completions
            .recv_timeout(PATIENCE)
            .expect("a completion")
    }

    /// Probes all, and returns what became of each, by token.
    pub fn probe(&self, requests: Vec<Request>) -> BTreeMap<u64, Completion> {
        let expected = requests.len();
        self.submit(requests);
        let mut seen = BTreeMap::new();
        for _ in 0..expected {
            let completion = self.next();
            let again = seen.insert(completion.token, completion);
            assert!(
                again.is_none(),
                "token {} was completed twice",
                completion.token
            );
        }
        seen
    }

    /// Probes one.
    pub fn probe_one(&self, request: Request) -> Outcome {
        self.probe(vec![request])[&request.token].outcome
    }

    /// Stops, and expects nothing to come of it any more.
    pub fn stop_idle(self) -> Stats {
        let stats = self.engine.stop();
        assert_eq!(
            self.completions.try_iter().count(),
            0,
            "a completion of nothing"
        );
        stats
    }

    /// Waits until the counters are as wished.
    pub fn stats_when(&self, wish: impl Fn(&Stats) -> bool) -> Stats {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stats = self.engine.stats();
            if wish(&stats) {
                return stats;
            }
            assert!(Instant::now() < deadline, "never came: {stats:?}");
            std::thread::yield_now();
        }
    }
}

/// A request with a timeout that nothing reaches that is going to answer.
pub fn patient(token: u64, peer: &str) -> Request {
    let peer: IpAddr = peer.parse().unwrap();
    Request {
        timeout: PATIENCE / 2,
        ..Request::new(token, peer)
    }
}

/// A request that gives up after `timeout_ms`.
pub fn brief(token: u64, peer: &str, timeout_ms: u64) -> Request {
    Request {
        timeout: Duration::from_millis(timeout_ms),
        ..patient(token, peer)
    }
}

pub fn reply(outcome: Outcome) -> Reply {
    match outcome {
        Outcome::Reply(reply) => reply,
        other => panic!("a reply was expected, not {other:?}"),
    }
}
