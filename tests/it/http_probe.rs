//! HTTP targets that are well, ill and malicious, each probed through real sockets.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use pingu::model::{HttpSpec, Observation, Outcome, Phases, Reason, Timestamp};
use pingu::probe::http::HttpProber;
use pingu::probe::resolve::Resolver;
use tokio::time::Instant;

use crate::farm::dns::{NameServer, Says};
use crate::farm::judge::{assert_plausible, phases};
use crate::farm::{Certificate, Farm, Server};

/// Never reached by anything that answers, even on a loaded machine.
pub const PATIENT: Duration = Duration::from_secs(30);
/// For what never answers.
pub const BRIEF: Duration = Duration::from_millis(400);
/// How late a deadline may be kept here: far above the 20 ms that are promised, because this machine may be busy.
pub const SLACK: Duration = Duration::from_secs(10);

struct Bench {
    farm: Farm,
    prober: HttpProber,
}

impl Bench {
    async fn new() -> Self {
        // no servers: these tests name addresses and localhost only
        Self::with(Resolver::with_servers(&[])).await
    }

    async fn with(resolver: Resolver) -> Self {
        let farm = Farm::start().await;
        let prober = HttpProber::new(resolver, &farm.roots());
        Self { farm, prober }
    }

    async fn probe(&self, url: &str, timeout: Duration) -> Observation {
        let observation = self.prober.probe(&spec(url), timeout).await;
        assert_plausible(&observation);
        observation
    }

    /// Probes a plain path that ends by itself.
    async fn path(&self, path: &str) -> Observation {
        self.probe(&self.farm.http(path), PATIENT).await
    }

    /// Probes what would never end, and checks that the deadline ends it, not before and not much after.
    async fn stuck(&self, url: &str) -> Observation {
        let began = Instant::now();
        let observation = self.probe(url, BRIEF).await;
        let took = began.elapsed();

        assert!(took >= BRIEF, "{url}: gave up after {took:?}");
        assert!(took < BRIEF + SLACK, "{url}: took {took:?}");
        assert_eq!(observation.measurement.latency, None, "{url}");
        observation
    }
}

fn spec(url: &str) -> HttpSpec {
    HttpSpec::new(url.parse().expect("a URL of the test's own"), url)
}

#[track_caller]
pub fn assert_up(observation: &Observation, status: u16) {
    assert_eq!(
        observation.verdict.outcome(),
        Outcome::Up,
        "{observation:?}"
    );
    assert_eq!(observation.measurement.status_code, Some(status));
    assert!(observation.measurement.latency.is_some());
}

#[track_caller]
pub fn assert_down(observation: &Observation, reason: Reason, error: &str) {
    assert_eq!(
        observation.verdict.outcome(),
        Outcome::Down,
        "{observation:?}"
    );
    let failure = observation.verdict.failure().expect("it is down");
    assert_eq!(failure.reason, reason, "{observation:?}");
    let text = failure.error.as_str();
    assert!(text.contains(error), "{text:?} does not say {error:?}");
}

pub fn error_of(observation: &Observation) -> &str {
    let failure = observation.verdict.failure();
    failure.expect("it is not up").error.as_str()
}

#[tokio::test]
async fn a_good_answer_is_up_with_every_phase_that_happened() {
    let bench = Bench::new().await;
    let plain = bench.path("/ok").await;
    assert_up(&plain, 200);
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    assert_eq!(plain.measurement.resolved_ip, Some(localhost));
    let parts = phases(&plain);
    assert!(parts.connect_us.is_some() && parts.ttfb_us.is_some() && parts.transfer_us.is_some());
    assert_eq!((parts.dns_us, parts.tls_us), (None, None));

    let url = format!("https://localhost:{}/ok", bench.farm.tls_port());
    let encrypted = bench.probe(&url, PATIENT).await;
    assert_up(&encrypted, 200);
    let parts = phases(&encrypted);
    assert!(parts.dns_us.is_some() && parts.tls_us.is_some());
    let detail = encrypted.measurement.detail.unwrap();
    let expires: Timestamp = "2099-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(detail.cert_expires_at, Some(expires));
}

#[tokio::test]
async fn the_time_of_each_step_is_counted_where_it_passes() {
    let bench = Bench::new().await;
    let slow = bench.path("/slow/200").await;
    assert_up(&slow, 200);
    let parts = phases(&slow);
    assert!(parts.ttfb_us.unwrap() >= 200_000, "{parts:?}");
    assert!(slow.measurement.latency.unwrap() >= Duration::from_millis(200));
    let sum: u32 = [parts.connect_us, parts.ttfb_us, parts.transfer_us]
        .into_iter()
        .flatten()
        .sum();
    let latency = slow.measurement.latency.unwrap().as_micros();
    // what is between the phases is our own bookkeeping
    assert!(latency - u128::from(sum) < 1_000_000, "{slow:?}");
}

