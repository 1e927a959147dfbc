//! Probe after probe: a line that lives while it goes on, then what it all amounts to.
//!
//! Open loop, as the service does it: a slow answer delays no probe.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::super::style::{BAD, BAR, BOLD, DIM, WARN, paint, print};
use super::{Probe, exit_code, millis_of};
use crate::model::{Observation, Outcome, Reason};

/// How many of the last answers the live line draws.
const RECENT: usize = 40;
/// Rows of the histogram.
const ROWS: usize = 8;
const BAR_WIDTH: usize = 40;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Everything that was seen, in the order in which probes ended.
#[derive(Debug, Default)]
struct Seen {
    began: usize,
    ended: Vec<Ended>,
}

#[derive(Debug)]
struct Ended {
    number: usize,
    outcome: Outcome,
    latency_us: Option<u64>,
    failure: Option<(Reason, String)>,
}

/// What `--json` prints; times are in microseconds.
#[derive(Debug, Serialize)]
struct Report<'a> {
    target: &'a str,
    sent: usize,
    received: usize,
    unknown: usize,
    loss_percent: Option<f64>,
    min_us: Option<u64>,
    mean_us: Option<u64>,
    median_us: Option<u64>,
    p95_us: Option<u64>,
    p99_us: Option<u64>,
    max_us: Option<u64>,
    jitter_us: Option<u64>,
    /// In the order of sending; null without an answer.
    latencies_us: Vec<Option<u64>>,
    failures: Vec<Failed<'a>>,
}

#[derive(Debug, Serialize)]
struct Failed<'a> {
    /// Which probe, from 1.
    number: usize,
    outcome: Outcome,
    reason: Reason,
    error: &'a str,
}

/// `count` probes, or as many as there is time for until Ctrl-C.
pub async fn run(
    probe: &Probe,
    count: u32,
    every: Duration,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let live = !json && std::io::stdout().is_terminal();
    let began = Instant::now();
    let mut seen = Seen::default();
    let mut ticks = interval(every);
    // a machine that stood still does not catch up in a burst
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut underway = FuturesUnordered::new();
    let mut stop = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let more = count == 0 || seen.began < count as usize;
        if !more && underway.is_empty() {
            break;
        }
        tokio::select! {
            _ = ticks.tick(), if more => {
                seen.began += 1;
                let number = seen.began;
                underway.push(async move { (number, probe.observe().await) });
            }
            Some((number, observed)) = underway.next() => {
                let ended = Ended::new(number, &observed?);
                if live {
                    if let Some(line) = ended.trouble() {
                        print(&format!("\r\x1b[2K{line}\n"))?;
                    }
                } else if !json {
                    print(&ended.line())?;
                }
                seen.ended.push(ended);
                if live {
                    print(&format!("\r\x1b[2K{}", seen.live(&probe.shown)))?;
                }
            }
            _ = &mut stop => break,
        }
    }
    if json {
        let report = serde_json::to_string_pretty(&seen.report(&probe.shown))?;
        print(&format!("{report}\n"))?;
    } else {
        let start = if live { "\r\x1b[2K" } else { "\n" };
        print(&format!(
            "{start}{}",
            seen.summary(&probe.shown, began.elapsed())
        ))?;
    }
    let received = seen.ended.iter().any(|ended| ended.outcome == Outcome::Up);
    Ok(exit_code(if received {
        Outcome::Up
    } else {
        Outcome::Down
    }))
}

impl Ended {
    fn new(number: usize, observation: &Observation) -> Self {
        let failure = observation.verdict.failure();
        Self {
            number,
            outcome: observation.verdict.outcome(),
            latency_us: observation
                .measurement
                .latency
                .map(|latency| latency.as_micros() as u64),
            failure: failure.map(|failure| (failure.reason, failure.error.to_string())),
        }
    }

    fn trouble(&self) -> Option<String> {
        let (reason, error) = self.failure.as_ref()?;
        let style = if self.outcome == Outcome::Unknown {
            WARN
        } else {
            BAD
        };
        Some(format!(
            "{}  {}  {error}",
            paint(DIM, format!("{:>4}", self.number)),
            paint(style, reason)
        ))
    }

