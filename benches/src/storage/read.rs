//! How long readers wait.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pingu::model::{TargetId, Timestamp};
use pingu::storage::history::{self, History};
use pingu::storage::{ResultQuery, Store};

use super::{Backend, Days};
use crate::cpu;
use crate::figure::Table;

const RUNS: usize = 50;
/// Of what takes long.
const FEW: usize = 15;

pub async fn measure(backend: &mut Backend, days: &Days, table: &mut Table) -> anyhow::Result<()> {
    let now = days.day.until;
    // one that has a history
    let target = TargetId(days.day.residents[0].id);
    backend.sql("VACUUM (ANALYZE)");
    let whose = Whose { target, now };

    let runs = in_the_database(backend, RUNS)?;
    table.add_runs(
        "newest result of each of 10,000, in the database",
        "the statement alone",
        runs,
        Some(10.0),
    );
    for (question, what, hold, times) in [
        (
            Question::Latest,
            "newest result of each of 10,000",
            None,
            RUNS,
        ),
        (
            Question::Series,
            "30 days of one target in 300 points or fewer",
            Some(10.0),
            RUNS,
        ),
        (
            Question::Results,
            "newest 200 results of one target",
            None,
            RUNS,
        ),
        (
            Question::Summary,
            "24 h of all 10,000, figures and percentiles",
            Some(100.0),
            FEW,
        ),
    ] {
        backend.restart();
        let store = backend.open().await?;
        let history = History::new(Arc::clone(&store));
        let asked = Asked {
            store: store.as_ref(),
            history: &history,
        };
        let began = Instant::now();
        whose.ask(asked, question, 0).await?;
        let cold = began.elapsed();
        let mut runs = Vec::new();
        let before = processors(backend);
        for number in 1..=times {
            let began = Instant::now();
            whose.ask(asked, question, number as u32).await?;
            runs.push(began.elapsed());
        }
        let spent = processors(backend).saturating_sub(before) / times as u32;
        let how = format!(
            "through the store, warm; {:.1} ms of processor time in all; the first after a start {:.1} ms",
            spent.as_secs_f64() * 1e3,
            cold.as_secs_f64() * 1e3
        );
        table.add_runs(what, &how, runs, hold);
        store.close().await;
    }
    Ok(())
}

/// Processor time of both sides so far.
fn processors(backend: &Backend) -> Duration {
    match backend {
        Backend::Sqlite(_) => cpu::own(),
        Backend::Postgres(_) => cpu::own() + backend.cpu(),
    }
}

#[derive(Debug, Clone, Copy)]
enum Question {
    Latest,
    Series,
    Results,
    Summary,
}

#[derive(Clone, Copy)]
struct Asked<'a> {
    store: &'a dyn Store,
    history: &'a History,
}

struct Whose {
    target: TargetId,
    now: Timestamp,
}

impl Whose {
    /// Each time a little later, as a page asks.
    async fn ask(&self, asked: Asked<'_>, question: Question, number: u32) -> anyhow::Result<()> {
        let now = self.now.saturating_add(Duration::from_millis(700) * number);
        let ago = |days: u64| now.saturating_sub(Duration::from_secs(days * 86_400));
        let Asked { store, history } = asked;
        let found = match question {
            Question::Latest => store.latest_by_target().await?.len(),
            Question::Series => {
                let series = history.series(self.target, ago(30), now, 300).await?;
                series.buckets.len()
            }
            Question::Results => {
                let query = ResultQuery {
                    target: Some(self.target),
                    since: None,
                    until: None,
                    after: None,
                    limit: 200,
                };
                store.results(&query).await?.len()
            }
            Question::Summary => {
                let since = history::beginning(now, Duration::from_secs(86_400));
                history.summaries(None, since, now).await?.len()
            }
        };
        anyhow::ensure!(found > 0, "{question:?} found nothing");
        Ok(())
    }
}

/// The newest results as the backend's own statement gives them, without a store around it.
fn in_the_database(backend: &Backend, times: usize) -> anyhow::Result<Vec<Duration>> {
    let run: Box<dyn Fn() -> anyhow::Result<Duration>> = match backend {
        Backend::Sqlite(_) => {
            let connection = rusqlite::Connection::open(backend.path())?;
            let sql = include_str!("../../../src/storage/sql/latest.sqlite.sql");
            Box::new(move || {
                let began = Instant::now();
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query([])?;
                while rows.next()?.is_some() {}
                Ok(began.elapsed())
            })
        }
        Backend::Postgres(_) => {
            let sql = include_str!("../../../src/storage/sql/latest.postgres.sql");
            let sql = format!("EXPLAIN (ANALYZE, TIMING OFF) {sql}");
            Box::new(move || {
                let plan = backend.sql(&sql).concat();
                let time = plan.split("Execution Time: ").nth(1).unwrap_or_default();
                let millis: f64 = time.trim_end_matches(" ms").parse()?;
                Ok(Duration::from_secs_f64(millis / 1e3))
            })
        }
    };
    (0..times).map(|_| run()).collect()
}
