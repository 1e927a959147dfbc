//! A target as far as it has been read, and how it becomes a whole one.

use std::time::Duration;

use super::super::report::{Report, Span};
use super::dns::DnsDraft;
use super::http::HttpDraft;
use super::icmp::IcmpDraft;
use super::reach::ReachDraft;
use super::tcp::TcpDraft;
use super::tls::TlsDraft;
use super::value::Answer;
use super::way::WayDraft;
use crate::model::{Declared, IncidentRule, Kind, ProbeSpec, TargetSpec, default_slow_after};

const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

/// What a target, or the `defaults:` of a file, said.
#[derive(Debug, Default)]
pub struct Draft {
    pub name: Answer<String>,
    pub kind: Answer<Kind>,
    pub id: Answer<String>,
    pub enabled: Answer<bool>,
    pub interval: Answer<Duration>,
    pub timeout: Answer<Duration>,
    pub slow_after: Answer<Duration>,
    pub fail_after: Answer<u8>,
    pub recover_after: Answer<u8>,
    pub group: Answer<String>,
    pub tags: Answer<Vec<String>>,
    pub description: Answer<String>,
    pub reach: ReachDraft,
    pub icmp: IcmpDraft,
    pub http: HttpDraft,
    pub way: WayDraft,
    pub tcp: TcpDraft,
    pub dns: DnsDraft,
    pub tls: TlsDraft,
}

impl Draft {
    /// The keys that must be there and are not, each with what to do.
    pub fn missing(&self, defaults: &Self) -> Vec<(&'static str, &'static str)> {
        let mut missing = Vec::new();
        if self.name.is_absent() {
            missing.push(("name", "add a name of its own, like `name: router`"));
        }
        if self.kind.is_absent() {
            missing.push(("type", "add the type of the target"));
        }
        let of_kind = match self.kind.said() {
            Some(Kind::Icmp | Kind::Tls) => [self.reach.missing_host(), None],
            Some(Kind::Tcp) => [self.reach.missing_host(), self.reach.missing_port()],
            Some(Kind::Http) => [self.http.missing(), None],
            Some(Kind::Dns) => [self.dns.missing(&defaults.dns), None],
            None => [None, None],
        };
        missing.extend(of_kind.into_iter().flatten());
        missing
    }

    /// Tells what does not fit together. What the target does not say itself comes from `defaults`.
    pub fn cross_check(&self, defaults: &Self, report: &mut Report) {
        let interval = match &self.interval {
            Answer::Said(interval, span) => Some((*interval, Some(*span))),
            Answer::Wrong => None,
            Answer::Absent => Some((
                defaults
                    .interval
                    .said()
                    .copied()
                    .unwrap_or(DEFAULT_INTERVAL),
                None,
            )),
        };
        if let Answer::Said(timeout, at) = self.timeout
            && let Some((interval, written)) = interval
            && timeout > interval
        {
            report.error(
                at,
                too_long(timeout, interval),
                Some(interval_hint(interval, written)),
            );
        }
        if matches!(self.kind.said(), Some(Kind::Icmp))
            && let Some((interval, _)) = interval
            && let Some(timeout) = self.timeout(defaults)
        {
            self.icmp
                .cross_check(&self.reach, defaults, timeout, interval, report);
        }
        match self.kind.said() {
            Some(Kind::Tcp | Kind::Tls) => {
                let host = self.reach.host.said();
                self.reach.cross_check(host.map(String::as_str), report);
                self.tls.cross_check(&defaults.tls, report);
            }
            Some(Kind::Dns) => DnsDraft::cross_check(self, defaults, report),
            Some(Kind::Icmp | Kind::Http) | None => {}
        }
        if matches!(self.kind.said(), Some(Kind::Http)) {
            let is_enabled = self.enabled.said().or(defaults.enabled.said());
            let is_enabled = *is_enabled.unwrap_or(&true);
            self.http.cross_check(&defaults.http, is_enabled, report);
            let host = self.http.address().map(|it| it.to_string());
            self.reach.cross_check(host.as_deref(), report);
            self.way.cross_check(&defaults.way, report);
        }
        if let Answer::Said(slow_after, at) = self.slow_after
            && let Some(timeout) = self.timeout(defaults)
            && slow_after > timeout
        {
            let timeout = timeout.as_millis();
            let message = format!(
                "`slow_ms` is {}, but the timeout is {timeout} ms",
                slow_after.as_millis()
            );
            report.error(
                at,
                message,
                format!("write at most {timeout}, or a longer `timeout_ms`"),
            );
        }
    }

