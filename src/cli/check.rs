//! `pingu check`: is a targets file valid, and what would it change? Nothing is written, created or locked.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde_json::json;

use super::Failure;
use super::style::{BAD, BOLD, DIM, GOOD, WARN, paint, print};
use crate::app::{self, StartError};
use crate::config::{self, Problem, Settings};
use crate::storage::{Change, SyncPlan};

pub fn run(mut settings: Settings, file: Option<PathBuf>, json: bool) -> Result<ExitCode, Failure> {
    if let Some(file) = file {
        settings.targets_path = file;
    }
    let loaded = match config::load_file(&settings.targets_path) {
        Ok(loaded) => loaded,
        Err(error) if json => {
            let problems: Vec<_> = error.problems().iter().map(problem).collect();
            print(&format!(
                "{:#}\n",
                json!({ "valid": false, "problems": problems })
            ))?;
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
    let existing = known.as_deref().unwrap_or_default();
    let changes = SyncPlan::new(&loaded.declared, existing)
        .map_err(StartError::from)?
        .changes;
    if json {
        let warnings: Vec<_> = loaded.warnings.iter().map(problem).collect();
        let changes: Vec<_> = changes.iter().map(as_json).collect();
        let report = json!({
            "valid": true,
            "targets": loaded.declared.len(),
            "warnings": warnings,
            "database_exists": known.is_some(),
            "changes": changes,
        });
        print(&format!("{report:#}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    for warning in &loaded.warnings {
        // nobody may be reading it
        let _ = writeln!(anstream::stderr(), "{}: {warning}", paint(WARN, "warning"));
    }
    let enabled = loaded.declared.iter().filter(|it| it.spec.enabled).count();
    let mut lines = vec![format!(
        "{} {} is valid: {}, {enabled} enabled",
        paint(GOOD, "✓"),
        settings.targets_path.display(),
        count(loaded.declared.len(), "target"),
    )];
    let database = super::shown(&settings.database);
    if known.is_some() {
        lines.extend(describe(&database, &changes, loaded.declared.len()));
    } else {
        lines.push(format!(
            "  {database} does not exist yet, or is from an older Pingu; the next start takes care of it"
        ));
    }
    lines.push(String::new());
    print(&lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

fn describe(database: &str, changes: &[Change], declared: usize) -> Vec<String> {
    if changes.is_empty() {
        return vec![format!("  {database} has them all; nothing would change")];
    }
    let kept = declared
        - changes
            .iter()
            .filter(|change| !matches!(change, Change::Remove { .. }))
            .count();
    let mut lines = vec![format!(
        "  in {database} this would change {}, {kept} stay as they are:",
        count(changes.len(), "target")
    )];
    lines.extend(changes.iter().map(|change| format!("    {}", line(change))));
    lines
}

fn line(change: &Change) -> String {
    match change {
        Change::Insert { name, .. } => {
            format!("{} {}  new", paint(GOOD, "+"), paint(BOLD, printable(name)))
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
                .map_or_else(String::new, |was| format!(", was {}", printable(was)));
            format!(
                "{} {}  {what}{was}",
                paint(WARN, "~"),
                paint(BOLD, printable(name))
            )
        }
        Change::Remove { name, .. } => format!(
            "{} {}  no longer in the file: disabled, {}",
            paint(BAD, "-"),
            paint(BOLD, printable(name)),
            paint(DIM, "its history stays")
        ),
    }
}

/// A name as a terminal may see it.
fn printable(name: &str) -> String {
    crate::model::ErrorText::new(name).to_string()
}

fn problem(problem: &Problem) -> serde_json::Value {
    json!({
        "file": problem.file,
        "line": problem.place.map(|place| place.line),
        "column": problem.place.map(|place| place.column),
        "message": problem.message,
        "hint": problem.hint,
    })
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
