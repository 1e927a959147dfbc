//! `pingu probe`: one probe now, with everything that it measured.
//!
//! The same probers as the service's, so that what they say here is what they store there.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::oneshot;
use url::Url;

use super::Failure;
use super::style::{BAR, BOLD, DIM, WARN, of_outcome, paint, print};
use crate::api::Measured;
use crate::clock::Clock;
use crate::config;
use crate::model::{
    HttpSpec, IcmpSpec, Observation, Outcome, Phases, ProbeResult, ProbeSpec, StoredResult,
    TargetId, Timestamp, default_slow_after,
};
use crate::probe::http::{HttpProber, Roots};
use crate::probe::icmp::{Asked, IcmpProber};
use crate::probe::resolve::Resolver;

/// Width of the longest bar, in characters.
const BAR_WIDTH: f64 = 40.0;

pub fn run(target: &str, timeout_ms: Option<u64>, json: bool) -> Result<ExitCode, Failure> {
    let spec = spec(target)?;
    let shown = match &spec {
        ProbeSpec::Http(http) => http.shown(),
        ProbeSpec::Icmp(icmp) => icmp.host.as_str().to_owned(),
    };
    let timeout = timeout_ms.map_or(spec.kind().default_timeout(), Duration::from_millis);
    let clock = Clock::start();
    let at = clock.now();
    let observation = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(probe(spec, timeout))?;
    let slow_after = default_slow_after(timeout);
    let id = TargetId(uuid::Uuid::nil());
    let result = ProbeResult::new(id, at, Duration::ZERO, slow_after, observation);
    let outcome = result.outcome();
    if json {
        let stored = StoredResult {
            id: 0,
            target_name: shown.into(),
            location: "local".into(),
            result,
        };
        let measured = serde_json::to_string_pretty(&Measured::from(stored))
            .context("writing the result as JSON")?;
        print(&format!("{measured}\n"))?;
    } else {
        print(&describe(&shown, &result, at))?;
    }
    Ok(match outcome {
        Outcome::Up => ExitCode::SUCCESS,
        Outcome::Down | Outcome::Unknown => ExitCode::FAILURE,
    })
}

/// A URL is fetched, anything else is pinged.
fn spec(target: &str) -> Result<ProbeSpec, Failure> {
    if let Some((scheme, _)) = target.split_once("://") {
        if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
            return Err(Failure::Settings(format!(
                "cannot probe {scheme}:// addresses; give an http:// or https:// URL, or a host to ping"
            )));
        }
        let url = Url::parse(target)
            .map_err(|error| Failure::Settings(format!("{target} is not a URL: {error}")))?;
        let written = target.to_owned();
        return Ok(ProbeSpec::Http(HttpSpec { url, written }));
    }
    let host = config::checked_host(target).map_err(|(problem, hint)| {
        let hint = hint.unwrap_or_default();
        Failure::Settings(format!(
            "{problem}; {hint} (for a web page put http:// or https:// before it)"
        ))
    })?;
    Ok(ProbeSpec::Icmp(IcmpSpec::new(host)))
}

/// A probe over ICMP and who waits for its answer.
struct Echo {
    spec: IcmpSpec,
    timeout: Duration,
    answer: oneshot::Sender<Observation>,
}

impl Asked for Echo {
    fn spec(&self) -> &IcmpSpec {
        &self.spec
    }

    fn timeout(&self) -> Duration {
        self.timeout
    }
}

async fn probe(spec: ProbeSpec, timeout: Duration) -> anyhow::Result<Observation> {
    let resolver = Resolver::new();
    match spec {
        ProbeSpec::Http(spec) => Ok(HttpProber::new(resolver, &Roots::of_this_machine())
            .probe(&spec, timeout)
            .await),
        ProbeSpec::Icmp(spec) => {
            let sink = |echo: Echo, _, observation| {
                // the receiver is waiting below
                let _ = echo.answer.send(observation);
            };
            let prober = IcmpProber::start(resolver, Box::new(sink));
            let (answer, answered) = oneshot::channel();
            prober.submit(vec![Echo {
                spec,
                timeout,
                answer,
            }]);
            let observation = answered.await.context("the ICMP engine ended");
            prober.stop().await;
            observation
        }
    }
}

fn describe(target: &str, result: &ProbeResult, at: Timestamp) -> String {
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
    text
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

fn millis(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1000.0)
}
