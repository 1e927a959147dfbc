//! Reads `DATABASE_URL`: which server, as whom, how well protected.
//!
//! `sslmode` and `sslrootcert` are read here, with libpq's meaning, because the client library knows only some of their values and
//! would fall back to no encryption for the others. Nothing here prints the URL: it may hold a password.

use std::path::Path;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::super::StoreError;
use super::tls::{self, Trust};

/// The longest that connecting may take, all of it.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// How long a silent connection is left alone before the system asks whether the other end lives.
const QUIET: Duration = Duration::from_secs(10);
/// Data that is not acknowledged for so long means that the other end is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(10);
/// Where the server's socket lies if the URL names no host; elsewhere it is asked for on this machine by TCP.
const SOCKETS: &str = "/var/run/postgresql";
/// The `sslrootcert` that means what this machine trusts.
const SYSTEM: &str = "system";

/// A server and everything that is needed to connect to it.
#[derive(Clone)]
pub struct Server {
    pub config: Config,
    pub tls: MakeRustlsConnect,
    /// `host:port/database`, for people.
    pub place: String,
}

impl Server {
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        let unusable = |problem: String| StoreError::Unusable(format!("DATABASE_URL: {problem}"));
        let (rest, options) = take_tls_options(url);
        let mut config: Config = rest
            .parse()
            .map_err(|error: tokio_postgres::Error| unusable(option_problem(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            let local = if Path::new(SOCKETS).exists() {
                SOCKETS
            } else {
                "localhost"
            };
            config.host(local);
        }
        let (mode, trust) = options
            .protection()
            .map_err(|problem| unusable(problem.to_owned()))?;
        let by_socket = |host: &Host| matches!(host, Host::Unix(_));
        // a socket of this machine has no TLS, and needs none: libpq, too, looks at sslmode for TCP only
        if config.get_hosts().iter().all(by_socket) && config.get_hostaddrs().is_empty() {
            config.ssl_mode(SslMode::Disable);
        } else {
            config.ssl_mode(mode);
        }
        let tls = tls::connector(trust, options.root_file()).map_err(unusable)?;
        config
            .keepalives_idle(QUIET)
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(UNACKNOWLEDGED);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_DEADLINE);
        }
        if config.get_application_name().is_none() {
            config.application_name("pingu");
        }
        Ok(Self {
            place: place(&config),
            config,
            tls,
        })
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.place).finish()
    }
}

#[derive(Default)]
struct TlsOptions {
    mode: Option<String>,
    roots: Option<String>,
}

impl TlsOptions {
    fn protection(&self) -> Result<(SslMode, Trust), &'static str> {
        let mode = self.mode.as_deref();
        if self.roots.as_deref() == Some(SYSTEM) {
            // as in libpq: anybody can have a certificate of some authority
            return match mode {
                None | Some("verify-full") => Ok((SslMode::Require, Trust::Host)),
                Some(_) => Err("sslrootcert=system goes with sslmode=verify-full"),
            };
        }
        match mode.unwrap_or("prefer") {
            "disable" => Ok((SslMode::Disable, Trust::Anyone)),
            // `allow` would rather not encrypt; where the server can, we do
            "allow" | "prefer" => Ok((SslMode::Prefer, Trust::Anyone)),
            "require" if self.roots.is_none() => Ok((SslMode::Require, Trust::Anyone)),
            // a root certificate that is named is meant to be looked at
            "require" | "verify-ca" => Ok((SslMode::Require, Trust::Issuer)),
            "verify-full" => Ok((SslMode::Require, Trust::Host)),
            _ => {
                Err("sslmode is one of disable, allow, prefer, require, verify-ca and verify-full")
            }
        }
    }

    /// The file of root certificates; none where those of this machine are meant.
    fn root_file(&self) -> Option<&Path> {
        let named = self.roots.as_deref();
        named.filter(|name| *name != SYSTEM).map(Path::new)
    }
}