    fn line(&self) -> String {
        let line = self.trouble().unwrap_or_else(|| {
            let latency = self.latency_us.map_or_else(String::new, millis_of);
            format!("{}  {latency}", paint(DIM, format!("{:>4}", self.number)))
        });
        format!("{line}\n")
    }
}

impl Seen {
    fn received(&self) -> usize {
        self.of(Outcome::Up)
    }

    fn of(&self, outcome: Outcome) -> usize {
        let such = self.ended.iter().filter(|ended| ended.outcome == outcome);
        such.count()
    }

    /// Of the probes that this machine could carry out.
    fn loss_percent(&self) -> Option<f64> {
        let judged = self.ended.len() - self.of(Outcome::Unknown);
        let lost = self.of(Outcome::Down);
        (judged > 0).then(|| lost as f64 * 100.0 / judged as f64)
    }

    fn sorted(&self) -> Vec<u64> {
        let mut latencies: Vec<_> = self.ended.iter().filter_map(|it| it.latency_us).collect();
        latencies.sort_unstable();
        latencies
    }

    fn in_order(&self) -> Vec<Option<u64>> {
        let mut latencies = vec![None; self.ended.iter().map(|it| it.number).max().unwrap_or(0)];
        for ended in &self.ended {
            latencies[ended.number - 1] = ended.latency_us;
        }
        latencies
    }

    fn jitter(&self) -> Option<u64> {
        let answered: Vec<u64> = self.in_order().into_iter().flatten().collect();
        let steps = answered.windows(2).map(|pair| pair[0].abs_diff(pair[1]));
        let count = steps.len() as u64;
        steps.sum::<u64>().checked_div(count)
    }

    fn live(&self, target: &str) -> String {
        let latencies = self.sorted();
        let last = self.ended.last().and_then(|ended| ended.latency_us);
        let time = |us: Option<u64>| {
            us.map_or_else(|| "-".to_owned(), |us| format!("{:.3}", us as f64 / 1000.0))
        };
        let loss = self.loss_percent().unwrap_or_default();
        let loss = format!("{loss:.1} % lost");
        let loss = if self.of(Outcome::Down) > 0 {
            paint(BAD, loss)
        } else {
            loss
        };
        format!(
            "{}  {} sent  {loss}  last {}  median {}  p99 {} ms  {}",
            paint(BOLD, target),
            self.began,
            time(last),
            time(quantile(&latencies, 0.5)),
            time(quantile(&latencies, 0.99)),
            self.recent()
        )
    }

    /// The last answers as bars; what did not answer stands out.
    fn recent(&self) -> String {
        let last = &self.ended[self.ended.len().saturating_sub(RECENT)..];
        let most = last.iter().filter_map(|it| it.latency_us).max();
        let most = most.unwrap_or(1).max(1);
        let mut text = String::new();
        for ended in last {
            match ended.latency_us.filter(|_| ended.outcome == Outcome::Up) {
                Some(us) => {
                    let level = (us * (LEVELS.len() as u64 - 1)).div_ceil(most) as usize;
                    text.push_str(&paint(BAR, LEVELS[level]));
                }
                None => text.push_str(&paint(BAD, '×')),
            }
        }
        text
    }

    fn summary(&self, target: &str, took: Duration) -> String {
        let unknown = self.of(Outcome::Unknown);
        let mut text = format!("{}  {} sent, ", paint(BOLD, target), self.ended.len());
        let _ = write!(text, "{} answered", self.received());
        if let Some(loss) = self.loss_percent() {
            let loss = format!("{} % lost", (loss * 100.0).round() / 100.0);
            let style = if self.of(Outcome::Down) > 0 { BAD } else { DIM };
            let _ = write!(text, ", {}", paint(style, loss));
        }
        if unknown > 0 {
            let unknown = format!("{unknown} not measured: this machine's fault");
            let _ = write!(text, ", {}", paint(WARN, unknown));
        }
        let _ = writeln!(text, ", in {:.1} s", took.as_secs_f64());
        let latencies = self.sorted();
        let (Some(&min), Some(&max)) = (latencies.first(), latencies.last()) else {
            return text;
        };
        let at = |q| quantile(&latencies, q).unwrap_or_default();
        let figures = [
            ("min", Some(min)),
            ("median", Some(at(0.5))),
            ("p95", Some(at(0.95))),
            ("p99", Some(at(0.99))),
            ("max", Some(max)),
            ("jitter", self.jitter()),
        ];
        for (name, us) in figures {
            if let Some(us) = us {
                let _ = write!(text, "  {} {:.3}", paint(DIM, name), us as f64 / 1000.0);
            }
        }
        text.push_str(" ms\n");
        if latencies.len() > 2 && max > min {
            text.push('\n');
            text.push_str(&histogram(&latencies));
        }
        text
    }

