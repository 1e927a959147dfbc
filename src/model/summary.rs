//! The figures of a span of time, in a form that can be added to and added up.
//!
//! Promises that the order of adding does not matter, and that no figure of a whole is an average of its parts' figures.

use super::{Detail, Histogram, Outcome, Phases};

/// What a target did in a span of time. Two summaries of neighbouring spans add up to that of both.
///
/// `unknown` results are counted, but in no other figure: they say nothing of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Results of every outcome.
    pub total: u64,
    pub up: u64,
    pub unknown: u64,
    /// Packets, or attempts where a probe is not made of packets.
    pub sent: u64,
    pub received: u64,
    /// Of the answers, up or down: a lost packet is no latency.
    pub latency: Latencies,
    /// Of latencies that follow one another directly.
    pub jitter: Mean,
    /// In the order of [`Phases`]: dns, connect, tls, first byte, transfer.
    pub phases: [Mean; 5],
}

/// Latencies in microseconds, exact at the ends and to one percent between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Latencies {
    pub sum: u64,
    pub min: u64,
    pub max: u64,
    pub histogram: Histogram,
}

/// A mean that can be added to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mean {
    pub sum: u64,
    pub count: u64,
}

/// What a summary needs to know of one result.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    pub outcome: Outcome,
    pub latency_us: Option<u64>,
    pub detail: Option<&'a Detail>,
}

impl Summary {
    /// Adds the next result; `before` is the latency of the one before it, for the jitter.
    pub fn add(&mut self, sample: &Sample<'_>, before: Option<u64>) {
        self.total += 1;
        match sample.outcome {
            Outcome::Up => self.up += 1,
            Outcome::Down => {}
            Outcome::Unknown => {
                self.unknown += 1;
                return;
            }
        }
        let packets = sample.detail.and_then(|detail| detail.packets.as_ref());
        let (sent, received) = match packets {
            Some(packets) => (packets.sent.into(), packets.received.into()),
            None => (1, u64::from(sample.outcome == Outcome::Up)),
        };
        self.sent += sent;
        self.received += received;
        match packets.map(|packets| packets.rtts_us.as_slice()) {
            None | Some([] | [_]) => {
                if let Some(latency) = sample.latency_us {
                    self.latency.add(latency);
                    if let Some(before) = before {
                        self.jitter.add(latency.abs_diff(before));
                    }
                }
            }
            // of a train every packet counts: the median alone would hide its tail
            Some(rtts) => {
                let mut before = None;
                for rtt in rtts.iter().flatten().copied().map(u64::from) {
                    self.latency.add(rtt);
                    if let Some(before) = before.replace(rtt) {
                        self.jitter.add(rtt.abs_diff(before));
                    }
                }
            }
        }
        if let Some(phases) = sample.detail.and_then(|detail| detail.phases) {
            for (mean, micros) in self.phases.iter_mut().zip(in_order(&phases)) {
                if let Some(micros) = micros {
                    mean.add(micros.into());
                }
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        self.total += other.total;
        self.up += other.up;
        self.unknown += other.unknown;
        self.sent += other.sent;
        self.received += other.received;
        self.latency.merge(&other.latency);
        self.jitter.merge(other.jitter);
        for (mean, other) in self.phases.iter_mut().zip(other.phases) {
            mean.merge(other);
        }
    }

    pub const fn down(&self) -> u64 {
        self.total - self.up - self.unknown
    }

    /// The share of up among up and down, in percent; nothing when neither was seen.
    pub fn uptime_percent(&self) -> Option<f64> {
        let judged = self.total - self.unknown;
        (judged > 0).then(|| self.up as f64 * 100.0 / judged as f64)
    }

    /// Failed packets among those sent, in percent.
    pub fn loss_percent(&self) -> Option<f64> {
        let lost = self.sent.saturating_sub(self.received);
        (self.sent > 0).then(|| lost as f64 * 100.0 / self.sent as f64)
    }
}

impl Latencies {
    fn add(&mut self, micros: u64) {
        self.min = if self.count() == 0 {
            micros
        } else {
            self.min.min(micros)
        };
        self.max = self.max.max(micros);
        self.sum += micros;
        self.histogram.add(micros);
    }

    fn merge(&mut self, other: &Self) {
        if other.count() == 0 {
            return;
        }
        self.min = if self.count() == 0 {
            other.min
        } else {
            self.min.min(other.min)
        };
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.histogram.merge(&other.histogram);
    }

    pub const fn count(&self) -> u64 {
        self.histogram.count()
    }

    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum as f64 / self.count() as f64)
    }

