//! From a slot that is due to a result: starts the right probe, within the limits, and says when it ends.
//!
//! Every slot that comes in leaves as exactly one result or as one missed slot. A probe that waits for its turn waits in lag, not
//! in latency, and not beyond the next slot of its target. Slots come before their time, and wait for it here. Nothing blocks the
//! scheduler.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Due;
use super::turns::{AtOnce, Limits};
use crate::clock::Clock;
use crate::metrics::{Dropped, Metrics};
use crate::model::{IcmpSpec, Measurement, Observation, ProbeResult, ProbeSpec, Reason, Target};
use crate::probe::Clients;
use crate::probe::icmp::{Asked, IcmpProber, Sink};
use crate::probe::threads::Threads;

/// Probes over connections whose slots are no further apart than this start together, which their lag shows. Wake-ups are dear: at a
/// thousand a second groups of 4 ms on one thread took 105 µs a probe, each for itself on two threads 160.
const TOGETHER: Duration = Duration::from_millis(8);
/// How long probes that are under way may go on once Pingu stops.
const LAST_PROBES: Duration = Duration::from_secs(5);

/// A result and the target it is of.
#[derive(Debug)]
pub struct Finished {
    pub target: Arc<Target>,
    pub result: ProbeResult,
}

/// Starts probes and hands their results over.
#[derive(Debug)]
pub struct Dispatch {
    threads: Threads,
    clients: Clients,
    icmp: IcmpProber<Started>,
    limits: Limits,
    tasks: TaskTracker,
    /// Fires when probes must end.
    ended: CancellationToken,
    desk: Arc<Desk>,
}

/// Where results are handed over.
#[derive(Debug)]
struct Desk {
    clock: Clock,
    metrics: Arc<Metrics>,
    results: mpsc::Sender<Finished>,
}

/// Probes that start at the last of their slots.
#[derive(Debug)]
struct Group {
    first: Instant,
    last: Instant,
    dues: Vec<Due>,
}

/// A probe that is under way.
#[derive(Debug)]
pub struct Started {
    due: Due,
    /// The slot.
    at: Instant,
    /// How long after its slot it was handed out.
    late: Duration,
}

impl Asked for Started {
    fn spec(&self) -> &IcmpSpec {
        match &self.due.target.spec.probe {
            ProbeSpec::Icmp(spec) => spec,
            other => unreachable!("launch gives the prober echoes alone, not {}", other.kind()),
        }
    }

    fn timeout(&self) -> Duration {
        self.due.target.spec.timeout
    }

    fn at(&self) -> Instant {
        self.at
    }
}

impl Dispatch {
    /// Probes over connections run on `threads`, as many at the same time as `at_once` says for their type. Results go to `results`.
    pub fn new(
        clock: Clock,
        metrics: Arc<Metrics>,
        threads: Threads,
        clients: Clients,
        at_once: AtOnce,
        results: mpsc::Sender<Finished>,
        icmp: impl FnOnce(Sink<Started>) -> IcmpProber<Started>,
    ) -> Self {
        let desk = Arc::new(Desk {
            clock,
            metrics,
            results,
        });
        let echoes = Arc::clone(&desk);
        Self {
            threads,
            clients,
            icmp: icmp(Box::new(move |started, sent, observation| {
                let lag = sent.map_or(started.late, |sent| {
                    sent.saturating_duration_since(started.at)
                });
                echoes.hand_over(started.due, lag, observation);
            })),
            limits: Limits::new(at_once),
            tasks: TaskTracker::new(),
            ended: CancellationToken::new(),
            desk,
        }
    }

