//! The handle of an engine: start it, submit to it, read its counters, stop it.
//!
//! Promises: every request accepted is completed exactly once, also by
//! [`Engine::stop`] and by dropping; no call waits for the network. Leaves out:
//! the thread's work (see `worker`).

use std::io;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::afterword::Afterword;
use crate::cookie::Secret;
use crate::lane::Lane;
use crate::ledger::Ledger;
use crate::outcome::{Completion, LocalError};
use crate::queue::Queue;
use crate::request::{Family, Request};
use crate::stats::{Published, Stats};
use crate::sys;
use crate::worker::{FAMILIES, Worker};

/// What an engine is started with. `Config::default()` suits 10,000 targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Requests sent and unanswered at once, at least 1; what is above waits in
    /// the queue. About 100 bytes each, used only as far as it is needed.
    /// Default 262,144.
    pub max_in_flight: usize,
    /// Requests accepted and not yet sent, at least 1. Default 65,536.
    pub queue: usize,
    /// Bytes of `SO_RCVBUF` asked for: every reply takes about 800 of them until
    /// it is read. Above `net.core.rmem_max` only with `CAP_NET_ADMIN`.
    /// Default 16 MiB.
    pub receive_buffer: usize,
    /// Bytes of `SO_SNDBUF` asked for. Default 4 MiB.
    pub send_buffer: usize,
    /// Have the kernel stamp what is sent: more exact, and about 1 µs of CPU per
    /// probe. Default true.
    pub transmit_stamps: bool,
    /// Open only this kind of socket; `None` (default) prefers a datagram socket
    /// and falls back to a raw one.
    pub socket: Option<SocketKind>,
    /// At most this many packets a second, of both families together, whatever is
    /// asked: what is above waits in the queue, which [`Completion::sent_at`]
    /// shows. In any span of `t` seconds no more than `rate * t` packets and one
    /// burst go out; the burst is 10 ms of the rate, at least one packet. Default
    /// `None`: no limit.
    pub max_pps: Option<NonZeroU32>,
    /// How long replies may lie in the socket, where they come less than half of
    /// this apart, so that many are read at once: at most 10 ms (more is cut), 0
    /// for never. It costs no exactness, since the kernel stamped them when they came;
    /// the completion is that much later. A window of requests that is only
    /// refilled by completions gets slower by it: give 0 there. Default 1.5 ms.
    pub gather: Duration,
    /// Name of the thread; the kernel keeps 15 bytes of it. Default `icmp`.
    pub thread_name: String,
    /// The nice value that the thread asks for, -20 (goes before others) to 19
    /// (setpriority(2)). Less than that of the process needs `CAP_SYS_NICE` or
    /// `RLIMIT_NICE`; refused, the thread runs as it is. Default `None`: as the process.
    pub nice: Option<i8>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_in_flight: 1 << 18,
            queue: 1 << 16,
            receive_buffer: 16 << 20,
            send_buffer: 4 << 20,
            transmit_stamps: true,
            socket: None,
            max_pps: None,
            gather: Duration::from_micros(1_500),
            thread_name: "icmp".to_owned(),
            nice: None,
        }
    }
}

/// The two kinds of socket an echo can be sent with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SocketKind {
    /// A "ping" socket: needs a group in `net.ipv4.ping_group_range` (icmp(7)), which rules both families.
    Datagram,
    /// A raw socket: needs `CAP_NET_RAW` (raw(7)).
    Raw,
}

/// Where completions go.
///
/// Called on the engine thread with one or more completions; what is left in
/// `batch` is dropped afterwards, its capacity kept. It must not block: while it
/// runs nothing is sent or received. A panic is caught and counted
/// ([`Stats::sink_panics`]); the batch is then lost.
pub trait Sink: Send + 'static {
    /// Takes the completions out of `batch`.
    fn complete(&mut self, batch: &mut Vec<Completion>);

    /// Takes what came after completions out of `batch`: late and repeated
    /// replies. A request's completion is always given before. Closures, and sinks
    /// that do not say otherwise, drop it; [`Stats`] counts it all the same.
    fn afterwards(&mut self, batch: &mut Vec<Afterword>) {
        batch.clear();
    }
}

impl<F: FnMut(&mut Vec<Completion>) + Send + 'static> Sink for F {
    fn complete(&mut self, batch: &mut Vec<Completion>) {
        self(batch);
    }
}

