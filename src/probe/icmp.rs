//! One echo and its reply: names resolved, faults told apart, the engine of `pingu-icmp` underneath.
//!
//! The engine says what it saw; here it becomes a verdict. Silence and a router's word are the target's, every fault of this host
//! is `unknown`: no permission, no buffer, no route of our own never count against a target. Resolving is never part of the latency.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use pingu_icmp::{
    Completion, Config, Engine, Family as Socket, IcmpError, IcmpErrorKind, LocalError, Outcome,
    Request,
};
use slab::Slab;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::resolve::{Addresses, Family, ResolveError, Resolver};
use crate::model::{IcmpSpec, Measurement, Observation, Reason};

/// How often to look whether sockets may be opened that could not be.
const REOPEN_EVERY: Duration = Duration::from_secs(10);

/// What to send, and what its result is handed over with.
#[derive(Debug)]
pub struct EchoJob<T> {
    pub spec: IcmpSpec,
    pub timeout: Duration,
    pub context: T,
}

/// Takes the context of a job back, with the moment its packet was sent and what came of it. Called on the engine's thread: it
/// must not block.
pub type Sink<T> = Box<dyn Fn(T, Option<Instant>, Observation) + Send + Sync>;

/// Pings hosts. Every job that is submitted comes back through the sink exactly once.
#[derive(Debug)]
pub struct IcmpProber<T> {
    engine: SharedEngine,
    shared: Arc<Shared<T>>,
    resolver: Resolver,
    resolving: TaskTracker,
    runtime: Handle,
}

/// The engine, or why there is none.
type SharedEngine = Arc<RwLock<Result<Engine, String>>>;

struct Shared<T> {
    pending: Mutex<Slab<Pending<T>>>,
    empty: Notify,
    sink: Sink<T>,
}

/// A job that the engine has.
struct Pending<T> {
    context: T,
    address: IpAddr,
    timeout: Duration,
}

impl<T: Send + 'static> IcmpProber<T> {
    /// Starts the engine. Without the permission to open sockets it starts too: its results are then unknown, and say what to do.
    pub fn start(resolver: Resolver, sink: Sink<T>) -> Self {
        let shared = Arc::new(Shared {
            pending: Mutex::new(Slab::new()),
            empty: Notify::new(),
            sink,
        });
        let engine = Arc::new(RwLock::new(start_engine(&shared)));
        let runtime = Handle::current();
        runtime.spawn(reopen(Arc::downgrade(&engine), Arc::downgrade(&shared)));
        Self {
            engine,
            shared,
            resolver,
            resolving: TaskTracker::new(),
            runtime,
        }
    }

    /// Takes jobs from any thread and returns at once. A host given by name may have to be looked up first.
    pub fn submit(&self, jobs: Vec<EchoJob<T>>) {
        let mut requests = Vec::with_capacity(jobs.len());
        for job in jobs {
            if let Ok(address) = job.spec.host.parse::<IpAddr>() {
                requests.push(self.shared.admit(job, SocketAddr::new(address, 0)));
                continue;
            }
            let resolver = self.resolver.clone();
            let host = job.spec.host.clone();
            let deadline = tokio::time::Instant::now() + job.timeout;
            let mut lookup = Box::pin(async move {
                resolver
                    .resolve_stale_ok(&host, Family::Any, deadline)
                    .await
            });
            // a name that is in the cache needs no task
            let guard = self.runtime.enter();
            let known = lookup.as_mut().now_or_never();
            drop(guard);
            match known {
                Some(Ok(addresses)) => match addresses.first() {
                    Some(address) => requests.push(self.shared.admit(job, *address)),
                    None => self.shared.refuse(job, no_address()),
                },
                Some(Err(error)) => self.shared.refuse(job, unresolved(&error)),
                None => self.submit_later(job, lookup),
            }
        }
        send(&self.engine, &self.shared, requests);
    }

    fn submit_later(
        &self,
        job: EchoJob<T>,
        lookup: impl Future<Output = Result<Addresses, ResolveError>> + Send + 'static,
    ) {
        let shared = Arc::clone(&self.shared);
        let engine = Arc::clone(&self.engine);
        let resolve = async move {
            match lookup.await {
                Ok(addresses) => match addresses.first() {
                    Some(address) => {
                        let request = shared.admit(job, *address);
                        send(&engine, &shared, vec![request]);
                    }
                    None => shared.refuse(job, no_address()),
                },
                Err(error) => shared.refuse(job, unresolved(&error)),
            }
        };
        self.resolving.spawn_on(resolve, &self.runtime);
    }

    /// Waits until no job is under way.
    pub async fn idle(&self) {
        self.resolving.close();
        self.resolving.wait().await;
        loop {
            let notified = self.shared.empty.notified();
            if self.shared.pending().is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// Ends every job that is still under way as unknown, then the engine.
    pub async fn stop(&self) {
        self.resolving.close();
        self.resolving.wait().await;
        let ended = Err("Pingu stopped before the packet was sent".to_owned());
        let engine = std::mem::replace(
            &mut *self.engine.write().unwrap_or_else(PoisonError::into_inner),
            ended,
        );
        // joining a thread blocks; a panic there was reported when it happened
        let _ = tokio::task::spawn_blocking(move || engine.map(Engine::stop)).await;
    }
}

fn start_engine<T: Send + 'static>(shared: &Arc<Shared<T>>) -> Result<Engine, String> {
    let completed = Arc::clone(shared);
    let engine = Engine::start(Config::default(), move |batch: &mut Vec<Completion>| {
        for completion in batch.drain(..) {
            completed.complete(completion);
        }
    });
    engine.map_err(|error| format!("the ICMP engine could not start: {error}"))
}

