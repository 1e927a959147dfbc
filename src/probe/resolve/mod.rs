//! Names to addresses.
//!
//! Promises: never blocks; one query for a name however many ask for it; addresses are kept for their TTL, at least 5 s and at most
//! 300 s; names that are never answered delay no other name; a failure says whose fault it is ([`ResolveError::verdict`]). Memory and
//! descriptors have fixed ceilings.
//!
//! The wire format is hickory's; the transport is our own ([`server`]), because the library opens a socket for every query. Leaves out
//! nsswitch, mDNS, DNSSEC, encrypted transports and EDNS.

mod cache;
mod error;
mod health;
mod literal;
mod order;
mod question;
mod server;
mod system;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::Name;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

pub use cache::Addresses;
use cache::{Cache, Flight, Outcome};
pub use error::ResolveError;
use health::Health;
use question::{Found, Miss};
use system::{Files, Stamps, System};

/// Which addresses are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// Both, the better one first.
    #[default]
    Any,
    V4,
    V6,
}

/// Resolves names as this machine does. A clone shares everything.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<Shared>,
}

struct Shared {
    cache: Mutex<Cache>,
    heard: Heard,
    /// Lookups whose first query has just left: paces a burst, so that a small name server is not flooded.
    young: Semaphore,
    flights: Arc<Semaphore>,
    system: Mutex<Configured>,
    last_canary: Mutex<Option<Instant>>,
}

/// What lookups go by, and when that was last compared with the files.
struct Configured {
    files: Option<(Files, Stamps)>,
    compared: Instant,
    system: Arc<System>,
}

/// The state of all name servers together.
#[derive(Default)]
struct Heard(Mutex<Health>);

/// Names that are remembered: twice what one poller is built for.
const NAMES: usize = 200_000;
/// Lookups under way, those waiting for their turn included.
const FLIGHTS: usize = 20_000;
const YOUNG: usize = 1_024;
/// How long a lookup counts as young, and when its silence becomes worth a [`question::canary`].
const YOUTH: Duration = Duration::from_millis(250);
const MIN_TTL: Duration = Duration::from_secs(5);
const MAX_TTL: Duration = Duration::from_secs(300);
/// How long "there is no such name" is believed.
const NEGATIVE_TTL: Duration = Duration::from_secs(5);
/// How long any other failure is, so that a short interval does not become a storm of queries.
const FAILURE_TTL: Duration = Duration::from_secs(1);
/// How often the files are looked at.
const COMPARE_EVERY: Duration = Duration::from_secs(5);
const CANARY_EVERY: Duration = Duration::from_secs(1);

impl Resolver {
    /// By `/etc/resolv.conf` and `/etc/hosts`, followed as they change.
    pub fn new() -> Self {
        let files = Files::of_this_machine();
        let stamps = files.stamps();
        let system = files.read();
        Self::of(system, Some((files, stamps)))
    }

    /// By these name servers alone.
    pub fn with_servers(servers: &[SocketAddr]) -> Self {
        Self::of(System::of_servers(servers), None)
    }

    fn of(system: System, files: Option<(Files, Stamps)>) -> Self {
        let configured = Configured {
            files,
            compared: Instant::now(),
            system: Arc::new(system),
        };
        Self {
            shared: Arc::new(Shared {
                cache: Mutex::new(Cache::new(NAMES)),
                heard: Heard::default(),
                young: Semaphore::new(YOUNG),
                flights: Arc::new(Semaphore::new(FLIGHTS)),
                system: Mutex::new(configured),
                last_canary: Mutex::new(None),
            }),
        }
    }

    /// The addresses of `host` by `deadline`, best first, each with port 0.
    ///
    /// `host` may be a name or an address, also in brackets or with a scope. An address of the other family is not found.
    pub async fn resolve(
        &self,
        host: &str,
        family: Family,
        deadline: tokio::time::Instant,
    ) -> Result<Addresses, ResolveError> {
        self.find(host, family, deadline, false).await
    }

    /// Like [`Self::resolve`], but an address that was known once is given at once, however old (up to a day), and looked up anew
    /// behind the caller's back: a hiccup of the name servers is no fault of a target whose latency has nothing to do with them.
    pub async fn resolve_stale_ok(
        &self,
        host: &str,
        family: Family,
        deadline: tokio::time::Instant,
    ) -> Result<Addresses, ResolveError> {
        self.find(host, family, deadline, true).await
    }

    async fn find(
        &self,
        host: &str,
        family: Family,
        deadline: tokio::time::Instant,
        stale_ok: bool,
    ) -> Result<Addresses, ResolveError> {
        if let Some(address) = literal::parse(host) {
            let address = address?;
            return if family.includes(address.ip()) {
                Ok([address].into())
            } else {
                Err(ResolveError::not_found(host, "wrong address family"))
            };
        }
        let name = host.to_ascii_lowercase();
        let mut flight = {
            let now = Instant::now();
            let mut cache = self.shared.cache();
            let slot = cache.slot(&name, family, now);
            if stale_ok && let Some(addresses) = slot.stale(now) {
                // without room for another lookup the old address serves on
                if slot.fresh(now).is_none()
                    && slot.flight().is_none()
                    && let Ok(flight) = self.shared.depart(name, family)
                {
                    slot.depart(flight);
                }
                return Ok(addresses);
            }
            if let Some(known) = slot.fresh(now) {
                return known;
            }
            if let Some(flight) = slot.flight() {
                flight
            } else {
                let flight = self.shared.depart(name, family)?;
                slot.depart(flight.clone());
                flight
            }
        };
        let landed = flight.outcome.wait_for(Option::is_some);
        match tokio::time::timeout_at(deadline, landed).await {
            Ok(Ok(outcome)) => outcome
                .clone()
                .unwrap_or_else(|| Err(ResolveError::local(host, "the lookup ended early"))),
            Ok(Err(_)) => Err(ResolveError::local(host, "the lookup ended early")),
            Err(_) => Err(self.shared.in_vain(host, flight.asked.get().copied())),
        }
    }
}

