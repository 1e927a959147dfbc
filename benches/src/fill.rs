//! Fills a database with a history, through the same calls by which Pingu stores results: targets are synced, results recorded in
//! batches in the order in which they would have come, incidents found in them, roll-ups settled as time goes by.
//!
//! What is there already stays: filling again adds what is missing. Memory is bounded by a few batches.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use pingu::config::DatabaseUrl;
use pingu::incident::Book;
use pingu::model::{Declared, ProbeResult, Slots, TargetId, TargetMap, Timestamp};
use pingu::storage::postgres::PostgresStore;
use pingu::storage::sqlite::SqliteStore;
use pingu::storage::{Recorded, Status, Store, rollup};
use tokio::sync::mpsc;

use crate::life::Life;
use crate::progress::Progress;
use crate::town::Resident;

/// Rows a batch: what the recorder hands over at most.
const BATCH: f64 = 10_000.0;
const HOUR: Duration = Duration::from_secs(3_600);
/// Incidents a transaction.
const INCIDENTS: usize = 1_000;

/// Opens, and makes if need be, the database that a `DATABASE_URL` names.
pub async fn open(database: &str) -> anyhow::Result<Arc<dyn Store>> {
    let url = DatabaseUrl::parse(database).map_err(anyhow::Error::msg);
    Ok(match url.context("the database")? {
        DatabaseUrl::Sqlite(path) => Arc::new(SqliteStore::open(&path, "local")?),
        DatabaseUrl::Postgres(url) => Arc::new(PostgresStore::open(&url, "local").await?),
    })
}

/// A history to make: of these targets, `since <= ts < until`.
#[derive(Debug, Clone)]
pub struct History {
    pub seed: u64,
    pub residents: Arc<[Resident]>,
    pub since: Timestamp,
    pub until: Timestamp,
}

impl History {
    /// How many results it has.
    pub fn rows(&self) -> u64 {
        let of = |resident: &Resident| {
            let slots = slots(resident);
            slots.count(first(&slots, self.since), first(&slots, self.until))
        };
        self.residents.iter().map(of).sum()
    }

    /// The batches, each in the order of its slots.
    pub fn batches(&self) -> impl Iterator<Item = Arc<[ProbeResult]>> {
        let each_second: f64 = self
            .residents
            .iter()
            .map(|it| 1.0 / it.interval.as_secs_f64())
            .sum();
        let width = Duration::from_secs_f64((BATCH / each_second.max(1e-6)).clamp(0.001, 86_400.0));
        let lives = self.residents.iter().enumerate();
        let mut lives: Vec<_> = lives
            .map(|(number, resident)| {
                let slots = slots(resident);
                let next = first(&slots, self.since);
                (Life::new(self.seed, number as u64, resident), slots, next)
            })
            .collect();
        let mut at = self.since;
        std::iter::from_fn(move || {
            if at >= self.until {
                return None;
            }
            at = at.saturating_add(width).min(self.until);
            let mut batch = Vec::with_capacity(BATCH as usize + lives.len());
            for (life, slots, next) in &mut lives {
                while *next < at {
                    batch.push(life.result(*next));
                    *next = slots.after(*next);
                }
            }
            batch.sort_by_key(|result| result.slot);
            Some(batch.into())
        })
    }

    /// Stores all of it with its incidents, and settles its roll-ups as far as they have ended at `until`.
    pub async fn store(&self, store: &dyn Store) -> anyhow::Result<Recorded> {
        let (made, mut batches) = mpsc::channel::<Arc<[ProbeResult]>>(2);
        let history = self.clone();
        let making = tokio::task::spawn_blocking(move || {
            for batch in history.batches() {
                // whoever took them has failed
                if made.blocking_send(batch).is_err() {
                    break;
                }
            }
        });
        let targets = store.targets(Status::Enabled).await?;
        let book = Book::default();
        book.watch(targets.iter(), self.since);
        let rules: TargetMap<_> = targets
            .iter()
            .map(|target| (target.id, target.spec.incident))
            .collect();
        let mut progress = Progress::new(self.rows());
        let mut recorded = Recorded::default();
        let mut settled = self.since;
        while let Some(batch) = batches.recv().await {
            let (rows, last) = (batch.len() as u64, batch.last().map(|result| result.slot));
            for result in batch.iter() {
                if let Some(&rule) = rules.get(&result.target) {
                    book.see(rule, result);
                }
            }
            recorded += store.record(batch).await?;
            write(store, &book, false).await?;
            if let Some(last) = last.filter(|last| last.since(settled) >= HOUR) {
                rollup::settle(store, last).await?;
                settled = last;
            }
            progress.add(rows);
        }
        making.await?;
        write(store, &book, true).await?;
        rollup::settle(store, self.until).await?;
        progress.finish();
        Ok(recorded)
    }
}

