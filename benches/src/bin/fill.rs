//! `fill`: a database with a plausible history, and the targets file that goes with it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use pingu::config::load_file;
use pingu::model::Timestamp;
use pingu_bench::fill::{History, open, sync};
use pingu_bench::progress::grouped;
use pingu_bench::town;

/// Fills a database with a plausible history of targets that lead to this machine.
///
/// The same seed gives the same history, whenever and however often it is asked for; what is stored already stays.
#[derive(Debug, Parser)]
struct Arguments {
    /// The database, as `DATABASE_URL` has it.
    #[arg(long, default_value = "sqlite://filled.db")]
    database: String,
    /// How many targets: of ten, six are pinged and four are HTTP.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    targets: u32,
    /// How many days of history.
    #[arg(long, default_value_t = 7.0)]
    days: f64,
    /// Seconds between two results of a target.
    #[arg(long, default_value_t = 60.0)]
    interval: f64,
    /// Where the history ends (RFC 3339); now if not said.
    #[arg(long)]
    until: Option<String>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The port of the URLs: that of Pingu itself, whose pages then are what is probed.
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Where to write the targets file.
    #[arg(long, default_value = "filled.yaml")]
    file: PathBuf,
    /// Also fill a database that has other targets: they are disabled, as when they leave the file.
    #[arg(long)]
    force: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let now = Timestamp::from_micros(jiff::Timestamp::now().as_microsecond());
    let until = arguments.until.as_deref().map_or(Ok(now), str::parse);
    let until =
        until.with_context(|| format!("--until {}", arguments.until.as_deref().unwrap_or("")))?;
    let interval = Duration::try_from_secs_f64(arguments.interval).context("--interval")?;
    let length = Duration::try_from_secs_f64(arguments.days * 86_400.0).context("--days")?;
    let count = arguments.targets as usize;
    let residents = town::residents(arguments.seed, count, interval, arguments.port);

    let command: Vec<_> = std::env::args().skip(1).collect();
    let yaml = town::yaml(&residents, &format!("fill {}", command.join(" ")));
    let writing = || format!("writing {}", arguments.file.display());
    std::fs::write(&arguments.file, yaml).with_context(writing)?;
    let declared = load_file(&arguments.file)?.declared;

    let store = open(&arguments.database).await?;
    sync(store.as_ref(), &declared, arguments.force, until).await?;
    let history = History {
        seed: arguments.seed,
        residents: residents.into(),
        since: until.saturating_sub(length),
        until,
    };
    let recorded = history.store(store.as_ref()).await?;
    store.close().await;
    println!(
        "{} results stored, {} were there; {} lists the {count} targets",
        grouped(recorded.stored),
        grouped(recorded.duplicate),
        arguments.file.display()
    );
    Ok(())
}