    /// The latency that the fraction `q` of the answers did not exceed, within one percent.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let estimate = self.histogram.quantile(q)?;
        Some(estimate.clamp(self.min as f64, self.max as f64))
    }
}

impl Mean {
    const fn add(&mut self, value: u64) {
        self.sum += value;
        self.count += 1;
    }

    pub const fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    pub fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }
}

const fn in_order(phases: &Phases) -> [Option<u32>; 5] {
    [
        phases.dns_us,
        phases.connect_us,
        phases.tls_us,
        phases.ttfb_us,
        phases.transfer_us,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(outcome: Outcome, latency_us: Option<u64>) -> Sample<'static> {
        Sample {
            outcome,
            latency_us,
            detail: None,
        }
    }

    #[test]
    fn unknown_results_are_counted_and_nothing_more() {
        let mut summary = Summary::default();
        for _ in 0..3 {
            summary.add(&sample(Outcome::Unknown, Some(7)), None);
        }
        assert_eq!((summary.total, summary.unknown, summary.down()), (3, 3, 0));
        assert_eq!(summary.uptime_percent(), None);
        assert_eq!(summary.loss_percent(), None);
        assert_eq!(summary.latency.mean(), None);
    }

    #[test]
    fn figures_of_a_whole_are_those_of_its_parts_together() {
        let samples: Vec<_> = (0..100_u64)
            .map(|number| match number % 10 {
                0 => sample(Outcome::Down, None),
                1 => sample(Outcome::Unknown, None),
                2 => sample(Outcome::Down, Some(number * 31)),
                _ => sample(Outcome::Up, Some(number * 17 + 1)),
            })
            .collect();
        let of = |samples: &[Sample<'_>]| {
            let mut summary = Summary::default();
            for sample in samples {
                summary.add(sample, None);
            }
            summary
        };
        let mut merged = of(&samples[60..]);
        merged.merge(&of(&samples[..60]));
        merged.merge(&Summary::default());
        assert_eq!(merged, of(&samples));
        assert_eq!(
            (merged.total, merged.up, merged.unknown, merged.down()),
            (100, 70, 10, 20)
        );
        assert_eq!((merged.latency.min, merged.latency.max), (52, 2852));
        assert!((merged.uptime_percent().unwrap() - 7000.0 / 90.0).abs() < 1e-9);
        assert!((merged.loss_percent().unwrap() - 2000.0 / 90.0).abs() < 1e-9);
    }

    #[test]
    fn every_packet_of_a_train_is_a_latency() {
        let detail = Detail {
            packets: Some(crate::model::Packets {
                sent: 4,
                received: 3,
                rtts_us: vec![Some(100), None, Some(900), Some(300)],
                ..Default::default()
            }),
            ..Detail::default()
        };
        let mut summary = Summary::default();
        let sample = Sample {
            outcome: Outcome::Up,
            latency_us: Some(300),
            detail: Some(&detail),
        };
        summary.add(&sample, Some(5));
        let latency = &summary.latency;
        assert_eq!((summary.total, summary.sent, summary.received), (1, 4, 3));
        assert_eq!((latency.count(), latency.sum, latency.max), (3, 1300, 900));
        assert_eq!(summary.jitter.value(), Some(700.0));
    }

    #[test]
    fn jitter_is_the_mean_difference_of_neighbours() {
        let mut summary = Summary::default();
        let mut before = None;
        for latency in [100, 130, 120] {
            summary.add(&sample(Outcome::Up, Some(latency)), before);
            before = Some(latency);
        }
        assert_eq!(summary.jitter.value(), Some(20.0));
    }
}