/// The URL without what is read here.
fn take_tls_options(url: &str) -> (String, TlsOptions) {
    let mut options = TlsOptions::default();
    let Some((base, query)) = url.split_once('?') else {
        return (url.to_owned(), options);
    };
    let mut others = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = || percent_decode_str(value).decode_utf8_lossy().into_owned();
        match name {
            "sslmode" => options.mode = Some(value()),
            "sslrootcert" => options.roots = Some(value()),
            "" => {}
            _ => others.push(pair),
        }
    }
    if others.is_empty() {
        return (base.to_owned(), options);
    }
    (format!("{base}?{}", others.join("&")), options)
}

/// The library names the option and never its value.
fn option_problem(error: &tokio_postgres::Error) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}

fn place(config: &Config) -> String {
    let mut hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]"),
            Host::Tcp(name) => name.clone(),
            Host::Unix(folder) => folder.display().to_string(),
        })
        .collect();
    if hosts.is_empty() {
        let addresses = config.get_hostaddrs().iter();
        hosts = addresses.map(ToString::to_string).collect();
    }
    for (index, host) in hosts.iter_mut().enumerate() {
        let ports = config.get_ports();
        let port = ports.get(index).or(ports.first()).unwrap_or(&5432);
        *host = format!("{host}:{port}");
    }
    let database = config.get_dbname().or(config.get_user()).unwrap_or("");
    format!("{}/{database}", hosts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_protection_has_its_meaning() {
        for (query, expected) in [
            ("", (SslMode::Prefer, Trust::Anyone)),
            ("?sslmode=disable", (SslMode::Disable, Trust::Anyone)),
            ("?sslmode=allow", (SslMode::Prefer, Trust::Anyone)),
            ("?sslmode=prefer", (SslMode::Prefer, Trust::Anyone)),
            ("?sslmode=require", (SslMode::Require, Trust::Anyone)),
            (
                "?sslmode=require&sslrootcert=/x.pem",
                (SslMode::Require, Trust::Issuer),
            ),
            ("?sslmode=verify-ca", (SslMode::Require, Trust::Issuer)),
            ("?sslmode=verify%2Dfull", (SslMode::Require, Trust::Host)),
            ("?sslrootcert=system", (SslMode::Require, Trust::Host)),
        ] {
            let (_, options) = take_tls_options(&format!("postgresql://db/x{query}"));
            assert_eq!(options.protection(), Ok(expected), "{query}");
        }
    }

    #[test]
    fn the_other_options_reach_the_client() {
        let url = "postgresql://ada:se%40cret@db:1/x?sslmode=disable&application_name=other&&connect_timeout=1";
        let server = Server::parse(url).unwrap();
        assert_eq!(server.config.get_password(), Some(&b"se@cret"[..]));
        assert_eq!(server.config.get_application_name(), Some("other"));
        assert_eq!(server.config.get_ssl_mode(), SslMode::Disable);
        assert_eq!(server.place, "db:1/x");
        assert_eq!(format!("{server:?}"), "Server(\"db:1/x\")");
    }

    #[test]
    fn a_socket_may_be_named_in_either_place() {
        for url in [
            "postgresql://ada@%2Frun%2Fpg/x?sslmode=require",
            "postgresql:///x?host=/run/pg&user=ada",
        ] {
            let server = Server::parse(url).unwrap();
            assert_eq!(server.place, "/run/pg:5432/x", "{url}");
            assert_eq!(server.config.get_ssl_mode(), SslMode::Disable, "{url}");
        }
    }

    #[test]
    fn a_problem_names_the_option_and_no_secret() {
        for (query, word) in [
            ("sslmode=verify_full", "verify-full"),
            ("sslmode=require&sslrootcert=system", "verify-full"),
            ("sslrootcert=/no/such.pem&sslmode=verify-ca", "/no/such.pem"),
            ("connect_timeout=hunter2", "connect_timeout"),
            ("passwort=hunter2", "passwort"),
        ] {
            let url = format!("postgresql://ada:hunter2@db/x?{query}");
            let error = Server::parse(&url).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