/// Why an engine could not be started. Missing permission is not among the
/// reasons: such an engine starts, and completes requests with [`LocalError`].
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The eventfd of the queue could not be opened.
    #[error("opening the eventfd of the icmp engine: {0}")]
    Event(#[source] io::Error),
    /// The thread could not be started.
    #[error("starting the thread of the icmp engine: {0}")]
    Thread(#[source] io::Error),
}

/// Why not all of a batch was taken. What was not is still in the batch, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full: `left` requests were not taken; submit them later.
    #[error("the queue of the icmp engine is full: {left} requests were not taken")]
    Full {
        /// How many are still in the batch.
        left: usize,
    },
    /// The engine was stopped: nothing is taken any more.
    #[error("the icmp engine is stopped: {left} requests were not taken")]
    Stopped {
        /// How many are still in the batch.
        left: usize,
    },
}

/// An ICMP echo engine: one thread, one socket per address family.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the handle and the thread share.
#[derive(Debug)]
pub struct Shared {
    pub queue: Queue,
    pub stats: Published,
    access: Mutex<[Access; 2]>,
}

/// How a socket was opened, or why it was not.
pub type Access = Result<SocketKind, LocalError>;

impl Shared {
    /// The socket of each family as it is now, IPv4 first.
    pub fn access(&self) -> MutexGuard<'_, [Access; 2]> {
        // Nothing that holds the lock can panic.
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Opens the sockets, on the calling thread so that `CAP_NET_RAW` can be
    /// dropped when this returns, and starts the engine. A family that cannot be
    /// opened completes its requests with the reason ([`Engine::access`]), and is
    /// tried again ([`Engine::reopen`]).
    pub fn start(config: Config, sink: impl Sink) -> Result<Self, StartError> {
        let secret = Secret::default();
        let id = secret.identifier();
        let lanes = FAMILIES.map(|family| Lane::open(family, config.clone(), id));
        let queue = Queue::new(config.queue.max(1)).map_err(StartError::Event)?;
        let shared = Arc::new(Shared {
            queue,
            stats: Published::default(),
            access: Mutex::new([lanes[0].access(), lanes[1].access()]),
        });
        let ledger = Ledger::new(config.max_in_flight.clamp(1, 1 << 31), secret);
        let worker = Worker::new(Arc::clone(&shared), sink, lanes, ledger, &config);
        let thread = thread::Builder::new()
            .name(config.thread_name)
            .spawn(move || {
                if let Some(nice) = config.nice {
                    // Refused without permission: then it waits its turn.
                    drop(sys::set_nice(nice));
                }
                worker.run();
            })
            .map_err(StartError::Thread)?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Queues requests, from any thread and without waiting. What was taken is
    /// gone from the front of `batch`; what did not fit is left in it.
    pub fn submit(&self, batch: &mut Vec<Request>) -> Result<(), SubmitError> {
        self.shared.queue.submit(batch)
    }

    /// How a family's socket is open, or why it is not: as of now, since a socket
    /// that is not open is tried again ([`Engine::reopen`]).
    pub fn access(&self, family: Family) -> Result<SocketKind, LocalError> {
        self.shared.access()[usize::from(family == Family::V6)]
    }

    /// Tries at once to open every socket that is not open, as after a permission
    /// was given. Returns without waiting for it; [`Engine::access`] tells.
    ///
    /// It is never needed: the engine tries by itself, after 100 ms and then twice
    /// as long each time, up to every 10 s. A socket that was lost (shut down,
    /// closed or destroyed by somebody else) is opened again in the same way; the
    /// requests it had under way end with [`LocalError::SocketLost`]. Interfaces
    /// that go and come again need none of this, their sockets are bound to none.
    ///
    /// Sockets opened later are opened by the engine's thread with the permissions
    /// it has then: without `CAP_NET_RAW` and outside `ping_group_range` a lost
    /// socket cannot be replaced.
    pub fn reopen(&self) {
        self.shared.queue.call();
    }

    /// The counters as of the last turn of the engine.
    pub fn stats(&self) -> Stats {
        self.shared.stats.load()
    }

    /// Stops: every request still queued or under way is completed with
    /// [`LocalError::Stopped`], then the thread ends. Waits for that, which takes
    /// no longer than the sink does. Returns the final counters. Dropping does
    /// the same. Must not be called by the sink.
    pub fn stop(mut self) -> Stats {
        self.join();
        self.stats()
    }

    fn join(&mut self) {
        self.shared.queue.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by it; there is nothing to add.
            drop(thread.join());
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.join();
    }
}
