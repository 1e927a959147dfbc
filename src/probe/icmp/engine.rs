//! The engine of `pingu-icmp` as the service needs it: there whatever the permissions, and opened again when they come.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use pingu_icmp::{Completion, Config, Engine, Family, LocalError, Request};

use super::Asked;
use super::flights::Flights;

/// How often to look whether sockets may be opened that could not be.
const REOPEN_EVERY: Duration = Duration::from_secs(10);
const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// The engine, or why there is none.
#[derive(Debug)]
pub struct EngineRoom(RwLock<Result<Engine, String>>);

impl EngineRoom {
    /// Starts the engine; what it says goes to `flights`.
    pub fn start<T: Asked>(flights: &Arc<Flights<T>>) -> Self {
        Self(RwLock::new(start(flights)))
    }

    /// Hands requests over. One that is not taken ends its probe as unknown.
    pub fn send<T: Asked>(&self, flights: &Flights<T>, mut requests: Vec<Request>) {
        if requests.is_empty() {
            return;
        }
        let refused = match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Ok(engine) => engine
                .submit(&mut requests)
                .err()
                .map(|error| error.to_string()),
            Err(error) => Some(error.clone()),
        };
        let Some(text) = refused else { return };
        for request in requests {
            flights.refuse(request.token, &text);
        }
    }

    /// Ends the engine: what it still has comes back as stopped.
    pub async fn stop(&self) {
        let ended = Err("Pingu stopped before the packet was sent".to_owned());
        end(self.replace(ended)).await;
    }

    fn replace(&self, other: Result<Engine, String>) -> Result<Engine, String> {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, other)
    }

    /// How many families need no further attempt: their socket is open, or this machine does not have them.
    fn open_families(&self) -> usize {
        open_families(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn start<T: Asked>(flights: &Arc<Flights<T>>) -> Result<Engine, String> {
    let flights = Arc::clone(flights);
    let engine = Engine::start(Config::default(), move |batch: &mut Vec<Completion>| {
        for completion in batch.drain(..) {
            flights.complete(&completion);
        }
    });
    engine.map_err(|error| format!("the ICMP engine could not start: {error}"))
}

/// Joining a thread blocks; a panic there was reported when it happened.
async fn end(engine: Result<Engine, String>) {
    let _ = tokio::task::spawn_blocking(move || engine.map(Engine::stop)).await;
}

/// Tries again and again to open sockets that could not be opened: a permission may be given while Pingu runs.
pub async fn reopen<T: Asked>(room: Weak<EngineRoom>, flights: Weak<Flights<T>>) {
    loop {
        // holding nothing meanwhile: whoever waits for the last result must not wait for this
        tokio::time::sleep(REOPEN_EVERY).await;
        let (Some(room), Some(flights)) = (room.upgrade(), flights.upgrade()) else {
            return;
        };
        let before = room.open_families();
        if before == FAMILIES.len() {
            return;
        }
        let again = start(&flights);
        if open_families(&again) > before {
            let last = room.replace(again);
            tracing::info!("ICMP sockets are open now");
            end(last).await;
        }
    }
}

fn open_families(engine: &Result<Engine, String>) -> usize {
    let Ok(engine) = engine else {
        return 0;
    };
    let settled = |family: &Family| {
        matches!(
            engine.access(*family),
            Ok(_) | Err(LocalError::NoFamily { .. })
        )
    };
    FAMILIES.iter().filter(|family| settled(family)).count()
}
