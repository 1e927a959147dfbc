//! How targets are reached: which addresses, whose name server, on what terms of TLS, in which version of HTTP.
//!
//! Proxies are in `proxy`. Everything through real sockets on loopback, and at last through the whole program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use pingu::model::{
    Chain, ClientFiles, ErrorText, Family, HttpSpec, HttpVersion, HttpVersions, Observation,
    Outcome, Reason, Way,
};
use pingu::probe::http::HttpProber;
use pingu::probe::resolve::Resolver;
use tokio::time::Instant;

use crate::documents::fields;
use crate::farm::certificate::{Authority, Manners};
use crate::farm::dns::{NameServer, Says};
use crate::farm::h2::Two;
use crate::farm::{Certificate, Farm, Full, Server};
use crate::pingu::{Home, Pingu};

/// Never reached by anything that answers, even on a loaded machine.
pub const PATIENT: Duration = Duration::from_secs(30);
/// For what never answers.
pub const BRIEF: Duration = Duration::from_millis(400);
/// How late a deadline may be kept here: far above the 20 ms that are promised, because this machine may be busy.
pub const SLACK: Duration = Duration::from_secs(10);

const H2: Manners = Manners {
    alpn: &["h2", "http/1.1"],
    asks_who: false,
};
const ASKS_WHO: Manners = Manners {
    alpn: &[],
    asks_who: true,
};

pub fn spec(url: &str, way: Way) -> HttpSpec {
    HttpSpec {
        url: url.parse().expect("a URL of the test's own"),
        written: url.to_owned(),
        way: way.into(),
    }
}

pub fn prober(farm: &Farm) -> HttpProber {
    // no servers: names but localhost are found by nobody
    HttpProber::new(Resolver::with_servers(&[]), &farm.roots())
}

async fn probe(farm: &Farm, url: &str, way: Way) -> Observation {
    prober(farm).probe(&spec(url, way), PATIENT).await
}

/// What is found, as outcome, reason and text.
pub fn told(observation: &Observation) -> (Outcome, Option<Reason>, String) {
    let failure = observation.verdict.failure();
    (
        observation.verdict.outcome(),
        failure.map(|failure| failure.reason),
        failure.map_or(String::new(), |failure| failure.error.to_string()),
    )
}

#[track_caller]
pub fn assert_up(observation: &Observation) {
    assert_eq!(told(observation).0, Outcome::Up, "{observation:?}");
    assert!(observation.measurement.latency.is_some(), "{observation:?}");
}

#[track_caller]
fn assert_down(observation: &Observation, reason: Reason, text: &str) {
    let (outcome, found, error) = told(observation);
    assert_eq!((outcome, found), (Outcome::Down, Some(reason)), "{error}");
    assert!(error.contains(text), "{error:?} does not say {text:?}");
}

fn version(observation: &Observation) -> Option<HttpVersion> {
    observation.measurement.detail.as_ref()?.http_version
}

fn chain(observation: &Observation) -> &Chain {
    let chain = observation.measurement.chain.as_deref();
    chain.unwrap_or_else(|| panic!("no chain: {observation:?}"))
}

/// Two listeners with the same port, one a family.
async fn on_both<A, B>(
    make_v4: impl AsyncFn(std::net::SocketAddr) -> A,
    make_v6: impl AsyncFn(std::net::SocketAddr) -> B,
) -> (A, B, u16) {
    loop {
        let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, port)).is_ok() {
            drop(free);
            let v4 = make_v4((Ipv4Addr::LOCALHOST, port).into()).await;
            let v6 = make_v6((Ipv6Addr::LOCALHOST, port).into()).await;
            return (v4, v6, port);
        }
    }
}

#[tokio::test]
async fn a_dead_family_does_not_hide_a_live_one() {
    let farm = Farm::start().await;
    let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    let live = async |at| Server::at(at, serve_ok).await;
    let dead = async |at| Full::at(at);

    let (_live, _dead, port) = on_both(live, dead).await;
    let url = format!("http://localhost:{port}/");
    for ip in [Family::Any, Family::V4] {
        let way = Way {
            ip,
            ..Way::default()
        };
        let observation = probe(&farm, &url, way).await;
        assert_up(&observation);
        assert_eq!(observation.measurement.resolved_ip, Some(v4));
    }
    let way = Way {
        ip: Family::V6,
        ..Way::default()
    };
    let observation = prober(&farm).probe(&spec(&url, way), BRIEF).await;
    assert_down(&observation, Reason::Timeout, "connecting");
    assert_eq!(observation.measurement.resolved_ip, Some(v6));

    let (_dead, _live, port) = on_both(dead, live).await;
    let url = format!("http://localhost:{port}/");
    for ip in [Family::Any, Family::V6] {
        let way = Way {
            ip,
            ..Way::default()
        };
        let observation = probe(&farm, &url, way).await;
        assert_up(&observation);
        assert_eq!(observation.measurement.resolved_ip, Some(v6));
    }
}

