//! Numbers leave: what is counted, and how it is shown. Every metric's name and help is in one [`list`].
//!
//! Counters live where they are counted, as fields of [`Metrics`]; `/metrics` encodes them at the moment of asking.

mod echoes;
mod exposition;
mod lag;
mod list;
mod serving;
mod target;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use pingu_icmp::Stats;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::model::{Ending, Kind, Outcome, ProbeResult};
use echoes::Echoes;
use exposition::Exposition;
pub use exposition::Format;
use lag::Lags;
pub use serving::{Serving, Shed};
pub use target::{Exposed, Shown, TargetFigures};

/// Pingu's own figures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Results by outcome, as the pipeline saw them.
    pub produced: Family<OutcomeLabel, Counter>,
    /// Results that lay in the spool when this process opened it.
    pub recovered: Counter,
    pub stored: Counter,
    pub duplicate: Counter,
    pub quarantined: Counter,
    pub dropped: Family<DroppedLabel, Counter>,
    /// Results in memory that wait to be stored.
    pub waiting: Gauge,
    /// Results in the spool that wait to be stored.
    pub spooled: Gauge,
    /// What the spool takes on disk.
    pub spool_bytes: Gauge,
    /// The slot at which the oldest part of the spool begins; 0 while it is empty.
    pub spool_oldest: Gauge<f64, AtomicU64>,
    pub flush_failures: Counter,
    /// Days of history that were dropped, by resolution.
    pub days_dropped: Family<ResolutionLabel, Counter>,
    /// Days that are older than they are to be kept, and stay because roll-ups are not made of them yet.
    pub days_held: Family<ResolutionLabel, Gauge>,
    /// When the oldest day begins that is kept; 0 where there is none.
    pub history_oldest: Family<ResolutionLabel, Gauge>,
    pub retention_failures: Counter,
    /// When retention last left nothing behind.
    pub retention_succeeded: Gauge<f64, AtomicU64>,
    /// Slots whose probe was never started.
    pub missed: Family<KindLabel, Counter>,
    /// Seconds from a slot to the start of its probe.
    pub lag: Histogram,
    /// The same of the last minutes, for whoever asks about now.
    pub lags: Lags,
    /// Probes that were handed out and have not ended.
    pub under_way: Gauge,
    pub panics: Counter,
    /// Targets that are scheduled.
    pub targets: Gauge,
    /// Incidents that go on.
    pub incidents_open: Gauge,
    pub incidents_opened: Counter,
    /// Incidents that are over, by how they ended.
    pub incidents_ended: Family<EndingLabel, Counter>,
    /// Incidents of which the newest state is not stored yet.
    pub incidents_waiting: Gauge,
    /// Incidents that were given up, as too many waited or the database cannot take them.
    pub incidents_dropped: Counter,
    pub reloads: Family<ReloadLabel, Counter>,
    /// 1 while the targets file is in use as it stands, 0 while an older one is.
    pub config_valid: Gauge,
    pub config_time: Gauge<f64, AtomicU64>,
    /// What readers cost.
    pub serving: Serving,
    echoes: Echoes,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DroppedLabel {
    reason: &'static str,
}

/// Why a result was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// The pipeline did not keep up with the probes.
    QueueFull,
    /// The spool took no more, and neither did memory.
    MemoryFull,
    /// It was the oldest in a full spool.
    SpoolFull,
    /// The spool's file no longer held it.
    SpoolLost,
    /// It came when history of its day had been dropped.
    TooOld,
    /// Pingu ended with neither database nor spool to take it.
    Shutdown,
}

