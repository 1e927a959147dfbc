//! Batches of results: what they refer to is found or made first, then all rows are written by one statement.
//!
//! Series, verdicts and partitions are made in transactions of their own: they are the same whoever makes them, and mean nothing
//! without a result. The results, the newest of each series and the numbers they get are one statement, and so one transaction.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::types::Type;

use super::super::chain::Written;
use super::super::day::Day;
use super::super::row::{column_micros, detail_json, outcome_began};
use super::super::{Recorded, Resolution, StoreError};
use super::certificate;
use super::codec::{Instant, column};
use super::days::{self, Table};
use super::error::Failed;
use super::schema;
use super::session::{Parameter, Purpose, Session, Sessions};
use super::verdict::Verdicts;
use crate::model::{ProbeResult, TargetId, TargetMap};

/// The longest that a batch may take, connecting included; then it is tried again later, and found stored if it was.
const DEADLINE: Duration = Duration::from_secs(5);
/// How often a batch is tried at once if it failed for what passes.
const ATTEMPTS: usize = 4;
/// Where batches overlap (two pollers at one location, a replay) they will go on doing so for a while.
const MERGES_AFTER_OVERLAP: usize = 50;

#[derive(Debug)]
pub struct Writer {
    location: String,
    known: Mutex<Known>,
}

/// What this process remembers of the database. Forgotten whenever a batch fails: the server may have lost what it had promised.
#[derive(Debug, Default)]
struct Known {
    location_key: Option<i32>,
    days: BTreeSet<Day>,
    /// The series of this location.
    series: TargetMap<i32>,
    verdicts: Verdicts,
    chains: Written<i32>,
    /// From which day on results are kept. It may have risen since: then the batch fails, and this is read anew.
    floor: Option<Day>,
    /// How many more batches to merge before one is appended again.
    merges: usize,
}

/// A result with everything that its row refers to.
struct Placed<'a> {
    /// Its place in the batch, counted from 1: numbers are given in the order in which results came.
    number: i32,
    series_key: i32,
    verdict_key: i32,
    detail: Option<String>,
    result: &'a ProbeResult,
}

impl Writer {
    pub fn new(location: &str) -> Self {
        Self {
            location: location.to_owned(),
            known: Mutex::new(Known::default()),
        }
    }

    pub async fn record(
        &self,
        sessions: &Sessions,
        batch: &[ProbeResult],
    ) -> Result<Recorded, StoreError> {
        let late = || Err(StoreError::Unavailable("storing took too long".to_owned()));
        let recorded = timeout(DEADLINE, self.attempts(sessions, batch)).await;
        let recorded = recorded.unwrap_or_else(|_| late());
        if recorded.is_err() {
            *self.known.lock().await = Known::default();
        }
        recorded
    }

    /// Under which results are stored.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Waits until no batch is under way.
    pub async fn finish(&self) {
        drop(self.known.lock().await);
    }

    async fn attempts(
        &self,
        sessions: &Sessions,
        batch: &[ProbeResult],
    ) -> Result<Recorded, StoreError> {
        let mut known = self.known.lock().await;
        let mut attempt = 1;
        loop {
            match known.record(sessions, &self.location, batch).await {
                Err(failed) if failed.is_passing() && attempt < ATTEMPTS => {
                    *known = Known::default();
                    attempt += 1;
                }
                recorded => return Ok(recorded?),
            }
        }
    }
}

impl Known {
    async fn record(
        &mut self,
        sessions: &Sessions,
        location: &str,
        batch: &[ProbeResult],
    ) -> Result<Recorded, Failed> {
        let mut session = sessions.open(Purpose::Write).await?;
        let mut placed = self.place(&mut session, location, batch).await?;
        let mut recorded = Recorded {
            quarantined: (batch.len() - placed.len()) as u64,
            ..Recorded::default()
        };
        let floor = self.floor(&mut session).await?;
        placed.retain(|row| Day::of(row.result.slot) >= floor);
        recorded.too_old = batch.len() as u64 - recorded.quarantined - placed.len() as u64;
        let keys = {
            let results: Vec<_> = placed.iter().map(|row| row.result).collect();
            self.verdicts.keys(&mut session, &results).await?
        };
        for (row, key) in placed.iter_mut().zip(keys) {
            row.verdict_key = key;
        }
        let wanted = placed.iter().map(|row| Day::of(row.result.slot)).collect();
        days::ensure(&mut session, Table::Results, &mut self.days, &wanted).await?;

        // in key order neighbouring rows fall on the same page of the index
        placed.sort_by_key(|row| (row.series_key, row.result.slot));
        let known = placed.len();
        placed.dedup_by_key(|row| (row.series_key, row.result.slot));
        if !placed.is_empty() {
            recorded.stored = self.write(&session, batch.len(), &placed).await?;
        }
        recorded.duplicate = known as u64 - recorded.stored;
        let results = placed.iter().map(|row| (row.series_key, row.result));
        certificate::write(&session, &mut self.chains, results).await;
        session.release();
        Ok(recorded)
    }

