//! Who lives in a filled database: sites with their devices, web sites and APIs, named as people name them.
//!
//! Every target leads to this machine (127.x.y.z, or a port of 127.0.0.1), so that Pingu may be started on the database and asks
//! nobody else. What its history says of it is [`crate::life`]'s affair.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use uuid::Uuid;

/// Name and round trip from the poller in microseconds.
const SITES: [(&str, f64); 24] = [
    ("home", 0.0),
    ("Hamburg", 9_000.0),
    ("Paris", 14_000.0),
    ("Lisbon", 38_000.0),
    ("London", 17_000.0),
    ("Zürich", 8_000.0),
    ("Vienna", 12_000.0),
    ("Oslo", 27_000.0),
    ("Madrid", 33_000.0),
    ("Warsaw", 21_000.0),
    ("Athens", 46_000.0),
    ("Istanbul", 52_000.0),
    ("Cairo", 63_000.0),
    ("Nairobi", 145_000.0),
    ("Mumbai", 118_000.0),
    ("Singapore", 158_000.0),
    ("Tokyo", 176_000.0),
    ("Sydney", 180_000.0),
    ("New York", 84_000.0),
    ("Chicago", 102_000.0),
    ("Denver", 121_000.0),
    ("Seattle", 142_000.0),
    ("São Paulo", 179_000.0),
    ("Santiago", 172_000.0),
];

/// Name, tags, microseconds that it takes to answer an echo.
const DEVICES: [(&str, &[&str], f64); 12] = [
    ("router", &["network", "critical"], 300.0),
    ("nas", &["storage"], 350.0),
    ("printer", &["office"], 1_400.0),
    ("access point", &["network", "wifi"], 900.0),
    ("camera door", &["camera", "wifi"], 3_200.0),
    ("ups", &["power"], 1_100.0),
    ("firewall", &["network", "critical"], 320.0),
    ("switch floor 1", &["network"], 450.0),
    ("phone gateway", &["voice"], 700.0),
    ("build server", &["server"], 310.0),
    ("heating", &["facility", "wifi"], 4_100.0),
    ("meeting room screen", &["office", "wifi"], 2_600.0),
];

const WEB: [&str; 6] = ["www", "shop", "wiki", "mail", "cloud", "blog"];
const APIS: [&str; 6] = ["login", "orders", "payments", "search", "stock", "shipping"];

/// Of ten targets of a site so many are devices, then come two web sites and two APIs.
const A_SITE: usize = 10;
const ITS_DEVICES: usize = 6;

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Answers an echo after so many microseconds, the way to it apart.
    Device(f64),
    /// With TLS and a certificate.
    Web,
    Api,
}

/// One target.
#[derive(Debug, Clone)]
pub struct Resident {
    pub id: Uuid,
    pub name: String,
    pub kind: Kind,
    pub group: String,
    pub tags: Vec<&'static str>,
    /// Those of one site share its troubles.
    pub site: u64,
    /// Microseconds there and back.
    pub distance: f64,
    pub address: Ipv4Addr,
    pub interval: Duration,
    pub timeout: Duration,
    pub slow_after: Duration,
    /// For HTTP: the URL; for ICMP nothing.
    url: Option<String>,
}

/// So many targets. Those of a seed have the same names and ids, however many they are.
pub fn residents(seed: u64, count: usize, interval: Duration, port: u16) -> Vec<Resident> {
    (0..count)
        .map(|index| resident(seed, index, interval, port))
        .collect()
}

