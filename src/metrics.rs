//! Numbers leave: every metric's name, help and labels in one list.
//!
//! Counters live where they are counted, as fields of [`Metrics`]; `/metrics` encodes them at the moment of asking.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::model::{Kind, Outcome, ProbeResult};

/// Pingu's own figures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Results by outcome, as the pipeline saw them.
    pub produced: Family<OutcomeLabel, Counter>,
    pub stored: Counter,
    pub duplicate: Counter,
    pub quarantined: Counter,
    pub dropped: Counter,
    /// Results that wait to be stored.
    pub waiting: Gauge,
    pub flush_failures: Counter,
    /// Slots whose probe was never started.
    pub missed: Family<KindLabel, Counter>,
    /// Seconds from a slot to the start of its probe.
    pub lag: Histogram,
    pub panics: Counter,
    /// Targets that are scheduled.
    pub targets: Gauge,
    pub reloads: Family<ReloadLabel, Counter>,
    /// 1 while the targets file is in use as it stands, 0 while an older one is.
    pub config_valid: Gauge,
    pub config_time: Gauge<f64, AtomicU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    r#type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReloadLabel {
    result: &'static str,
}

/// From 100 µs, where a loaded machine still is, to 10 s, where something is badly wrong.
const LAG_SECONDS: [f64; 16] = [
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0,
];

impl Metrics {
    pub fn new() -> Arc<Self> {
        let mut metrics = Self {
            registry: Registry::with_prefix("pingu"),
            produced: Family::default(),
            stored: Counter::default(),
            duplicate: Counter::default(),
            quarantined: Counter::default(),
            dropped: Counter::default(),
            waiting: Gauge::default(),
            flush_failures: Counter::default(),
            missed: Family::default(),
            lag: Histogram::new(LAG_SECONDS),
            panics: Counter::default(),
            targets: Gauge::default(),
            reloads: Family::default(),
            config_valid: Gauge::default(),
            config_time: Gauge::default(),
        };
        metrics.register();
        // a count of zero is a figure too: alerts need it before the first miss
        metrics.all_missed();
        metrics.all_produced();
        Arc::new(metrics)
    }

    fn register(&mut self) {
        let mut registry = std::mem::replace(&mut self.registry, Registry::with_prefix("pingu"));
        let r = &mut registry;
        r.register(
            "results_produced",
            "Results that probes handed over",
            self.produced.clone(),
        );
        r.register(
            "results_stored",
            "Results stored in the database",
            self.stored.clone(),
        );
        r.register(
            "results_duplicate",
            "Results whose slot was stored already",
            self.duplicate.clone(),
        );
        r.register(
            "results_quarantined",
            "Results that the database cannot take",
            self.quarantined.clone(),
        );
        r.register(
            "results_dropped",
            "Results given up because too many waited",
            self.dropped.clone(),
        );
        r.register(
            "results_waiting",
            "Results that wait to be stored",
            self.waiting.clone(),
        );
        r.register(
            "flush_failures",
            "Batches that the database did not take",
            self.flush_failures.clone(),
        );
        r.register(
            "slots_missed",
            "Slots whose probe could not be started in time",
            self.missed.clone(),
        );
        r.register_with_unit(
            "lag",
            "From a slot to the start of its probe",
            Unit::Seconds,
            self.lag.clone(),
        );
        r.register(
            "probe_panics",
            "Probes that ended in a fault of Pingu's own",
            self.panics.clone(),
        );
        r.register(
            "targets",
            "Targets that are being probed",
            self.targets.clone(),
        );
        r.register(
            "config_reloads",
            "Changes of the targets file by what became of them",
            self.reloads.clone(),
        );
        r.register(
            "config_valid",
            "1 while the targets file is in use as it stands",
            self.config_valid.clone(),
        );
        r.register_with_unit(
            "config_loaded_timestamp",
            "When the targets in use were loaded",
            Unit::Seconds,
            self.config_time.clone(),
        );
        self.registry = registry;
    }

    pub fn produced(&self, result: &ProbeResult) {
        self.lag.observe(result.lag.as_secs_f64());
        self.outcome(result.outcome()).inc();
    }

    fn outcome(&self, outcome: Outcome) -> Counter {
        self.produced.get_or_create_owned(&OutcomeLabel {
            outcome: outcome.as_str(),
        })
    }

    pub fn missed(&self, kind: Kind, slots: u64) {
        self.missed
            .get_or_create(&KindLabel {
                r#type: kind.as_str(),
            })
            .inc_by(slots);
    }

    /// Results of every outcome.
    pub fn all_produced(&self) -> u64 {
        let outcomes = [Outcome::Up, Outcome::Down, Outcome::Unknown];
        outcomes.iter().map(|it| self.outcome(*it).get()).sum()
    }

    /// Missed slots of every type.
    pub fn all_missed(&self) -> u64 {
        let of = |kind: Kind| {
            let label = KindLabel {
                r#type: kind.as_str(),
            };
            self.missed.get_or_create(&label).get()
        };
        Kind::ALL.into_iter().map(of).sum()
    }

    pub fn reloaded(&self, applied: bool) {
        let result = if applied { "applied" } else { "rejected" };
        self.reloads.get_or_create(&ReloadLabel { result }).inc();
        self.config_valid.set(i64::from(applied));
    }

    /// The text of `/metrics`, in the `OpenMetrics` format.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(8192);
        text::encode(&mut text, &self.registry).expect("writing to a string cannot fail");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_stable() {
        let metrics = Metrics::new();
        metrics.missed(Kind::Icmp, 1);
        metrics.reloaded(true);
        metrics.outcome(Outcome::Up).inc();
        let text = metrics.encode();
        let types: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE "))
            .collect();
        insta::assert_snapshot!(types.join("\n"));
        assert!(
            text.contains(r#"pingu_slots_missed_total{type="icmp"} 1"#),
            "{text}"
        );
    }
}