async fn serve_ok(mut stream: tokio::net::TcpStream) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut head = [0; 1024];
    drop(stream.read(&mut head).await);
    drop(stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").await);
}

#[tokio::test]
async fn an_address_of_the_other_family_is_not_connected_to() {
    let farm = Farm::start().await;
    let way = Way {
        ip: Family::V6,
        ..Way::default()
    };
    let observation = probe(&farm, &farm.http("/ok"), way).await;
    assert_down(&observation, Reason::Dns, "wrong address family");
}

#[tokio::test]
async fn a_target_s_own_name_server_is_asked_and_its_answers_kept_apart() {
    let farm = Farm::start().await;
    let here = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
    let own = NameServer::start([("only-here.test.", Says::Addresses(here))]).await;
    let prober = prober(&farm);
    let url = format!("http://only-here.test:{}/ok", farm.plain_port());
    let way = Way {
        resolver: Some(own.address),
        ..Way::default()
    };
    for _ in 0..3 {
        let observation = prober.probe(&spec(&url, way.clone()), PATIENT).await;
        assert_up(&observation);
    }
    // A and AAAA, once
    assert_eq!(own.asked(), 2);
    let observation = prober.probe(&spec(&url, Way::default()), PATIENT).await;
    assert_ne!(told(&observation).0, Outcome::Up, "{observation:?}");
    assert_eq!(own.asked(), 2);
}

#[tokio::test]
async fn the_better_version_is_spoken_where_the_server_offers_it() {
    let farm = Farm::start().await;
    let acceptor = farm.authority().acceptor_with(&Certificate::Valid, H2);
    let two = Server::two(acceptor, Two::Polite).await;
    let url = two.https();
    for (offered, url, spoken) in [
        (HttpVersions::Auto, url.clone(), HttpVersion::Two),
        (HttpVersions::Two, url.clone(), HttpVersion::Two),
        (HttpVersions::Auto, farm.https("/ok"), HttpVersion::One),
        (HttpVersions::One, farm.https("/ok"), HttpVersion::One),
        (HttpVersions::Auto, farm.http("/ok"), HttpVersion::One),
        (
            HttpVersions::Auto,
            farm.http("/until-close"),
            HttpVersion::OneZero,
        ),
    ] {
        let way = Way {
            http_version: offered,
            ..Way::default()
        };
        let observation = probe(&farm, &url, way).await;
        assert_up(&observation);
        assert_eq!(version(&observation), Some(spoken), "{offered:?} {url}");
        let phases = observation.measurement.detail.unwrap().phases.unwrap();
        let parts = [
            phases.connect_us,
            phases.tls_us,
            phases.ttfb_us,
            phases.transfer_us,
        ];
        let sum: u64 = parts.into_iter().flatten().map(u64::from).sum();
        let latency = observation.measurement.latency.unwrap();
        assert!(u128::from(sum) <= latency.as_micros(), "{phases:?}");
        assert!(phases.ttfb_us.is_some() && phases.transfer_us.is_some());
    }
    let plain = Server::two_plain(Two::Polite).await;
    let way = Way {
        http_version: HttpVersions::Two,
        ..Way::default()
    };
    let observation = probe(&farm, &plain.http(), way.clone()).await;
    assert_up(&observation);
    assert_eq!(version(&observation), Some(HttpVersion::Two));
    let observation = probe(&farm, &farm.https("/ok"), way).await;
    assert_down(&observation, Reason::Protocol, "does not speak HTTP/2");
}