fn resident(seed: u64, index: usize, interval: Duration, port: u16) -> Resident {
    let (site, place) = (index / A_SITE, index % A_SITE);
    let (city, distance) = SITES[site % SITES.len()];
    // the second town of this name, and so on
    let round = site / SITES.len() + 1;
    let city = if round == 1 {
        city.to_owned()
    } else {
        format!("{city} {round}")
    };
    let at_home = site == 0;
    let mut tags = Vec::new();
    let (kind, name, group, url) = if place < ITS_DEVICES {
        let (device, its_tags, answer_us) =
            DEVICES[(place + site / 2 % 2 * ITS_DEVICES) % DEVICES.len()];
        tags.extend(its_tags);
        let name = if at_home {
            device.to_owned()
        } else {
            format!("{city} {device}")
        };
        (Kind::Device(answer_us), name, city.clone(), None)
    } else {
        let which = (site * 2 + place % 2) % WEB.len();
        let domain = city.to_lowercase().replace(' ', "-");
        let (kind, name, group, path) = if place < ITS_DEVICES + 2 {
            let name = format!("{}.{domain}.example", WEB[which]);
            (Kind::Web, name, "Web sites", WEB[which])
        } else {
            let name = format!("{} API {city}", APIS[which]);
            (Kind::Api, name, "APIs", APIS[which])
        };
        tags.extend(match kind {
            Kind::Api => ["api", "critical"],
            _ => ["web", "public"],
        });
        let url = format!("http://127.0.0.1:{port}/{path}");
        (kind, name, group.to_owned(), Some(url))
    };
    let is_http = url.is_some();
    let usual = Duration::from_millis(if is_http { 3_000 } else { 1_000 });
    let timeout = usual.min(interval);
    let slow_after = match kind {
        Kind::Device(answer_us) => {
            Duration::from_micros((10_000.0 + 2.0 * (distance + answer_us)) as u64)
        }
        _ => Duration::from_millis(900) + Duration::from_micros(4 * distance as u64),
    };
    let number = index as u32 + 1;
    Resident {
        id: Uuid::new_v5(
            &Uuid::NAMESPACE_OID,
            format!("pingu fill {seed} {name}").as_bytes(),
        ),
        name,
        kind,
        group,
        tags,
        site: site as u64,
        distance,
        address: Ipv4Addr::from_bits(0x7f01_0000 + number),
        interval,
        timeout,
        // whole milliseconds, as the file says them
        slow_after: Duration::from_millis(slow_after.min(timeout).as_millis() as u64),
        url,
    }
}

/// The targets file of these targets.
pub fn yaml(residents: &[Resident], command: &str) -> String {
    let mut text =
        format!("# Written by: {command}\n# Every target leads to this machine.\ntargets:\n");
    for resident in residents {
        let probe = match &resident.url {
            None => format!("type: icmp\n    host: {}", resident.address),
            Some(url) => format!("type: http\n    url: {url}"),
        };
        // writing to a String cannot fail
        let _ = write!(
            text,
            "  - id: {}\n    name: {}\n    {probe}\n    interval_seconds: {}\n    timeout_ms: {}\n    slow_ms: {}\n    group: {}\n    tags: [{}]\n",
            resident.id,
            resident.name,
            resident.interval.as_secs_f64(),
            resident.timeout.as_millis(),
            resident.slow_after.as_millis(),
            resident.group,
            resident.tags.join(", "),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ten_thousand_have_names_of_their_own() {
        let town = residents(1, 10_000, Duration::from_secs(60), 8000);
        let names: BTreeSet<_> = town.iter().map(|it| it.name.clone()).collect();
        let addresses: BTreeSet<_> = town.iter().map(|it| it.address).collect();
        assert_eq!((names.len(), addresses.len()), (10_000, 10_000));
        assert_eq!(town[0].name, "router");
    }

    #[test]
    fn the_file_of_a_town_is_valid_and_declares_it() {
        for interval in [0.5, 60.0] {
            let interval = Duration::from_secs_f64(interval);
            let town = residents(1, 500, interval, 8000);
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("targets.yaml");
            std::fs::write(&path, yaml(&town, "a test")).unwrap();
            let loaded = pingu::config::load_file(&path).unwrap();
            assert_eq!(loaded.warnings.len(), 0);
            for (resident, declared) in town.iter().zip(&loaded.declared) {
                assert_eq!(
                    declared.id.as_deref(),
                    Some(resident.id.to_string().as_str())
                );
                assert_eq!(declared.spec.name, resident.name);
                assert_eq!(declared.spec.interval, interval);
                assert_eq!(declared.spec.slow_after, resident.slow_after);
            }
        }
    }
}
