//! The engine of `pingu-icmp` as the service needs it: there whatever the permissions, its figures in `/metrics`, and what becomes of
//! its sockets in the log.

use std::num::NonZeroU32;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use pingu_icmp::{Afterword, Completion, Config, Engine, Family, LocalError, Request, Stats};

use super::super::URGENT;
use super::flights::Flights;
use super::{Asked, verdict};

/// How often to look how the sockets are.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// The engine, or why there is none.
#[derive(Debug)]
pub struct EngineRoom(RwLock<Result<Engine, String>>);

/// Takes what the engine says.
struct Ears<T>(Arc<Flights<T>>);

impl<T: Asked> pingu_icmp::Sink for Ears<T> {
    fn complete(&mut self, batch: &mut Vec<Completion>) {
        for completion in batch.drain(..) {
            self.0.complete(&completion);
        }
    }

    fn afterwards(&mut self, batch: &mut Vec<Afterword>) {
        for word in batch.drain(..) {
            self.0.came_after(&word);
        }
    }
}

impl EngineRoom {
    /// Starts the engine; what it says goes to `flights`.
    pub fn start<T: Asked>(max_pps: Option<NonZeroU32>, flights: &Arc<Flights<T>>) -> Self {
        let config = Config {
            max_pps,
            nice: Some(URGENT),
            ..Config::default()
        };
        let engine = Engine::start(config, Ears(Arc::clone(flights)));
        let engine = engine.map_err(|error| format!("the ICMP engine could not start: {error}"));
        Self(RwLock::new(engine))
    }

    /// Hands requests over. One that is not taken ends its probe as unknown.
    pub fn send<T: Asked>(&self, flights: &Flights<T>, mut requests: Vec<Request>) {
        if requests.is_empty() {
            return;
        }
        let refused = self.with(|engine| match engine {
            Ok(engine) => engine
                .submit(&mut requests)
                .err()
                .map(|error| error.to_string()),
            Err(error) => Some(error.clone()),
        });
        let Some(text) = refused else { return };
        for request in requests {
            flights.refuse(request.token, &text);
        }
    }

    /// What it counted so far.
    pub fn stats(&self) -> Option<Stats> {
        self.with(|engine| Some(engine.as_ref().ok()?.stats()))
    }

    /// Ends the engine: what it still has comes back as stopped.
    pub async fn stop(&self) {
        let ended = Err("Pingu stopped before the packet was sent".to_owned());
        let engine = {
            let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, ended)
        };
        // joining a thread blocks; a panic there was reported when it happened
        let _ = tokio::task::spawn_blocking(move || engine.map(Engine::stop)).await;
    }

    fn with<R>(&self, look: impl FnOnce(&Result<Engine, String>) -> R) -> R {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why pings of a family cannot be sent, if that is so.
    fn trouble(&self, family: Family) -> Option<String> {
        self.with(|engine| match engine {
            Ok(engine) => match engine.access(family) {
                // a machine without the family does without it
                Ok(_) | Err(LocalError::NoFamily { .. }) => None,
                Err(error) => Some(verdict::advice(&error)),
            },
            Err(error) => Some(error.clone()),
        })
    }
}

/// Tells once whenever a family can no longer be probed, and when it can again; the engine itself opens what it may.
pub async fn watch(room: Weak<EngineRoom>) {
    let mut troubles = [None, None];
    while let Some(room) = room.upgrade() {
        for (family, told) in FAMILIES.into_iter().zip(&mut troubles) {
            let trouble = room.trouble(family);
            match &trouble {
                Some(text) if trouble != *told => {
                    tracing::warn!("targets over ICMP ({family}) are unknown: {text}");
                }
                None if told.is_some() => tracing::info!("ICMP sockets ({family}) are open now"),
                _ => {}
            }
            *told = trouble;
        }
        // holding nothing meanwhile: whoever waits for the last result must not wait for this
        drop(room);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