    /// Finds each result's series; leaves out those that cannot be stored: of a target that this database does not know, or of a
    /// day that has no name.
    async fn place<'a>(
        &mut self,
        session: &mut Session,
        location: &str,
        batch: &'a [ProbeResult],
    ) -> Result<Vec<Placed<'a>>, Failed> {
        let new: HashSet<_> = batch.iter().map(|result| result.target).collect();
        let new = new.into_iter().filter(|id| !self.series.contains_key(id));
        let new: Vec<_> = new.map(|TargetId(id)| id).collect();
        if !new.is_empty() {
            // a series that is new has no newest result to update
            self.merges = self.merges.max(1);
            let location_key = self.location_key(session, location).await?;
            let parameters = [
                (&new as _, Type::UUID_ARRAY),
                (&location_key as _, Type::INT4),
            ];
            for insert in [false, true] {
                if insert {
                    session
                        .execute(
                            include_str!("../sql/series_insert.postgres.sql"),
                            &parameters,
                        )
                        .await?;
                }
                let rows = session
                    .query(include_str!("../sql/series_find.postgres.sql"), &parameters)
                    .await?;
                for row in &rows {
                    self.series
                        .insert(TargetId(column(row, 0)?), column(row, 1)?);
                }
                if rows.len() == new.len() {
                    break;
                }
            }
            session.commit().await?;
        }
        let placed = batch.iter().enumerate().filter_map(|(index, result)| {
            let series_key = *self.series.get(&result.target)?;
            days::is_nameable(Day::of(result.slot)).then(|| Placed {
                number: index as i32 + 1,
                series_key,
                verdict_key: 0,
                detail: detail_json(result),
                result,
            })
        });
        Ok(placed.collect())
    }

    async fn floor(&mut self, session: &mut Session) -> Result<Day, Failed> {
        if let Some(floor) = self.floor {
            return Ok(floor);
        }
        let rows = session
            .query(include_str!("../sql/floor_read.postgres.sql"), &[])
            .await?;
        let floor = Day(column::<i32>(schema::one(&rows)?, 0)?.into());
        session.commit().await?;
        self.floor = Some(floor);
        Ok(floor)
    }

    async fn location_key(&mut self, session: &mut Session, location: &str) -> Result<i32, Failed> {
        if let Some(key) = self.location_key {
            return Ok(key);
        }
        let name = [(&location as _, Type::TEXT)];
        session
            .execute(include_str!("../sql/location_insert.postgres.sql"), &name)
            .await?;
        let rows = session
            .query(include_str!("../sql/location_key.postgres.sql"), &name)
            .await?;
        let key = column(schema::one(&rows)?, 0)?;
        // whoever inserted it holds it until then
        session.commit().await?;
        self.location_key = Some(key);
        Ok(key)
    }
}

