//! How this machine resolves names: `/etc/resolv.conf` and `/etc/hosts`, read again when they change.
//!
//! Promises that a broken or missing file stops nothing: without a usable resolv.conf at start the name server is 127.0.0.1, as
//! resolv.conf(5) has it, and one that breaks later changes nothing; either is logged. Leaves out nsswitch.conf, and of resolv.conf's options all but `ndots`.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hickory_resolver::Hosts;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::parse_resolv_conf;

use super::server::NameServer;
use crate::model::Family;

const DNS_PORT: u16 = 53;

/// Where the configuration is.
#[derive(Debug, Clone)]
struct Files {
    resolv_conf: PathBuf,
    hosts: PathBuf,
}

/// A file's state, to notice a change without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamps([Option<(SystemTime, u64)>; 2]);

/// What a lookup goes by.
pub(super) struct System {
    pub(super) servers: Vec<Arc<NameServer>>,
    /// The server that answered last: the next lookup begins with it, so a dead one costs its patience once.
    pub(super) preferred: AtomicUsize,
    pub(super) search: Vec<Name>,
    pub(super) ndots: usize,
    hosts: Hosts,
}

/// What lookups go by at the moment: the files as they were when last compared.
pub(super) struct Configured(Mutex<Current>);

struct Current {
    system: Arc<System>,
    compared: Instant,
    /// Nothing to follow for servers that were given.
    files: Option<(Files, Stamps)>,
    broken: bool,
}

impl Configured {
    /// How often the files are looked at.
    const COMPARE_EVERY: Duration = Duration::from_secs(5);

    pub(super) fn of_this_machine() -> Self {
        let files = Files::of_this_machine();
        let stamps = files.stamps();
        Self::of(files.read_or_default(), Some((files, stamps)))
    }

    pub(super) fn of_servers(servers: &[SocketAddr]) -> Self {
        Self::of(System::of_servers(servers), None)
    }

    fn of(system: System, files: Option<(Files, Stamps)>) -> Self {
        Self(Mutex::new(Current {
            system: Arc::new(system),
            compared: Instant::now(),
            files,
            broken: false,
        }))
    }

    pub(super) fn system(&self, now: Instant) -> Arc<System> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = now.saturating_duration_since(current.compared) >= Self::COMPARE_EVERY;
        if due {
            current.compared = now;
            current.follow();
        }
        current.system.clone()
    }
}

impl Current {
    fn follow(&mut self) {
        if let Some((files, stamps)) = &mut self.files {
            let found = files.stamps();
            if found == *stamps {
                return;
            }
            match files.read() {
                Ok(system) => {
                    *stamps = found;
                    self.system = Arc::new(system);
                    self.broken = false;
                }
                // tried again next time, told once
                Err((error, _)) if !self.broken => {
                    self.broken = true;
                    let path = files.resolv_conf.display();
                    tracing::warn!(%path, error, "the changed name server configuration is not usable, keeping the old one");
                }
                Err(_) => {}
            }
        }
    }
}

impl Files {
    fn of_this_machine() -> Self {
        Self {
            resolv_conf: "/etc/resolv.conf".into(),
            hosts: "/etc/hosts".into(),
        }
    }

    fn stamps(&self) -> Stamps {
        let stamp = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Stamps([stamp(&self.resolv_conf), stamp(&self.hosts)])
    }

    /// What the files say; without a usable resolv.conf the reason and the hosts file alone.
    fn read(&self) -> Result<System, (String, Hosts)> {
        let mut hosts = Hosts::default();
        match fs::File::open(&self.hosts).and_then(|file| hosts.read_hosts_conf(file)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %self.hosts.display(), %error, "reading the hosts file failed");
            }
        }
        let parsed = fs::read(&self.resolv_conf)
            .map_err(|error| error.to_string())
            .and_then(|text| parse_resolv_conf(text).map_err(|error| error.to_string()));
        let (config, options) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => return Err((error, hosts)),
        };
        let servers: Vec<SocketAddr> = config
            .name_servers()
            .iter()
            .map(|server| (server.ip, DNS_PORT).into())
            .collect();
        let search = match config.search() {
            [] => config.domain().cloned().into_iter().collect(),
            listed => listed.to_vec(),
        };
        Ok(System {
            search: search.into_iter().filter(|name| !name.is_root()).collect(),
            ndots: options.ndots,
            hosts,
            ..System::of_servers(&servers)
        })
    }

    /// As [`Self::read`], with the name server of a machine that names none.
    fn read_or_default(&self) -> System {
        self.read().unwrap_or_else(|(error, hosts)| {
            let path = self.resolv_conf.display();
            tracing::warn!(%path, error, "no usable name server configuration, asking 127.0.0.1");
            System {
                hosts,
                ..System::of_servers(&[(Ipv4Addr::LOCALHOST, DNS_PORT).into()])
            }
        })
    }
}

impl System {
    /// These servers and nothing else: no hosts file, no search list.
    pub(super) fn of_servers(servers: &[SocketAddr]) -> Self {
        Self {
            servers: servers.iter().copied().map(NameServer::new).collect(),
            preferred: AtomicUsize::new(0),
            search: Vec::new(),
            ndots: 1,
            hosts: Hosts::default(),
        }
    }

