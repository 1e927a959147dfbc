//! Which resolver a target's names go to: this machine's, or one of its own.
//!
//! Promises one resolver, and so one cache, for each name server however many targets name it, and a bound on their number.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::Resolver;

/// This machine's resolver, and one for each name server that targets name. A clone shares everything.
#[derive(Debug, Clone)]
pub struct Resolvers {
    of_this_machine: Resolver,
    by_server: Arc<Mutex<HashMap<SocketAddr, Resolver>>>,
}

impl Resolvers {
    /// Resolvers beside this machine's: as many as a targets file may name. More are only met after changes of it; then all of them
    /// begin anew.
    const MOST: usize = 64;

    pub fn new(of_this_machine: Resolver) -> Self {
        Self {
            of_this_machine,
            by_server: Arc::default(),
        }
    }

    /// The one that asks `server`; without one, this machine's.
    pub fn of(&self, server: Option<SocketAddr>) -> Resolver {
        let Some(server) = server else {
            return self.of_this_machine.clone();
        };
        let mut known = self
            .by_server
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Self::MOST && !known.contains_key(&server) {
            known.clear();
        }
        let made = || Resolver::with_servers(&[server]);
        known.entry(server).or_insert_with(made).clone()
    }
}
