//! One probe, with every phase of it.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

use super::super::style::{BAR, BOLD, DIM, WARN, of_outcome, paint, print};
use super::{Probe, exit_code, millis, millis_of};
use crate::api::Measured;
use crate::clock::Clock;
use crate::model::{
    Certificate, Chain, ErrorText, Packets, Phases, ProbeResult, StoredResult, TargetId, Timestamp,
    default_slow_after,
};

/// What `--json` prints: what is stored of a result, and what is not.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    measured: Measured,
    /// The server's first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<Certificate>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Header>,
}

#[derive(Serialize)]
struct Header {
    name: String,
    value: ErrorText,
}

/// Width of the longest bar, in characters.
const BAR_WIDTH: f64 = 40.0;

pub async fn run(probe: &Probe, json: bool) -> anyhow::Result<ExitCode> {
    let at = Clock::start().now();
    let observation = probe.observe().await?;
    let headers = probe.headers();
    let slow_after = default_slow_after(probe.timeout);
    let id = TargetId(uuid::Uuid::nil());
    let result = ProbeResult::new(id, at, Duration::ZERO, slow_after, observation);
    let outcome = result.outcome();
    if json {
        let stored = StoredResult {
            id: 0,
            target_name: probe.shown.as_str().into(),
            location: "local".into(),
            result,
        };
        let shown = Shown {
            certificates: (stored.result.observation.measurement.chain.as_deref())
                .map(|chain| chain.certificates.clone())
                .unwrap_or_default(),
            headers: (headers.into_iter())
                .map(|(name, value)| Header { name, value })
                .collect(),
            measured: Measured::from(stored),
        };
        let measured =
            serde_json::to_string_pretty(&shown).context("writing the result as JSON")?;
        print(&format!("{measured}\n"))?;
    } else {
        print(&describe(&probe.shown, &result, &headers, at))?;
    }
    Ok(exit_code(outcome))
}

fn describe(
    target: &str,
    result: &ProbeResult,
    headers: &[(String, ErrorText)],
    at: Timestamp,
) -> String {
    let outcome = result.outcome();
    let measurement = &result.observation.measurement;
    let mut head = vec![paint(BOLD, target), paint(of_outcome(outcome), outcome)];
    head.extend(measurement.status_code.map(|code| code.to_string()));
    head.extend(
        measurement
            .latency
            .map(|latency| paint(BOLD, millis(latency))),
    );
    if result.slow {
        head.push(paint(WARN, "slow"));
    }
    let mut text = head.join("  ");
    text.push('\n');
    let mut row = |name: &str, value: String| {
        text.push_str("  ");
        text.push_str(&paint(DIM, format!("{name:<11}")));
        text.push_str("  ");
        text.push_str(&value);
        text.push('\n');
    };
    if let Some(failure) = result.observation.verdict.failure() {
        row("reason", format!("{}: {}", failure.reason, failure.error));
    }
    if let Some(address) = measurement.resolved_ip {
        row("address", address.to_string());
    }
    let detail = measurement.detail.as_deref();
    if let Some(version) = detail.and_then(|detail| detail.http_version) {
        row("http", version.as_str().to_owned());
    }
    if let Some(packets) = detail.and_then(|detail| detail.packets.as_ref()) {
        describe_packets(packets, &mut row);
    }
    for hop in detail.map_or(&[][..], |detail| &detail.redirects) {
        let took = millis_of(hop.took_us.into());
        row("hop", format!("{}  {took:>12}  {}", hop.status, hop.url));
    }
    if let Some(phases) = detail.and_then(|detail| detail.phases) {
        describe_phases(phases, &mut row);
    }
    if let Some(expires) = detail.and_then(|detail| detail.cert_expires_at) {
        let days = expires.since(at).as_secs() / 86_400;
        let left = if expires > at {
            format!("in {days} days")
        } else {
            paint(WARN, "expired")
        };
        row(
            "certificate",
            format!("until {}, {left}", &expires.to_string()[..10]),
        );
    }
    if let Some(chain) = measurement.chain.as_deref() {
        describe_chain(chain, &mut row);
    }
    for (at, (name, value)) in headers.iter().enumerate() {
        let label = if at == 0 { "headers" } else { "" };
        row(label, format!("{}: {value}", paint(DIM, name)));
    }
    text
}

fn describe_chain(chain: &Chain, row: &mut impl FnMut(&str, String)) {
    for certificate in &chain.certificates {
        let Certificate {
            subject,
            issuer,
            names,
            key,
            ..
        } = certificate;
        let whom = if names.is_empty() {
            String::new()
        } else {
            format!(" for {}", names.join(", "))
        };
        row(
            "",
            ErrorText::new(format!("{subject}{whom}, {key}")).to_string(),
        );
        row(
            "",
            ErrorText::new(format!("  signed by {issuer}")).to_string(),
        );
    }
    if chain.omitted > 0 {
        row("", format!("and {} more certificates", chain.omitted));
    }
}

fn describe_packets(packets: &Packets, row: &mut impl FnMut(&str, String)) {
    let time = |us: Option<u32>| us.map_or("-".to_owned(), |us| millis_of(us.into()));
    row(
        "packets",
        format!("{} sent, {} received", packets.sent, packets.received),
    );
    row(
        "round trips",
        format!(
            "min {}   median {}   max {}   jitter {}",
            time(packets.min_us),
            time(packets.median_us),
            time(packets.max_us),
            time(packets.jitter_us)
        ),
    );
}

/// A waterfall: each phase begins where the one before it ended.
fn describe_phases(phases: Phases, row: &mut impl FnMut(&str, String)) {
    let steps = [
        ("dns", phases.dns_us),
        ("connect", phases.connect_us),
        ("tls", phases.tls_us),
        ("first byte", phases.ttfb_us),
        ("transfer", phases.transfer_us),
    ];
    let total: u32 = steps.iter().filter_map(|(_, us)| *us).sum();
    let scale = BAR_WIDTH / f64::from(total.max(1));
    let mut begun = 0.0_f64;
    for (name, us) in steps {
        let Some(us) = us else { continue };
        let length = f64::from(us) * scale;
        let (indent, cells) = (begun.round() as usize, length.round().max(1.0) as usize);
        let bar = format!("{}{}", " ".repeat(indent), paint(BAR, "█".repeat(cells)));
        let time = millis(Duration::from_micros(us.into()));
        row(name, format!("{time:>12}  {bar}"));
        begun += length;
    }
}
