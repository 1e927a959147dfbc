//! The keys that say how a target over TCP is reached, and on what terms of TLS.
//!
//! A file that is named must be there and hold what it should, so that a slip is told of with its line and not by the first probe.
//! Paths that are not absolute begin at the folder that Pingu was started in, as those of its settings do.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;

use super::super::problem::quoted;
use super::super::report::{Report, Span};
use super::http;
use super::key::Key;
use super::reach::ReachDraft;
use super::value::{Answer, Field};
use crate::model::{ClientFiles, HttpVersions, InvalidProxy, Kind, Proxy, Way};

pub const KEYS: &[Key] = &[
    Key {
        name: "resolver",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.way.resolver = resolver(field, report),
    },
    Key {
        name: "proxy",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.way.proxy = proxy(field, report),
    },
    Key {
        name: "http_version",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.way.http_version = http_version(field, report),
    },
    Key {
        name: "insecure",
        of: &[Kind::Http, Kind::Tls],
        has_default: true,
        read: |draft, field, report| draft.way.insecure = field.boolean(report),
    },
    Key {
        name: "server_name",
        of: &[Kind::Http, Kind::Dns, Kind::Tls],
        has_default: true,
        read: |draft, field, report| draft.way.server_name = server_name(field, report),
    },
    Key {
        name: "ca",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.way.ca = path(field, report),
    },
    Key {
        name: "client_cert",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.way.client_cert = path(field, report),
    },
    Key {
        name: "client_key",
        of: &[Kind::Http],
        has_default: true,
        read: |draft, field, report| draft.way.client_key = path(field, report),
    },
    Key {
        name: "cert_min_days",
        of: &[Kind::Http, Kind::Tls],
        has_default: true,
        read: |draft, field, report| draft.way.cert_min_days = cert_min_days(field, report),
    },
];

/// A path that is longer is none (`PATH_MAX` of limits.h).
const MAX_PATH: usize = 4096;
/// Bundles of all the world's authorities have a quarter of a megabyte.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// Name servers that a file may name: each has a cache and a socket of its own.
const MAX_RESOLVERS: usize = 64;
const DNS_PORT: u16 = 53;

/// What a target said of its way.
#[derive(Debug, Default)]
pub struct WayDraft {
    resolver: Answer<SocketAddr>,
    proxy: Answer<Proxy>,
    http_version: Answer<HttpVersions>,
    pub insecure: Answer<bool>,
    pub server_name: Answer<String>,
    ca: Answer<String>,
    client_cert: Answer<String>,
    client_key: Answer<String>,
    pub cert_min_days: Answer<u16>,
}

impl WayDraft {
    /// Tells what does not fit together.
    pub fn cross_check(&self, defaults: &Self, report: &mut Report) {
        for (one, name, other, other_name) in [
            (
                &self.client_cert,
                "client_cert",
                [&self.client_key, &defaults.client_key],
                "client_key",
            ),
            (
                &self.client_key,
                "client_key",
                [&self.client_cert, &defaults.client_cert],
                "client_cert",
            ),
        ] {
            if let Answer::Said(_, at) = one
                && other.iter().all(|it| it.is_absent())
            {
                let message = format!("`{name}` needs a `{other_name}`");
                let end = other_name.trim_start_matches("client_");
                let hint = format!("add its file, like `{other_name}: /etc/pingu/my-{end}.pem`");
                report.error(*at, message, hint);
            }
        }
    }

    /// What the target does not say itself comes from `defaults`.
    pub fn finish(
        self,
        defaults: &Self,
        reach: &ReachDraft,
        default_reach: &ReachDraft,
        host: Option<IpAddr>,
    ) -> Way {
        let host = host.map(|it| it.to_string());
        let cert = or(self.client_cert, &defaults.client_cert);
        let key = or(self.client_key, &defaults.client_key);
        Way {
            ip: reach.family(host.as_deref(), default_reach),
            resolver: or(self.resolver, &defaults.resolver),
            proxy: or(self.proxy, &defaults.proxy),
            http_version: or(self.http_version, &defaults.http_version).unwrap_or_default(),
            insecure: or(self.insecure, &defaults.insecure).unwrap_or_default(),
            server_name: or(self.server_name, &defaults.server_name),
            ca: or(self.ca, &defaults.ca),
            client: cert.zip(key).map(|(cert, key)| ClientFiles { cert, key }),
            cert_min_days: or(self.cert_min_days, &defaults.cert_min_days),
        }
    }
}

fn or<T: Clone>(own: Answer<T>, default: &Answer<T>) -> Option<T> {
    own.into_said().or_else(|| default.said().cloned())
}

fn resolver(field: Field<'_>, report: &mut Report) -> Answer<SocketAddr> {
    let expected = "the address of a name server, like 1.1.1.1, 10.0.0.1:5353 or [::1]:53";
    field.text(expected, report).checked(report, |text| {
        let bare = text.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let address = bare.unwrap_or(text).parse::<IpAddr>();
        let server = match address {
            Ok(address) => Some((address, DNS_PORT).into()),
            Err(_) => text.parse::<SocketAddr>().ok(),
        };
        let usable = server.filter(|it| !it.ip().is_unspecified() && it.port() > 0);
        usable.ok_or_else(|| {
            let message = format!("`resolver` is {}", quoted(text));
            (message, Some(format!("expected {expected}")))
        })
    })
}