    /// Starts every probe of the batch. Called by the scheduler's thread.
    pub fn launch(self: &Arc<Self>, batch: &mut Vec<Due>) {
        let mut echoes = Vec::with_capacity(batch.len());
        let mut groups: Vec<Group> = Vec::new();
        let (now, moment) = (Instant::now(), self.desk.clock.moments());
        self.desk.metrics.under_way.inc_by(batch.len() as i64);
        for due in batch.drain(..) {
            let at = moment(due.slot);
            match &due.target.spec.probe {
                ProbeSpec::Icmp(_) => {
                    let late = now.saturating_duration_since(at);
                    echoes.push(Started { due, at, late });
                }
                ProbeSpec::Http(_) | ProbeSpec::Tcp(_) | ProbeSpec::Dns(_) | ProbeSpec::Tls(_) => {
                    match groups.last_mut() {
                        Some(group) if group.is_near(at) => group.join(due, at),
                        _ => groups.push(Group {
                            first: at,
                            last: at,
                            dues: vec![due],
                        }),
                    }
                }
            }
        }
        for group in groups {
            let start = Arc::clone(self).start(group);
            self.tasks.spawn_on(start, self.threads.handle());
        }
        if !echoes.is_empty() {
            self.icmp.submit(echoes);
        }
    }

    async fn start(self: Arc<Self>, group: Group) {
        tokio::time::sleep_until(group.last.into()).await;
        for due in group.dues {
            let dispatch = Arc::clone(&self);
            self.tasks.spawn(async move { dispatch.ask(due).await });
        }
    }

    /// Waits for the probes that are under way, five seconds at the most. What has not ended then ends as unknown.
    pub async fn finish(&self) {
        self.tasks.close();
        let finished = async {
            tokio::join!(self.tasks.wait(), self.icmp.idle());
        };
        if tokio::time::timeout(LAST_PROBES, finished).await.is_err() {
            self.ended.cancel();
        }
        self.icmp.stop().await;
        self.tasks.wait().await;
    }

    /// One probe over a connection of its own, whatever its type.
    async fn ask(&self, due: Due) {
        let spec = &due.target.spec.probe;
        let left = due.expires.since(self.desk.clock.now());
        let turn = tokio::select! {
            turn = self.limits.of(spec.kind()).take(due.target.id, left) => turn,
            () = self.ended.cancelled() => None,
        };
        let Some(_turn) = turn else {
            self.desk.metrics.under_way.dec();
            return self.desk.metrics.missed(spec.kind(), 1);
        };
        let lag = self.desk.clock.now().since(due.slot);
        let observation = tokio::select! {
            observation = self.measure(spec, due.target.spec.timeout) => observation,
            () = self.ended.cancelled() => Observation::unknown(
                Reason::Local,
                "Pingu stopped before an answer came",
                Measurement::default(),
            ),
        };
        self.desk.hand_over(due, lag, observation);
    }

    /// A fault of ours in one probe must not take anything else down.
    async fn measure(&self, spec: &ProbeSpec, timeout: Duration) -> Observation {
        let probe = AssertUnwindSafe(self.clients.probe(spec, timeout));
        probe.catch_unwind().await.unwrap_or_else(|_| {
            self.desk.metrics.panics.inc();
            let text = "a fault in Pingu ended the probe; the log has the details";
            Observation::unknown(Reason::Local, text, Measurement::default())
        })
    }
}

impl Group {
    fn is_near(&self, at: Instant) -> bool {
        at.saturating_duration_since(self.first) <= TOGETHER
    }

    fn join(&mut self, due: Due, at: Instant) {
        self.last = self.last.max(at);
        self.dues.push(due);
    }
}

impl Desk {
    fn hand_over(&self, due: Due, lag: Duration, observation: Observation) {
        let target = due.target;
        let slow_after = target.spec.slow_after;
        let result = ProbeResult::new(target.id, due.slot, lag, slow_after, observation);
        self.metrics.produced(&result);
        self.metrics.under_way.dec();
        // waiting here would delay other probes: with a full queue the result is given up, and counted
        if self.results.try_send(Finished { target, result }).is_err() {
            self.metrics.dropped(Dropped::QueueFull, 1);
        }
    }
}
