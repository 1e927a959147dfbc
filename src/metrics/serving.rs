//! What readers cost: requests by route, how long they took, and what was refused.
//!
//! Labels are route templates and classes of status, never what a client sent: their number is that of the routes.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

/// From an answer out of memory to the deadline of a handler.
const DURATIONS: [f64; 13] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 10.0,
];

/// The figures of a listener.
#[derive(Debug)]
pub struct Serving {
    pub(super) requests: Family<RequestLabel, Counter>,
    pub(super) durations: Histogram,
    pub(super) shed: Family<ShedLabel, Counter>,
    /// Connections that are open.
    pub connections: Gauge,
    /// Connections that were closed to make room for others.
    pub evicted: Counter,
    /// Event streams that are open.
    pub streams: Gauge,
    /// Event streams that were ended because they fell behind.
    pub left_behind: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabel {
    route: String,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ShedLabel {
    bound: &'static str,
}

/// Which bound had no room for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    All,
    History,
    Events,
}

impl Shed {
    const EACH: [Self; 3] = [Self::All, Self::History, Self::Events];

    const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::History => "history",
            Self::Events => "events",
        }
    }
}

impl Default for Serving {
    fn default() -> Self {
        let serving = Self {
            requests: Family::default(),
            durations: Histogram::new(DURATIONS),
            shed: Family::default(),
            connections: Gauge::default(),
            evicted: Counter::default(),
            streams: Gauge::default(),
            left_behind: Counter::default(),
        };
        for bound in Shed::EACH {
            // a bound that was never reached shows as zero
            drop(serving.of(bound));
        }
        serving
    }
}

impl Serving {
    /// A request whose answer has begun. `route` is a template, or one word for what is no route.
    pub fn answered(&self, route: &str, status: u16, took: Duration) {
        let status = match status / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        let label = RequestLabel {
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create_owned(&label).inc();
        self.durations.observe(took.as_secs_f64());
    }

    pub fn shed(&self, bound: Shed) {
        self.of(bound).inc();
    }

    fn of(&self, bound: Shed) -> Counter {
        let bound = bound.as_str();
        self.shed.get_or_create_owned(&ShedLabel { bound })
    }
}
