//! From the targets file to the schedule: applies a file to the database and the scheduler, at start and whenever it changes.
//!
//! A file is applied whole or not at all. While the database is away a changed file waits, and probing goes on as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{Loaded, Reload, Watch};
use crate::incident::Book;
use crate::metrics::Metrics;
use crate::scheduler::Scheduler;
use crate::storage::{Change, Identities, Status, Store, StoreError};

const RETRY: Duration = Duration::from_secs(1);

/// Keeps the schedule in step with the file.
#[derive(Debug)]
pub struct Syncer {
    pub store: Arc<dyn Store>,
    pub scheduler: Arc<Scheduler>,
    /// Which incidents end because their target does.
    pub incidents: Arc<Book>,
    pub clock: Clock,
    pub metrics: Arc<Metrics>,
    /// Where a start without the database finds the ids; nothing for a database that is always here.
    pub identities: Option<Identities>,
    /// How often a file was applied or refused: whoever shows the list of targets, or what is wrong with it, looks at it again.
    pub changes: Arc<AtomicU64>,
    /// Why the database did not take the file as it is now; nothing where it did, or was not asked.
    pub refusal: watch::Sender<Option<String>>,
}

impl Syncer {
    /// Writes the file's targets to the database and probes them from now on.
    pub async fn apply(&self, loaded: &Loaded) -> Result<(), StoreError> {
        let now = self.clock.now();
        let changes = self.store.sync_targets(&loaded.declared, now).await?;
        let targets = self.store.targets(Status::Enabled).await?;
        let enabled = targets.len();
        if let Some(identities) = self.identities.clone() {
            let (declared, targets) = (loaded.declared.clone(), targets.clone());
            let keeping = move || identities.keep(&declared, &targets);
            // it tells of its own failures, and has none that matters here
            let _ = tokio::task::spawn_blocking(keeping).await;
        }
        // before the first result of a target that is new
        self.incidents.watch(targets.iter(), now);
        self.scheduler
            .replace(targets.into_iter().map(Arc::new).collect());
        self.refusal.send_replace(None);
        self.changes.fetch_add(1, Ordering::Relaxed);
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

    /// Counts a file that is not applied; `reason` is the database's, where the file itself was right.
    fn refused(&self, reason: Option<String>) {
        self.metrics.reloaded(false);
        self.refusal.send_replace(reason);
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// Probes the targets of the file whose ids are known from an earlier start, while the database is away.
    pub async fn recall(&self, loaded: &Loaded) {
        let Some(identities) = self.identities.clone() else {
            return;
        };
        let declared = loaded.declared.clone();
        let recalling = tokio::task::spawn_blocking(move || identities.recall(&declared));
        let targets = recalling.await.unwrap_or_default();
        let wanted = loaded.declared.iter().filter(|it| it.spec.enabled).count();
        tracing::warn!(
            known = targets.len(),
            waiting = wanted - targets.len(),
            "without the database, only targets of an earlier start are probed; the others wait for it"
        );
        self.incidents.watch(targets.iter(), self.clock.now());
        self.scheduler
            .replace(targets.into_iter().map(Arc::new).collect());
    }

    /// Applies every change of the file until the watch ends, and before them `waiting`, the file of a start without a database.
    ///
    /// Fails if that one cannot be applied for a reason that a person has to mend, as a start would have.
    pub async fn follow(self, waiting: Option<Loaded>, watch: Watch) -> Result<(), StoreError> {
        let mut reloads = watch.events;
        let mut is_first = waiting.is_some();
        let mut waiting = waiting;
        loop {
            let reload = if waiting.is_none() {
                reloads.recv().await
            } else {
                // a newer file, if one comes meanwhile, takes the waiting one's place
                let newer = tokio::time::timeout(RETRY, reloads.recv()).await;
                newer.unwrap_or_else(|_| waiting.take().map(Reload::Reloaded))
            };
            let Some(reload) = reload else {
                return Ok(());
            };
            let loaded = match reload {
                Reload::Reloaded(loaded) => loaded,
                Reload::Rejected(error) => {
                    self.refused(None);
                    tracing::error!(
                        "the targets file was not applied, the last good one stays in use\n{error}"
                    );
                    continue;
                }
            };
            match self.apply(&loaded).await {
                Ok(()) => {
                    waiting = None;
                    // those of the first one were told at the start
                    for warning in loaded.warnings.iter().filter(|_| !is_first) {
                        tracing::warn!("{warning}");
                    }
                    is_first = false;
                }
                Err(error @ StoreError::Unavailable(_)) => {
                    // the wait for a database that was away from the start is told by those who wait for it
                    if !is_first {
                        tracing::error!(%error, "the targets file changed but cannot be applied yet; trying again");
                    }
                    if is_first && waiting.is_some() {
                        self.recall(&loaded).await;
                    }
                    waiting = Some(loaded);
                }
                // also where another file came meanwhile: it is still the one of the start
                Err(error) if is_first => return Err(error),
                Err(error) => {
                    waiting = None;
                    self.refused(Some(match &error {
                        StoreError::Conflict(reason) => reason.clone(),
                        _ => "the database does not take it; the log has the details".to_owned(),
                    }));
                    tracing::error!(%error, "the targets file was not applied, the last good one stays in use");
                }
            }
        }
    }
}
