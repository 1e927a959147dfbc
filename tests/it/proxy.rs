//! Targets behind proxies, and whose fault it is when they cannot be reached.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use pingu::model::{HttpVersion, Observation, Outcome, Reason, Way};
use tokio::time::Instant;

use crate::farm::certificate::Manners;
use crate::farm::h2::Two;
use crate::farm::proxy::{Manner, ProxyServer};
use crate::farm::{Certificate, Farm, Server};
use crate::way::{BRIEF, PATIENT, SLACK, assert_up, prober, spec, told};

fn through(proxy: &str) -> Way {
    Way {
        proxy: Some(proxy.parse().expect("a proxy of the test's own")),
        ..Way::default()
    }
}

async fn probe(farm: &Farm, url: &str, proxy: &str) -> Observation {
    let observation = prober(farm)
        .probe(&spec(url, through(proxy)), PATIENT)
        .await;
    assert!(!format!("{observation:?}").contains("hunter2"));
    observation
}

/// A proxy that cannot be used says nothing of the target, and names itself.
#[track_caller]
fn assert_local(observation: &Observation, text: &str) {
    let (outcome, reason, error) = told(observation);
    let expected = (Outcome::Unknown, Some(Reason::Local));
    assert_eq!((outcome, reason), expected, "{error}");
    assert!(error.contains("proxy"), "{error}");
    assert!(error.contains(text), "{error:?} does not say {text:?}");
}

#[tokio::test]
async fn proxies_of_each_kind_reach_plain_and_encrypted_targets() {
    let farm = Farm::start().await;
    let acceptor = || farm.authority().acceptor(&Certificate::Valid);
    let basic = "Basic bWU6aHVudGVyMg==";
    let proxies = [
        ("http", "", ProxyServer::start(Manner::Http(None)).await),
        (
            "http",
            "me:hunter2@",
            ProxyServer::start(Manner::Http(Some(basic))).await,
        ),
        (
            "https",
            "",
            ProxyServer::over_tls(Manner::Http(None), acceptor()).await,
        ),
        (
            "https",
            "me:hunter2@",
            ProxyServer::over_tls(Manner::Http(Some(basic)), acceptor()).await,
        ),
        ("socks5", "", ProxyServer::start(Manner::Socks(None)).await),
        (
            "socks5h",
            "me:hunter2@",
            ProxyServer::start(Manner::Socks(Some(("me", "hunter2")))).await,
        ),
    ];
    for (scheme, credentials, proxy) in &proxies {
        let url = proxy.url(scheme, credentials);
        for target in [farm.http("/ok"), farm.https("/ok")] {
            let observation = probe(&farm, &target, &url).await;
            assert_up(&observation);
            assert_eq!(observation.measurement.status_code, Some(200), "{url}");
            assert_eq!(observation.measurement.resolved_ip, None);
            let is_encrypted = target.starts_with("https");
            let measurement = observation.measurement;
            assert_eq!(measurement.chain.is_some(), is_encrypted);
            let phases = measurement.detail.unwrap().phases.unwrap();
            assert!(phases.connect_us.is_some(), "{phases:?}");
            assert_eq!(phases.tls_us.is_some(), is_encrypted, "{url} {phases:?}");
        }
        assert_eq!(proxy.asked().len(), 2, "{url}");
    }
    assert!(proxies[0].2.asked()[0].starts_with("GET http://127.0.0.1:"));
    assert!(proxies[0].2.asked()[1].starts_with("CONNECT 127.0.0.1:"));
}

#[tokio::test]
async fn a_name_is_resolved_where_the_scheme_says() {
    let farm = Farm::start().await;
    let http = ProxyServer::start(Manner::Http(None)).await;
    let socks = ProxyServer::start(Manner::Socks(None)).await;
    let behind = format!("http://behind.test:{}/ok", farm.plain_port());
    for proxy in [http.url("http", ""), socks.url("socks5h", "")] {
        let observation = probe(&farm, &behind, &proxy).await;
        assert_up(&observation);
    }
    assert_eq!(
        socks.asked(),
        [format!("behind.test:{}", farm.plain_port())]
    );
    let observation = probe(&farm, &behind, &socks.url("socks5", "")).await;
    assert_ne!(told(&observation).0, Outcome::Up, "nobody here knows it");

    let here = format!("http://localhost:{}/ok", farm.plain_port());
    let mut way = through(&socks.url("socks5", ""));
    way.ip = pingu::model::Family::V4;
    let observation = prober(&farm).probe(&spec(&here, way), PATIENT).await;
    assert_up(&observation);
    let address = IpAddr::from(Ipv4Addr::LOCALHOST);
    assert_eq!(observation.measurement.resolved_ip, Some(address));
    assert_eq!(
        socks.asked().last(),
        Some(&format!("127.0.0.1:{}", farm.plain_port()))
    );
}

