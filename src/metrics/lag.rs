//! How late probes began of late: percentiles of the last minute or two, which a histogram since the start cannot tell.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::Histogram;

/// What is told is of the present minute and the one before it.
const WINDOW: Duration = Duration::from_secs(60);

/// Counts lags as they come. A lock and a search in some hundred buckets each: 10,000 a second cost nothing that can be seen.
#[derive(Debug)]
pub struct Lags(Mutex<Windows>);

#[derive(Debug)]
struct Windows {
    began: Instant,
    present: Histogram,
    before: Histogram,
}

impl Default for Lags {
    fn default() -> Self {
        Self(Mutex::new(Windows {
            began: Instant::now(),
            present: Histogram::default(),
            before: Histogram::default(),
        }))
    }
}

impl Lags {
    pub fn add(&self, lag: Duration) {
        self.at(Instant::now(), |windows| {
            windows.present.add(lag.as_micros() as u64);
        });
    }

    /// In microseconds, one for each fraction; nothing where no probe began.
    pub fn quantiles<const N: usize>(&self, fractions: [f64; N]) -> [Option<f64>; N] {
        self.at(Instant::now(), |windows| {
            let mut all = windows.before.clone();
            all.merge(&windows.present);
            fractions.map(|fraction| all.quantile(fraction))
        })
    }

    fn at<T>(&self, now: Instant, work: impl FnOnce(&mut Windows) -> T) -> T {
        // whole at every moment that something could panic
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        windows.turn(now);
        work(&mut windows)
    }
}

impl Windows {
    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.began);
        if age < WINDOW {
            return;
        }
        let present = std::mem::take(&mut self.present);
        // after a pause what was present is of longer ago too
        self.before = if age < 2 * WINDOW {
            present
        } else {
            Histogram::default()
        };
        self.began = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_ago_counts_no_more() {
        let lags = Lags::default();
        let began = Instant::now();
        let at = |minutes: f64| began + WINDOW.mul_f64(minutes);
        let median = |minutes| {
            lags.at(at(minutes), |windows| {
                let mut all = windows.before.clone();
                all.merge(&windows.present);
                all.quantile(0.5).map(f64::round)
            })
        };
        assert_eq!(median(0.0), None);
        lags.at(at(0.5), |windows| windows.present.add(1));
        assert_eq!(median(0.5), Some(1.0));
        // still the minute before
        assert_eq!(median(1.5), Some(1.0));
        assert_eq!(median(3.0), None);
        lags.at(at(3.1), |windows| windows.present.add(1));
        assert_eq!(median(9.0), None);
    }
}