impl Shared {
    /// Begins a lookup that goes on even if nobody waits for it any more.
    fn depart(self: &Arc<Self>, name: String, family: Family) -> Result<Flight, ResolveError> {
        let permit = self
            .flights
            .clone()
            .try_acquire_owned()
            .map_err(|_| ResolveError::local(&name, "too many lookups are waiting"))?;
        let asked = Arc::new(OnceLock::new());
        let (sender, outcome) = watch::channel(None);
        let flight = Flight {
            asked: asked.clone(),
            outcome,
        };
        let shared = self.clone();
        tokio::spawn(async move {
            let (outcome, kept) = shared.look_up(&name, family, &asked).await;
            shared
                .cache()
                .land(&name, family, &outcome, kept, Instant::now());
            sender.send_replace(Some(outcome));
            drop(permit);
        });
        Ok(flight)
    }

    /// The outcome of a lookup and how long to believe it.
    async fn look_up(
        self: &Arc<Self>,
        host: &str,
        family: Family,
        asked: &OnceLock<Instant>,
    ) -> (Outcome, Duration) {
        let Ok(name) = Name::from_str_relaxed(host) else {
            let failure = ResolveError::not_found(host, "not a valid name");
            return (Err(failure), NEGATIVE_TTL);
        };
        let young = self.young.acquire().await;
        let began = *asked.get_or_init(Instant::now);
        let system = self.system(began);
        let answered = {
            let lookup = question::look_up(&system, &self.heard, &name, family);
            tokio::pin!(lookup);
            let soon = timeout(YOUTH, &mut lookup).await;
            drop(young);
            if let Ok(answered) = soon {
                answered
            } else {
                self.canary_if_silent(&system, began);
                let late = timeout(question::LIMIT.saturating_sub(YOUTH), lookup).await;
                late.unwrap_or(Err(Miss::Silent))
            }
        };
        match answered {
            Ok(Found { addresses, ttl }) => {
                let mut addresses: Vec<SocketAddr> =
                    addresses.into_iter().map(|ip| (ip, 0).into()).collect();
                order::sort(&mut addresses);
                (Ok(addresses.into()), ttl.clamp(MIN_TTL, MAX_TTL))
            }
            Err(miss) => self.missed(host, miss, &system, began),
        }
    }

    fn missed(
        &self,
        host: &str,
        miss: Miss,
        system: &System,
        began: Instant,
    ) -> (Outcome, Duration) {
        match miss {
            Miss::NoSuchName => (Err(ResolveError::not_found(host, "NXDOMAIN")), NEGATIVE_TTL),
            Miss::NoRecords => (
                Err(ResolveError::not_found(host, "no records")),
                NEGATIVE_TTL,
            ),
            Miss::Refused(code) => {
                let failure = ResolveError::ServerFailure {
                    name: host.into(),
                    code: question::code_name(code).into(),
                };
                (Err(failure), FAILURE_TTL)
            }
            Miss::Unreachable(error) => {
                let servers = format!("{}: {error}", system.listed());
                let failure = ResolveError::Unreachable {
                    name: host.into(),
                    servers: servers.into(),
                };
                (Err(failure), FAILURE_TTL)
            }
            Miss::Silent => (Err(self.in_vain(host, Some(began))), FAILURE_TTL),
        }
    }

    /// Why nothing is known of `host` yet, although the time is up.
    fn in_vain(&self, host: &str, asked: Option<Instant>) -> ResolveError {
        let now = Instant::now();
        match asked {
            None => ResolveError::local(host, "too many lookups are waiting"),
            Some(asked) if self.heard.health().is_silent(asked, now) => ResolveError::Unreachable {
                name: host.into(),
                servers: self.system(now).listed().into(),
            },
            Some(_) => ResolveError::Timeout { name: host.into() },
        }
    }

    /// Finds out whether the servers are there while a lookup waits, at most once in [`CANARY_EVERY`].
    fn canary_if_silent(self: &Arc<Self>, system: &Arc<System>, began: Instant) {
        if self.heard.health().heard_since(began) {
            return;
        }
        let mut last = self
            .last_canary
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < CANARY_EVERY) {
            return;
        }
        *last = Some(Instant::now());
        let (shared, system) = (self.clone(), system.clone());
        tokio::spawn(async move { question::canary(&system, &shared.heard).await });
    }

    fn system(&self, now: Instant) -> Arc<System> {
        let mut configured = self.system.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now.saturating_duration_since(configured.compared) >= COMPARE_EVERY;
        if due && let Some((files, stamps)) = &configured.files {
            let (files, found) = (files.clone(), files.stamps());
            if found != *stamps {
                configured.system = Arc::new(files.read());
                configured.files = Some((files, found));
            }
            configured.compared = now;
        }
        configured.system.clone()
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    fn now(&self, now: Instant) {
        self.health().answered(now);
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Family {
    pub const fn includes(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

impl Default for Resolver {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}
