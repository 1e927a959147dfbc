//! How far a long piece of work is: one line that is written over on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

const BAR: usize = 30;
const ON_TERMINAL: Duration = Duration::from_millis(100);
const ELSEWHERE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Progress {
    total: u64,
    done: u64,
    began: Instant,
    shown: Instant,
    terminal: bool,
}

impl Progress {
    pub fn new(total: u64) -> Self {
        let now = Instant::now();
        Self {
            total,
            done: 0,
            began: now,
            shown: now,
            terminal: std::io::stderr().is_terminal(),
        }
    }

    pub fn add(&mut self, rows: u64) {
        self.done += rows;
        let every = if self.terminal {
            ON_TERMINAL
        } else {
            ELSEWHERE
        };
        if self.shown.elapsed() >= every {
            self.shown = Instant::now();
            self.show(false);
        }
    }

    /// Leaves the last line standing; gives the rows a second.
    pub fn finish(self) -> f64 {
        self.show(true);
        self.rate()
    }

    fn rate(&self) -> f64 {
        self.done as f64 / self.began.elapsed().as_secs_f64().max(0.001)
    }

    fn show(&self, last: bool) {
        let line = line(self.done, self.total, self.rate());
        let mut out = std::io::stderr().lock();
        // a progress that nobody reads is no reason to stop
        let _ = match (self.terminal, last) {
            (true, false) => write!(out, "\r{line}\x1b[K"),
            (true, true) => writeln!(out, "\r{line}\x1b[K"),
            (false, _) => writeln!(out, "{line}"),
        };
        let _ = out.flush();
    }
}

fn line(done: u64, total: u64, rate: f64) -> String {
    let share = done as f64 / total.max(1) as f64;
    let full = ((share * BAR as f64) as usize).min(BAR);
    let left = total.saturating_sub(done) as f64 / rate.max(1.0);
    format!(
        "[{}{}] {:3.0} %  {} of {} rows  {} rows/s  {} left",
        "#".repeat(full),
        "-".repeat(BAR - full),
        share * 100.0,
        grouped(done),
        grouped(total),
        grouped(rate as u64),
        clock(left as u64),
    )
}

/// 1234567 as 1,234,567.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let parts = digits.as_bytes().rchunks(3).rev();
    let parts: Vec<_> = parts.map(String::from_utf8_lossy).collect();
    parts.join(",")
}

fn clock(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_much_is_done_and_left() {
        assert_eq!(
            line(1_234_567, 4_938_268, 50_000.0),
            "[#######-----------------------]  25 %  1,234,567 of 4,938,268 rows  50,000 rows/s  1 min 14 s left"
        );
        assert_eq!(clock(7_384), "2 h 03 min");
    }
}