#[tokio::test]
async fn http_2_is_judged_as_http_1_is() {
    let farm = Farm::start().await;
    let acceptor = farm.authority().acceptor_with(&Certificate::Valid, H2);
    let two = Server::two(acceptor, Two::Polite).await;
    let base = two.https().trim_end_matches('/').to_owned();
    for path in ["/ok", "/moved", "/endless", "/status/204"] {
        let observation = probe(&farm, &format!("{base}{path}"), Way::default()).await;
        assert_up(&observation);
    }
    let observation = probe(&farm, &format!("{base}/status/503"), Way::default()).await;
    assert_down(&observation, Reason::Status, "503");
    assert_eq!(observation.measurement.status_code, Some(503));
    let known = base.replace("https://", "https://user:secret@");
    let observation = probe(&farm, &format!("{known}/secret"), Way::default()).await;
    assert_up(&observation);
    let url = format!("{base}/drip");
    let observation = stuck(&farm, &url, Way::default()).await;
    assert_down(&observation, Reason::Timeout, "reading the body");
    assert_eq!(observation.measurement.status_code, Some(200));
}

/// Probes what would never end, and checks that the deadline ends it, not before and not much after.
async fn stuck(farm: &Farm, url: &str, way: Way) -> Observation {
    let began = Instant::now();
    let observation = prober(farm).probe(&spec(url, way), BRIEF).await;
    let took = began.elapsed();
    assert!(
        took >= BRIEF,
        "{url}: gave up after {took:?}: {observation:?}"
    );
    assert!(took < BRIEF + SLACK, "{url}: took {took:?}");
    assert_eq!(observation.measurement.latency, None, "{url}");
    observation
}