#[tokio::test]
async fn http_2_and_redirects_pass_through() {
    let farm = Farm::start().await;
    let alpn = Manners {
        alpn: &["h2"],
        asks_who: false,
    };
    let acceptor = farm.authority().acceptor_with(&Certificate::Valid, alpn);
    let two = Server::two(acceptor, Two::Polite).await;
    let proxy = ProxyServer::start(Manner::Http(None)).await;
    let url = format!("{}moved", two.https());
    let observation = probe(&farm, &url, &proxy.url("http", "")).await;
    assert_up(&observation);
    let version = observation.measurement.detail.unwrap().http_version;
    assert_eq!(version, Some(HttpVersion::Two));
    assert_eq!(proxy.asked().len(), 2);
}

#[tokio::test]
async fn what_a_proxy_says_of_the_target_is_the_target_s() {
    let farm = Farm::start().await;
    let http = ProxyServer::start(Manner::Http(None)).await;
    let socks = ProxyServer::start(Manner::Socks(None)).await;
    let closed = format!("https://{}/", Farm::closed());
    let nowhere = "https://nowhere.test/";
    let squid = "HTTP/1.1 503 Service Unavailable\r\nX-Squid-Error: ERR_CONNECT_FAIL 111\r\n\r\n";
    let squid = ProxyServer::start(Manner::HttpSays(squid)).await;
    let gone = ProxyServer::start(Manner::HttpSays("HTTP/1.1 504 No\r\n\r\n")).await;
    for (proxy, target, reason, text) in [
        (
            http.url("http", ""),
            closed.as_str(),
            Reason::Unreachable,
            "502",
        ),
        (gone.url("http", ""), nowhere, Reason::Unreachable, "504"),
        (squid.url("http", ""), nowhere, Reason::Unreachable, "503"),
        (
            socks.url("socks5h", ""),
            closed.as_str(),
            Reason::Refused,
            "refused",
        ),
        (
            socks.url("socks5h", ""),
            nowhere,
            Reason::Unreachable,
            "nowhere.test:443 cannot be reached",
        ),
    ] {
        let observation = probe(&farm, target, &proxy).await;
        let (outcome, found, error) = told(&observation);
        assert_eq!((outcome, found), (Outcome::Down, Some(reason)), "{error}");
        assert!(error.contains(text), "{error}");
    }
    // through the tunnel everything is the target's
    let mut farm = farm;
    let expired = farm.https_with(&Certificate::Expired, "/ok").await;
    let observation = probe(&farm, &expired, &http.url("http", "")).await;
    assert_eq!(told(&observation).1, Some(Reason::CertExpired));
}

#[tokio::test]
async fn a_proxy_s_own_faults_are_never_the_target_s() {
    let farm = Farm::start().await;
    let target = farm.https("/ok");
    let closed = Farm::closed();
    for proxy in [
        format!("http://{closed}"),
        format!("https://me:hunter2@{closed}"),
        format!("socks5://{closed}"),
    ] {
        let observation = probe(&farm, &target, &proxy).await;
        assert_local(&observation, "refused");
        assert_local(&observation, &closed.to_string());
    }
    let observation = probe(&farm, &target, "http://no-such-proxy.test:3128").await;
    assert_local(&observation, "no-such-proxy.test");

    for (manner, text) in [
        (Manner::Http(Some("Basic other")), "status 407"),
        (Manner::HttpSays("HTTP/1.1 403 Forbidden\r\n\r\n"), "403"),
        (Manner::HttpSays("HTTP/1.1 503 Busy\r\n\r\n"), "503"),
        (
            Manner::HttpSays("\u{1b}[31mnot http\r\n\r\n"),
            "does not speak HTTP",
        ),
        (
            Manner::HttpSays("HTTP/1.1 200 OK\r\n\r\nmore"),
            "more than its answer",
        ),
        (Manner::HttpSays("HTTP/1.1 200"), "without an answer"),
        (Manner::HttpSays(""), "without an answer"),
        (Manner::HttpEndless, "16 KiB"),
        (Manner::Closed, ""),
    ] {
        let proxy = ProxyServer::start(manner.clone()).await;
        let observation = probe(&farm, &target, &proxy.url("http", "me:hunter2@")).await;
        assert_local(&observation, text);
    }
    for (manner, text) in [
        (
            Manner::Socks(Some(("me", "other"))),
            "refuses the name or the password",
        ),
        (Manner::SocksSays(&[5, 0xff], &[]), "takes neither"),
        (Manner::SocksSays(&[4, 0], &[]), "does not speak SOCKS 5"),
        (
            Manner::SocksSays(b"HTTP/1.1 400", &[]),
            "does not speak SOCKS 5",
        ),
        (
            Manner::SocksSays(&[5, 0], &[5, 1, 0, 1]),
            "fault of its own",
        ),
        (Manner::SocksSays(&[5, 0], &[5, 2, 0, 1]), "does not allow"),
        (
            Manner::SocksSays(&[5, 0], &[5, 99, 0, 1]),
            "unknown reply 99",
        ),
        (
            Manner::SocksSays(&[5, 0], &[5, 0, 0, 9]),
            "does not speak SOCKS 5",
        ),
        (Manner::SocksSays(&[5, 0], &[5, 0, 0, 1, 0, 0]), "closed"),
        (Manner::Closed, ""),
    ] {
        let proxy = ProxyServer::start(manner.clone()).await;
        let observation = probe(&farm, &target, &proxy.url("socks5h", "me:hunter2@")).await;
        assert_local(&observation, text);
    }
    // one that asks for a password, of someone who has none
    let proxy = ProxyServer::start(Manner::Socks(Some(("me", "hunter2")))).await;
    let observation = probe(&farm, &target, &proxy.url("socks5h", "")).await;
    assert_local(&observation, "wants a name and a password");
    // one that is not whom we trust
    let stranger = farm.authority().acceptor(&Certificate::Foreign);
    let proxy = ProxyServer::over_tls(Manner::Http(None), stranger).await;
    let observation = probe(&farm, &target, &proxy.url("https", "")).await;
    assert_local(&observation, "unknown authority");
    assert_eq!(
        observation.measurement.chain, None,
        "that is not the target's"
    );
}

