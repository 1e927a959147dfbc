//! The one writer: batches of results and syncs of targets, each in a transaction of its own.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::super::CLOCK_TOLERANCE;
use super::super::chain::{self, Due, Written};
use super::super::plan::SyncPlan;
use super::super::{Change, Figures, Progress, Recorded, Resolution, Stale, StoreError};
use super::checkpoint::{self, Checkpoints};
use super::codec::{column_micros, detail_json, outcome_began};
use super::days::{self, Day, Kind};
use super::figures;
use super::verdict::Verdicts;
use super::{incident, retention, store_error, targets};
use crate::model::{Declared, Incident, ProbeResult, TargetId, TargetMap, Timestamp, micros};

pub struct Writer {
    connection: Connection,
    checkpoints: Checkpoints,
    path: PathBuf,
    /// Device and inode of the file that is open.
    file: Option<(u64, u64)>,
    location: String,
    /// Found, or made, with the first result: a process that only reads leaves no location behind.
    location_key: Option<i64>,
    days: BTreeSet<Day>,
    /// The series of this location.
    series: TargetMap<i64>,
    verdicts: Verdicts,
    chains: Written<i64>,
}

/// A result with everything that its rows refer to, in the order of its table's key.
struct Placed<'a> {
    day: Day,
    series_key: i64,
    id: i64,
    verdict_key: i64,
    detail: Option<String>,
    result: &'a ProbeResult,
}

impl Writer {
    pub fn new(connection: Connection, location: &str, path: &Path) -> Result<Self, StoreError> {
        let days = days::load(&connection, Kind::Results)?;
        let checkpoints = Checkpoints::new(&connection).map_err(store_error)?;
        Ok(Self {
            connection,
            checkpoints,
            path: path.to_owned(),
            file: identity(path),
            location: location.to_owned(),
            location_key: None,
            days,
            series: TargetMap::default(),
            verdicts: Verdicts::default(),
            chains: Written::default(),
        })
    }

    pub fn sync_targets(
        &mut self,
        declared: &[Declared],
        now: Timestamp,
    ) -> Result<Vec<Change>, StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(store_error)?;
        let existing = targets::load(&transaction, None)?;
        let plan = SyncPlan::new(declared, &existing)?;
        targets::apply(&transaction, &plan, now)?;
        let newest_possible = now.saturating_add(CLOCK_TOLERANCE).as_micros();
        transaction
            .execute(
                include_str!("../sql/state_forget_future.sqlite.sql"),
                [newest_possible],
            )
            .map_err(store_error)?;
        incident::retire(&transaction, now)?;
        transaction.commit().map_err(store_error)?;
        Ok(plan.changes)
    }

    pub fn record(&mut self, batch: &[ProbeResult]) -> Result<Recorded, StoreError> {
        let recorded = self.record_in_transaction(batch);
        if recorded.is_err() {
            self.verdicts.forget();
            self.chains.forget();
            // so may be tables and series that the lost transaction created
            self.days.clear();
            self.series.clear();
            self.location_key = None;
        }
        recorded
    }

    fn record_in_transaction(&mut self, batch: &[ProbeResult]) -> Result<Recorded, StoreError> {
        if identity(&self.path) != self.file {
            // the open file has no name any more: what is written to it is gone with this process
            return Err(StoreError::Unavailable(format!(
                "{}: the file was removed or replaced; put it back, or restart Pingu to begin a new one",
                self.path.display()
            )));
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(store_error)?;
        let mut recorded = Recorded::default();
        let location_key = match self.location_key {
            Some(key) => key,
            None => location_key(&transaction, &self.location)?,
        };
        self.location_key = Some(location_key);
        // read within the transaction: another process may have stored results since
        let mut last_id: i64 = transaction
            .query_row(
                include_str!("../sql/result_id_read.sqlite.sql"),
                [],
                |row| row.get(0),
            )
            .map_err(store_error)?;
        let floor = retention::floors(&transaction)?.raw;
        let mut placed = Vec::with_capacity(batch.len());
        for result in batch {
            let series = series_key(&transaction, &mut self.series, result.target, location_key)?;
            let Some(series_key) = series else {
                // it was never synced to this database
                recorded.quarantined += 1;
                continue;
            };
            let day = Day::of(result.slot);
            if day < floor {
                recorded.too_old += 1;
                continue;
            }
            if !self.days.contains(&day) {
                days::create(&transaction, Kind::Results, day)?;
                self.days.insert(day);
            }
            last_id += 1;
            placed.push(Placed {
                day,
                series_key,
                id: last_id,
                verdict_key: self.verdicts.key(&transaction, result, day)?,
                detail: detail_json(result),
                result,
            });
        }
        // in key order neighbouring rows fall on the same page of the tree
        placed.sort_by_key(|row| (row.day, row.series_key, row.result.slot));
        recorded.stored = insert(&transaction, &placed)?;
        recorded.duplicate = placed.len() as u64 - recorded.stored;
        update_states(&transaction, &placed)?;
        let chains = self
            .chains
            .due(placed.iter().map(|row| (row.series_key, row.result)));
        write_chains(&transaction, &chains)?;
        let buckets: BTreeSet<_> = placed
            .iter()
            .filter_map(|row| Some(row.result.slot.bucket(Resolution::FiveMinutes.width()?)))
            .collect();
        for bucket in buckets {
            figures::mark(&transaction, Resolution::FiveMinutes, bucket)?;
        }
        transaction
            .execute(include_str!("../sql/result_id_write.sqlite.sql"), [last_id])
            .map_err(store_error)?;
        transaction.commit().map_err(store_error)?;
        self.chains.note(&chains);
        Ok(recorded)
    }

    pub fn roll_up(&mut self, stale: Stale, figures: &[Figures]) -> Result<(), StoreError> {
        self.within(|connection| figures::write(connection, stale, figures))
    }

    pub fn drop_day(&mut self, resolution: Resolution, day: Day) -> Result<Progress, StoreError> {
        self.within(|connection| retention::drop_day(connection, resolution, day))
    }

    pub fn forget_verdicts(&mut self) -> Result<u64, StoreError> {
        self.within(retention::forget_verdicts)
    }

    pub fn write_incidents(&mut self, incidents: &[Incident]) -> Result<(), StoreError> {
        let location = self.location.clone();
        // that of the results may belong to a transaction that was rolled back
        self.within(|connection| {
            incident::write(connection, location_key(connection, &location)?, incidents)
        })
    }

    /// Work that is a transaction of its own.
    pub fn within<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(store_error)?;
        let done = work(&transaction)?;
        transaction.commit().map_err(store_error)?;
        Ok(done)
    }

    /// Between jobs: what nobody has to wait for.
    pub fn rest(&mut self) {
        self.checkpoints.after_job(&self.connection);
    }

    pub fn close(self) {
        // there is nobody left to tell if any of it fails, and the WAL is complete
        let _ = self.connection.pragma_update(None, "optimize", "");
        // SQLite does this as well, but not while another process has the file open
        checkpoint::finish(&self.connection);
        let _ = self.connection.close();
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// The key of a location, which is new if it stored nothing yet.
fn location_key(connection: &Connection, location: &str) -> Result<i64, StoreError> {
    let insert = include_str!("../sql/location_insert.sqlite.sql");
    let find = include_str!("../sql/location_key.sqlite.sql");
    connection
        .execute(insert, [location])
        .and_then(|_| connection.query_row(find, [location], |row| row.get(0)))
        .map_err(store_error)
}

/// The series of a target here, created with its first result; nothing for a target that the database does not know.
fn series_key(
    connection: &Connection,
    known: &mut TargetMap<i64>,
    target: TargetId,
    location_key: i64,
) -> Result<Option<i64>, StoreError> {
    if let Some(key) = known.get(&target) {
        return Ok(Some(*key));
    }
    for sql in [
        include_str!("../sql/series_find.sqlite.sql"),
        include_str!("../sql/series_insert.sqlite.sql"),
    ] {
        let found = connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                let parameters = params![target.to_string(), location_key];
                statement.query_row(parameters, |row| row.get(0)).optional()
            })
            .map_err(store_error)?;
        if let Some(key) = found {
            known.insert(target, key);
            return Ok(Some(key));
        }
    }
    Ok(None)
}