    fn interval(&self, defaults: &Self) -> Duration {
        self.interval
            .said()
            .or(defaults.interval.said())
            .copied()
            .unwrap_or(DEFAULT_INTERVAL)
    }

    /// A timeout that the target does not write itself never exceeds its interval: neither the built-in one nor that of `defaults:`
    /// was chosen with this interval in mind, and to refuse the file would force everyone to write both.
    fn timeout(&self, defaults: &Self) -> Option<Duration> {
        match self.timeout {
            Answer::Said(timeout, _) => Some(timeout),
            Answer::Wrong => None,
            Answer::Absent => {
                let built_in = || self.kind.said().map(|kind| kind.default_timeout());
                let timeout = defaults.timeout.said().copied().or_else(built_in)?;
                let is_train = matches!(self.kind.said(), Some(Kind::Icmp))
                    && self.icmp.packets(&defaults.icmp) > 1;
                // the packets of a train come after one another: the last one needs its time too
                let room = self.interval(defaults) / if is_train { 2 } else { 1 };
                Some(timeout.min(room))
            }
        }
    }

    fn incident(&self, defaults: &Self) -> IncidentRule {
        let built_in = IncidentRule::default();
        let fail_after = self.fail_after.said().or(defaults.fail_after.said());
        let recover_after = self.recover_after.said().or(defaults.recover_after.said());
        IncidentRule {
            fail_after: *fail_after.unwrap_or(&built_in.fail_after),
            recover_after: *recover_after.unwrap_or(&built_in.recover_after),
        }
    }

    /// The target, if nothing about it is wrong; its problems have been told.
    pub fn finish(self, defaults: &Self) -> Option<Declared> {
        let kind = *self.kind.said()?;
        let interval = self.interval(defaults);
        let timeout = self.timeout(defaults)?;
        // as with the timeout: a default never exceeds what it has to fit into
        let slow_after = self.slow_after.said().or(defaults.slow_after.said());
        let slow_after = slow_after.map_or_else(
            || default_slow_after(timeout),
            |&slow_after| slow_after.min(timeout),
        );
        let incident = self.incident(defaults);
        let (reach, way) = (&self.reach, self.way);
        let probe = match kind {
            Kind::Icmp => ProbeSpec::Icmp(self.icmp.finish(reach, defaults, timeout, interval)?),
            Kind::Http => {
                let way = way.finish(&defaults.way, reach, &defaults.reach, self.http.address());
                ProbeSpec::Http(self.http.finish(&defaults.http, way)?)
            }
            Kind::Tcp => ProbeSpec::Tcp(self.tcp.finish(reach, &defaults.reach)?),
            Kind::Dns => ProbeSpec::Dns(self.dns.finish(reach, way, defaults)?),
            Kind::Tls => ProbeSpec::Tls(self.tls.finish(reach, way, defaults)?),
        };
        Some(Declared {
            id: self.id.into_said(),
            spec: TargetSpec {
                name: self.name.into_said()?,
                enabled: *self
                    .enabled
                    .said()
                    .or(defaults.enabled.said())
                    .unwrap_or(&true),
                interval,
                timeout,
                slow_after,
                incident,
                group: self
                    .group
                    .into_said()
                    .or_else(|| defaults.group.said().cloned()),
                tags: self
                    .tags
                    .into_said()
                    .or_else(|| defaults.tags.said().cloned())
                    .unwrap_or_default(),
                description: self
                    .description
                    .into_said()
                    .or_else(|| defaults.description.said().cloned()),
                probe,
            },
        })
    }
}

fn too_long(timeout: Duration, interval: Duration) -> String {
    format!(
        "`timeout_ms` is {}, but the interval is {} s",
        timeout.as_millis(),
        interval.as_secs_f64()
    )
}

fn interval_hint(interval: Duration, written: Option<Span>) -> String {
    let most = interval.as_millis();
    match written {
        Some(span) => format!(
            "write at most {most}, or a longer `interval_seconds` (line {})",
            span.line
        ),
        None => format!("write at most {most}, or a longer `interval_seconds`"),
    }
}