fn proxy(field: Field<'_>, report: &mut Report) -> Answer<Proxy> {
    let expected = "a proxy, like http://proxy.example:3128 or socks5h://127.0.0.1:1080";
    // what stands there is neither quoted nor shown: it may hold a password
    http::conceal(field.value, report);
    field.text(expected, report).checked(report, |text| {
        text.parse().map_err(|error: InvalidProxy| {
            let message = "`proxy` cannot be used".to_owned();
            (message, Some(error.to_string()))
        })
    })
}

fn http_version(field: Field<'_>, report: &mut Report) -> Answer<HttpVersions> {
    let expected = "1.1, 2 or auto";
    field.text(expected, report).checked(report, |text| {
        match text.to_ascii_lowercase().trim_start_matches("http/") {
            "auto" => Ok(HttpVersions::Auto),
            "1.1" | "1" => Ok(HttpVersions::One),
            "2" | "2.0" | "h2" => Ok(HttpVersions::Two),
            _ => Err((
                format!("`http_version` is {}", quoted(text)),
                Some(format!("expected {expected}")),
            )),
        }
    })
}

fn server_name(field: Field<'_>, report: &mut Report) -> Answer<String> {
    let expected = "a name to ask for in the TLS handshake, like www.example.com";
    field.text(expected, report).checked(report, |text| {
        let bare = text.strip_suffix('.').unwrap_or(text);
        match ServerName::try_from(bare) {
            Ok(_) => Ok(bare.to_owned()),
            Err(_) => Err((
                format!("`server_name` is {}", quoted(text)),
                Some(format!("expected {expected}")),
            )),
        }
    })
}

fn cert_min_days(field: Field<'_>, report: &mut Report) -> Answer<u16> {
    let whole = field.whole(1..=Way::MOST_DAYS.into(), 30, report);
    whole.checked(report, |days| {
        u16::try_from(days).map_err(|_| ("`cert_min_days` is too large".to_owned(), None))
    })
}

fn path(field: Field<'_>, report: &mut Report) -> Answer<String> {
    field.line(MAX_PATH, "the path of a PEM file", report)
}

/// What the ways of all targets name: each file is read once, and resolvers are counted.
#[derive(Debug, Default)]
pub struct Named {
    certificates: HashMap<String, Result<Vec<CertificateDer<'static>>, String>>,
    pairs: HashMap<ClientFiles, Result<(), String>>,
    resolvers: HashSet<SocketAddr>,
}

impl Named {
    /// Tells what is wrong with what the draft names itself; the other half of a pair may come from `defaults`.
    pub fn check(&mut self, draft: &WayDraft, defaults: &WayDraft, report: &mut Report) {
        if let Answer::Said(server, at) = draft.resolver
            && self.resolvers.insert(server)
            && self.resolvers.len() == MAX_RESOLVERS + 1
        {
            let message = format!("more than {MAX_RESOLVERS} different resolvers");
            let hint = "each has a cache of its own; let targets share them".to_owned();
            report.error(at, message, hint);
        }
        if let Answer::Said(file, at) = &draft.ca {
            self.authority(file, *at, report);
        }
        let cert = draft.client_cert.said().or(defaults.client_cert.said());
        let key = draft.client_key.said().or(defaults.client_key.said());
        let own = draft.client_cert.span().or(draft.client_key.span());
        if let (Some(cert), Some(key), Some(at)) = (cert, key, own) {
            let files = ClientFiles {
                cert: cert.clone(),
                key: key.clone(),
            };
            let at_key = draft.client_key.span().unwrap_or(at);
            self.pair(&files, at, at_key, report);
        }
    }

    fn authority(&mut self, file: &str, at: Span, report: &mut Report) {
        if let Err(error) = self.certificates(file) {
            let hint = "expected a PEM file with the certificates of authorities".to_owned();
            report.error(at, error, hint);
        }
    }

    fn pair(&mut self, files: &ClientFiles, at_cert: Span, at_key: Span, report: &mut Report) {
        let chain = match self.certificates(&files.cert) {
            Ok(chain) => chain,
            Err(error) => {
                let hint = "expected a PEM file with the certificate to present".to_owned();
                return report.error(at_cert, error, hint);
            }
        };
        let paired = self
            .pairs
            .entry(files.clone())
            .or_insert_with(|| pair(chain, &files.key));
        if let Err(error) = paired {
            let hint = "expected a PEM file with the private key of `client_cert`".to_owned();
            report.error(at_key, error.clone(), hint);
        }
    }

    fn certificates(&mut self, file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
        let known = self.certificates.get(file);
        known.cloned().unwrap_or_else(|| {
            let read = certificates(file);
            self.certificates.insert(file.to_owned(), read.clone());
            read
        })
    }
}

fn certificates(file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes(file)?).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(format!("{} holds no certificate", quoted(file))),
        Err(error) => Err(format!("{} is no PEM file: {error}", quoted(file))),
    }
}

fn pair(chain: Vec<CertificateDer<'static>>, file: &str) -> Result<(), String> {
    let key = PrivateKeyDer::from_pem_slice(&bytes(file)?)
        .map_err(|_| format!("{} holds no private key", quoted(file)))?;
    match CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(format!(
            "the key in {} is not that of the certificate",
            quoted(file)
        )),
        Err(error) => Err(format!("{} cannot be used: {error}", quoted(file))),
    }
}

fn bytes(file: &str) -> Result<Vec<u8>, String> {
    let shown = quoted(file);
    let failed = |error: std::io::Error| format!("cannot read {shown}: {error}");
    let metadata = fs::metadata(Path::new(file)).map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("{shown} is no file"));
    }
    if metadata.len() > MAX_FILE {
        return Err(format!("{shown} is larger than 4 MiB"));
    }
    fs::read(file).map_err(failed)
}