impl Known {
    /// Says how many of the rows were not there yet. Nearly always all of them are new, and the newest of their series.
    async fn write(
        &mut self,
        session: &Session,
        batch: usize,
        placed: &[Placed<'_>],
    ) -> Result<u64, Failed> {
        let rows = Rows::of(batch, placed);
        let parameters = rows.parameters();
        let mut appended = None;
        if self.merges == 0 {
            let append = include_str!("../sql/batch_append.postgres.sql");
            match session.once(append, &parameters).await {
                Ok(moved) if moved == rows.series => {
                    return Ok(placed.len() as u64);
                }
                // all are stored, but some series have a newer result, or none yet
                Ok(_) => appended = Some(placed.len() as u64),
                Err(failed) if failed.is_duplicate() => {}
                Err(failed) => return Err(failed),
            }
            self.merges = MERGES_AFTER_OVERLAP;
        }
        let merge = include_str!("../sql/batch_merge.postgres.sql");
        let merged = session.once(merge, &parameters).await?;
        self.merges -= 1;
        Ok(appended.unwrap_or(merged))
    }
}

/// What the two statements take.
struct Rows<'a> {
    /// How many numbers to give out.
    numbers: i64,
    columns: Columns<'a>,
    /// Of the newest of each series: when its outcome began within this batch.
    began: Vec<Option<Instant>>,
    /// How many those are.
    series: u64,
    /// The series that have several outcomes in this batch.
    broken: Vec<i32>,
    /// The buckets whose roll-ups do not agree any more.
    stale: Vec<Instant>,
    /// The day of the earliest, since 1970.
    earliest: i32,
}

impl<'a> Rows<'a> {
    fn of(batch: usize, placed: &'a [Placed<'a>]) -> Self {
        let mut rows = Self {
            numbers: batch as i64,
            columns: Columns::of(placed.iter()),
            began: Vec::with_capacity(placed.len()),
            series: 0,
            broken: Vec::new(),
            stale: stale_buckets(placed),
            earliest: earliest_day(placed),
        };
        for of_series in placed.chunk_by(|a, b| a.series_key == b.series_key) {
            let results = of_series.iter().map(|row| row.result);
            if let Some((since, unbroken)) = outcome_began(results) {
                let older = of_series.len() - 1;
                rows.began.extend(std::iter::repeat_n(None, older));
                rows.began.push(Some(Instant(since)));
                rows.series += 1;
                if !unbroken {
                    rows.broken.push(of_series[0].series_key);
                }
            }
        }
        rows
    }

    fn parameters(&self) -> [Parameter<'_>; 12] {
        let columns = &self.columns;
        [
            (&self.numbers, Type::INT8),
            (&columns.slots, Type::TIMESTAMPTZ_ARRAY),
            (&columns.numbers, Type::INT4_ARRAY),
            (&columns.series, Type::INT4_ARRAY),
            (&columns.lags, Type::INT4_ARRAY),
            (&columns.latencies, Type::INT4_ARRAY),
            (&columns.verdicts, Type::INT4_ARRAY),
            (&columns.details, Type::TEXT_ARRAY),
            (&self.began, Type::TIMESTAMPTZ_ARRAY),
            (&self.broken, Type::INT4_ARRAY),
            (&self.stale, Type::TIMESTAMPTZ_ARRAY),
            (&self.earliest, Type::INT4),
        ]
    }
}

fn stale_buckets(placed: &[Placed<'_>]) -> Vec<Instant> {
    let slots = placed.iter().map(|row| row.result.slot);
    let buckets: BTreeSet<_> = slots
        .filter_map(|slot| Some(slot.bucket(Resolution::FiveMinutes.width()?)))
        .collect();
    buckets.into_iter().map(Instant).collect()
}

fn earliest_day(placed: &[Placed<'_>]) -> i32 {
    let days = placed.iter().map(|row| Day::of(row.result.slot).0 as i32);
    days.min().unwrap_or(i32::MAX)
}

/// Rows, a list a column.
#[derive(Default)]
struct Columns<'a> {
    slots: Vec<Instant>,
    numbers: Vec<i32>,
    series: Vec<i32>,
    lags: Vec<i32>,
    latencies: Vec<Option<i32>>,
    verdicts: Vec<i32>,
    details: Vec<Option<&'a str>>,
}

impl<'a> Columns<'a> {
    fn of(rows: impl Iterator<Item = &'a Placed<'a>>) -> Self {
        let mut columns = Self::default();
        for row in rows {
            let latency = row.result.observation.measurement.latency;
            let latency = latency.map(|latency| column_micros(latency) as i32);
            columns.slots.push(Instant(row.result.slot));
            columns.numbers.push(row.number);
            columns.series.push(row.series_key);
            columns.lags.push(column_micros(row.result.lag) as i32);
            columns.latencies.push(latency);
            columns.verdicts.push(row.verdict_key);
            columns.details.push(row.detail.as_deref());
        }
        columns
    }
}