#[tokio::test]
async fn a_proxy_that_passes_messages_on_answers_for_what_is_no_answer() {
    let farm = Farm::start().await;
    let target = farm.http("/ok");
    for (manner, text) in [
        (Manner::Http(Some("Basic other")), "status 407"),
        (Manner::HttpSays("\u{1b}[31mnot http\r\n\r\n"), "not HTTP"),
        (Manner::HttpSays(""), "closed"),
    ] {
        let proxy = ProxyServer::start(manner).await;
        let observation = probe(&farm, &target, &proxy.url("http", "me:hunter2@")).await;
        assert_local(&observation, text);
    }
    // the status is the target's, or what the proxy says of it: both are no success
    let proxy = ProxyServer::start(Manner::Http(None)).await;
    let nowhere = "http://nowhere.test/";
    let observation = probe(&farm, nowhere, &proxy.url("http", "")).await;
    assert_eq!(told(&observation).1, Some(Reason::Status));
    assert_eq!(observation.measurement.status_code, Some(502));
}

#[tokio::test]
async fn proxies_that_stall_end_at_the_deadline_and_are_blamed_for_their_part_alone() {
    let farm = Farm::start().await;
    let (target, plain) = (farm.https("/ok"), farm.http("/ok"));
    let part = "HTTP/1.1 200 OK\r\nX-Begun: ";
    let local = Outcome::Unknown;
    for (manner, scheme, target, outcome, text) in [
        (
            Manner::Silent,
            "https",
            &target,
            local,
            "in the TLS handshake with the proxy",
        ),
        (Manner::Silent, "socks5", &target, local, "signing in"),
        (
            Manner::SocksStays(&[]),
            "socks5",
            &target,
            local,
            "signing in",
        ),
        (
            Manner::SocksStays(&[5]),
            "socks5h",
            &target,
            local,
            "signing in",
        ),
        // from here on it may be the target that it waits for
        (
            Manner::SocksStays(&[5, 0]),
            "socks5h",
            &target,
            Outcome::Down,
            "to connect to",
        ),
        (
            Manner::Silent,
            "http",
            &target,
            Outcome::Down,
            "to connect to",
        ),
        (
            Manner::HttpSaysAndStays(part),
            "http",
            &target,
            Outcome::Down,
            "to connect to",
        ),
        (
            Manner::Silent,
            "http",
            &plain,
            Outcome::Down,
            "the first byte",
        ),
    ] {
        let proxy = ProxyServer::start(manner.clone()).await;
        let way = through(&proxy.url(scheme, ""));
        let began = Instant::now();
        let observation = prober(&farm).probe(&spec(target, way), BRIEF).await;
        let took = began.elapsed();
        assert!(
            took >= BRIEF && took < BRIEF + SLACK,
            "{manner:?}: {took:?}"
        );
        let (found, _, error) = told(&observation);
        assert_eq!(found, outcome, "{manner:?} {scheme}: {error}");
        assert!(error.contains(text), "{manner:?} {scheme}: {error}");
        assert_eq!(observation.measurement.latency, None);
    }
    // one that cannot be connected to
    let way = through(&format!("http://{}", farm.full()));
    let observation = prober(&farm).probe(&spec(&target, way), BRIEF).await;
    assert_local(&observation, "connecting to the proxy");
    // headers that never end arrive in time all the same
    let proxy = ProxyServer::start(Manner::HttpSaysAndStays("HTTP/1.1 100 C\r\n\r\n")).await;
    let way = through(&proxy.url("http", ""));
    let began = Instant::now();
    prober(&farm).probe(&spec(&target, way), BRIEF).await;
    assert!(began.elapsed() < BRIEF + SLACK + Duration::from_secs(1));
}
