//! `pingu doctor`: is there anything on this machine that keeps Pingu from working well, and which command mends it?
//!
//! It looks and changes nothing. What it says is what Pingu itself would find: the same settings, the same engine, the same database.

mod finding;
mod machine;
mod ping;
mod storage;

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context;

use super::Failure;
use super::style::{BOLD, DIM, GOOD, paint, print};
use crate::config::{self, Settings};
use crate::model::{Declared, ProbeSpec};
use finding::{Finding, State};

/// Findings about one thing.
type Chapter = (&'static str, Vec<Finding>);

pub fn run(settings: &Settings, json: bool) -> Result<ExitCode, Failure> {
    let chapters = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(examine(settings));
    let findings = || chapters.iter().flat_map(|(_, findings)| findings);
    if json {
        let all: Vec<_> = findings().collect();
        let text = serde_json::to_string_pretty(&all).context("writing the findings as JSON")?;
        print(&format!("{text}\n"))?;
    } else {
        print(&describe(&chapters))?;
    }
    let is_sound = !findings().any(|finding| finding.state == State::Bad);
    Ok(ExitCode::from(u8::from(!is_sound)))
}

async fn examine(settings: &Settings) -> Vec<Chapter> {
    let (targets, load) = targets(settings);
    vec![
        ("ping", ping::examine()),
        ("machine", machine::examine(settings, load)),
        ("targets", vec![targets]),
        ("storage", storage::examine(settings).await),
    ]
}

/// What the targets ask of the machine.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    targets: usize,
    /// Packets a second.
    packets: f64,
}

fn targets(settings: &Settings) -> (Finding, Load) {
    let name = "targets file";
    let path = settings.targets_path.display();
    let loaded = match config::load_file(&settings.targets_path) {
        Ok(loaded) => loaded,
        Err(error) => {
            let count = error.problems().len();
            let found = if count == 0 {
                error.to_string()
            } else {
                format!("{path} is not valid: {count} to mend")
            };
            let finding = Finding::bad(name, found, format!("pingu check {path}"));
            return (finding, Load::default());
        }
    };
    let enabled = loaded.declared.iter().filter(|it| it.spec.enabled);
    let load = enabled.fold(Load::default(), |load, declared| Load {
        targets: load.targets + 1,
        packets: load.packets + packets(declared) / declared.spec.interval.as_secs_f64(),
    });
    let found = format!(
        "{path}: {} enabled, {:.1} packets a second to ping",
        load.targets, load.packets
    );
    let finding = match loaded.warnings.len() {
        0 => Finding::good(name, found),
        _ => Finding::note(
            name,
            format!("{found}, with warnings"),
            format!("pingu check {path}"),
        ),
    };
    (finding, load)
}

fn packets(declared: &Declared) -> f64 {
    match &declared.spec.probe {
        ProbeSpec::Icmp(icmp) => icmp.train.map_or(1.0, |train| f64::from(train.packets)),
        ProbeSpec::Http(_) | ProbeSpec::Tcp(_) | ProbeSpec::Dns(_) | ProbeSpec::Tls(_) => 0.0,
    }
}

fn describe(chapters: &[Chapter]) -> String {
    let mut text = String::new();
    for (title, findings) in chapters {
        let _ = writeln!(text, "{}", paint(BOLD, title));
        for finding in findings {
            text.push_str(&finding.describe());
        }
    }
    let all = || chapters.iter().flat_map(|(_, findings)| findings);
    let of = |state| all().filter(|finding| finding.state == state).count();
    let (bad, notes) = (of(State::Bad), of(State::Note));
    text.push('\n');
    if all().any(Finding::is_mended_by_sysctl) {
        let line = "what sysctl -w sets lasts until the next boot; a line in /etc/sysctl.d/60-pingu.conf keeps it";
        let _ = writeln!(text, "{}", paint(DIM, line));
    }
    let _ = match (bad, notes) {
        (0, 0) => writeln!(text, "{} all is well", paint(GOOD, "✓")),
        _ => writeln!(text, "{bad} to mend, {notes} to know"),
    };
    text
}
