//! When: hands out every slot of every target shortly before its time, or counts it as missed.
//!
//! One thread of its own, which waits for nothing but time: no database, no target and no reader can delay it. It knows what a
//! probe is, not what becomes of its result.

mod agenda;
mod dispatch;
mod timetable;
mod turns;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::setpriority_process;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::model::{Target, Timestamp};
use crate::probe::URGENT;

pub use dispatch::{Dispatch, Finished};
pub use timetable::Due;
use timetable::Timetable;
pub use turns::AtOnce;

/// Slots are handed out so long before their time at the most: whoever starts their probes keeps the time, and nothing that holds this
/// thread up for less makes a probe late.
const AHEAD: Duration = Duration::from_millis(40);
/// The shortest wait: what becomes due meanwhile is handed out together. A wake-up for each slot, or for those of each millisecond,
/// would cost more than all else that happens here.
const TICK: Duration = Duration::from_millis(20);
/// The longest wait, so that a clock which ran on during sleep is noticed, and [`Scheduler::is_stuck`] can tell.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// How often missed slots and a stepped wall clock are told.
const TELL_EVERY: Duration = Duration::from_secs(60);
/// A wall clock that is further off than this has stepped: it is not merely drifting.
const STEP: Duration = Duration::from_secs(5);
/// A scheduler that has not looked at its timetable for so long is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(10);

enum Command {
    Replace(Vec<Arc<Target>>),
    Stop,
}

/// The running scheduler. Dropping it stops the thread.
#[derive(Debug)]
pub struct Scheduler {
    commands: Sender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
    clock: Clock,
    last_tick: Arc<AtomicI64>,
}

impl Scheduler {
    /// Starts with no targets. `launch` starts the probes it is given, each at its slot, and must not block.
    pub fn start(
        clock: Clock,
        metrics: Arc<Metrics>,
        launch: impl FnMut(&mut Vec<Due>) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = channel();
        let last_tick = Arc::new(AtomicI64::new(clock.now().as_micros()));
        let tick = Arc::clone(&last_tick);
        let thread = std::thread::Builder::new()
            .name("scheduler".to_owned())
            .spawn(move || run(clock, &metrics, &inbox, &tick, launch))?;
        Ok(Self {
            commands,
            thread: Mutex::new(Some(thread)),
            clock,
            last_tick,
        })
    }

    /// Probes exactly these from now on.
    pub fn replace(&self, targets: Vec<Arc<Target>>) {
        // the thread ends only when it is told to: then nobody needs targets
        let _ = self.commands.send(Command::Replace(targets));
    }

    /// Whether the thread has stopped looking at its timetable: what `/livez` reports.
    pub fn is_stuck(&self) -> bool {
        let last = Timestamp::from_micros(self.last_tick.load(Ordering::Relaxed));
        self.clock.now().since(last) > STUCK_AFTER
    }

    /// Ends the thread: no slot is handed out after this returns.
    pub fn stop(&self) {
        let _ = self.commands.send(Command::Stop);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            // a panic there was reported when it happened
            let _ = thread.join();
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(
    clock: Clock,
    metrics: &Metrics,
    inbox: &Receiver<Command>,
    last_tick: &AtomicI64,
    mut launch: impl FnMut(&mut Vec<Due>),
) {
    // refused without permission; on Linux it is the thread's own
    let _ = setpriority_process(None, URGENT.into());
    let mut timetable = Timetable::default();
    let mut due = Vec::new();
    let mut troubles = Troubles::default();
    loop {
        let now = clock.now();
        troubles.tell(now, clock, metrics);
        last_tick.store(now.as_micros(), Ordering::Relaxed);
        timetable.take_due(now, AHEAD, &mut due, |kind, slots| {
            metrics.missed(kind, slots);
        });
        if !due.is_empty() {
            launch(&mut due);
            due.clear();
        }
        let wait = timetable
            .next()
            .map_or(LONGEST_WAIT, |at| {
                at.saturating_sub(AHEAD).since(clock.now())
            })
            .clamp(TICK, LONGEST_WAIT);
        match inbox.recv_timeout(wait) {
            Ok(Command::Replace(targets)) => {
                // what is nearer may have been handed out
                timetable.replace(targets, clock.now().saturating_add(AHEAD));
                metrics.targets.set(timetable.len() as i64);
            }
            Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// What an operator should know of the schedule, told once a minute at the most.
#[derive(Debug, Default)]
struct Troubles {
    next: Timestamp,
    missed: u64,
    step: Duration,
}

impl Troubles {
    fn tell(&mut self, now: Timestamp, clock: Clock, metrics: &Metrics) {
        if now < self.next {
            return;
        }
        self.next = now.saturating_add(TELL_EVERY);
        let missed = metrics.all_missed();
        if missed > self.missed {
            tracing::warn!(
                slots = missed - self.missed,
                "slots were missed: this machine slept or is overloaded, or HTTP_CONCURRENCY (TCP_, DNS_, TLS_) is too small for targets that hang"
            );
        }
        self.missed = missed;
        let step = clock.off_by();
        if step.abs_diff(self.step) > STEP {
            tracing::warn!(
                seconds = step.as_secs(),
                "the wall clock stepped; results keep the clock of the start, restart Pingu to follow the new one"
            );
            self.step = step;
        }
    }
}
