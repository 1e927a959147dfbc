//! What each target's newest result says, under the names that dashboards made for `blackbox_exporter` know.
//!
//! What is not known is absent: a prober's own fault is no failure of its target, so `probe_success` is missing while a target is
//! unknown, and a time is missing where no answer came. When a certificate ends stays, whatever became of the connection since.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::model::{
    Detail, HttpVersion, Kind, Outcome, Phases, ProbeResult, TargetSpec, Timestamp,
};

/// Every target; one look at them.
#[derive(Debug)]
pub struct TargetFigures(Vec<Shown>);

/// One target as it is shown.
#[derive(Debug)]
struct Shown {
    name: String,
    kind: Kind,
    group: String,
    newest: Option<ProbeResult>,
    /// When the first certificate ends of those that were presented last.
    expires_at: Option<Timestamp>,
}

impl TargetFigures {
    /// Of each target its newest result, and when the first certificate ends of those that it presented last.
    pub fn new<'a>(
        targets: impl Iterator<Item = (&'a TargetSpec, Option<ProbeResult>, Option<Timestamp>)>,
    ) -> Self {
        let shown = targets.map(|(spec, newest, expires_at)| Shown {
            name: spec.name.clone(),
            kind: spec.probe.kind(),
            group: spec.group.clone().unwrap_or_default(),
            newest,
            expires_at,
        });
        Self(shown.collect())
    }
}

impl Collector for TargetFigures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet {
            encoder: &mut encoder,
            targets: &self.0,
        };
        sheet.outcomes()?;
        sheet.times()?;
        sheet.answers()?;
        sheet.packets()
    }
}

/// Writes families one after the other, as the format wants it.
struct Sheet<'a, 'e> {
    encoder: &'a mut DescriptorEncoder<'e>,
    targets: &'a [Shown],
}

