//! `pingu check`: is a targets file valid, and what would it change? Nothing is written, created or locked.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::Failure;
use super::style::{BAD, BOLD, DIM, GOOD, WARN, paint};
use crate::app::{self, StartError};
use crate::config::{self, DatabaseUrl, Settings};
use crate::model::Declared;
use crate::storage::{Change, Existing, SyncPlan};

pub fn run(mut settings: Settings, file: Option<PathBuf>, json: bool) -> Result<ExitCode, Failure> {
    if let Some(file) = file {
        settings.targets_path = file;
    }
    let loaded = match config::load_file(&settings.targets_path) {
        Ok(loaded) => loaded,
        Err(error) if json => {
            let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
            println!("{:#}", json!({ "valid": false, "problems": problems }));
            return Ok(ExitCode::from(3));
        }
        Err(error) => return Err(StartError::from(error).into()),
    };
    let known = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(app::known_targets(&settings))
        .map_err(StartError::from)?;
    let changes = changes(&loaded.declared, known.as_deref().unwrap_or_default());
    if json {
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        let changes: Vec<_> = changes.iter().map(as_json).collect();
        println!(
            "{:#}",
            json!({
                "valid": true,
                "targets": loaded.declared.len(),
                "warnings": warnings,
                "database_exists": known.is_some(),
                "changes": changes,
            })
        );
        return Ok(ExitCode::SUCCESS);
    }
    for warning in &loaded.warnings {
        anstream::eprintln!("{}: {warning}", paint(WARN, "warning"));
    }
    let enabled = loaded.declared.iter().filter(|it| it.spec.enabled).count();
    anstream::println!(
        "{} {} is valid: {} targets, {enabled} enabled",
        paint(GOOD, "✓"),
        settings.targets_path.display(),
        loaded.declared.len(),
    );
    print_changes(&settings, known.is_some(), &changes, loaded.declared.len());
    Ok(ExitCode::SUCCESS)
}

fn changes(declared: &[Declared], known: &[Existing]) -> Vec<Change> {
    SyncPlan::new(declared, known).changes
}

fn print_changes(settings: &Settings, exists: bool, changes: &[Change], declared: usize) {
    let (database, absent) = match &settings.database {
        DatabaseUrl::Sqlite(path) => (path.display().to_string(), "does not exist yet"),
        url @ DatabaseUrl::Postgres(_) => (url.to_string(), "has no tables of this version"),
    };
    if !exists {
        anstream::println!("  {database} {absent}; the next start creates it with all of them");
        return;
    }
    if changes.is_empty() {
        anstream::println!("  {database} has them all; nothing would change");
        return;
    }
    let kept = declared
        - changes
            .iter()
            .filter(|change| !matches!(change, Change::Remove { .. }))
            .count();
    anstream::println!(
        "  in {database} this would change {}, {kept} stay as they are:",
        changes.len()
    );
    for change in changes {
        let line = match change {
            Change::Insert { name, .. } => {
                format!("{} {}  new", paint(GOOD, "+"), paint(BOLD, shown(name)))
            }
            Change::Update {
                name,
                was,
                returned,
                ..
            } => {
                let what = if *returned {
                    "back, with its history"
                } else {
                    "changed"
                };
                let was = was
                    .as_ref()
                    .map_or_else(String::new, |was| format!(", was {}", shown(was)));
                format!(
                    "{} {}  {what}{was}",
                    paint(WARN, "~"),
                    paint(BOLD, shown(name))
                )
            }
            Change::Remove { name, .. } => format!(
                "{} {}  no longer in the file: disabled, {}",
                paint(BAD, "-"),
                paint(BOLD, shown(name)),
                paint(DIM, "its history stays")
            ),
        };
        anstream::println!("    {line}");
    }
}

/// A name as a terminal may see it.
fn shown(name: &str) -> String {
    crate::model::ErrorText::new(name).to_string()
}

fn as_json(change: &Change) -> serde_json::Value {
    match change {
        // the id of a new target is chosen when it is stored
        Change::Insert { name, .. } => json!({ "change": "insert", "name": name }),
        Change::Update {
            id,
            name,
            was,
            returned,
        } => {
            json!({ "change": "update", "id": id, "name": name, "was": was, "returned": returned })
        }
        Change::Remove { id, name } => json!({ "change": "remove", "id": id, "name": name }),
    }
}
