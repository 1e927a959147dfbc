//! From the targets file to the schedule: applies a file to the database and the scheduler, at start and whenever it changes.
//!
//! A file is applied whole or not at all. While the database is away a changed file waits, and probing goes on as it was.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config::{Loaded, Reload, Watch};
use crate::metrics::Metrics;
use crate::scheduler::Scheduler;
use crate::storage::{Change, Status, Store, StoreError};

const RETRY: Duration = Duration::from_secs(2);

/// Keeps the schedule in step with the file.
#[derive(Debug)]
pub struct Syncer {
    pub store: Arc<dyn Store>,
    pub scheduler: Arc<Scheduler>,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
}

impl Syncer {
    /// Writes the file's targets to the database and probes them from now on.
    pub async fn apply(&self, loaded: &Loaded) -> Result<(), StoreError> {
        let now = self.clock.now();
        let changes = self.store.sync_targets(&loaded.declared, now).await?;
        let targets = self.store.targets(Status::Enabled).await?;
        let enabled = targets.len();
        self.scheduler
            .replace(targets.into_iter().map(Arc::new).collect());
        self.metrics.reloaded(true);
        self.metrics.config_time.set(now.as_micros() as f64 / 1e6);
        let count = |wanted: fn(&Change) -> bool| changes.iter().filter(|c| wanted(c)).count();
        tracing::info!(
            enabled,
            inserted = count(|change| matches!(change, Change::Insert { .. })),
            updated = count(|change| matches!(change, Change::Update { .. })),
            removed = count(|change| matches!(change, Change::Remove { .. })),
            "targets applied"
        );
        Ok(())
    }

    /// Applies every change of the file until the watch ends.
    pub async fn follow(self, watch: Watch) {
        let mut reloads = watch.events;
        let mut next = reloads.recv().await;
        while let Some(reload) = next {
            next = match reload {
                Reload::Reloaded(loaded) => {
                    for warning in &loaded.warnings {
                        tracing::warn!("{warning}");
                    }
                    match self.apply(&loaded).await {
                        Ok(()) => reloads.recv().await,
                        Err(error) if !matches!(error, StoreError::Unavailable(_)) => {
                            self.metrics.reloaded(false);
                            tracing::error!(%error, "the targets file was not applied, the last good one stays in use");
                            reloads.recv().await
                        }
                        Err(error) => {
                            tracing::error!(%error, "the targets file changed but cannot be applied yet; trying again");
                            // a newer file, if one comes meanwhile, takes this one's place
                            match tokio::time::timeout(RETRY, reloads.recv()).await {
                                Ok(newer) => newer,
                                Err(_) => Some(Reload::Reloaded(loaded)),
                            }
                        }
                    }
                }
                Reload::Rejected(error) => {
                    self.metrics.reloaded(false);
                    tracing::error!(
                        "the targets file was not applied, the last good one stays in use\n{error}"
                    );
                    reloads.recv().await
                }
            };
        }
    }
}
