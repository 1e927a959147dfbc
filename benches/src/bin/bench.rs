//! `bench`: measures, and prints the tables of docs/performance.md.

use clap::{Parser, ValueEnum};
use pingu_bench::storage::{self, Place, Size};

/// Measures Pingu and prints what docs/performance.md shows.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure; everything if not said.
    #[arg(value_enum)]
    what: Vec<What>,
    /// Rows in the day that is measured.
    #[arg(long, default_value_t = 10_000_000)]
    rows: u64,
    #[arg(long, default_value_t = 10_000)]
    targets: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which databases; all if not said.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "sqlite,postgres,tuned"
    )]
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum What {
    /// Writing and reading, SQLite and Postgres.
    Storage,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let all = arguments.what.is_empty();
    let wanted = |what| all || arguments.what.contains(&what);
    let mut tables = Vec::new();
    if wanted(What::Storage) {
        let size = Size {
            targets: arguments.targets,
            rows: arguments.rows,
            seed: arguments.seed,
        };
        tables.extend(storage::measure(size, &arguments.places).await?);
    }
    for table in tables {
        println!("{table}");
    }
    Ok(())
}