#[tokio::test]
async fn rude_http_2_servers_are_told_apart() {
    let farm = Farm::start().await;
    let two = Way {
        http_version: HttpVersions::Two,
        ..Way::default()
    };
    for (does, reason, text) in [
        (Two::Reset(7), Reason::Reset, "REFUSED_STREAM"),
        (Two::Reset(13), Reason::Protocol, "http_version: 1.1"),
        (Two::GoAway(11), Reason::Reset, "ENHANCE_YOUR_CALM"),
        (Two::GoAway(0), Reason::Reset, "went away"),
        (Two::Pings, Reason::Protocol, "before the headers"),
        (Two::Settings, Reason::Protocol, "before the headers"),
        (Two::LongHeaders, Reason::TooLarge, "headers beyond 64 KiB"),
        (
            Two::EndlessHeaders,
            Reason::TooLarge,
            "headers beyond 64 KiB",
        ),
        (Two::BadHeaders, Reason::Protocol, "not HTTP/2"),
        (Two::LongFrame, Reason::Protocol, "not HTTP/2"),
        (Two::SpeaksOne, Reason::Protocol, "not HTTP/2"),
        (Two::Closes, Reason::Reset, ""),
        (Two::CutsBody, Reason::Reset, "reading the body"),
    ] {
        let acceptor = farm.authority().acceptor_with(&Certificate::Valid, H2);
        let plain = Server::two_plain(does).await;
        let encrypted = Server::two(acceptor, does).await;
        for url in [plain.http(), encrypted.https()] {
            let observation = probe(&farm, &url, two.clone()).await;
            let (outcome, found, error) = told(&observation);
            assert_eq!(
                (outcome, found),
                (Outcome::Down, Some(reason)),
                "{does:?}: {error}"
            );
            assert!(error.contains(text), "{does:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn http_2_servers_that_stall_or_flood_end_in_time() {
    let farm = Farm::start().await;
    let two = Way {
        http_version: HttpVersions::Two,
        ..Way::default()
    };
    for (does, text) in [
        (Two::Stalls, "waiting for the first byte"),
        (Two::StallsInBody, "reading the body"),
        (Two::PingsInBody, "reading the body"),
    ] {
        let server = Server::two_plain(does).await;
        let observation = stuck(&farm, &server.http(), two.clone()).await;
        assert_down(&observation, Reason::Timeout, text);
    }
    // how these end is the library's affair; that they do is ours
    for does in [Two::Interim, Two::Pushy] {
        let server = Server::two_plain(does).await;
        let began = Instant::now();
        let observation = prober(&farm)
            .probe(&spec(&server.http(), two.clone()), Duration::from_secs(2))
            .await;
        assert!(began.elapsed() < Duration::from_secs(2) + SLACK);
        assert_eq!(
            told(&observation).0,
            Outcome::Down,
            "{does:?}: {observation:?}"
        );
    }
}

#[tokio::test]
async fn a_chain_is_read_whatever_it_is_worth() {
    let mut farm = Farm::start().await;
    let others = vec!["other.test".to_owned(), "192.0.2.1".to_owned()];
    for (certificate, distrust, reason) in [
        (Certificate::Valid, None, None),
        (
            Certificate::Expired,
            Some("expired on 2020-01-02"),
            Some(Reason::CertExpired),
        ),
        (
            Certificate::SelfSigned { authority: false },
            Some("self-signed"),
            Some(Reason::Tls),
        ),
        (
            Certificate::For(others),
            Some("is for other.test, 192.0.2.1"),
            Some(Reason::Tls),
        ),
        (
            Certificate::Foreign,
            Some("unknown authority"),
            Some(Reason::Tls),
        ),
    ] {
        let url = farm.https_with(&certificate, "/ok").await;
        for insecure in [false, true] {
            let way = Way {
                insecure,
                ..Way::default()
            };
            let observation = probe(&farm, &url, way).await;
            let found = told(&observation);
            let expected = if insecure { None } else { reason };
            assert_eq!(found.1, expected, "{certificate:?}: {observation:?}");
            let chain = chain(&observation);
            let told = chain.distrust.as_ref().map(ErrorText::as_str);
            assert_eq!(told.is_some(), distrust.is_some(), "{told:?}");
            assert!(
                told.unwrap_or_default()
                    .contains(distrust.unwrap_or_default())
            );
            let [leaf] = chain.certificates.as_slice() else {
                panic!("{chain:?}");
            };
            assert_eq!(leaf.subject, "CN=Farm Server");
            assert_eq!(leaf.key, "EC P-256");
            assert_eq!(leaf.sha256.len(), 64);
            assert!(!leaf.serial.is_empty() && leaf.not_before < leaf.not_after);
            let names = match &certificate {
                Certificate::For(names) => names.as_slice(),
                _ => &["localhost", "127.0.0.1", "::1"].map(str::to_owned),
            };
            assert_eq!(leaf.names, names);
            let detail = observation.measurement.detail.as_ref().unwrap();
            assert_eq!(detail.cert_expires_at, Some(leaf.not_after));
        }
    }
    let plain = probe(&farm, &farm.http("/ok"), Way::default()).await;
    assert_eq!(plain.measurement.chain, None);
}

#[tokio::test]
async fn a_giant_chain_is_bounded() {
    let farm = Farm::start().await;
    let names = (0..300)
        .map(|number| format!("name-{number}.test"))
        .collect();
    let (mut presented, key) = farm.authority().issue(&Certificate::For(names));
    for number in 0..20 {
        presented.push(Authority::new(&format!("Authority {number}")).der());
    }
    let acceptor = farm
        .authority()
        .acceptor_of(presented, &key, Manners::default());
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move { drop(acceptor.accept(stream).await) }
    })
    .await;
    let observation = probe(&farm, &server.https(), Way::default()).await;
    assert_down(&observation, Reason::Tls, "and 297 more");
    let chain = chain(&observation);
    assert_eq!(chain.certificates.len(), Chain::MOST);
    assert_eq!(chain.omitted, 11);
    assert_eq!(chain.certificates[0].names.len(), Chain::MOST_NAMES);
    assert_eq!(chain.certificates[0].names_omitted, 200);
    assert_eq!(chain.certificates[1].subject, "CN=Authority 0");
}

#[tokio::test]
async fn an_unchanged_chain_is_read_once() {
    let farm = Farm::start().await;
    let prober = prober(&farm);
    let spec = spec(&farm.https("/ok"), Way::default());
    let first = prober
        .probe(&spec, PATIENT)
        .await
        .measurement
        .chain
        .unwrap();
    let second = prober
        .probe(&spec, PATIENT)
        .await
        .measurement
        .chain
        .unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &second));
}

#[tokio::test]
async fn a_certificate_that_expires_soon_is_down_with_the_days_left() {
    let mut farm = Farm::start().await;
    let url = farm.https_with(&Certificate::Days(12), "/ok").await;
    let way = |days, insecure| Way {
        cert_min_days: Some(days),
        insecure,
        ..Way::default()
    };
    for insecure in [false, true] {
        let observation = probe(&farm, &url, way(30, insecure)).await;
        assert_down(&observation, Reason::CertExpired, "expires in 11 days");
        assert_eq!(observation.measurement.status_code, Some(200));
        assert!(observation.measurement.latency.is_some());
        assert_up(&probe(&farm, &url, way(11, insecure)).await);
    }
    // an expired one that is put up with is counted as well
    let url = farm.https_with(&Certificate::Expired, "/ok").await;
    let observation = probe(&farm, &url, way(1, true)).await;
    assert_down(&observation, Reason::CertExpired, "expired on 2020-01-02");
    // another fault is not covered up
    let url = farm.https_with(&Certificate::Days(12), "/status/500").await;
    let observation = probe(&farm, &url, way(30, false)).await;
    assert_down(&observation, Reason::Status, "500");
}

