//! Names to addresses.
//!
//! Promises: never blocks; one query for a name however many ask for it; addresses are kept for their TTL, at least 5 s and at most
//! 300 s; names that are never answered delay no other name; a failure says whose fault it is ([`ResolveError::verdict`]). Memory and
//! descriptors have fixed ceilings.
//!
//! The wire format is hickory's; the transport is our own ([`server`]), because the library opens a socket for every query. Leaves out
//! nsswitch, mDNS, DNSSEC, encrypted transports and EDNS.

mod cache;
mod choice;
mod error;
mod health;
mod literal;
mod lookup;
mod order;
mod question;
mod server;
mod system;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

pub use cache::Addresses;
pub use choice::Resolvers;
pub use error::ResolveError;
pub(super) use error::words;
use lookup::Lookups;
use system::Configured;

use crate::model::Family;

/// Resolves names as this machine does. A clone shares everything.
#[derive(Clone)]
pub struct Resolver {
    lookups: Arc<Lookups>,
}

impl Resolver {
    /// By `/etc/resolv.conf` and `/etc/hosts`, followed as they change.
    pub fn new() -> Self {
        Self::of(Configured::of_this_machine())
    }

    /// By these name servers alone.
    pub fn with_servers(servers: &[SocketAddr]) -> Self {
        Self::of(Configured::of_servers(servers))
    }

    fn of(configured: Configured) -> Self {
        Self {
            lookups: Arc::new(Lookups::new(configured)),
        }
    }

    /// The name servers, in the order in which they are configured.
    pub fn servers(&self) -> Vec<SocketAddr> {
        self.lookups.servers()
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
            let mut cache = self.lookups.cache();
            let slot = cache.slot(&name, family, now);
            if stale_ok && let Some(addresses) = slot.stale(now) {
                // without room for another lookup the old address serves on
                if slot.fresh(now).is_none()
                    && slot.flight().is_none()
                    && let Ok(flight) = self.lookups.depart(name, family)
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
                let flight = self.lookups.depart(name, family)?;
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
            Err(_) => Err(self.lookups.in_vain(host, flight.asked.get().copied())),
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
