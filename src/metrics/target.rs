//! What each target's newest result says, under the names that dashboards made for `blackbox_exporter` know.
//!
//! What is not known is absent: a prober's own fault is no failure of its target, so `probe_success` is missing while a target is
//! unknown, and a time is missing where no answer came. When a certificate ends stays, whatever became of the connection since.

use std::fmt::{self, Write};

use super::Format;
use crate::model::{
    Detail, HttpVersion, Kind, Outcome, Phases, ProbeResult, TargetSpec, Timestamp,
};

/// How long a piece of the text is, and not much longer: with 10,000 targets the whole is 5 MB, which nobody needs at once.
const PIECE: usize = 64 * 1024;

/// One look at all targets. They are asked for again and again, a family of figures each time.
pub trait TargetFigures {
    fn count(&self) -> usize;

    /// Nothing in place of one that is not enabled.
    fn shown(&self, index: usize) -> Option<Shown<'_>>;
}

/// One target as it is shown.
#[derive(Debug)]
pub struct Shown<'a> {
    pub spec: &'a TargetSpec,
    pub newest: Option<&'a ProbeResult>,
    /// When the first certificate ends of those that were presented last.
    pub expires_at: Option<Timestamp>,
}

/// The text of `/metrics`, piece by piece: the process's own figures, then those of targets where they are given.
#[derive(Debug)]
pub struct Exposed<T> {
    format: Format,
    own: Option<String>,
    targets: Option<T>,
    /// What comes next: a family, and a target of it.
    family: usize,
    index: usize,
    has_ended: bool,
}

impl<T> Exposed<T> {
    pub(super) const fn new(format: Format, own: String, targets: Option<T>) -> Self {
        Self {
            format,
            own: Some(own),
            targets,
            family: 0,
            index: 0,
            has_ended: false,
        }
    }
}

impl<T: TargetFigures> Iterator for Exposed<T> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        if self.has_ended {
            return None;
        }
        let mut text = self.own.take().unwrap_or_default();
        text.reserve((PIECE + PIECE / 8).saturating_sub(text.len()));
        if let Some(targets) = &self.targets {
            while let Some(family) = FAMILIES.get(self.family) {
                if self.index == 0 {
                    family.begin(&mut text);
                }
                while self.index < targets.count() {
                    if let Some(shown) = targets.shown(self.index) {
                        family.tell(&shown, &mut text);
                    }
                    self.index += 1;
                    if text.len() >= PIECE {
                        return Some(text);
                    }
                }
                self.family += 1;
                self.index = 0;
            }
        }
        self.has_ended = true;
        text.push_str(self.format.end());
        Some(text)
    }
}

/// Figures of one name.
struct Family {
    name: &'static str,
    help: &'static str,
    says: Says,
}