/// Where the time of an exchange goes, by the names that `blackbox_exporter` has for it.
type Named = [(&'static str, Option<u32>); 5];

impl Sheet<'_, '_> {
    fn outcomes(&mut self) -> fmt::Result {
        self.gauge(
            "probe_success",
            "Whether the newest probe found the target up; absent while that is unknown",
            |it| match it.newest.as_ref()?.outcome() {
                Outcome::Up => Some(1_i64),
                Outcome::Down => Some(0),
                Outcome::Unknown => None,
            },
        )?;
        self.gauge(
            "pingu_target_unknown",
            "Whether a fault of the prober's own kept it from finding out",
            |it| Some(i64::from(it.newest.as_ref()?.outcome() == Outcome::Unknown)),
        )?;
        self.gauge(
            "pingu_target_result_timestamp_seconds",
            "The slot of the newest result",
            |it| Some(seconds_since_1970(it.newest.as_ref()?.slot)),
        )
    }

    fn times(&mut self) -> fmt::Result {
        self.gauge(
            "probe_duration_seconds",
            "From the beginning of the newest probe to its answer; absent where none came",
            |it| {
                let result = it.newest.as_ref()?;
                Some(result.observation.measurement.latency?.as_secs_f64())
            },
        )?;
        self.gauge(
            "probe_dns_lookup_time_seconds",
            "What the name of the target took to look up",
            |it| seconds(it.detail()?.phases?.dns_us),
        )?;
        let phases = "Where the time of an exchange went; of redirects the sum";
        self.phases("probe_http_duration_seconds", phases, Kind::Http)?;
        let phases = "Where the time of a connection went";
        self.phases("probe_tcp_duration_seconds", phases, Kind::Tcp)?;
        self.phases("probe_tls_duration_seconds", phases, Kind::Tls)?;
        self.phases("probe_dns_duration_seconds", phases, Kind::Dns)?;
        self.gauge(
            "probe_ssl_earliest_cert_expiry",
            "When the first of the certificates ends that the target presented last, in seconds since 1970",
            |it| Some(seconds_since_1970(it.expires_at?)),
        )
    }

    fn answers(&mut self) -> fmt::Result {
        self.gauge(
            "probe_ip_protocol",
            "The version of IP that was spoken",
            |it| {
                let ip = it.newest.as_ref()?.observation.measurement.resolved_ip?;
                Some(if ip.is_ipv4() { 4_i64 } else { 6 })
            },
        )?;
        self.gauge(
            "probe_http_status_code",
            "The status of the final answer",
            |it| {
                let result = it.newest.as_ref()?;
                Some(i64::from(result.observation.measurement.status_code?))
            },
        )?;
        self.gauge(
            "probe_http_version",
            "The version of HTTP that was spoken",
            |it| {
                Some(match it.detail()?.http_version? {
                    HttpVersion::OneZero => 1.0,
                    HttpVersion::One => 1.1,
                    HttpVersion::Two => 2.0,
                })
            },
        )?;
        self.gauge(
            "probe_http_redirects",
            "How often the exchange was redirected",
            |it| {
                let answered = it.kind == Kind::Http && it.detail()?.http_version.is_some();
                // the last hop is where the way ended
                answered.then_some(it.detail()?.redirects.len().saturating_sub(1) as i64)
            },
        )?;
        self.gauge(
            "probe_http_ssl",
            "Whether the exchange was encrypted, also if only in part",
            |it| {
                let answered = it.kind == Kind::Http && it.detail()?.http_version.is_some();
                answered.then_some(i64::from(it.detail()?.phases?.tls_us.is_some()))
            },
        )
    }

    fn packets(&mut self) -> fmt::Result {
        let name = "probe_icmp_duration_seconds";
        let help = "The round trip of an echo; of several the median";
        let targets = self.targets;
        let mut family = self.family(name, help)?;
        for it in targets {
            let newest = it.newest.as_ref().filter(|_| it.kind == Kind::Icmp);
            let latency = newest.and_then(|result| result.observation.measurement.latency);
            if let Some(latency) = latency {
                put(&mut family, it, Some("rtt"), latency.as_secs_f64())?;
            }
        }
        self.gauge(
            "pingu_target_packet_loss_ratio",
            "Packets of the newest probe that were not answered in time, of those that were sent",
            |it| {
                let packets = it.detail()?.packets.as_ref()?;
                let lost = packets.sent.saturating_sub(packets.received);
                (packets.sent > 0).then(|| f64::from(lost) / f64::from(packets.sent))
            },
        )
    }

    fn phases(&mut self, name: &'static str, help: &'static str, kind: Kind) -> fmt::Result {
        let targets = self.targets.iter().filter(|it| it.kind == kind);
        let mut family = self.family(name, help)?;
        for it in targets {
            let Some(phases) = it.detail().and_then(|detail| detail.phases) else {
                continue;
            };
            for (phase, time) in named(phases) {
                if let Some(time) = seconds(time) {
                    put(&mut family, it, Some(phase), time)?;
                }
            }
        }
        Ok(())
    }

    fn gauge<N>(
        &mut self,
        name: &'static str,
        help: &'static str,
        value: impl Fn(&Shown) -> Option<N>,
    ) -> fmt::Result
    where
        ConstGauge<N>: EncodeMetric,
    {
        let targets = self.targets;
        let mut family = self.family(name, help)?;
        for it in targets {
            if let Some(value) = value(it) {
                put(&mut family, it, None, value)?;
            }
        }
        Ok(())
    }

    fn family(
        &mut self,
        name: &'static str,
        help: &'static str,
    ) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)
    }
}

impl Shown {
    fn detail(&self) -> Option<&Detail> {
        self.newest
            .as_ref()?
            .observation
            .measurement
            .detail
            .as_deref()
    }
}

fn put<N>(
    family: &mut MetricEncoder<'_>,
    it: &Shown,
    phase: Option<&'static str>,
    value: N,
) -> fmt::Result
where
    ConstGauge<N>: EncodeMetric,
{
    let [target, kind, group] = [
        ("target", it.name.as_str()),
        ("type", it.kind.as_str()),
        ("group", it.group.as_str()),
    ];
    let value = ConstGauge::new(value);
    match phase {
        None => value.encode(family.encode_family(&[target, kind, group])?),
        Some(phase) => {
            value.encode(family.encode_family(&[target, kind, group, ("phase", phase)])?)
        }
    }
}

fn named(phases: Phases) -> Named {
    [
        ("resolve", phases.dns_us),
        ("connect", phases.connect_us),
        ("tls", phases.tls_us),
        ("processing", phases.ttfb_us),
        ("transfer", phases.transfer_us),
    ]
}

fn seconds(micros: Option<u32>) -> Option<f64> {
    micros.map(|micros| f64::from(micros) / 1e6)
}

fn seconds_since_1970(instant: Timestamp) -> f64 {
    instant.as_micros() as f64 / 1e6
}
