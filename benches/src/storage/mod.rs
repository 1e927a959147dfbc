//! What storing and reading cost, in both backends, with ten million rows there.
//!
//! 10,000 targets, all of them pinged, with 1,000 results each in most of a day: 10 million. A hundred of them have a history of 29
//! days before it, with a few results in each hour. Rows are made before the clock runs. Reading happens at an odd instant of that day's last hour, when its roll-ups have been
//! settled as they are while Pingu runs.

mod read;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pingu::config::load_file;
use pingu::model::Timestamp;
use pingu::storage::postgres::PostgresStore;
use pingu::storage::sqlite::SqliteStore;
use pingu::storage::{Store, rollup};
use tempfile::TempDir;

use crate::cluster::{Cluster, sql};
use crate::cpu;
use crate::figure::{Table, machine};
use crate::fill::{self, History};
use crate::town::{self, Kind, Resident};

const HOUR: Duration = Duration::from_secs(3_600);
/// As a server comes. What tests leave out for speed is on again.
const USUAL: [&str; 6] = [
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "autovacuum=on",
    "shared_buffers=128MB",
    "max_wal_size=1GB",
];
/// What docs/operations.md recommends for ten million rows a day.
const TUNED: [&str; 4] = [
    "shared_buffers=1GB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
    "wal_compression=lz4",
];

/// How much to measure.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub targets: usize,
    /// In the one day.
    pub rows: u64,
    pub seed: u64,
}

/// Where rows go.
enum Backend {
    Sqlite(TempDir),
    Postgres(Box<Cluster>),
}

impl Backend {
    fn postgres(settings: &[&str]) -> Self {
        let settings: Vec<_> = USUAL.iter().chain(settings).copied().collect();
        Self::Postgres(Box::new(Cluster::start(&settings)))
    }

    fn sqlite() -> anyhow::Result<Self> {
        Ok(Self::Sqlite(TempDir::with_prefix("pingu-bench-")?))
    }

    /// A store that knows nothing yet.
    async fn open(&self) -> anyhow::Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Sqlite(_) => Arc::new(SqliteStore::open(&self.path(), "local")?),
            Self::Postgres(cluster) => {
                let url = cluster.socket_url("postgres");
                Arc::new(PostgresStore::open(&url.into(), "local").await?)
            }
        })
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Sqlite(folder) => folder.path().join("pingu.db"),
            Self::Postgres(cluster) => cluster.folder().join("data"),
        }
    }

    fn sql(&self, statement: &str) -> Vec<String> {
        match self {
            Self::Sqlite(_) => Vec::new(),
            Self::Postgres(cluster) => sql(&cluster.socket_url("postgres"), statement),
        }
    }

    /// Processor time of the database itself: the server's processes, or with SQLite this one.
    fn cpu(&self) -> Duration {
        match self {
            Self::Sqlite(_) => cpu::own(),
            Self::Postgres(cluster) => cpu::cluster(cluster.folder()),
        }
    }

    /// Forgets what it has read; the kernel may still have it.
    fn restart(&mut self) {
        if let Self::Postgres(cluster) = self {
            // so that there is nothing to recover
            sql(&cluster.socket_url("postgres"), "CHECKPOINT");
            cluster.stop_hard();
            cluster.start_again();
        }
    }

    /// Its name and version.
    fn version(&self) -> String {
        match self {
            Self::Sqlite(_) => format!("SQLite {}", rusqlite::version()),
            Self::Postgres(_) => {
                let version = self.sql("SHOW server_version").concat();
                let number = version.split(' ').next().unwrap_or_default();
                format!("PostgreSQL {number}")
            }
        }
    }
}

/// Where to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Place {
    Sqlite,
    /// With the settings that a server comes with.
    Postgres,
    /// With those that docs/operations.md recommends.
    Tuned,
}

/// Measures all of it in each of these places.
pub async fn measure(size: Size, places: &[Place]) -> anyhow::Result<Vec<Table>> {
    let mut tables = Vec::new();
    for place in places {
        let (name, mut backend) = match place {
            Place::Sqlite => ("SQLite", Backend::sqlite()?),
            Place::Postgres => ("PostgreSQL as it comes", Backend::postgres(&[])),
            Place::Tuned => ("PostgreSQL, tuned", Backend::postgres(&TUNED)),
        };
        let mut table = Table {
            title: name.to_owned(),
            machine: format!("{}; {}", backend.version(), machine()),
            figures: Vec::new(),
        };
        eprintln!("\n{name}");
        let day = days(size);
        let store = prepare(&backend, &day).await?;
        write::measure(&backend, store.as_ref(), &day, &mut table).await?;
        store.close().await;
        read::measure(&mut backend, &day, &mut table).await?;
        tables.push(table);
    }
    Ok(tables)
}

/// Days before the one that is measured, and how many targets they are of.
const BEFORE: u64 = 29;
const OLD: usize = 100;

/// The day that is measured, and those before it in parts.
struct Days {
    before: Vec<History>,
    day: History,
}

fn days(size: Size) -> Days {
    let midnight: Timestamp = "2026-02-23T00:00:00Z".parse().expect("it is one");
    let until: Timestamp = "2026-02-23T23:37:12.345678Z".parse().expect("it is one");
    let pinged = |interval| -> Arc<[Resident]> {
        let town = town::residents(size.seed, size.targets * 2, interval, 8000);
        let pinged = town
            .into_iter()
            .filter(|it| matches!(it.kind, Kind::Device(_)));
        pinged.take(size.targets).collect()
    };
    let of_each = size.rows as f64 / size.targets as f64;
    let interval = Duration::from_secs_f64(until.since(midnight).as_secs_f64() / of_each);
    let old: Arc<[Resident]> = pinged(Duration::from_secs(60))[..OLD.min(size.targets)].into();
    let before = (0..BEFORE * 24).map(|hour| {
        let since = midnight.saturating_sub(Duration::from_secs(BEFORE * 86_400 - hour * 3_600));
        History {
            seed: size.seed,
            residents: Arc::clone(&old),
            since,
            // one bucket of five minutes an hour: to roll one up looks at every target
            until: since.saturating_add(Duration::from_secs(300)),
        }
    });
    Days {
        before: before.collect(),
        day: History {
            seed: size.seed,
            residents: pinged(interval),
            since: midnight,
            until,
        },
    }
}

async fn prepare(backend: &Backend, days: &Days) -> anyhow::Result<Arc<dyn Store>> {
    let folder = TempDir::with_prefix("pingu-bench-")?;
    let path = folder.path().join("targets.yaml");
    std::fs::write(&path, town::yaml(&days.day.residents, "bench"))?;
    let declared = load_file(&path)?.declared;
    let store = backend.open().await?;
    fill::sync(store.as_ref(), &declared, false, days.day.since).await?;
    for part in &days.before {
        for batch in part.batches() {
            store.record(batch).await?;
        }
    }
    rollup::settle(store.as_ref(), days.day.since.saturating_add(HOUR)).await?;
    Ok(store)
}