/// What a family says of a target.
enum Says {
    One(fn(&Shown<'_>) -> Option<Figure>),
    /// The round trip, as a phase.
    RoundTrip,
    /// Where the time of an exchange of this type goes.
    Phases(Kind),
}

enum Figure {
    Whole(i64),
    Part(f64),
}

use Figure::{Part, Whole};

/// In the order of the text.
const FAMILIES: [Family; 17] = [
    Family {
        name: "probe_success",
        help: "Whether the newest probe found the target up; absent while that is unknown",
        says: Says::One(|it| match it.newest?.outcome() {
            Outcome::Up => Some(Whole(1)),
            Outcome::Down => Some(Whole(0)),
            Outcome::Unknown => None,
        }),
    },
    Family {
        name: "pingu_target_unknown",
        help: "Whether a fault of the prober's own kept it from finding out",
        says: Says::One(|it| Some(yes(it.newest?.outcome() == Outcome::Unknown))),
    },
    Family {
        name: "pingu_target_result_timestamp_seconds",
        help: "The slot of the newest result",
        says: Says::One(|it| Some(since_1970(it.newest?.slot))),
    },
    Family {
        name: "probe_duration_seconds",
        help: "From the beginning of the newest probe to its answer; absent where none came",
        says: Says::One(latency),
    },
    Family {
        name: "probe_dns_lookup_time_seconds",
        help: "What the name of the target took to look up",
        says: Says::One(|it| seconds(it.detail()?.phases?.dns_us)),
    },
    Family {
        name: "probe_http_duration_seconds",
        help: "Where the time of an exchange went; of redirects the sum",
        says: Says::Phases(Kind::Http),
    },
    Family {
        name: "probe_tcp_duration_seconds",
        help: "Where the time of a connection went",
        says: Says::Phases(Kind::Tcp),
    },
    Family {
        name: "probe_tls_duration_seconds",
        help: "Where the time of a connection went",
        says: Says::Phases(Kind::Tls),
    },
    Family {
        name: "probe_dns_duration_seconds",
        help: "Where the time of a connection went",
        says: Says::Phases(Kind::Dns),
    },
    Family {
        name: "probe_ssl_earliest_cert_expiry",
        help: "When the first of the certificates ends that the target presented last, in seconds since 1970",
        says: Says::One(|it| Some(since_1970(it.expires_at?))),
    },
    Family {
        name: "probe_ip_protocol",
        help: "The version of IP that was spoken",
        says: Says::One(|it| {
            let ip = it.newest?.observation.measurement.resolved_ip?;
            Some(Whole(if ip.is_ipv4() { 4 } else { 6 }))
        }),
    },
    Family {
        name: "probe_http_status_code",
        help: "The status of the final answer",
        says: Says::One(|it| {
            let status = it.newest?.observation.measurement.status_code?;
            Some(Whole(status.into()))
        }),
    },
    Family {
        name: "probe_http_version",
        help: "The version of HTTP that was spoken",
        says: Says::One(|it| {
            Some(Part(match it.detail()?.http_version? {
                HttpVersion::OneZero => 1.0,
                HttpVersion::One => 1.1,
                HttpVersion::Two => 2.0,
            }))
        }),
    },
    Family {
        name: "probe_http_redirects",
        help: "How often the exchange was redirected",
        says: Says::One(|it| {
            // the last hop is where the way ended
            let hops = it.answered()?.redirects.len();
            Some(Whole(hops.saturating_sub(1) as i64))
        }),
    },
    Family {
        name: "probe_http_ssl",
        help: "Whether the exchange was encrypted, also if only in part",
        says: Says::One(|it| Some(yes(it.answered()?.phases?.tls_us.is_some()))),
    },
    Family {
        name: "probe_icmp_duration_seconds",
        help: "The round trip of an echo; of several the median",
        says: Says::RoundTrip,
    },
    Family {
        name: "pingu_target_packet_loss_ratio",
        help: "Packets of the newest probe that were not answered in time, of those that were sent",
        says: Says::One(|it| {
            let packets = it.detail()?.packets.as_ref()?;
            let lost = packets.sent.saturating_sub(packets.received);
            (packets.sent > 0).then(|| Part(f64::from(lost) / f64::from(packets.sent)))
        }),
    },
];

impl Family {
    fn begin(&self, text: &mut String) {
        let (name, help) = (self.name, self.help);
        put(
            text,
            format_args!("# HELP {name} {help}\n# TYPE {name} gauge\n"),
        );
    }

    fn tell(&self, it: &Shown<'_>, text: &mut String) {
        let mut line = |phase: Option<&str>, figure: Option<Figure>| {
            let Some(figure) = figure else { return };
            let (name, target) = (self.name, Escaped(&it.spec.name));
            let kind = it.spec.probe.kind().as_str();
            let group = Escaped(it.spec.group.as_deref().unwrap_or_default());
            put(
                text,
                format_args!(r#"{name}{{target="{target}",type="{kind}",group="{group}""#),
            );
            if let Some(phase) = phase {
                put(text, format_args!(r#",phase="{phase}""#));
            }
            match figure {
                Whole(figure) => put(text, format_args!("}} {figure}\n")),
                // with a point also where it is whole
                Part(figure) => put(text, format_args!("}} {figure:?}\n")),
            }
        };
        let is = |kind| it.spec.probe.kind() == kind;
        match &self.says {
            Says::One(figure) => line(None, figure(it)),
            Says::RoundTrip if is(Kind::Icmp) => line(Some("rtt"), latency(it)),
            Says::Phases(kind) if is(*kind) => {
                let phases = it.detail().and_then(|detail| detail.phases);
                for (phase, time) in phases.into_iter().flat_map(named) {
                    line(Some(phase), seconds(time));
                }
            }
            Says::RoundTrip | Says::Phases(_) => {}
        }
    }
}

impl Shown<'_> {
    fn detail(&self) -> Option<&Detail> {
        self.newest?.observation.measurement.detail.as_deref()
    }

    /// Of an exchange of HTTP that came to an answer.
    fn answered(&self) -> Option<&Detail> {
        let is_http = self.spec.probe.kind() == Kind::Http;
        let detail = self.detail().filter(|_| is_http)?;
        detail.http_version.is_some().then_some(detail)
    }
}

fn latency(it: &Shown<'_>) -> Option<Figure> {
    let latency = it.newest?.observation.measurement.latency?;
    Some(Part(latency.as_secs_f64()))
}

/// The value of a label, as both formats have it.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['\\', '"', '\n']) {
            let plain = part.trim_end_matches(['\\', '"', '\n']);
            f.write_str(plain)?;
            f.write_str(match &part[plain.len()..] {
                "\\" => r"\\",
                "\"" => r#"\""#,
                "\n" => r"\n",
                _ => "",
            })?;
        }
        Ok(())
    }
}

fn put(text: &mut String, some: fmt::Arguments<'_>) {
    text.write_fmt(some)
        .expect("writing to a string cannot fail");
}

/// By the names that `blackbox_exporter` has for them.
fn named(phases: Phases) -> [(&'static str, Option<u32>); 5] {
    [
        ("resolve", phases.dns_us),
        ("connect", phases.connect_us),
        ("tls", phases.tls_us),
        ("processing", phases.ttfb_us),
        ("transfer", phases.transfer_us),
    ]
}

fn yes(is: bool) -> Figure {
    Whole(is.into())
}

fn seconds(micros: Option<u32>) -> Option<Figure> {
    micros.map(|micros| Part(f64::from(micros) / 1e6))
}

fn since_1970(instant: Timestamp) -> Figure {
    Part(instant.as_micros() as f64 / 1e6)
}