fn insert(connection: &Connection, placed: &[Placed<'_>]) -> Result<u64, StoreError> {
    let mut stored = 0;
    for rows in placed.chunk_by(|a, b| a.day == b.day) {
        let day = rows[0].day;
        let mut statement = connection
            .prepare_cached(&day.sql(include_str!("../sql/result_insert.sqlite.sql")))
            .map_err(store_error)?;
        for row in rows {
            stored += statement
                .execute(params![
                    row.series_key,
                    day.offset(row.result.slot),
                    row.id,
                    column_micros(row.result.lag),
                    latency(row.result),
                    row.verdict_key,
                    row.detail,
                ])
                .map_err(store_error)? as u64;
        }
    }
    Ok(stored)
}

fn update_states(connection: &Connection, placed: &[Placed<'_>]) -> Result<(), StoreError> {
    let mut statement = connection
        .prepare_cached(include_str!("../sql/state_upsert.sqlite.sql"))
        .map_err(store_error)?;
    let mut by_series: Vec<_> = placed.iter().collect();
    // in order already, unless the batch is of several days
    by_series.sort_by_key(|row| (row.series_key, row.result.slot));
    for rows in by_series.chunk_by(|a, b| a.series_key == b.series_key) {
        let Some(last) = rows.last() else { continue };
        let Some((began, unbroken)) = outcome_began(rows.iter().map(|row| row.result)) else {
            continue;
        };
        statement
            .execute(params![
                last.series_key,
                last.result.slot.as_micros(),
                last.id,
                column_micros(last.result.lag),
                latency(last.result),
                last.verdict_key,
                last.detail,
                began.as_micros(),
                unbroken,
            ])
            .map_err(store_error)?;
    }
    Ok(())
}

fn write_chains(connection: &Connection, chains: &[Due<'_, i64>]) -> Result<(), StoreError> {
    let every = micros(chain::EVERY);
    for due in chains {
        connection
            .prepare_cached(include_str!("../sql/certificate_write.sqlite.sql"))
            .and_then(|mut statement| {
                statement.execute(params![
                    due.series,
                    due.chain.digest.to_string(),
                    due.seen_at.as_micros(),
                    chain::json(due.chain),
                    every,
                ])
            })
            .map_err(store_error)?;
    }
    Ok(())
}

fn latency(result: &ProbeResult) -> Option<i64> {
    result.observation.measurement.latency.map(column_micros)
}
