//! `pingu run`, `pingu poller`, `pingu api`: the service, or a half of it, in the foreground until it is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::style::{BOLD, DIM, paint};
use crate::app::{self, StartError};
use crate::config::{self, DatabaseUrl, Loaded, LogFormat, Settings};
use crate::telemetry;

/// What a person is told at the start: a name, and what it is at the address that is served.
type Row = (&'static str, Box<dyn Fn(&str) -> String>);

/// Both halves.
pub fn all(settings: &Settings) -> Result<ExitCode, Failure> {
    let _log = telemetry::start(&settings.log_level, settings.log_format);
    let loaded = load(settings)?;
    let rows = [
        page(),
        docs(),
        targets(settings, &loaded),
        results(settings),
    ];
    let stop = CancellationToken::new();
    let ready = |address| announce(settings, address, &rows);
    foreground(
        settings,
        stop.clone(),
        app::run(settings, loaded, stop, ready),
    )
}

/// The half that probes.
pub fn poller(settings: &Settings) -> Result<ExitCode, Failure> {
    let _log = telemetry::start(&settings.log_level, settings.log_format);
    let loaded = load(settings)?;
    let health: Row = ("health", Box::new(|url| format!("{url}/health, /metrics")));
    let rows = [health, targets(settings, &loaded), results(settings)];
    let stop = CancellationToken::new();
    let ready = |address| announce(settings, address, &rows);
    foreground(
        settings,
        stop.clone(),
        app::poller(settings, loaded, stop, ready),
    )
}

/// The half that serves.
pub fn api(settings: &Settings) -> Result<ExitCode, Failure> {
    let _log = telemetry::start(&settings.log_level, settings.log_format);
    let rows = [page(), docs(), results(settings)];
    let stop = CancellationToken::new();
    let ready = |address| announce(settings, address, &rows);
    foreground(settings, stop.clone(), app::api(settings, stop, ready))
}

fn load(settings: &Settings) -> Result<Loaded, StartError> {
    let loaded = config::load_file(&settings.targets_path)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if loaded.declared.is_empty() {
        tracing::warn!(
            "{} has no targets yet: nothing is probed until it has",
            settings.targets_path.display()
        );
    }
    Ok(loaded)
}

fn foreground(
    settings: &Settings,
    stop: CancellationToken,
    service: impl Future<Output = Result<(), StartError>>,
) -> Result<ExitCode, Failure> {
    if settings.api_token.is_none() && !settings.listen.ip().is_loopback() {
        tracing::warn!(
            listen = %settings.listen,
            "anyone who can reach this address may read everything: set API_TOKEN, or put a proxy with a login before it"
        );
    }
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(async {
            stop_on_signals(stop)?;
            service.await?;
            Ok(ExitCode::SUCCESS)
        })
}

/// The first signal asks for a graceful stop, a second one does not wait any longer.
fn stop_on_signals(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    // listened for once, it ends nobody any more: those with a targets file read it again, an API has nothing to do
    drop(signal(SignalKind::hangup()).context("listening for SIGHUP")?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(130);
            }
            stop.cancel();
        }
    });
    Ok(())
}

fn page() -> Row {
    ("page", Box::new(|url| paint(BOLD, format!("{url}/"))))
}

fn docs() -> Row {
    ("API", Box::new(|url| format!("{url}/docs")))
}

fn targets(settings: &Settings, loaded: &Loaded) -> Row {
    let count = loaded.declared.len();
    let plural = if count == 1 { "target" } else { "targets" };
    let path = settings.targets_path.display();
    let text = format!("{count} {plural} in {path}, read again when it changes");
    ("targets", Box::new(move |_| text.clone()))
}

fn results(settings: &Settings) -> Row {
    let database = super::shown(&settings.database);
    let kind = match settings.database {
        DatabaseUrl::Sqlite(_) => " (SQLite)",
        DatabaseUrl::Postgres(_) => "",
    };
    ("results", Box::new(move |_| format!("{database}{kind}")))
}

/// Where to look, for a person who started Pingu by hand.
fn announce(settings: &Settings, address: SocketAddr, rows: &[Row]) {
    let url = format!("http://{}", reachable(address));
    tracing::info!(%url, "listening");
    if settings.log_format == LogFormat::Json {
        return;
    }
    let lines = rows.iter().map(|(name, value)| {
        let name = paint(DIM, format!("{name:<8}"));
        format!("  {name}  {}\n", value(&url))
    });
    let name = paint(BOLD, "Pingu");
    // nobody may be looking
    let _ = writeln!(
        anstream::stderr(),
        "\n  {name} {}\n{}",
        env!("CARGO_PKG_VERSION"),
        lines.collect::<String>()
    );
}

/// An address that a program on this machine can open.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        let loopback = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}
