//! `pingu run`: the service in the foreground, until it is told to stop.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::style::{BOLD, DIM, paint};
use crate::app::{self, StartError};
use crate::config::{self, DatabaseUrl, LogFormat, Settings};
use crate::telemetry;

pub fn run(settings: &Settings) -> Result<ExitCode, Failure> {
    let _log = telemetry::start(&settings.log_level, settings.log_format);
    let loaded = config::load_file(&settings.targets_path).map_err(StartError::from)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if loaded.declared.is_empty() {
        tracing::warn!(
            "{} has no targets yet: nothing is probed until it has",
            settings.targets_path.display()
        );
    }
    if settings.api_token.is_none() && !settings.listen.ip().is_loopback() {
        tracing::warn!(
            listen = %settings.listen,
            "anyone who can reach this address may read everything: set API_TOKEN, or put a proxy with a login before it"
        );
    }
    let targets = loaded.declared.len();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?
        .block_on(async {
            let stop = CancellationToken::new();
            stop_on_signals(stop.clone())?;
            app::run(settings, loaded, stop, |address| {
                announce(settings, address, targets);
            })
            .await?;
            Ok(ExitCode::SUCCESS)
        })
}

/// The first signal asks for a graceful stop, a second one does not wait any longer.
fn stop_on_signals(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
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

/// Where to look, for a person who started Pingu by hand.
fn announce(settings: &Settings, address: SocketAddr, targets: usize) {
    let url = format!("http://{}", reachable(address));
    tracing::info!(%url, "listening");
    if settings.log_format == LogFormat::Json {
        return;
    }
    let database = match &settings.database {
        DatabaseUrl::Sqlite(path) => format!("{} (SQLite)", path.display()),
        url @ DatabaseUrl::Postgres(_) => url.to_string(),
    };
    let plural = if targets == 1 { "target" } else { "targets" };
    let rows = [
        ("page", paint(BOLD, format!("{url}/"))),
        ("API", format!("{url}/docs")),
        (
            "targets",
            format!(
                "{targets} {plural} in {}, read again when it changes",
                settings.targets_path.display()
            ),
        ),
        ("results", database),
    ];
    let rows = rows.map(|(name, value)| {
        let name = paint(DIM, format!("{name:<8}"));
        format!("  {name}  {value}\n")
    });
    let name = paint(BOLD, "Pingu");
    // nobody may be looking
    let _ = writeln!(
        anstream::stderr(),
        "\n  {name} {}\n{}",
        env!("CARGO_PKG_VERSION"),
        rows.concat()
    );
}

/// An address that a browser on this machine can open.
fn reachable(address: SocketAddr) -> SocketAddr {
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
