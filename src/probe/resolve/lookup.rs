//! Lookups under way: begun once for all who ask, paced, and judged when they end.
//!
//! A lookup is a task of its own that goes on if nobody waits for it any more, so its answer is there for the next who asks. Its end
//! is bounded by [`question::LIMIT`] after its turn has come.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hickory_resolver::proto::rr::Name;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep_until, timeout};

use super::cache::{Cache, Flight, Outcome};
use super::health::Heard;
use super::question::{self, Found, Miss};
use super::system::{Configured, System};
use super::{ResolveError, order, words};
use crate::model::Family;

/// Names that are remembered: twice what one poller is built for.
const NAMES: usize = 200_000;
/// Lookups under way, those waiting for their turn included.
const FLIGHTS: usize = 20_000;
/// Lookups whose first query has just left: a burst of more than this waits, so that a small name server is not flooded.
const YOUNG: usize = 1_024;
/// How long a lookup counts as young, and when its silence becomes worth a [`question::canary`].
const YOUTH: Duration = Duration::from_millis(250);
const MIN_TTL: Duration = Duration::from_secs(5);
const MAX_TTL: Duration = Duration::from_secs(300);
/// How long "there is no such name" is believed.
const NEGATIVE_TTL: Duration = Duration::from_secs(5);
/// How long any other failure is, so that a short interval does not become a storm of queries.
const FAILURE_TTL: Duration = Duration::from_secs(1);
/// Well under the second after which silence is judged.
const CANARY_EVERY: Duration = Duration::from_millis(250);

/// Everything that the clones of a resolver share.
pub(super) struct Lookups {
    cache: Mutex<Cache>,
    heard: Heard,
    young: Semaphore,
    flights: Arc<Semaphore>,
    configured: Configured,
    /// When the last [`question::canary`] began; held while one is under way.
    canary: tokio::sync::Mutex<Option<Instant>>,
}

impl Lookups {
    pub(super) fn new(configured: Configured) -> Self {
        Self {
            cache: Mutex::new(Cache::new(NAMES)),
            heard: Heard::default(),
            young: Semaphore::new(YOUNG),
            flights: Arc::new(Semaphore::new(FLIGHTS)),
            configured,
            canary: tokio::sync::Mutex::new(None),
        }
    }

    pub(super) fn servers(&self) -> Vec<SocketAddr> {
        let system = self.configured.system(Instant::now());
        system.servers.iter().map(|it| it.address()).collect()
    }

    /// Begins a lookup that goes on even if nobody waits for it any more.
    pub(super) fn depart(
        self: &Arc<Self>,
        name: String,
        family: Family,
    ) -> Result<Flight, ResolveError> {
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
        let lookups = self.clone();
        tokio::spawn(async move {
            let (outcome, kept) = lookups.look_up(&name, family, &asked).await;
            lookups
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
        let system = self.configured.system(began);
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
            Err(miss) => {
                if matches!(miss, Miss::Refused(_)) && !self.heard.health().concluded_around(began)
                {
                    self.canary(&system, began).await;
                }
                self.missed(host, miss, &system, began)
            }
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
            Miss::Refused(code) if !self.heard.health().concluded_around(began) => {
                let code = question::code_name(code);
                let servers = format!("{}: {code} for everything", system.listed());
                let failure = ResolveError::Unusable {
                    name: host.into(),
                    servers: servers.into(),
                };
                (Err(failure), FAILURE_TTL)
            }
            Miss::Refused(code) => {
                let failure = ResolveError::ServerFailure {
                    name: host.into(),
                    code: question::code_name(code).into(),
                };
                (Err(failure), FAILURE_TTL)
            }
            Miss::Unreachable(error) => {
                let servers = format!("{}: {}", system.listed(), words(&error));
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
    pub(super) fn in_vain(&self, host: &str, asked: Option<Instant>) -> ResolveError {
        let now = Instant::now();
        match asked {
            None => ResolveError::local(host, "too many lookups are waiting"),
            Some(asked) if self.heard.health().is_silent(asked, now) => ResolveError::Unreachable {
                name: host.into(),
                servers: self.configured.system(now).listed().into(),
            },
            Some(_) => ResolveError::Timeout { name: host.into() },
        }
    }

    /// Finds out behind the lookup's back whether the servers are there, unless something was heard from them.
    fn canary_if_silent(self: &Arc<Self>, system: &Arc<System>, began: Instant) {
        if self.heard.health().replied_since(began) || self.canary.try_lock().is_err() {
            return;
        }
        let (lookups, system) = (self.clone(), system.clone());
        tokio::spawn(async move { lookups.canary(&system, began).await });
    }

    /// Sees to it that a canary was sent since `began` and waits for what comes of it. All who wait share one.
    async fn canary(&self, system: &System, began: Instant) {
        let mut last = self.canary.lock().await;
        if last.is_some_and(|last| last >= began) {
            return;
        }
        if let Some(last) = *last {
            sleep_until((last + CANARY_EVERY).into()).await;
        }
        *last = Some(Instant::now());
        question::canary(system, &self.heard).await;
    }

    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
