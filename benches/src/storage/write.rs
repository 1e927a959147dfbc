//! What a row costs to store, in processor time and in bytes.

use std::time::Duration;

use pingu::storage::{Store, rollup};

use super::{Backend, Days};
use crate::cpu;
use crate::figure::Table;
use crate::progress::{Progress, grouped};

/// Batches over which processor time is taken: enough for its grain of 10 ms to be nothing.
const A_SLICE: usize = 25;
/// So many slices at the beginning and at the end are told.
const SLICES: usize = 4;

/// Processor time in µs a row: of the database, and of the store's own side where that is another process.
#[derive(Debug, Clone, Copy)]
struct Cost {
    database: f64,
    client: f64,
}

pub async fn measure(
    backend: &Backend,
    store: &dyn Store,
    days: &Days,
    table: &mut Table,
) -> anyhow::Result<()> {
    let before = bytes(backend)?;
    let rows = days.day.rows();
    let mut progress = Progress::new(rows);
    let mut costs = Vec::new();
    let mut batches = days.day.batches().peekable();
    while batches.peek().is_some() {
        let slice: Vec<_> = batches.by_ref().take(A_SLICE).collect();
        let count: usize = slice.iter().map(|batch| batch.len()).sum();
        let (database, own) = (backend.cpu(), cpu::own());
        for batch in slice {
            store.record(batch).await?;
        }
        let a_row = |spent: Duration| spent.as_secs_f64() * 1e6 / count as f64;
        costs.push(Cost {
            database: a_row(backend.cpu().saturating_sub(database)),
            client: a_row(cpu::own().saturating_sub(own)),
        });
        progress.add(count as u64);
    }
    progress.finish();
    let is_server = matches!(backend, Backend::Postgres(_));
    let hold = if is_server { 5.0 } else { 13.0 };
    let last = costs.len().saturating_sub(SLICES);
    let how = |which: &str| {
        format!(
            "processor time, batches of 10,000, {which} million of {}: median of {SLICES}",
            grouped(rows)
        )
    };
    let first = median(&costs[..SLICES.min(costs.len())], |cost| cost.database);
    table.add("store a row", how("first"), (first, "µs"), None);
    let full = median(&costs[last..], |cost| cost.database);
    table.add("store a row", how("last"), (full, "µs"), Some(hold));
    if is_server {
        let client = median(&costs[last..], |cost| cost.client);
        table.add(
            "store a row, Pingu's side",
            how("last"),
            (client, "µs"),
            None,
        );
    }
    let a_row = (bytes(backend)? - before) as f64 / rows as f64;
    let hold = if is_server { 105.0 } else { 30.0 };
    table.add(
        "a row on disk",
        "with its index, without roll-ups",
        (a_row, "bytes"),
        Some(hold),
    );

    let (database, own) = (backend.cpu(), cpu::own());
    rollup::settle(store, days.day.until).await?;
    let mut spent = cpu::own().saturating_sub(own);
    if is_server {
        spent += backend.cpu().saturating_sub(database);
    }
    let a_row = spent.as_secs_f64() * 1e6 / rows as f64;
    table.add(
        "roll a row up",
        "processor time of both sides, five minutes and hours",
        (a_row, "µs"),
        None,
    );
    Ok(())
}

fn median(costs: &[Cost], of: fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<_> = costs.iter().map(of).collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What results take: with Postgres tables and indexes, with SQLite the file once its WAL has gone into it.
fn bytes(backend: &Backend) -> anyhow::Result<i64> {
    let sum = "SELECT sum(pg_total_relation_size(inhrelid))::text FROM pg_inherits WHERE inhparent = 'results'::regclass";
    if let Some(sum) = backend.sql(sum).first() {
        return Ok(sum.parse()?);
    }
    let connection = rusqlite::Connection::open(backend.path())?;
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    Ok(pragma("page_count")? * pragma("page_size")?)
}
