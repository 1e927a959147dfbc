//! `/about`: what a page shows of Pingu itself. Nothing secret: neither the database's address nor what the targets file hides.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::process::{DATABASE_DEADLINE, REVISION, VERSION};
use crate::metrics::Metrics;
use crate::model::Timestamp;

/// What only whoever starts the process knows of it.
#[derive(Debug)]
pub struct Facts {
    /// `sqlite` or `postgres`.
    pub database: &'static str,
    /// Of a process that probes.
    pub probing: Option<Probing>,
}

/// What a process that probes tells beside its figures.
pub struct Probing {
    /// Under which name results are stored.
    pub location: String,
    pub retention: Retention,
    pub spool_max_bytes: u64,
    /// The targets file as it is now.
    pub targets_file: Box<dyn Fn() -> TargetsFile + Send + Sync>,
}

impl std::fmt::Debug for Probing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probing").finish_non_exhaustive()
    }
}

/// This Pingu.
#[derive(Debug, Serialize, ToSchema)]
pub struct About {
    #[schema(value_type = String, format = DateTime)]
    generated_at: Timestamp,
    #[schema(example = "0.1.0")]
    version: &'static str,
    /// The commit it was built from, where the build knew it.
    revision: Option<&'static str>,
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// Where it stands: the name under which it stores results; null in `pingu api`, which stores none.
    #[schema(example = "local")]
    location: Option<String>,
    database: Database,
    /// What it probes is written there; null in `pingu api`, as are `poller`, `accounting`, `spool` and `retention`.
    targets_file: Option<TargetsFile>,
    poller: Option<Poller>,
    accounting: Option<Accounting>,
    spool: Option<Spool>,
    retention: Option<Retention>,
    readers: Readers,
}

/// Where results are stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct Database {
    /// `sqlite` or `postgres`.
    #[schema(value_type = String, example = "sqlite")]
    kind: &'static str,
    /// Whether it answered just now.
    reachable: bool,
}

/// The targets file, and what is wrong with it.
#[derive(Debug, Serialize, ToSchema)]
pub struct TargetsFile {
    /// As it was set.
    #[schema(example = "targets.yaml")]
    pub path: String,
    /// When a content that was right was last read.
    #[schema(value_type = String, format = DateTime)]
    pub loaded_at: Timestamp,
    /// Why the file as it is now is not used, and an earlier content is: the first fifty. Empty while all is well.
    pub problems: Vec<FileProblem>,
    /// How many more problems there are.
    pub omitted: usize,
}

/// One thing that is wrong with the targets file.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileProblem {
    /// Counts from 1; null where the file as a whole is meant.
    pub line: Option<u32>,
    /// In characters, from 1.
    pub column: Option<u32>,
    /// What is wrong, in one line.
    #[schema(example = "unknown key \"intervall_seconds\"")]
    pub message: String,
    /// What is expected, or what to do.
    pub hint: Option<String>,
    /// The line, cut where it is long, and `***` in place of secrets.
    pub source: Option<String>,
}

/// How probing goes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Poller {
    /// Targets that are probed.
    targets: i64,
    /// Of the probes of the last one to two minutes: how late they began after their slot; null without any.
    #[schema(example = 0.412)]
    lag_p50_ms: Option<f64>,
    #[schema(example = 3.1)]
    lag_p99_ms: Option<f64>,
    /// Slots whose probe was never started, since Pingu started.
    missed: u64,
    /// Probes that are under way, or wait for their turn.
    in_flight: i64,
}

/// Where every result is, since Pingu started. At rest: produced + recovered = stored + duplicate + spooled + waiting + quarantined +
/// dropped.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accounting {
    produced: u64,
    /// Results of an earlier process that lay in the spool.
    recovered: u64,
    stored: u64,
    /// Their slot was stored already.
    duplicate: u64,
    /// In the spool, until the database takes them.
    spooled: i64,
    /// In memory.
    waiting: i64,
    /// The database cannot take them.
    quarantined: u64,
    dropped: u64,
}

/// The file that takes results while the database is away.
#[derive(Debug, Serialize, ToSchema)]
pub struct Spool {
    bytes: i64,
    max_bytes: u64,
}

/// How many days history is kept; 0 for ever.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Retention {
    pub results_days: u32,
    pub rollup_5m_days: u32,
    pub rollup_1h_days: u32,
}

/// Who reads.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readers {
    /// Event streams that are open.
    streams: i64,
    /// Connections that are open.
    connections: i64,
}

/// This Pingu
///
/// How probing, storing and reading go, and what is wrong with the targets file. Where the problems of that change, readers of events hear
/// of it as `targets`.
#[utoipa::path(
    get, path = "/about", tag = "process",
    responses((status = 200, body = About)),
)]
pub async fn about(State(state): State<ApiState>) -> Json<About> {
    let asked = tokio::time::timeout(DATABASE_DEADLINE, state.snapshots.stats()).await;
    let (facts, metrics) = (&state.about, &state.metrics);
    let probing = facts.probing.as_ref();
    Json(About {
        generated_at: state.clock.now(),
        version: VERSION,
        revision: REVISION,
        started_at: state.started,
        location: probing.map(|probing| probing.location.clone()),
        database: Database {
            kind: facts.database,
            reachable: matches!(asked, Ok(Ok(_))),
        },
        targets_file: probing.map(|probing| (probing.targets_file)()),
        poller: probing.map(|_| Poller::of(metrics)),
        accounting: probing.map(|_| Accounting::of(metrics)),
        spool: probing.map(|probing| Spool {
            bytes: metrics.spool_bytes.get(),
            max_bytes: probing.spool_max_bytes,
        }),
        retention: probing.map(|probing| probing.retention),
        readers: Readers {
            streams: metrics.serving.streams.get(),
            connections: metrics.serving.connections.get(),
        },
    })
}

impl Poller {
    fn of(metrics: &Metrics) -> Self {
        let millis = |micros: Option<f64>| micros.map(|micros| micros.round() / 1_000.0);
        let [median, high] = metrics.lags.quantiles([0.5, 0.99]).map(millis);
        Self {
            targets: metrics.targets.get(),
            lag_p50_ms: median,
            lag_p99_ms: high,
            missed: metrics.all_missed(),
            in_flight: metrics.under_way.get(),
        }
    }
}

impl Accounting {
    fn of(metrics: &Metrics) -> Self {
        Self {
            produced: metrics.all_produced(),
            recovered: metrics.recovered.get(),
            stored: metrics.stored.get(),
            duplicate: metrics.duplicate.get(),
            spooled: metrics.spooled.get(),
            waiting: metrics.waiting.get(),
            quarantined: metrics.quarantined.get(),
            dropped: metrics.dropped_in_all(),
        }
    }
}
