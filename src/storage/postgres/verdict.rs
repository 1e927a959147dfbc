//! The dictionary of what results say alike, in Postgres.
//!
//! Several pollers may store the same verdict at once: its content is unique, and whoever comes second finds the first one's.

use std::collections::HashMap;

use tokio_postgres::types::Type;

use super::super::StoreError;
use super::super::day::Day;
use super::super::row::outcome_code;
use super::super::verdict::{Cache, Content, Entry};
use super::codec::column;
use super::error::Failed;
use super::session::Session;
use crate::model::ProbeResult;

/// How often a verdict may be forgotten between being found and being noted: it takes a prune each time.
const ATTEMPTS: usize = 3;

#[derive(Debug, Default)]
pub struct Verdicts {
    cache: Cache,
}

/// A verdict whose key is not known, or not noted to be used on this day.
struct Pending {
    content: Content,
    day: Day,
    key: Option<i32>,
}

impl Verdicts {
    /// The keys of what `results` say, stored now where they are new.
    pub async fn keys(
        &mut self,
        session: &mut Session,
        results: &[&ProbeResult],
    ) -> Result<Vec<i32>, Failed> {
        let mut pending: Vec<Pending> = Vec::new();
        let mut places: HashMap<Content, usize> = HashMap::new();
        // a key, or a place among the pending ones
        let mut found = Vec::with_capacity(results.len());
        for result in results {
            let (content, day) = (Content::of(result), Day::of(result.slot));
            let cached = self.cache.find(&content);
            if let Some(entry) = cached.filter(|entry| entry.seen_on >= day) {
                found.push(Ok(entry.key as i32));
                continue;
            }
            let place = *places.entry(content).or_insert_with_key(|content| {
                pending.push(Pending {
                    content: content.clone(),
                    day,
                    // one that is known, but not noted for this day, may have been forgotten since
                    key: None,
                });
                pending.len() - 1
            });
            pending[place].day = pending[place].day.max(day);
            found.push(Err(place));
        }
        if !pending.is_empty() {
            settle(session, &mut pending).await?;
        }
        for verdict in &pending {
            let entry = Entry {
                key: i64::from(key(verdict)?),
                seen_on: verdict.day,
            };
            self.cache.keep(&verdict.content, entry);
        }
        let keys = found.into_iter();
        keys.map(|found| found.or_else(|place| key(&pending[place]).map_err(Failed::from)))
            .collect()
    }
}

fn key(verdict: &Pending) -> Result<i32, StoreError> {
    let missing = || StoreError::Fault("a verdict that was stored is not there".to_owned());
    verdict.key.ok_or_else(missing)
}

/// Finds the keys, makes those that are missing, notes the days. One that retention forgets in between is made anew: what is found
/// after its day was noted cannot be forgotten any more.
async fn settle(session: &mut Session, pending: &mut [Pending]) -> Result<(), Failed> {
    find(session, pending).await?;
    for _ in 0..ATTEMPTS {
        if pending.iter().any(|verdict| verdict.key.is_none()) {
            insert(session, pending).await?;
            // those of others are visible once they are committed, which the insertion waited for
            find(session, pending).await?;
        }
        note(session, pending).await?;
        for verdict in pending.iter_mut() {
            verdict.key = None;
        }
        find(session, pending).await?;
        if pending.iter().all(|verdict| verdict.key.is_some()) {
            break;
        }
    }
    session.commit().await
}

async fn note(session: &mut Session, pending: &[Pending]) -> Result<(), Failed> {
    let mut noted: Vec<_> = pending
        .iter()
        .filter_map(|verdict| Some((verdict.key?, verdict.day.0 as i32)))
        .collect();
    // everybody locks them in one order
    noted.sort_unstable();
    let (keys, days): (Vec<_>, Vec<_>) = noted.into_iter().unzip();
    session
        .execute(
            include_str!("../sql/verdict_seen.postgres.sql"),
            &[(&keys, Type::INT4_ARRAY), (&days, Type::INT4_ARRAY)],
        )
        .await?;
    Ok(())
}

/// Those without a key, a list a column.
#[derive(Default)]
struct Columns<'a> {
    errors: Vec<&'a str>,
    addresses: Vec<String>,
    statuses: Vec<i32>,
    reasons: Vec<&'a str>,
    slow: Vec<bool>,
    outcomes: Vec<i32>,
    days: Vec<i32>,
    places: Vec<usize>,
}

impl<'a> Columns<'a> {
    fn of(pending: &'a [Pending]) -> Self {
        let mut columns = Self::default();
        for (place, verdict) in pending.iter().enumerate() {
            if verdict.key.is_some() {
                continue;
            }
            let content = &verdict.content;
            columns.errors.push(&content.error);
            columns.addresses.push(content.address());
            columns.statuses.push(i32::from(content.status_code));
            columns.reasons.push(content.reason);
            columns.slow.push(content.slow);
            columns.outcomes.push(outcome_code(content.outcome) as i32);
            columns.days.push(verdict.day.0 as i32);
            columns.places.push(place);
        }
        columns
    }
}

async fn find(session: &mut Session, pending: &mut [Pending]) -> Result<(), Failed> {
    let wanted = Columns::of(pending);
    let rows = session
        .query(
            include_str!("../sql/verdict_find.postgres.sql"),
            &[
                (&wanted.errors, Type::TEXT_ARRAY),
                (&wanted.addresses, Type::TEXT_ARRAY),
                (&wanted.statuses, Type::INT4_ARRAY),
                (&wanted.reasons, Type::TEXT_ARRAY),
                (&wanted.slow, Type::BOOL_ARRAY),
                (&wanted.outcomes, Type::INT4_ARRAY),
            ],
        )
        .await?;
    let places = wanted.places;
    for row in &rows {
        let number: i64 = column(row, 0)?;
        if let Some(&place) = places.get(number.unsigned_abs() as usize - 1) {
            pending[place].key = Some(column(row, 1)?);
        }
    }
    Ok(())
}

async fn insert(session: &mut Session, pending: &[Pending]) -> Result<(), Failed> {
    let new = Columns::of(pending);
    session
        .execute(
            include_str!("../sql/verdict_insert.postgres.sql"),
            &[
                (&new.errors, Type::TEXT_ARRAY),
                (&new.addresses, Type::TEXT_ARRAY),
                (&new.statuses, Type::INT4_ARRAY),
                (&new.reasons, Type::TEXT_ARRAY),
                (&new.slow, Type::BOOL_ARRAY),
                (&new.outcomes, Type::INT4_ARRAY),
                (&new.days, Type::INT4_ARRAY),
            ],
        )
        .await?;
    Ok(())
}