impl Dropped {
    pub const ALL: [Self; 6] = [
        Self::QueueFull,
        Self::MemoryFull,
        Self::SpoolFull,
        Self::SpoolLost,
        Self::TooOld,
        Self::Shutdown,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::MemoryFull => "memory_full",
            Self::SpoolFull => "spool_full",
            Self::SpoolLost => "spool_lost",
            Self::TooOld => "too_old",
            Self::Shutdown => "shutdown",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ResolutionLabel {
    resolution: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct EndingLabel {
    by: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    r#type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReloadLabel {
    result: &'static str,
}

/// As storage names them.
const RESOLUTIONS: [&str; 3] = ["raw", "5m", "1h"];

/// From 100 µs, where a loaded machine still is, to 10 s, where something is badly wrong.
const LAG_SECONDS: [f64; 16] = [
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0,
    10.0,
];

impl Metrics {
    /// Those of a process that probes.
    pub fn new() -> Arc<Self> {
        let mut metrics = Self::unregistered();
        let mut registry = Self::registry();
        metrics.register_results(&mut registry);
        metrics.register_retention(&mut registry);
        metrics.register_incidents(&mut registry);
        metrics.register_rest(&mut registry);
        metrics.register_serving(&mut registry);
        registry.register_collector(Box::new(metrics.echoes.clone()));
        metrics.registry = registry;
        for reason in Dropped::ALL {
            // a reason that never occurred shows as zero
            metrics.dropped(reason, 0);
        }
        for resolution in RESOLUTIONS {
            metrics.days_held(resolution, 0);
            metrics.oldest(resolution, 0);
            let label = ResolutionLabel { resolution };
            drop(metrics.days_dropped.get_or_create(&label));
        }
        for by in [Ending::Recovered, Ending::Removed] {
            metrics.incidents_ended(by);
        }
        // a count of zero is a figure too: alerts need it before the first miss
        metrics.all_missed();
        metrics.all_produced();
        Arc::new(metrics)
    }

    /// Those of a process that answers readers: a zero for each figure of probing would say that it went wrong.
    pub fn of_reader() -> Arc<Self> {
        let mut metrics = Self::unregistered();
        let mut registry = Self::registry();
        metrics.register_serving(&mut registry);
        metrics.registry = registry;
        Arc::new(metrics)
    }

    fn registry() -> Registry {
        let mut registry = Registry::with_prefix("pingu");
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        registry.register("build", "Which Pingu this is", Info::new(version));
        registry
    }

    fn unregistered() -> Self {
        Self {
            registry: Registry::default(),
            produced: Family::default(),
            recovered: Counter::default(),
            stored: Counter::default(),
            duplicate: Counter::default(),
            quarantined: Counter::default(),
            dropped: Family::default(),
            waiting: Gauge::default(),
            spooled: Gauge::default(),
            spool_bytes: Gauge::default(),
            spool_oldest: Gauge::default(),
            flush_failures: Counter::default(),
            days_dropped: Family::default(),
            days_held: Family::default(),
            history_oldest: Family::default(),
            retention_failures: Counter::default(),
            retention_succeeded: Gauge::default(),
            missed: Family::default(),
            lag: Histogram::new(LAG_SECONDS),
            lags: Lags::default(),
            under_way: Gauge::default(),
            panics: Counter::default(),
            targets: Gauge::default(),
            incidents_open: Gauge::default(),
            incidents_opened: Counter::default(),
            incidents_ended: Family::default(),
            incidents_waiting: Gauge::default(),
            incidents_dropped: Counter::default(),
            reloads: Family::default(),
            config_valid: Gauge::default(),
            config_time: Gauge::default(),
            serving: Serving::default(),
            echoes: Echoes::default(),
        }
    }

    /// From now on what the ICMP engine counts is shown; `stats` is asked at each look.
    pub fn count_echoes(&self, stats: impl Fn() -> Option<Stats> + Send + Sync + 'static) {
        // there is one engine
        let _ = self.echoes.0.set(Box::new(stats));
    }

    pub fn produced(&self, result: &ProbeResult) {
        self.lag.observe(result.lag.as_secs_f64());
        self.lags.add(result.lag);
        self.outcome(result.outcome()).inc();
    }

    fn outcome(&self, outcome: Outcome) -> Counter {
        self.produced.get_or_create_owned(&OutcomeLabel {
            outcome: outcome.as_str(),
        })
    }

    pub fn dropped(&self, reason: Dropped, results: u64) {
        self.dropped
            .get_or_create(&DroppedLabel {
                reason: reason.as_str(),
            })
            .inc_by(results);
    }

    /// Results given up so far, for whatever reason.
    pub fn dropped_in_all(&self) -> u64 {
        let counted = |reason: Dropped| {
            let reason = reason.as_str();
            self.dropped.get_or_create(&DroppedLabel { reason }).get()
        };
        Dropped::ALL.into_iter().map(counted).sum()
    }

    /// Incidents that ended so, as this process saw it.
    pub fn incidents_ended(&self, by: Ending) -> Counter {
        let by = by.as_str();
        self.incidents_ended
            .get_or_create_owned(&EndingLabel { by })
    }

    pub fn day_dropped(&self, resolution: &'static str) {
        let label = ResolutionLabel { resolution };
        self.days_dropped.get_or_create(&label).inc();
    }

    pub fn days_held(&self, resolution: &'static str, days: usize) {
        let label = ResolutionLabel { resolution };
        self.days_held.get_or_create(&label).set(days as i64);
    }

    /// `begins` in seconds since 1970.
    pub fn oldest(&self, resolution: &'static str, begins: i64) {
        let label = ResolutionLabel { resolution };
        self.history_oldest.get_or_create(&label).set(begins);
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

    /// The process's own figures, as `OpenMetrics`.
    pub fn encode(&self) -> String {
        self.own(Format::OpenMetrics) + Format::OpenMetrics.end()
    }

    /// The text of `/metrics`: the process's own figures, and those of targets where they are given.
    pub fn expose<T: TargetFigures>(&self, targets: Option<T>, format: Format) -> Exposed<T> {
        Exposed::new(format, self.own(format), targets)
    }

    fn own(&self, format: Format) -> String {
        let mut text = Exposition::new(format);
        text::encode_registry(&mut text, &self.registry).expect("writing to a string cannot fail");
        text.into_text()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Nobody;

    impl TargetFigures for Nobody {
        fn count(&self) -> usize {
            0
        }

        fn shown(&self, _: usize) -> Option<Shown<'_>> {
            None
        }
    }

    #[test]
    fn the_names_are_stable() {
        let metrics = Metrics::new();
        metrics.missed(Kind::Icmp, 1);
        metrics.reloaded(true);
        metrics.outcome(Outcome::Up).inc();
        metrics.serving.answered("page", 200, Duration::ZERO);
        let text: String = metrics.expose(Some(Nobody), Format::OpenMetrics).collect();
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