#[tokio::test]
async fn statuses_from_200_to_399_are_up() {
    let bench = Bench::new().await;
    for status in [200, 201, 204, 226, 300, 304, 399] {
        assert_up(&bench.path(&format!("/status/{status}")).await, status);
    }
    for path in ["/no-content", "/not-modified"] {
        let observation = bench.path(path).await;
        assert_eq!(observation.verdict.outcome(), Outcome::Up, "{path}");
    }
    for status in [101, 400, 401, 403, 404, 418, 429, 500, 503, 599, 999] {
        let observation = bench.path(&format!("/status/{status}")).await;
        let error = format!("status {status}, expected 200 to 399");
        assert_down(&observation, Reason::Status, &error);
        assert_eq!(observation.measurement.status_code, Some(status));
        // an answer came: it has a time
        assert!(observation.measurement.latency.is_some());
    }
}

#[tokio::test]
async fn redirects_are_followed_to_their_end() {
    let bench = Bench::new().await;
    for path in ["/hops/1", "/hops/10", "/deep/relative"] {
        assert_up(&bench.path(path).await, 200);
    }
    // a redirect without a place counts by its status
    assert_up(&bench.path("/nowhere").await, 302);
    let refused = [
        (
            "/hops/11",
            "more than 10 redirects, the next to http://127.0.0.1:",
        ),
        ("/loop", "redirect loop, back to http://127.0.0.1:"),
        ("/ping", "redirect loop, back to http://127.0.0.1:"),
        (
            "/to-file",
            "redirect to file: only http and https are followed",
        ),
        (
            "/to-ftp",
            "redirect to ftp: only http and https are followed",
        ),
        (
            "/to-nonsense",
            "redirect to an invalid address: http://[::1",
        ),
    ];
    for (path, error) in refused {
        let observation = bench.path(path).await;
        assert_down(&observation, Reason::Redirect, error);
        assert_eq!(observation.measurement.status_code, Some(302), "{path}");
        assert!(observation.measurement.latency.is_some(), "{path}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_dead_place_is_reported_as_that_place_s_fault() {
    let dead = Farm::closed();
    let server = Server::start(move |stream| async move {
        let text = format!("HTTP/1.1 301 Moved\r\nLocation: http://{dead}/\r\n\r\n");
        talk(stream, text.as_bytes()).await;
    })
    .await;
    let bench = Bench::new().await;
    let observation = bench.probe(&server.http(), PATIENT).await;
    let error = format!("{dead} refused the connection");
    assert_down(&observation, Reason::Refused, &error);
    // the 301 was not the final answer
    assert_eq!(observation.measurement.status_code, None);
    assert_eq!(observation.measurement.latency, None);
}

#[tokio::test]
async fn credentials_are_sent_home_and_never_shown() {
    let bench = Bench::new().await;
    let port = bench.farm.plain_port();
    for path in ["/secret", "/to-secret"] {
        let url = format!("http://user:secret@127.0.0.1:{port}{path}");
        assert_up(&bench.probe(&url, PATIENT).await, 200);
    }
    let denied = bench.path("/secret").await;
    assert_down(&denied, Reason::Status, "status 401");
    // another host gets none: to localhost it is a different origin
    let server = Server::start(move |stream| async move {
        let text = format!("HTTP/1.1 302 F\r\nLocation: http://localhost:{port}/secret\r\n\r\n");
        talk(stream, text.as_bytes()).await;
    })
    .await;
    let url = server.http().replace("http://", "http://user:secret@");
    let observation = bench.probe(&url, PATIENT).await;
    assert_down(&observation, Reason::Status, "status 401");
    let url = format!("http://user:secret@127.0.0.1:{port}/loop?token=secret");
    let observation = bench.probe(&url, PATIENT).await;
    assert_down(&observation, Reason::Redirect, "redirect loop");
    assert!(
        !error_of(&observation).contains("secret"),
        "{observation:?}"
    );
}

#[tokio::test]
async fn bodies_of_every_framing_are_read() {
    let bench = Bench::new().await;
    for path in [
        "/chunked",
        "/chunked-and-more",
        "/until-close",
        "/length-long",
        "/interim",
        "/fat-header",
        "/gzip-bomb",
        "/sloppy",
    ] {
        let observation = bench.path(path).await;
        assert_eq!(
            observation.verdict.outcome(),
            Outcome::Up,
            "{path}: {observation:?}"
        );
        let url = bench.farm.https(path);
        let observation = bench.probe(&url, PATIENT).await;
        assert_eq!(
            observation.verdict.outcome(),
            Outcome::Up,
            "{url}: {observation:?}"
        );
    }
}

#[tokio::test]
async fn reading_stops_at_the_cap_and_the_target_is_up() {
    let bench = Bench::new().await;
    assert_up(&bench.path("/endless-body").await, 200);
    let url = bench.farm.https("/endless-body");
    assert_up(&bench.probe(&url, PATIENT).await, 200);
}

#[tokio::test]
async fn headers_without_end_are_too_large() {
    let bench = Bench::new().await;
    for path in [
        "/big-header",
        "/many-headers",
        "/endless-header",
        "/endless-headers",
    ] {
        let observation = bench.path(path).await;
        assert_down(
            &observation,
            Reason::TooLarge,
            "headers beyond 64 KiB or 256 lines",
        );
    }
    let observation = bench.path("/endless-interim").await;
    assert_down(
        &observation,
        Reason::Protocol,
        "more than 20 interim answers (1xx) before the final one",
    );
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_fault() {
    let bench = Bench::new().await;
    for (path, error) in [
        ("/garbage", "the answer is not HTTP: invalid HTTP version"),
        ("/bad-status", "the answer is not HTTP: invalid HTTP status"),
        ("/length-nonsense", "the answer is not HTTP: "),
        (
            "/chunked-badly",
            "malformed answer while reading the body: ",
        ),
    ] {
        assert_down(&bench.path(path).await, Reason::Protocol, error);
    }
    // plain HTTP spoken to a TLS port
    let url = format!("http://127.0.0.1:{}/", bench.farm.tls_port());
    let observation = bench.probe(&url, PATIENT).await;
    assert_down(
        &observation,
        Reason::Protocol,
        "the answer is TLS, not HTTP",
    );
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_a_reset() {
    let bench = Bench::new().await;
    for (path, error) in [
        ("/close", "the connection was closed without an answer"),
        (
            "/close-in-headers",
            "the connection was closed while reading the headers",
        ),
        (
            "/reset",
            "the connection was cut while waiting for the first byte: connection reset by peer",
        ),
        (
            "/reset-in-headers",
            "the connection was cut while reading the headers: connection reset by peer",
        ),
        (
            "/reset-in-body",
            "the connection was cut while reading the body: connection reset by peer",
        ),
        (
            "/length-short",
            "the connection was closed while reading the body",
        ),
        (
            "/chunked-cut",
            "the connection was closed while reading the body",
        ),
    ] {
        let observation = bench.path(path).await;
        assert_down(&observation, Reason::Reset, error);
        assert_eq!(observation.measurement.latency, None, "{path}");
    }
    let observation = bench.path("/reset-in-body").await;
    assert_eq!(observation.measurement.status_code, Some(200));
    let url = format!("http://{}/", bench.farm.slammed());
    let observation = bench.probe(&url, PATIENT).await;
    assert_down(&observation, Reason::Reset, "reset");
}

#[tokio::test]
async fn the_deadline_holds_in_every_step() {
    // a socket that is never read: its names are looked up for ever
    let mute = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let bench = Bench::with(Resolver::with_servers(&[mute.local_addr().unwrap()])).await;
    let farm = &bench.farm;
    let steps = [
        (
            format!("http://{}/", farm.full()),
            "stuck connecting to 127.0.0.1:",
        ),
        (
            format!("https://{}/", farm.silent()),
            "stuck in the TLS handshake",
        ),
        (farm.http("/hang"), "stuck waiting for the first byte"),
        (farm.http("/drip-headers"), "stuck reading the headers"),
        (farm.https("/drip-headers"), "stuck reading the headers"),
        (farm.http("/drip-body"), "stuck reading the body"),
        (farm.http("/drip-nothing"), "stuck reading the body"),
        (farm.https("/drip-body"), "stuck reading the body"),
    ];
    for (url, stuck) in steps {
        let observation = bench.stuck(&url).await;
        assert_down(&observation, Reason::Timeout, "no answer within 400 ms, ");
        assert_down(&observation, Reason::Timeout, stuck);
    }
    // a lookup has words and a reason of its own
    let observation = bench.stuck("http://never.test/").await;
    assert_eq!(observation.verdict.outcome(), Outcome::Unknown);
    assert!(error_of(&observation).contains("no name server can be reached"));
}

#[tokio::test]
async fn interim_answers_do_not_stretch_the_deadline() {
    let bench = Bench::new().await;
    let url = bench.farm.http("/drip-interim");
    let began = Instant::now();
    let observation = bench.probe(&url, BRIEF).await;
    assert!(began.elapsed() < BRIEF + SLACK);
    // whichever limit is met first
    let reason = observation.verdict.failure().unwrap().reason;
    assert!(
        matches!(reason, Reason::Timeout | Reason::Protocol),
        "{observation:?}"
    );
}

#[tokio::test]
async fn a_closed_port_is_refused() {
    let bench = Bench::new().await;
    for scheme in ["http", "https"] {
        let closed = Farm::closed();
        let observation = bench.probe(&format!("{scheme}://{closed}/"), PATIENT).await;
        let error = format!("{closed} refused the connection");
        assert_down(&observation, Reason::Refused, &error);
        assert_eq!(observation.measurement.resolved_ip, Some(closed.ip()));
        assert_eq!(observation.measurement.latency, None);
        assert_eq!(phases(&observation), Phases::default());
    }
}

#[tokio::test]
async fn certificates_are_read_and_their_faults_named() {
    let mut bench = Bench::new().await;
    let hosts = ["a.test", "b.test", "*.c.test", "d.test", "192.0.2.1"];
    let other = Certificate::For(hosts.map(str::to_owned).into());
    let untrusted = [
        (
            Certificate::Expired,
            Reason::CertExpired,
            "certificate expired on 2020-01-02",
        ),
        (
            Certificate::NotYet,
            Reason::Tls,
            "certificate is not valid before 2090-01-01",
        ),
        (
            Certificate::SelfSigned { authority: true },
            Reason::Tls,
            "certificate is self-signed, no authority vouches for it",
        ),
        (
            Certificate::SelfSigned { authority: false },
            Reason::Tls,
            "certificate is self-signed, no authority vouches for it",
        ),
        (
            Certificate::Foreign,
            Reason::Tls,
            "certificate was issued by an unknown authority (CN=Stranger)",
        ),
        (
            Certificate::Forged,
            Reason::Tls,
            "certificate was not signed by the authority it names (CN=Farm Authority)",
        ),
        (
            other,
            Reason::Tls,
            "certificate is for a.test, b.test, *.c.test and 2 more, not for 127.0.0.1",
        ),
        (
            Certificate::For(Vec::new()),
            Reason::Tls,
            "certificate is for no host at all, not for 127.0.0.1",
        ),
    ];
    for (certificate, reason, error) in untrusted {
        let url = bench.farm.https_with(&certificate, "/ok").await;
        let observation = bench.probe(&url, PATIENT).await;
        assert_down(&observation, reason, error);
        let expires = match certificate {
            Certificate::Expired => "2020-01-02T00:00:00Z",
            _ => "2099-01-01T00:00:00Z",
        };
        let detail = observation.measurement.detail.unwrap();
        assert_eq!(detail.cert_expires_at, Some(expires.parse().unwrap()));
        // the handshake did not succeed
        assert_eq!(detail.phases.unwrap().tls_us, None);
    }
    let url = bench.farm.https_with(&Certificate::Valid, "/ok").await;
    assert_up(&bench.probe(&url, PATIENT).await, 200);
}

#[tokio::test]
async fn a_handshake_that_fails_is_a_tls_fault() {
    let bench = Bench::new().await;
    let closing = Server::start(|stream| async move { drop(stream) }).await;
    let alert = Server::start(|stream| talk(stream, &[21, 3, 3, 0, 2, 2, 40])).await;
    let mute = Server::start(|stream| talk(stream, b"")).await;
    for (url, error) in [
        // TLS spoken to a plain port
        (
            bench.farm.http("/").replace("http:", "https:"),
            "the answer is not TLS",
        ),
        (alert.https(), "the server shares no cipher with us"),
        (closing.https(), "in the TLS handshake"),
        (mute.https(), "in the TLS handshake"),
        (
            format!("https://{}/", bench.farm.slammed()),
            "in the TLS handshake",
        ),
    ] {
        let observation = bench.probe(&url, PATIENT).await;
        assert_eq!(observation.verdict.outcome(), Outcome::Down, "{url}");
        let reason = observation.verdict.failure().unwrap().reason;
        // a port that resets at once may do so before the connection stands
        assert!(
            reason == Reason::Tls || url.contains(&bench.farm.slammed().to_string()),
            "{observation:?}"
        );
        if reason == Reason::Tls {
            assert_down(&observation, Reason::Tls, error);
        }
    }
}

#[tokio::test]
async fn hostile_texts_are_tamed() {
    let bench = Bench::new().await;
    let observation = bench.path("/hostile-status").await;
    assert_down(
        &observation,
        Reason::Status,
        "status 500, expected 200 to 399",
    );
    let observation = bench.path("/hostile-location").await;
    assert_down(
        &observation,
        Reason::Redirect,
        // the mark that turns the text around is gone; what is left is for pages to escape
        "redirect to an invalid address: http://[<script>",
    );
    // a body or a garbled status line is never repeated
    let observation = bench.path("/garbage").await;
    assert!(!error_of(&observation).contains("not http at all"));
}

#[tokio::test]
async fn names_fail_in_words() {
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let server = NameServer::start([
        ("farm.test.", Says::Addresses(vec![localhost])),
        (
            "broken.test.",
            Says::Code(hickory_resolver::proto::op::ResponseCode::ServFail),
        ),
    ])
    .await;
    let bench = Bench::with(Resolver::with_servers(&[server.address])).await;
    let url = format!("http://farm.test:{}/ok", bench.farm.plain_port());
    let observation = bench.probe(&url, PATIENT).await;
    assert_up(&observation, 200);
    assert!(phases(&observation).dns_us.is_some());

    let observation = bench.probe("http://nosuch.invalid/", PATIENT).await;
    assert_down(
        &observation,
        Reason::Dns,
        "no address for nosuch.invalid (NXDOMAIN)",
    );
    let observation = bench.probe("http://broken.test/", PATIENT).await;
    assert_down(
        &observation,
        Reason::Dns,
        "the name server answered SERVFAIL",
    );
    let observation = bench.stuck("http://x.silent.test/").await;
    assert_down(&observation, Reason::Dns, "no answer from the name server");
}

#[tokio::test]
async fn a_dead_address_does_not_hide_a_live_one() {
    let v4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    // nothing of the farm listens on ::1
    let server = NameServer::start([(
        "both.test.",
        Says::Addresses(vec![IpAddr::V6(Ipv6Addr::LOCALHOST), v4]),
    )])
    .await;
    let bench = Bench::with(Resolver::with_servers(&[server.address])).await;
    let url = format!("http://both.test:{}/ok", bench.farm.plain_port());
    let observation = bench.probe(&url, PATIENT).await;
    assert_up(&observation, 200);
    assert_eq!(observation.measurement.resolved_ip, Some(v4));
}

#[tokio::test]
async fn an_address_that_never_answers_costs_a_quarter_of_a_second() {
    // one port, blocked on one address and served on another
    let full = crate::farm::Full::start();
    let port = full.address().port();
    let alive = Server::at(([127, 0, 0, 2], port).into(), |stream| {
        talk(stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    })
    .await;
    let dead = full.address().ip();
    let server = NameServer::start([(
        "half.test.",
        Says::Addresses(vec![dead, alive.address().ip()]),
    )])
    .await;
    let bench = Bench::with(Resolver::with_servers(&[server.address])).await;
    let observation = bench
        .probe(&format!("http://half.test:{port}/"), PATIENT)
        .await;
    assert_up(&observation, 200);
    assert_eq!(
        observation.measurement.resolved_ip,
        Some(alive.address().ip())
    );
    let connect = phases(&observation).connect_us.unwrap();
    assert!(connect >= 250_000, "{connect}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_hang_delay_nobody() {
    let bench = Bench::new().await;
    // hanging ones have longer than the others may take
    let hanging = Duration::from_secs(15);
    let began = Instant::now();
    let start = |path: &'static str, timeout| {
        let (prober, spec) = (bench.prober.clone(), spec(&bench.farm.http(path)));
        tokio::spawn(async move { prober.probe(&spec, timeout).await })
    };
    let slow: Vec<_> = (0..100).map(|_| start("/hang", hanging)).collect();
    let quick: Vec<_> = (0..100).map(|_| start("/ok", hanging)).collect();
    for probe in quick {
        assert_up(&probe.await.unwrap(), 200);
    }
    let took = began.elapsed();
    assert!(took < hanging, "{took:?}");
    // a probe may be dropped at any moment
    for probe in slow {
        assert!(!probe.is_finished());
        probe.abort();
        assert!(probe.await.unwrap_err().is_cancelled());
    }
}

/// Says one thing to whoever connects, after hearing something.
fn talk(
    mut stream: tokio::net::TcpStream,
    text: &[u8],
) -> impl Future<Output = ()> + Send + 'static {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let text = text.to_vec();
    async move {
        let mut heard = vec![0; 16 * 1024];
        // the prober may have gone: then there is nobody to tell
        if stream.read(&mut heard).await.is_ok() {
            drop(stream.write_all(&text).await);
            drop(stream.shutdown().await);
        }
    }
}
