//! `pingu probe`: measure now, without a database: once with every phase, again and again like ping(8), or a whole network.
//!
//! The same probers as the service's, so that what they say here is what they store there.

mod address;
mod one;
mod rounds;
mod sweep;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use tokio::sync::oneshot;
use url::Url;

use super::Failure;
use crate::config;
use crate::model::{
    ErrorText, Family, HttpSpec, IcmpSpec, Kind, Observation, Outcome, ProbeSpec, TrainSpec,
};
use crate::probe::Clients;
use crate::probe::http::{Roots, Witness};
use crate::probe::icmp::{Asked, IcmpProber};
use crate::probe::resolve::Resolver;
use sweep::Network;

/// Rounds of `--icmp` when nobody says how many.
const ROUNDS: u32 = 5;

#[derive(Debug, Args)]
pub struct Arguments {
    /// A host to ping, an http:// or https:// URL, `tcp://HOST:PORT`, `tls://HOST`, `dns://SERVER/NAME?type=A`, or a network to sweep,
    /// like 192.168.1.0/24
    #[arg(value_name = "HOST|URL|NETWORK")]
    target: String,
    /// Ping, also the host of a URL; five times unless -c says otherwise
    #[arg(long)]
    icmp: bool,
    /// How often to probe; 0 goes on until Ctrl-C
    #[arg(short, long, value_name = "N")]
    count: Option<u32>,
    /// From one probe to the next, in seconds
    #[arg(short, long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    interval: Duration,
    /// How long to wait for each answer [default: 1000 for a host, 3000 for a URL]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    timeout_ms: Option<u64>,
    /// Print JSON; of one probe it has the fields that the API has
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    echo: EchoArguments,
}

/// The keys of the targets file that shape a ping.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of a ping")]
struct EchoArguments {
    /// Packets a probe
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=100))]
    packets: u8,
    /// From one packet of a probe to the next
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    packet_interval_ms: u32,
    /// Bytes after the ICMP header
    #[arg(long, value_name = "N", default_value_t = IcmpSpec::DEFAULT_PAYLOAD_BYTES,
          value_parser = clap::value_parser!(u16).range(i64::from(pingu_icmp::MIN_PAYLOAD_BYTES)..=i64::from(pingu_icmp::MAX_PAYLOAD_BYTES)))]
    payload_bytes: u16,
    /// How many routers it may pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    ttl: Option<u8>,
    /// How routers should treat it: 0 to 63
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=63))]
    dscp: Option<u8>,
    /// The address of this machine to send from
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// Which addresses of a name: 4, 6 or auto
    #[arg(long, value_name = "FAMILY", default_value = "auto", value_parser = family)]
    ip: Family,
    /// A packet too large for a link is not cut into pieces
    #[arg(long)]
    dont_fragment: bool,
    /// Packets a second when a network is swept
    #[arg(long, value_name = "N", default_value = "1000", value_parser = packets_a_second)]
    pps: NonZeroU32,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    if let Some(network) = Network::parse(&arguments.target) {
        let network = network.map_err(Failure::Settings)?;
        let template = arguments.echo.spec(String::new());
        let timeout = arguments.timeout(Kind::Icmp);
        let sweep = sweep::run(
            network,
            template,
            timeout,
            arguments.echo.pps,
            arguments.json,
        );
        return Ok(runtime.block_on(sweep)?);
    }
    let spec = arguments.spec()?;
    let rounds = arguments.count.or(arguments.icmp.then_some(ROUNDS));
    Ok(runtime.block_on(async {
        let probe = Probe::new(spec, arguments);
        let ended = match rounds {
            None => one::run(&probe, arguments.json).await,
            Some(count) => rounds::run(&probe, count, arguments.interval, arguments.json).await,
        };
        probe.stop().await;
        ended
    })?)
}

impl Arguments {
    fn timeout(&self, kind: Kind) -> Duration {
        self.timeout_ms
            .map_or(kind.default_timeout(), Duration::from_millis)
    }

    /// A URL is asked, anything else is pinged.
    fn spec(&self) -> Result<ProbeSpec, Failure> {
        let target = self.target.as_str();
        let mut host = target.to_owned();
        if let Some((scheme, _)) = target.split_once("://") {
            if !matches!(
                scheme.to_ascii_lowercase().as_str(),
                "http" | "https" | "tcp" | "tls" | "dns"
            ) {
                return Err(Failure::Settings(format!(
                    "cannot probe {scheme}:// addresses; give an http://, https://, tcp://, tls:// or dns:// URL, or a host to ping"
                )));
            }
            if !self.icmp
                && let Some(spec) = address::parse(target, self.echo.ip)
            {
                return spec.map_err(Failure::Settings);
            }
            let url = Url::parse(target)
                .map_err(|error| Failure::Settings(format!("{target} is not a URL: {error}")))?;
            if !self.icmp {
                let written = target.to_owned();
                return Ok(ProbeSpec::Http(HttpSpec::new(url, written)));
            }
            let own = url.host_str().unwrap_or_default();
            own.trim_matches(['[', ']']).clone_into(&mut host);
        }
        let host = config::checked_host(&host).map_err(|(problem, hint)| {
            let hint = hint.unwrap_or_default();
            Failure::Settings(format!(
                "{problem}; {hint} (for a web page put http:// or https:// before it)"
            ))
        })?;
        Ok(ProbeSpec::Icmp(self.echo.spec(host)))
    }
}

