//! What the ICMP engine counts, asked of it whenever somebody looks.

use std::fmt;
use std::sync::{Arc, OnceLock};

use pingu_icmp::Stats;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

type Read = Box<dyn Fn() -> Option<Stats> + Send + Sync>;

/// A place for the engine, which comes later than the list of metrics. Without one, everything is zero.
#[derive(Clone, Default)]
pub struct Echoes(pub Arc<OnceLock<Read>>);

impl Collector for Echoes {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = self.0.get().and_then(|read| read()).unwrap_or_default();
        let families = [
            (
                "icmp_requests",
                "Packets that were asked for, by what became of them",
                "outcome",
                &[
                    ("reply", stats.replies),
                    ("timeout", stats.timeouts),
                    ("icmp_error", stats.icmp_errors),
                    ("local", stats.local_errors),
                ][..],
            ),
            (
                "icmp_strays",
                "Packets received that ended no request",
                "kind",
                &[
                    ("late", stats.late),
                    ("duplicate", stats.duplicate),
                    ("stale", stats.stale),
                    ("foreign", stats.foreign),
                    ("forged", stats.forged),
                    ("wrong_peer", stats.wrong_peer),
                    ("malformed", stats.malformed),
                    ("bad_checksum", stats.bad_checksum),
                    ("foreign_error", stats.foreign_errors),
                    ("notice", stats.notices),
                ][..],
            ),
        ];
        for (name, help, label, values) in families {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (value, count) in values {
                put(family.encode_family(&[(label, *value)])?, *count)?;
            }
        }
        for (name, help, count) in [
            ("icmp_sent", "Packets that the kernel accepted", stats.sent),
            (
                "icmp_corrupted",
                "Replies whose content was not what was sent",
                stats.corrupted,
            ),
            (
                "icmp_overflows",
                "Packets that found the receive buffer full",
                stats.overflows,
            ),
            (
                "icmp_unstamped",
                "Replies that were timed without the kernel's stamps",
                stats.monotonic,
            ),
            (
                "icmp_reopened",
                "Sockets that were opened after the start",
                stats.reopened,
            ),
            (
                "icmp_system_errors",
                "Errors of system calls that were survived",
                stats.system_errors,
            ),
        ] {
            put(
                encoder.encode_descriptor(name, help, None, MetricType::Counter)?,
                count,
            )?;
        }
        Ok(())
    }
}

fn put(encoder: MetricEncoder<'_>, count: u64) -> fmt::Result {
    ConstCounter::new(count).encode(encoder)
}

impl fmt::Debug for Echoes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Echoes").finish_non_exhaustive()
    }
}