#[tokio::test]
async fn a_name_of_choice_is_asked_for() {
    let mut farm = Farm::start().await;
    let names = vec!["inside.test".to_owned()];
    let url = farm.https_with(&Certificate::For(names), "/ok").await;
    let way = Way {
        server_name: Some("inside.test".to_owned()),
        ..Way::default()
    };
    assert_up(&probe(&farm, &url, way).await);
    let observation = probe(&farm, &url, Way::default()).await;
    assert_down(&observation, Reason::Tls, "is for inside.test");
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_we_are_is_told_to_the_target_that_asks() {
    let folder = tempfile::tempdir().unwrap();
    let farm = Farm::start().await;
    let authority = farm.authority();
    let (cert, key) = authority.pem(&Certificate::Valid);
    let cert = write(folder.path(), "me.pem", &cert);
    let key = write(folder.path(), "me.key", &key);
    let acceptor = authority.acceptor_with(&Certificate::Valid, ASKS_WHO);
    let server = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            if let Ok(mut stream) = acceptor.accept(stream).await {
                drop(stream.read(&mut [0; 1024]).await);
                drop(stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").await);
                drop(stream.shutdown().await);
            }
        }
    })
    .await;
    let observation = probe(&farm, &server.https(), Way::default()).await;
    assert_down(&observation, Reason::Tls, "wants a client's certificate");
    let files = ClientFiles { cert, key };
    let way = Way {
        client: Some(files.clone()),
        ..Way::default()
    };
    assert_up(&probe(&farm, &server.https(), way.clone()).await);
    // in HTTP/2 it is told on the way to the answer
    let both = Manners {
        alpn: &["h2"],
        ..ASKS_WHO
    };
    let acceptor = authority.acceptor_with(&Certificate::Valid, both);
    let two = Server::two(acceptor, Two::Polite).await;
    let observation = probe(&farm, &two.https(), Way::default()).await;
    assert_down(&observation, Reason::Tls, "wants a client's certificate");
    assert_up(&probe(&farm, &two.https(), way.clone()).await);
    // without its file nothing can be said of the target
    std::fs::remove_file(&files.key).unwrap();
    let (outcome, reason, text) = told(&probe(&farm, &server.https(), way).await);
    assert_eq!((outcome, reason), (Outcome::Unknown, Some(Reason::Local)));
    assert!(text.contains("me.key"), "{text}");
}

#[tokio::test]
async fn who_we_are_is_not_told_to_another_host() {
    let folder = tempfile::tempdir().unwrap();
    let farm = Farm::start().await;
    let (cert, key) = farm.authority().pem(&Certificate::Valid);
    let files = ClientFiles {
        cert: write(folder.path(), "me.pem", &cert),
        key: write(folder.path(), "me.key", &key),
    };
    let acceptor = farm
        .authority()
        .acceptor_with(&Certificate::Valid, ASKS_WHO);
    let curious = Server::start(move |stream| {
        let acceptor = acceptor.clone();
        async move { drop(acceptor.accept(stream).await) }
    })
    .await;
    // from 127.0.0.1 to localhost
    let place = curious.https().replace("127.0.0.1", "localhost");
    let home = Server::start(move |mut stream| {
        let place = place.clone();
        async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            drop(stream.read(&mut [0; 1024]).await);
            let answer = format!("HTTP/1.0 302 Found\r\nLocation: {place}\r\n\r\n");
            drop(stream.write_all(answer.as_bytes()).await);
        }
    })
    .await;
    let way = Way {
        client: Some(files),
        ..Way::default()
    };
    let observation = probe(&farm, &home.http(), way).await;
    assert_down(&observation, Reason::Tls, "wants a client's certificate");
}

#[tokio::test]
async fn an_authority_of_its_own_is_trusted_for_this_target() {
    let folder = tempfile::tempdir().unwrap();
    let farm = Farm::start().await;
    let company = Authority::new("Company");
    let ca = write(folder.path(), "ca.pem", &company.root_pem());
    let acceptor = company.acceptor_with(&Certificate::Valid, H2);
    let server = Server::two(acceptor, Two::Polite).await;
    let way = Way {
        ca: Some(ca),
        ..Way::default()
    };
    assert_up(&probe(&farm, &server.https(), way.clone()).await);
    let observation = probe(&farm, &server.https(), Way::default()).await;
    assert_down(&observation, Reason::Tls, "unknown authority (CN=Company)");
    // besides those of this machine
    assert_up(&probe(&farm, &farm.https("/ok"), way).await);
}

