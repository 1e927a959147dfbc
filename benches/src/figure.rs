//! The table of `docs/performance.md`: what was measured, how, the figure, and what it has to hold.

use std::fmt;
use std::fs;
use std::time::Duration;

/// A line of the table.
#[derive(Debug, Clone)]
pub struct Figure {
    pub what: String,
    pub how: String,
    /// In the unit of `hold`.
    pub value: f64,
    pub unit: &'static str,
    /// It should be at most this.
    pub hold: Option<f64>,
}

/// The figures of one part, with what they were measured on.
#[derive(Debug, Default)]
pub struct Table {
    pub title: String,
    pub machine: String,
    pub figures: Vec<Figure>,
}

impl Table {
    pub fn add(
        &mut self,
        what: impl Into<String>,
        how: impl Into<String>,
        (value, unit): (f64, &'static str),
        hold: Option<f64>,
    ) {
        let figure = Figure {
            what: what.into(),
            how: how.into(),
            value,
            unit,
            hold,
        };
        eprintln!("{figure}");
        self.figures.push(figure);
    }

    /// Median and 99th percentile of several runs in milliseconds; the median is what has to hold.
    pub fn add_runs(&mut self, what: &str, how: &str, mut runs: Vec<Duration>, hold: Option<f64>) {
        runs.sort_unstable();
        let at = |q: f64| runs[((runs.len() - 1) as f64 * q).ceil() as usize].as_secs_f64() * 1e3;
        let how = format!("{how}; median of {}, p99 {}", runs.len(), short(at(0.99)));
        self.add(what, how, (at(0.5), "ms"), hold);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.title, self.machine)?;
        writeln!(
            f,
            "| what | how | figure | hold | ratio |\n| --- | --- | --- | --- | --- |"
        )?;
        self.figures
            .iter()
            .try_for_each(|figure| writeln!(f, "{figure}"))
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            how,
            value,
            unit,
            hold,
        } = self;
        write!(f, "| {what} | {how} | {} {unit} |", short(*value))?;
        match hold {
            Some(hold) if *hold > 0.0 => write!(f, " ≤ {hold} {unit} | {:.2} |", value / hold),
            Some(hold) => write!(f, " {hold} {unit} | |"),
            None => f.write_str(" | |"),
        }
    }
}

/// Three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Cores, their model, memory and kernel; nothing that tells whose machine it is.
pub fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kilobytes: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel: Vec<_> = kernel.split(['.', '-']).take(2).collect();
    format!(
        "{} cores ({}), {} GB, Linux {}",
        std::thread::available_parallelism().map_or(1, usize::from),
        field(&read("/proc/cpuinfo"), "model name"),
        kilobytes.div_ceil(1_048_576),
        kernel.join("."),
    )
}
