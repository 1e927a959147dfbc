//! Echoes and their replies: names resolved, packets sent in trains where asked for, the engine of `pingu-icmp` underneath.
//!
//! A probe is one packet or a train of them; the engine says what it saw of each ([`flights`]), and [`verdict`] and [`train`] make
//! one observation of it. Resolving is never part of the latency.

mod departures;
mod engine;
mod flights;
mod strays;
mod train;
mod verdict;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use pingu_icmp::{Request, Stats};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::resolve::{Addresses, ResolveError, Resolver};
use crate::model::{IcmpSpec, Observation};
use departures::Departures;
use engine::EngineRoom;
use flights::Flights;

/// A probe as its caller knows it; it comes back with the result.
pub trait Asked: Send + 'static {
    fn spec(&self) -> &IcmpSpec;
    /// How long each packet is waited for.
    fn timeout(&self) -> Duration;
    /// When the first packet is to be sent; a moment that has passed is at once.
    fn at(&self) -> Instant;
}

/// Takes a probe back, with the moment its first packet was sent and what came of it. Called on the engine's thread: it must not
/// block.
pub type Sink<T> = Box<dyn Fn(T, Option<Instant>, Observation) + Send + Sync>;

/// Pings hosts. Every probe that is submitted comes back through the sink exactly once.
#[derive(Debug)]
pub struct IcmpProber<T> {
    desk: Arc<Desk<T>>,
    resolver: Resolver,
    resolving: TaskTracker,
    runtime: Handle,
    /// Ends the task that sends trains.
    _gone: DropGuard,
}

/// What becomes of packets.
#[derive(Debug)]
struct Desk<T> {
    flights: Arc<Flights<T>>,
    engine: Arc<EngineRoom>,
    departures: Arc<Departures>,
}

impl<T: Asked> IcmpProber<T> {
    /// Starts the engine, which sends `max_pps` packets a second at the most. Without the permission to open sockets it starts too:
    /// its results are then unknown, and say what to do.
    pub fn start(resolver: Resolver, max_pps: Option<NonZeroU32>, sink: Sink<T>) -> Self {
        let flights = Arc::new(Flights::new(sink));
        let engine = Arc::new(EngineRoom::start(max_pps, &flights));
        let runtime = Handle::current();
        runtime.spawn(engine::watch(Arc::downgrade(&engine)));
        let desk = Arc::new(Desk {
            flights,
            engine,
            departures: Arc::default(),
        });
        let gone = CancellationToken::new();
        let trains = send_trains(Arc::clone(&desk.departures), Arc::downgrade(&desk));
        runtime.spawn(gone.clone().run_until_cancelled_owned(trains));
        Self {
            desk,
            resolver,
            resolving: TaskTracker::new(),
            runtime,
            _gone: gone.drop_guard(),
        }
    }

    /// Takes probes from any thread and returns at once. A host given by name may have to be looked up first.
    pub fn submit(&self, probes: Vec<T>) {
        let mut requests = Vec::with_capacity(probes.len());
        for probe in probes {
            let spec = probe.spec();
            if let Some(address) = spec.host.address() {
                requests.push(self.desk.admit(probe, SocketAddr::new(address, 0)));
                continue;
            }
            let resolver = self.resolver.clone();
            let (host, ip) = (spec.host.as_str().to_owned(), spec.ip);
            let deadline = tokio::time::Instant::now() + probe.timeout();
            let mut lookup =
                Box::pin(async move { resolver.resolve_stale_ok(&host, ip, deadline).await });
            // a name that is in the cache needs no task
            let guard = self.runtime.enter();
            let known = lookup.as_mut().now_or_never();
            drop(guard);
            if let Some(found) = known {
                requests.extend(self.desk.found(probe, found));
                continue;
            }
            let desk = Arc::clone(&self.desk);
            let resolve = async move {
                let found = lookup.await;
                desk.send(desk.found(probe, found).into_iter().collect());
            };
            self.resolving.spawn_on(resolve, &self.runtime);
        }
        self.desk.send(requests);
    }

    /// Asks, whenever it is called, what the engine has counted; nothing once it is gone.
    pub fn stats(&self) -> impl Fn() -> Option<Stats> + Send + Sync + 'static {
        let engine = Arc::downgrade(&self.desk.engine);
        move || engine.upgrade()?.stats()
    }

    /// Waits until no probe is under way.
    pub async fn idle(&self) {
        self.resolving.close();
        self.resolving.wait().await;
        self.desk.flights.idle().await;
    }

    /// Ends every probe that is still under way, as unknown where nothing was heard yet, then the engine.
    pub async fn stop(&self) {
        self.resolving.close();
        self.resolving.wait().await;
        self.desk.engine.stop().await;
        let text = "Pingu stopped before the probe ended";
        self.desk.flights.abandon(text);
    }
}

impl<T: Asked> Desk<T> {
    /// The first packet; those after it are planned.
    fn admit(&self, probe: T, address: SocketAddr) -> Request {
        let (request, next) = self.flights.admit(probe, address);
        if next.is_some() {
            let now = Instant::now();
            (self.departures).plan(request.at.map_or(now, |at| at.max(now)), next);
        }
        request
    }

    fn found(&self, probe: T, found: Result<Addresses, ResolveError>) -> Option<Request> {
        let observation = match found {
            Ok(addresses) => match addresses.first() {
                Some(address) => return Some(self.admit(probe, *address)),
                None => verdict::no_address(),
            },
            Err(error) => verdict::unresolved(&error),
        };
        self.flights.end(probe, observation);
        None
    }

    fn send(&self, requests: Vec<Request>) {
        self.engine.send(&self.flights, requests);
    }
}

/// Sends the further packets of trains as they become due.
async fn send_trains<T: Asked>(departures: Arc<Departures>, desk: Weak<Desk<T>>) {
    let mut due = Vec::new();
    loop {
        departures.wait().await;
        let Some(desk) = desk.upgrade() else { return };
        departures.take(Instant::now(), &mut due);
        let mut requests = Vec::with_capacity(due.len());
        for (token, from) in due.drain(..) {
            if let Some((request, next)) = desk.flights.depart(token) {
                departures.plan(from, next);
                requests.push(request);
            }
        }
        desk.send(requests);
    }
}