/// Writes what has opened and ended since the last time; with `all`, also how far the others have come.
async fn write(store: &dyn Store, book: &Book, mut all: bool) -> anyhow::Result<()> {
    loop {
        let incidents = book.take(INCIDENTS, std::mem::take(&mut all));
        if incidents.is_empty() {
            return Ok(());
        }
        store.write_incidents(&incidents).await?;
    }
}

/// Makes these the targets of the database. One that has others is left alone, unless `force` says to disable them.
pub async fn sync(
    store: &dyn Store,
    declared: &[Declared],
    force: bool,
    now: Timestamp,
) -> anyhow::Result<()> {
    let ours: HashSet<_> = declared.iter().filter_map(|it| it.id.as_deref()).collect();
    let there = store.targets(Status::Enabled).await?;
    let strangers: Vec<_> = there
        .into_iter()
        .filter(|it| !ours.contains(it.id.to_string().as_str()))
        .collect();
    if let (Some(stranger), false) = (strangers.first(), force) {
        bail!(
            "the database has {} targets of its own, such as {:?}; choose another database, or disable them with --force",
            strangers.len(),
            stranger.spec.name
        );
    }
    store.sync_targets(declared, now).await?;
    Ok(())
}

fn slots(resident: &Resident) -> Slots {
    Slots::new(TargetId(resident.id), resident.interval)
}

/// The first slot that is not before `instant`.
fn first(slots: &Slots, instant: Timestamp) -> Timestamp {
    slots.after(Timestamp::from_micros(instant.as_micros() - 1))
}

#[cfg(test)]
mod tests {
    use pingu::config::load_file;
    use pingu::storage::{IncidentQuery, Stats};
    use tempfile::TempDir;

    use super::*;
    use crate::town;

    /// A midnight, and a few hours before it.
    fn history(count: usize) -> History {
        let until: Timestamp = "2026-02-23T00:00:00Z".parse().unwrap();
        History {
            seed: 1,
            residents: town::residents(1, count, Duration::from_secs(60), 8000).into(),
            since: until.saturating_sub(Duration::from_secs(5 * 3_600)),
            until,
        }
    }

    async fn opened(folder: &TempDir) -> Arc<dyn Store> {
        let path = folder.path().join("a.db");
        open(&format!("sqlite://{}", path.display())).await.unwrap()
    }

    async fn declare(
        folder: &TempDir,
        store: &dyn Store,
        history: &History,
        force: bool,
    ) -> anyhow::Result<()> {
        let path = folder.path().join("targets.yaml");
        std::fs::write(&path, town::yaml(&history.residents, "a test")).unwrap();
        let declared = load_file(&path).unwrap().declared;
        sync(store, &declared, force, history.until).await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_filled_is_there_once_and_settled() {
        let folder = TempDir::new().unwrap();
        let store = opened(&folder).await;
        let history = history(30);
        declare(&folder, store.as_ref(), &history, false)
            .await
            .unwrap();
        let recorded = history.store(store.as_ref()).await.unwrap();
        assert_eq!((recorded.stored, recorded.duplicate), (30 * 300, 0));
        assert_eq!(history.rows(), 30 * 300);
        let Stats {
            enabled_targets,
            last_result,
            ..
        } = store.stats().await.unwrap();
        assert_eq!(enabled_targets, 30);
        let newest = last_result.unwrap();
        assert!(newest < history.until && history.until.since(newest) < Duration::from_secs(60));
        // the bucket that ends with the history may still get results, and so may its hour
        assert!(store.stale().await.unwrap().len() <= 2);
        let incidents = || async {
            let query = IncidentQuery {
                limit: 1_000,
                ..IncidentQuery::default()
            };
            store.incidents(&query).await.unwrap()
        };
        let before = incidents().await;
        assert!(!before.is_empty());
        let again = history.store(store.as_ref()).await.unwrap();
        assert_eq!((again.stored, again.duplicate), (0, 30 * 300));
        assert_eq!(incidents().await.len(), before.len());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_database_with_other_targets_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let store = opened(&folder).await;
        declare(&folder, store.as_ref(), &history(20), false)
            .await
            .unwrap();
        let fewer = history(5);
        let error = declare(&folder, store.as_ref(), &fewer, false)
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("15 targets of its own"),
            "{error}"
        );
        assert_eq!(store.stats().await.unwrap().enabled_targets, 20);
        declare(&folder, store.as_ref(), &fewer, true)
            .await
            .unwrap();
        assert_eq!(store.stats().await.unwrap().enabled_targets, 5);
    }
}