impl EchoArguments {
    fn spec(&self, host: String) -> IcmpSpec {
        IcmpSpec {
            ip: self.source.map_or(self.ip, Family::of),
            train: (self.packets > 1).then_some(TrainSpec {
                packets: self.packets,
                interval_ms: self.packet_interval_ms,
            }),
            payload_bytes: self.payload_bytes,
            ttl: self.ttl,
            dscp: self.dscp,
            source: self.source,
            dont_fragment: self.dont_fragment,
            ..IcmpSpec::new(host)
        }
    }
}

/// What is probed, and with what.
struct Probe {
    shown: String,
    timeout: Duration,
    prober: Prober,
    /// Of the last answer over HTTP.
    headers: Arc<Mutex<Headers>>,
}

type Headers = Vec<(String, ErrorText)>;

enum Prober {
    Asking(Clients, ProbeSpec),
    Icmp(Echoes, IcmpSpec),
}

impl Probe {
    fn new(spec: ProbeSpec, arguments: &Arguments) -> Self {
        let resolver = Resolver::new();
        let timeout = arguments.timeout(spec.kind());
        let headers: Arc<Mutex<Headers>> = Arc::default();
        match spec {
            ProbeSpec::Http(_) | ProbeSpec::Tcp(_) | ProbeSpec::Dns(_) | ProbeSpec::Tls(_) => {
                Self {
                    shown: spec.url().unwrap_or_else(|| arguments.target.clone()),
                    timeout,
                    prober: Prober::Asking(
                        Clients::new(&resolver, &Roots::of_this_machine())
                            .with_witness(witness(Arc::clone(&headers))),
                        spec,
                    ),
                    headers,
                }
            }
            ProbeSpec::Icmp(spec) => Self {
                shown: spec.host.as_str().to_owned(),
                timeout,
                prober: Prober::Icmp(Echoes::start(resolver, None), spec),
                headers,
            },
        }
    }

    async fn observe(&self) -> anyhow::Result<Observation> {
        match &self.prober {
            Prober::Asking(clients, spec) => Ok(clients.probe(spec, self.timeout).await),
            Prober::Icmp(echoes, spec) => echoes.observe(spec.clone(), self.timeout).await,
        }
    }

    /// Of the answer to the last probe over HTTP, where one came.
    fn headers(&self) -> Headers {
        let mut headers = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut headers)
    }

    async fn stop(&self) {
        if let Prober::Icmp(echoes, _) = &self.prober {
            echoes.0.stop().await;
        }
    }
}

fn witness(heard: Arc<Mutex<Headers>>) -> Witness {
    Arc::new(move |headers| {
        *heard.lock().unwrap_or_else(PoisonError::into_inner) = headers;
    })
}

/// Pings whose answers are waited for one by one.
struct Echoes(IcmpProber<Echo>);

/// A ping and who waits for its answer.
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

    fn at(&self) -> Instant {
        Instant::now()
    }
}

impl Echoes {
    fn start(resolver: Resolver, max_pps: Option<NonZeroU32>) -> Self {
        let sink = |echo: Echo, _, observation| {
            // whoever asked may have seen enough
            let _ = echo.answer.send(observation);
        };
        Self(IcmpProber::start(resolver, max_pps, Box::new(sink)))
    }

    async fn observe(&self, spec: IcmpSpec, timeout: Duration) -> anyhow::Result<Observation> {
        let (answer, answered) = oneshot::channel();
        self.0.submit(vec![Echo {
            spec,
            timeout,
            answer,
        }]);
        answered.await.context("the ICMP engine ended")
    }
}

const fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::Up => ExitCode::SUCCESS,
        Outcome::Down | Outcome::Unknown => ExitCode::FAILURE,
    }
}

fn millis(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1000.0)
}

fn millis_of(micros: u64) -> String {
    millis(Duration::from_micros(micros))
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok();
    let bounds = 0.001..=86_400.0;
    match seconds.filter(|seconds| bounds.contains(seconds)) {
        Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
        None => Err("expected seconds from 0.001 to 86400, like 0.2".to_owned()),
    }
}

fn family(text: &str) -> Result<Family, String> {
    match text {
        "4" => Ok(Family::V4),
        "6" => Ok(Family::V6),
        "auto" => Ok(Family::Any),
        _ => Err("expected 4, 6 or auto".to_owned()),
    }
}

fn packets_a_second(text: &str) -> Result<NonZeroU32, String> {
    let packets = text.parse().ok().and_then(NonZeroU32::new);
    packets
        .filter(|packets| packets.get() <= 100_000)
        .ok_or_else(|| "expected 1 to 100000".to_owned())
}
