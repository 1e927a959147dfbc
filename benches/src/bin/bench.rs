//! `bench`: measures, and prints the tables of docs/performance.md.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use pingu_bench::storage::{self, Place, Size};
use pingu_bench::{service, web};

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
    /// How many targets the service probes each second.
    #[arg(long, value_delimiter = ',', default_value = "10000,50000")]
    services: Vec<usize>,
    /// For how long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The optimised program.
    #[arg(long, default_value = "target/release/pingu")]
    program: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum What {
    /// Writing and reading, SQLite and Postgres.
    Storage,
    /// The whole program, from slots to rows.
    Service,
    /// HTTP probes, beside `blackbox_exporter`.
    Http,
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
    let span = Duration::from_secs(arguments.seconds);
    let program = || {
        let program = arguments.program.canonicalize();
        program.with_context(|| format!("looking for {}", arguments.program.display()))
    };
    if wanted(What::Service) {
        tables.push(service::measure(&program()?, &arguments.services, span)?);
    }
    if wanted(What::Http) {
        tables.push(web::measure(&program()?, span)?);
    }
    for table in tables {
        println!("{table}");
    }
    Ok(())
}