    /// What the hosts file says of `name`; `localhost` needs no file (RFC 6761 section 6.3).
    pub(super) fn hosts_entry(&self, name: &Name, family: Family) -> Vec<IpAddr> {
        let mut found = Vec::new();
        for record_type in [RecordType::AAAA, RecordType::A] {
            let query = Query::query(name.clone(), record_type);
            if let Some(lookup) = self.hosts.lookup_static_host(&query) {
                let addresses = lookup.answers().iter();
                found.extend(addresses.filter_map(|record| record.data.ip_addr()));
            }
        }
        if found.is_empty() && name.is_localhost() {
            found = vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
        }
        found.retain(|address| family.includes(*address));
        found
    }

    /// The names to try in turn, as resolv.conf(5) has it under `search` and `ndots`.
    pub(super) fn candidates(&self, name: &Name) -> Vec<Name> {
        let mut as_written = name.clone();
        as_written.set_fqdn(true);
        if name.is_fqdn() {
            return vec![as_written];
        }
        let dots = name.iter().count().saturating_sub(1);
        let searched = self
            .search
            .iter()
            .filter_map(|domain| name.clone().append_domain(domain).ok());
        if dots >= self.ndots {
            [as_written].into_iter().chain(searched).collect()
        } else {
            searched.chain([as_written]).collect()
        }
    }

    /// The servers, for an error text.
    pub(super) fn listed(&self) -> String {
        let addresses: Vec<String> = self
            .servers
            .iter()
            .map(|server| server.address().to_string())
            .collect();
        addresses.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(resolv_conf: &str, hosts: &str) -> (tempfile::TempDir, Files) {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            resolv_conf: folder.path().join("resolv.conf"),
            hosts: folder.path().join("hosts"),
        };
        fs::write(&files.resolv_conf, resolv_conf).unwrap();
        fs::write(&files.hosts, hosts).unwrap();
        (folder, files)
    }

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn tried(system: &System, text: &str) -> Vec<String> {
        let candidates = system.candidates(&name(text));
        candidates.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_files_are_honoured() {
        let (_folder, files) = files(
            "nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch lan.example corp.example\noptions ndots:2\n",
            "192.0.2.7 router router.lan # the one in the cellar\n2001:db8::7 router\n",
        );
        let system = files.read_or_default();
        assert_eq!(system.listed(), "192.0.2.53:53, [2001:db8::53]:53");
        assert_eq!(
            tried(&system, "a.b"),
            ["a.b.lan.example.", "a.b.corp.example.", "a.b."]
        );
        assert_eq!(
            tried(&system, "a.b.c"),
            ["a.b.c.", "a.b.c.lan.example.", "a.b.c.corp.example."]
        );
        assert_eq!(tried(&system, "a.b."), ["a.b."]);
        let router: Vec<IpAddr> = vec!["2001:db8::7".parse().unwrap(), [192, 0, 2, 7].into()];
        assert_eq!(system.hosts_entry(&name("Router"), Family::Any), router);
        assert_eq!(
            system.hosts_entry(&name("router"), Family::V4),
            &router[1..]
        );
        assert!(system.hosts_entry(&name("other"), Family::Any).is_empty());
    }

    #[test]
    fn a_broken_configuration_falls_back() {
        for text in ["", "rubbish\u{0}\n", "nameserver not-an-address\n"] {
            let (_folder, files) = files(text, "also rubbish\n");
            assert_eq!(files.read_or_default().listed(), "127.0.0.1:53", "{text:?}");
        }
        let (folder, files) = files("", "");
        folder.close().unwrap();
        assert_eq!(files.read_or_default().listed(), "127.0.0.1:53");
    }

    #[test]
    fn localhost_needs_no_file() {
        let system = System::of_servers(&[]);
        let both = system.hosts_entry(&name("localhost"), Family::Any);
        assert_eq!(both.len(), 2);
        let v4: IpAddr = Ipv4Addr::LOCALHOST.into();
        assert_eq!(
            system.hosts_entry(&name("a.localhost."), Family::V4),
            [v4].as_slice()
        );
    }

    #[test]
    fn a_change_is_noticed() {
        let (_folder, files) = files("nameserver 192.0.2.53\n", "");
        let before = files.stamps();
        assert_eq!(before, files.stamps());
        fs::write(&files.resolv_conf, "nameserver 192.0.2.153\n").unwrap();
        assert_ne!(before, files.stamps());
    }

    #[test]
    fn a_change_is_followed_within_seconds() {
        let (_folder, files) = files("nameserver 192.0.2.53\n", "");
        let stamps = files.stamps();
        let resolv_conf = files.resolv_conf.clone();
        let configured = Configured::of(files.read_or_default(), Some((files, stamps)));
        fs::write(&resolv_conf, "nameserver 192.0.2.153\n").unwrap();
        let now = Instant::now();
        assert_eq!(configured.system(now).listed(), "192.0.2.53:53");
        let later = now + Configured::COMPARE_EVERY;
        assert_eq!(configured.system(later).listed(), "192.0.2.153:53");
        // caught in the middle of being written
        fs::write(&resolv_conf, "").unwrap();
        let later = later + Configured::COMPARE_EVERY;
        assert_eq!(configured.system(later).listed(), "192.0.2.153:53");
        fs::write(&resolv_conf, "nameserver 192.0.2.5\n").unwrap();
        let later = later + Configured::COMPARE_EVERY;
        assert_eq!(configured.system(later).listed(), "192.0.2.5:53");
    }
}