/// Tries again and again to open sockets that could not be opened: a permission may be given while Pingu runs.
async fn reopen<T: Send + 'static>(
    engine: Weak<RwLock<Result<Engine, String>>>,
    shared: Weak<Shared<T>>,
) {
    loop {
        // holding nothing meanwhile: whoever waits for the last result must not wait for this
        tokio::time::sleep(REOPEN_EVERY).await;
        let (Some(engine), Some(shared)) = (engine.upgrade(), shared.upgrade()) else {
            return;
        };
        let before = open_families(&engine.read().unwrap_or_else(PoisonError::into_inner));
        if before == FAMILIES.len() {
            return;
        }
        let again = start_engine(&shared);
        if open_families(&again) > before {
            let last = {
                let mut current = engine.write().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut *current, again)
            };
            tracing::info!("ICMP sockets are open now");
            // joining a thread blocks; what it still has ends as unknown
            let _ = tokio::task::spawn_blocking(move || last.map(Engine::stop)).await;
        }
    }
}

const FAMILIES: [Socket; 2] = [Socket::V4, Socket::V6];

/// How many families need no further attempt: their socket is open, or this machine does not have them.
fn open_families(engine: &Result<Engine, String>) -> usize {
    let Ok(engine) = engine else {
        return 0;
    };
    let settled = |family: &Socket| {
        matches!(
            engine.access(*family),
            Ok(_) | Err(LocalError::NoFamily { .. })
        )
    };
    FAMILIES.iter().filter(|family| settled(family)).count()
}

/// Hands requests to the engine; what it does not take comes back as unknown.
fn send<T>(engine: &SharedEngine, shared: &Shared<T>, mut requests: Vec<Request>) {
    if requests.is_empty() {
        return;
    }
    let refused = match &*engine.read().unwrap_or_else(PoisonError::into_inner) {
        Ok(engine) => engine
            .submit(&mut requests)
            .err()
            .map(|error| error.to_string()),
        Err(error) => Some(error.clone()),
    };
    let Some(text) = refused else { return };
    for request in requests {
        if let Some(pending) = shared.take(request.token) {
            let measurement = pending.measurement(None);
            let observation = Observation::unknown(Reason::Local, &text, measurement);
            (shared.sink)(pending.context, None, observation);
        }
    }
}

