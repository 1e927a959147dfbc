//! The command line: what to do, how it ends.
//!
//! Exit codes: 0 done (for `probe`: the target is up); 1 a probe found the target not up, or an unexpected error; 2 a wrong command
//! line or setting; 3 the targets file; 4 the database or the spool; 5 the address to listen on; 130 a second Ctrl-C.

mod check;
mod doctor;
mod healthcheck;
mod migrate;
mod probe;
mod run;
mod style;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::StartError;
use crate::config::{DatabaseUrl, Settings};
use crate::storage::StoreError;

const EXAMPLES: &str = "\
Examples:
  pingu                          probe the targets of targets.yaml, serve http://127.0.0.1:8000/
  pingu check                    is targets.yaml valid, and what would it change?
  pingu probe 192.168.1.1        one ping, now
  pingu probe --icmp -c 0 -i 0.2 192.168.1.1
                                 a better ping, until Ctrl-C
  pingu probe 192.168.1.0/24     who answers in this network?
  pingu probe https://example.com/
                                 every phase of one request
  pingu probe tcp://192.168.1.1:22
  pingu probe 'dns://192.168.1.1/example.com?type=MX'
  pingu probe 'tls://mail.example.com?starttls=smtp'
                                 a port, a name server, a certificate
  pingu doctor                   what on this machine keeps Pingu from working well?
  LISTEN=0.0.0.0:8000 pingu      serve the whole network
  pingu poller                   probe and store; the API is another process
  LISTEN=127.0.0.1:8001 pingu api
                                 the API on the database of that poller

Settings come from the environment and from .env: DATABASE_URL, SPOOL_PATH, SPOOL_MAX_BYTES,
RETENTION_DAYS, ROLLUP_5M_RETENTION_DAYS, ROLLUP_1H_RETENTION_DAYS, TARGETS_PATH, LISTEN,
API_TOKEN, HTTP_CONCURRENCY, TCP_CONCURRENCY, DNS_CONCURRENCY, TLS_CONCURRENCY, ICMP_MAX_PPS,
LOCATION, LOG_LEVEL, LOG_FORMAT; example.env explains each. run, poller and api wait for a Postgres that is away.

Exit codes:
  0  done; for probe: the target is up
  1  probe: the target is not up; healthcheck: not alive; otherwise an unexpected error
  2  a wrong command line or setting
  3  the targets file is missing, unreadable or not valid
  4  the database or the spool cannot be used
  5  the address to listen on cannot be used
  130  stopped by a second Ctrl-C, without waiting";

/// Probes targets on their interval, stores every result, serves an API and a page.
#[derive(Debug, Parser)]
#[command(name = "pingu", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Probe, store and serve, all in one process (the default)
    Run,
    /// Only probe and store; of itself it serves /health and /metrics
    Poller,
    /// Only serve the API and the page, on the database that a poller fills
    Api,
    /// Bring the database's schema up to date and say what was done
    Migrate,
    /// Ask the Pingu that listens on `LISTEN` whether it is alive, for containers
    Healthcheck,
    /// Look for what keeps Pingu from working well on this machine, with the command that mends it
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Validate a targets file and show what it would change in the database
    Check {
        /// The targets file [default: the setting `TARGETS_PATH`, or targets.yaml]
        file: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Probe now and show every phase; again and again with -c; a whole network with 192.168.1.0/24
    Probe(probe::Arguments),
}

/// Why a command failed, and so how the process ends.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Settings(String),
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("{0:#}")]
    Other(#[from] anyhow::Error),
}

impl Failure {
    const fn code(&self) -> u8 {
        match self {
            Self::Settings(_) => 2,
            Self::Start(StartError::Targets(_) | StartError::Database(StoreError::Conflict(_))) => {
                3
            }
            Self::Start(StartError::Database(_) | StartError::Spool(_)) => 4,
            Self::Start(StartError::Listen { .. }) => 5,
            Self::Start(StartError::Other(_)) | Self::Other(_) => 1,
        }
    }
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command.unwrap_or(Command::Run) {
        Command::Run => settings().and_then(|settings| run::all(&settings)),
        Command::Poller => settings().and_then(|settings| run::poller(&settings)),
        Command::Api => settings().and_then(|settings| run::api(&settings)),
        Command::Migrate => settings().and_then(|settings| migrate::run(&settings)),
        Command::Healthcheck => settings().and_then(|settings| healthcheck::run(&settings)),
        Command::Doctor { json } => settings().and_then(|settings| doctor::run(&settings, json)),
        Command::Check { file, json } => {
            settings().and_then(|settings| check::run(settings, file, json))
        }
        Command::Probe(arguments) => probe::run(&arguments),
    };
    outcome.unwrap_or_else(|failure| {
        let start = match &failure {
            // each of its lines begins with the place, as editors want it
            Failure::Start(StartError::Targets(_)) => String::new(),
            _ => format!("{}: ", style::paint(style::BAD, "error")),
        };
        // nobody may be reading any more
        let _ = writeln!(anstream::stderr(), "{start}{failure}");
        ExitCode::from(failure.code())
    })
}

/// The database of the settings, for people.
fn shown(database: &DatabaseUrl) -> String {
    match database {
        DatabaseUrl::Sqlite(path) => path.display().to_string(),
        url @ DatabaseUrl::Postgres(_) => url.to_string(),
    }
}

fn settings() -> Result<Settings, Failure> {
    let (settings, warnings) =
        Settings::load(Path::new(".")).map_err(|error| Failure::Settings(error.to_string()))?;
    for warning in warnings {
        let _ = writeln!(
            anstream::stderr(),
            "{}: {warning}",
            style::paint(style::WARN, "warning")
        );
    }
    Ok(settings)
}