#[tokio::test]
async fn handshakes_that_go_wrong_are_told_apart() {
    // of the version
    const ALERT: &[u8] = &[21, 3, 1, 0, 2, 2, 70];
    let farm = Farm::start().await;
    // a ServerHello of TLS 1.1: 32 bytes of random, no session, a suite, no compression
    let mut old = vec![22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    old.extend([7; 32]);
    old.extend([0, 0xc0, 0x13, 0]);
    let begun: &[u8] = &[22, 3, 3, 0, 100, 2, 0];
    for (bytes, stays, reason, text) in [
        (ALERT, false, Reason::Tls, "neither TLS 1.2 nor 1.3"),
        (&old, false, Reason::Tls, ""),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            false,
            Reason::Tls,
            "not TLS",
        ),
        (b"", false, Reason::Tls, "closed"),
        (begun, false, Reason::Tls, "closed"),
        (b"", true, Reason::Timeout, "in the TLS handshake"),
        (begun, true, Reason::Timeout, "in the TLS handshake"),
    ] {
        let bytes = bytes.to_vec();
        let server = Server::start(move |mut stream| {
            let bytes = bytes.clone();
            async move {
                use tokio::io::{AsyncReadExt, AsyncWriteExt};
                drop(stream.read(&mut [0; 2048]).await);
                drop(stream.write_all(&bytes).await);
                if stays {
                    std::future::pending::<()>().await;
                }
            }
        })
        .await;
        let timeout = if stays { BRIEF } else { PATIENT };
        let spec = spec(&server.https(), Way::default());
        let observation = prober(&farm).probe(&spec, timeout).await;
        assert_down(&observation, reason, text);
    }
}

/// Of the whole program: from the handshake to the route, which says what its document shows.
#[test]
fn the_certificate_of_a_target_is_served_and_outlives_its_server() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut farm = runtime.block_on(Farm::start());
    let home = Home::new("targets: []\n");
    let root = write(home.path(), "root.pem", &farm.authority().root_pem());
    let expired = runtime.block_on(farm.https_with(&Certificate::Expired, "/ok"));
    home.write_targets(&format!(
        "defaults: {{interval_seconds: 0.2}}\ntargets:\n  \
         - {{name: good, type: http, url: '{}'}}\n  \
         - {{name: bad, type: http, url: '{expired}'}}\n  \
         - {{name: echo, type: icmp, host: 127.0.0.1}}\n",
        farm.https("/ok"),
    ));
    let pingu = Pingu::start(home.command(&[]).env("SSL_CERT_FILE", &root));
    pingu.latest("echo");
    let certificate = |name: &str| {
        let path = format!("/api/v1/targets/{name}/certificate");
        pingu.until("the certificate to be stored", |pingu| {
            let answer = pingu.get(&path);
            (answer.status == 200).then(|| answer.json())
        })
    };
    assert_eq!(pingu.latest("good")["http_version"], "1.1");
    let good = certificate("good");
    assert_eq!(good["verified"], true, "{good}");
    assert_eq!(good["error"], serde_json::Value::Null);
    assert_eq!(good["chain"][0]["names"][0], "localhost");
    let bad = certificate("bad");
    assert_eq!(bad["verified"], false, "{bad}");
    assert_eq!(bad["error"], "certificate expired on 2020-01-02");

    let none = pingu.get("/api/v1/targets/echo/certificate");
    assert_eq!(
        (none.status, &none.json()["code"]),
        (404, &"no_certificate".into())
    );
    let unknown = pingu.get("/api/v1/targets/nobody/certificate");
    assert_eq!(
        (unknown.status, &unknown.json()["code"]),
        (404, &"not_found".into())
    );

    let shown = include_str!("../../docs/API.md");
    let (_, shown) = shown
        .split_once("## GET /api/v1/targets/{id}/certificate")
        .unwrap();
    let (_, shown) = shown.split_once("```json\n").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let shown: serde_json::Value = serde_json::from_str(shown).unwrap();
    assert_eq!(fields(&shown), fields(&good));

    drop(farm);
    drop(runtime);
    pingu.until("the target to be down", |pingu| {
        (pingu.latest("good")["outcome"] == "down").then_some(())
    });
    assert_eq!(certificate("good")["chain"], good["chain"]);
}
