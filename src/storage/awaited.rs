//! A database that is not reached yet: until it is, everything asked of it is `Unavailable`, as in an outage.
//!
//! So a start without the database is an outage like any other to those who use it: the recorder spools, `/health` answers.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;

use super::beats::{BeatQuery, Found};
use super::{
    Change, Day, Figures, FiguresQuery, Floors, IncidentQuery, IncidentStore, Kept, Latest,
    Presented, Progress, Recorded, Resolution, ResultQuery, Roster, Stale, Stamp, Standing, Stats,
    Status, Store, StoreError,
};
use crate::model::{
    Declared, Incident, ProbeResult, StoredIncident, StoredResult, Target, TargetId, TargetMap,
    Timestamp,
};

/// The place of a store that arrives once.
#[derive(Debug, Default)]
pub struct Awaited {
    arrived: OnceLock<Arc<dyn Store>>,
}

impl Awaited {
    /// From now on every question goes to `store`. Only the first one to arrive counts.
    pub fn arrive(&self, store: Arc<dyn Store>) {
        // whoever opens it does so once
        let _ = self.arrived.set(store);
    }

    fn store(&self) -> Result<&dyn Store, StoreError> {
        let missing = || StoreError::Unavailable("it is not reached yet".to_owned());
        self.arrived.get().map(AsRef::as_ref).ok_or_else(missing)
    }
}

#[async_trait]
impl IncidentStore for Awaited {
    async fn write_incidents(&self, incidents: &[Incident]) -> Result<(), StoreError> {
        self.store()?.write_incidents(incidents).await
    }

    async fn open_incidents(&self) -> Result<Vec<StoredIncident>, StoreError> {
        self.store()?.open_incidents().await
    }

    async fn incidents(&self, query: &IncidentQuery) -> Result<Vec<StoredIncident>, StoreError> {
        self.store()?.incidents(query).await
    }

    async fn incident(&self, id: i64) -> Result<Option<StoredIncident>, StoreError> {
        self.store()?.incident(id).await
    }

    async fn forget_incidents(&self) -> Result<u64, StoreError> {
        self.store()?.forget_incidents().await
    }
}

#[async_trait]
impl Store for Awaited {
    async fn sync_targets(
        &self,
        declared: &[Declared],
        now: Timestamp,
    ) -> Result<Vec<Change>, StoreError> {
        self.store()?.sync_targets(declared, now).await
    }

    async fn targets(&self, status: Status) -> Result<Vec<Target>, StoreError> {
        self.store()?.targets(status).await
    }

    async fn target(&self, reference: &str) -> Result<Option<Target>, StoreError> {
        self.store()?.target(reference).await
    }

    async fn roster(&self, known: Option<Stamp>) -> Result<Option<Roster>, StoreError> {
        self.store()?.roster(known).await
    }

    async fn record(&self, batch: Arc<[ProbeResult]>) -> Result<Recorded, StoreError> {
        self.store()?.record(batch).await
    }

    async fn results(&self, query: &ResultQuery) -> Result<Vec<StoredResult>, StoreError> {
        self.store()?.results(query).await
    }

    async fn latest_by_target(&self) -> Result<Vec<Latest>, StoreError> {
        self.store()?.latest_by_target().await
    }

    async fn beats(&self, query: &BeatQuery) -> Result<Found, StoreError> {
        self.store()?.beats(query).await
    }

    async fn certificates(&self, target: TargetId) -> Result<Vec<Presented>, StoreError> {
        self.store()?.certificates(target).await
    }

    async fn expiries(&self) -> Result<TargetMap<Timestamp>, StoreError> {
        self.store()?.expiries().await
    }

    async fn figures(&self, query: &FiguresQuery) -> Result<Vec<Figures>, StoreError> {
        self.store()?.figures(query).await
    }

    async fn stale(&self) -> Result<Vec<Stale>, StoreError> {
        self.store()?.stale().await
    }

    async fn standing(&self, since: Timestamp, until: Timestamp) -> Result<Standing, StoreError> {
        self.store()?.standing(since, until).await
    }

    async fn roll_up(&self, stale: Stale, figures: Vec<Figures>) -> Result<(), StoreError> {
        self.store()?.roll_up(stale, figures).await
    }

    async fn floors(&self) -> Result<Floors, StoreError> {
        self.store()?.floors().await
    }

    async fn days(&self, resolution: Resolution) -> Result<Vec<Kept>, StoreError> {
        self.store()?.days(resolution).await
    }

    async fn drop_day(&self, resolution: Resolution, day: Day) -> Result<Progress, StoreError> {
        self.store()?.drop_day(resolution, day).await
    }

    async fn forget_verdicts(&self) -> Result<u64, StoreError> {
        self.store()?.forget_verdicts().await
    }

    async fn stats(&self) -> Result<Stats, StoreError> {
        self.store()?.stats().await
    }

    async fn close(&self) {
        if let Some(store) = self.arrived.get() {
            store.close().await;
        }
    }
}
