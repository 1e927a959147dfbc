//! Batches that are on their way to the database.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Batch;
use super::attempt::{Refusal, Taken, attempt};
use crate::storage::Store;

/// A batch under way.
#[derive(Debug)]
pub struct Flight {
    pub results: Batch,
    pub since: Instant,
    pub is_replay: bool,
    /// Where the spool holds it; nowhere if it is in memory alone.
    pub chunks: Vec<i64>,
    /// The database was seen to take other results when this began.
    pub is_proven: bool,
    /// The spool has no room for it.
    is_uninsurable: bool,
    number: u64,
}

/// All of them: usually one.
#[derive(Debug, Default)]
pub struct Lane {
    flights: BTreeMap<u64, Flight>,
    calls: JoinSet<(u64, Result<Taken, Refusal>)>,
    last: u64,
}

impl Flight {
    pub const fn live(results: Batch, since: Instant) -> Self {
        Self {
            results,
            since,
            is_replay: false,
            chunks: Vec::new(),
            is_proven: false,
            is_uninsurable: false,
            number: 0,
        }
    }

    pub const fn replay(results: Batch, chunks: Vec<i64>, is_proven: bool, since: Instant) -> Self {
        Self {
            results,
            since,
            is_replay: true,
            chunks,
            is_proven,
            is_uninsurable: false,
            number: 0,
        }
    }

    pub const fn number(&self) -> u64 {
        self.number
    }
}

impl Lane {
    pub fn start(&mut self, mut flight: Flight, store: Arc<dyn Store>, deadline: Duration) {
        self.last += 1;
        let number = self.last;
        flight.number = number;
        let batch = Arc::clone(&flight.results);
        let is_proven = flight.is_proven;
        self.calls
            .spawn(async move { (number, attempt(&*store, batch, deadline, is_proven).await) });
        self.flights.insert(number, flight);
    }

    /// The next answer; never, while none is awaited.
    pub async fn landing(&mut self) -> (Flight, Result<Taken, Refusal>) {
        loop {
            match self.calls.join_next().await {
                Some(Ok((number, outcome))) => {
                    if let Some(flight) = self.flights.remove(&number) {
                        return (flight, outcome);
                    }
                }
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                None => std::future::pending().await,
            }
        }
    }

    pub fn insured(&mut self, number: u64, chunk: i64) {
        if let Some(flight) = self.flights.get_mut(&number) {
            flight.chunks.push(chunk);
        }
    }

    pub fn uninsurable(&mut self, number: u64) {
        if let Some(flight) = self.flights.get_mut(&number) {
            flight.is_uninsurable = true;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    pub fn len(&self) -> usize {
        self.flights.len()
    }

    pub fn any(&self, is_such: impl Fn(&Flight) -> bool) -> bool {
        self.flights.values().any(is_such)
    }

    /// Chunks of the spool that are under way.
    pub fn chunks(&self) -> impl Iterator<Item = i64> {
        self.flights
            .values()
            .flat_map(|flight| &flight.chunks)
            .copied()
    }

    /// Flights that the spool could hold as well.
    pub fn insurable(&self) -> impl Iterator<Item = &Flight> {
        let alone = self.flights.values().filter(|it| it.chunks.is_empty());
        alone.filter(|flight| !flight.is_uninsurable)
    }

    /// Results of flights that the spool holds.
    pub fn spooled(&self) -> usize {
        let held = self.flights.values().filter(|it| !it.chunks.is_empty());
        held.map(|flight| flight.results.len()).sum()
    }

    /// Results of flights that the spool does not hold.
    pub fn only_in_memory(&self) -> usize {
        let alone = self.flights.values().filter(|it| it.chunks.is_empty());
        alone.map(|flight| flight.results.len()).sum()
    }
}
