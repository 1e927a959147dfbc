//! `pingu migrate`: brings the schema up to date and says what it did. Every other start does the same without a word.

use std::process::ExitCode;

use anyhow::Context;

use super::Failure;
use super::style::{GOOD, paint, print};
use crate::app::{self, StartError};
use crate::config::Settings;
use crate::storage::Migrated;
use crate::telemetry;

pub fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let _log = telemetry::start(&settings.log_level, settings.log_format);
    let migrated = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(app::migrate(settings))
        .map_err(StartError::from)?;
    let database = super::shown(&settings.database);
    print(&format!(
        "{} {database} {}\n",
        paint(GOOD, "✓"),
        outcome(migrated)
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn outcome(Migrated { from, to }: Migrated) -> String {
    match from {
        _ if from == to => format!("is current: schema version {to}"),
        0 => format!("has its schema now: version {to}"),
        _ => format!("was brought from schema version {from} to {to}"),
    }
}