impl<T> Shared<T> {
    fn pending(&self) -> MutexGuard<'_, Slab<Pending<T>>> {
        // nothing that holds the lock can panic halfway
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, job: EchoJob<T>, address: SocketAddr) -> Request {
        let token = self.pending().insert(Pending {
            context: job.context,
            address: address.ip(),
            timeout: job.timeout,
        });
        Request {
            timeout: job.timeout,
            scope: match address {
                SocketAddr::V4(_) => 0,
                SocketAddr::V6(address) => address.scope_id(),
            },
            ..Request::new(token as u64, address.ip())
        }
    }

    fn take(&self, token: u64) -> Option<Pending<T>> {
        let mut pending = self.pending();
        let taken = pending.try_remove(token as usize);
        if pending.is_empty() {
            self.empty.notify_waiters();
        }
        taken
    }

    fn refuse(&self, job: EchoJob<T>, observation: Observation) {
        (self.sink)(job.context, None, observation);
    }

    fn complete(&self, completion: Completion) {
        if let Some(pending) = self.take(completion.token) {
            let observation = pending.observe(completion.outcome);
            (self.sink)(pending.context, completion.sent_at, observation);
        }
    }
}

impl<T> std::fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<T> Pending<T> {
    fn measurement(&self, latency: Option<Duration>) -> Measurement {
        Measurement {
            latency,
            resolved_ip: Some(self.address),
            ..Measurement::default()
        }
    }

    /// Whose fault was it?
    fn observe(&self, outcome: Outcome) -> Observation {
        match outcome {
            Outcome::Reply(reply) => Observation::up(self.measurement(Some(reply.rtt))),
            Outcome::Timeout => {
                let text = format!("no reply within {} ms", self.timeout.as_millis());
                Observation::down(Reason::Timeout, text, self.measurement(None))
            }
            Outcome::IcmpError(error) => Observation::down(
                Reason::Unreachable,
                self.told(&error),
                self.measurement(None),
            ),
            Outcome::Local(error) => {
                Observation::unknown(Reason::Local, advice(&error), self.measurement(None))
            }
        }
    }

    fn told(&self, error: &IcmpError) -> String {
        let by = if error.from == self.address {
            "the target itself".to_owned()
        } else {
            error.from.to_string()
        };
        let (kind, code) = (error.icmp_type, error.code);
        let what = meaning(error.kind);
        format!("{what}, says {by} (ICMP type {kind}, code {code})")
    }
}

const fn meaning(kind: IcmpErrorKind) -> &'static str {
    match kind {
        IcmpErrorKind::NetworkUnreachable => "network unreachable",
        IcmpErrorKind::HostUnreachable => "host unreachable",
        IcmpErrorKind::ProtocolUnreachable => "protocol unreachable",
        IcmpErrorKind::PortUnreachable => "port unreachable",
        IcmpErrorKind::PacketTooBig => "packet too big for the path",
        IcmpErrorKind::Prohibited => "administratively prohibited",
        IcmpErrorKind::TtlExceeded => "time to live exceeded on the way",
        IcmpErrorKind::ReassemblyExceeded => "fragments did not arrive in time",
        IcmpErrorKind::ParameterProblem => "a router could not read the header",
        IcmpErrorKind::Other => "not delivered",
    }
}

/// The error, and what its reader can do about it where that is known.
fn advice(error: &LocalError) -> String {
    match error {
        LocalError::NoPermission { .. } => {
            "no permission to open an ICMP socket; run as root: sysctl -w net.ipv4.ping_group_range=\"0 2147483647\" \
             (Pingu notices within 10 s)"
                .to_owned()
        }
        other => other.to_string(),
    }
}

fn unresolved(error: &ResolveError) -> Observation {
    Observation {
        verdict: error.verdict(),
        measurement: Measurement::default(),
    }
}

fn no_address() -> Observation {
    let text = "the name has no address";
    Observation::down(Reason::Dns, text, Measurement::default())
}