    fn report<'a>(&'a self, target: &'a str) -> Report<'a> {
        let latencies = self.sorted();
        let sum: u64 = latencies.iter().sum();
        let failed = |ended: &'a Ended| {
            let (reason, error) = ended.failure.as_ref()?;
            Some(Failed {
                number: ended.number,
                outcome: ended.outcome,
                reason: *reason,
                error,
            })
        };
        let mut failures: Vec<_> = self.ended.iter().filter_map(failed).collect();
        failures.sort_by_key(|failed| failed.number);
        Report {
            target,
            sent: self.ended.len(),
            received: self.received(),
            unknown: self.of(Outcome::Unknown),
            loss_percent: self.loss_percent(),
            min_us: latencies.first().copied(),
            mean_us: sum.checked_div(latencies.len() as u64),
            median_us: quantile(&latencies, 0.5),
            p95_us: quantile(&latencies, 0.95),
            p99_us: quantile(&latencies, 0.99),
            max_us: latencies.last().copied(),
            jitter_us: self.jitter(),
            latencies_us: self.in_order(),
            failures,
        }
    }
}

/// The smallest value that at least this share of all does not exceed.
fn quantile(sorted: &[u64], q: f64) -> Option<u64> {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// How often which latency was seen, in rows of one width up to the 98th percentile and one row for what is beyond.
fn histogram(sorted: &[u64]) -> String {
    let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
    let most = quantile(sorted, 0.98).unwrap_or(max);
    let width = nice((most - min).div_ceil(ROWS as u64).max(1));
    let start = min / width * width;
    let mut rows: Vec<(u64, usize)> = Vec::new();
    for &us in sorted {
        let row = ((us - start) / width).min(ROWS as u64 + 1) as usize;
        while rows.len() <= row {
            rows.push((start + rows.len() as u64 * width, 0));
        }
        rows[row].1 += 1;
    }
    let highest = rows.iter().map(|row| row.1).max().unwrap_or(1);
    let decimals = if width.is_multiple_of(1000) {
        0
    } else if width.is_multiple_of(100) {
        1
    } else {
        3
    };
    let mut text = String::new();
    for (from, count) in rows {
        let from = from as f64 / 1000.0;
        let bar = "█".repeat((count * BAR_WIDTH).div_ceil(highest));
        let label = paint(DIM, format!("{from:>10.decimals$} ms"));
        let _ = writeln!(text, "{label}  {} {count}", paint(BAR, bar));
    }
    text
}

/// The next of 1, 2, 5, 10, 20, 50, ... microseconds.
fn nice(width: u64) -> u64 {
    let mut unit = 1;
    loop {
        for step in [1, 2, 5] {
            if step * unit >= width {
                return step * unit;
            }
        }
        unit *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let sorted: Vec<u64> = (1..=100).collect();
        for (q, value) in [(0.0, 1), (0.5, 50), (0.99, 99), (1.0, 100)] {
            assert_eq!(quantile(&sorted, q), Some(value), "{q}");
        }
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[7], 0.99), Some(7));
    }

    #[test]
    fn every_latency_is_in_one_row() {
        for latencies in [
            vec![30, 31, 35, 36, 40, 900],
            (0..5000).map(|n| 20 + n * n / 7919).collect(),
            vec![1, 1, 2],
        ] {
            let text = histogram(&latencies);
            let rows = text.lines().map(|line| line.rsplit(' ').next().unwrap());
            let sum: usize = rows.map(|count| count.parse::<usize>().unwrap()).sum();
            assert_eq!(sum, latencies.len(), "{text}");
            assert!(text.lines().count() <= ROWS + 2, "{text}");
        }
    }
}
