//! TCP targets that are well, ill and malicious, each probed through real sockets.

use std::time::Duration;

use pingu::model::{Family, Host, Observation, Outcome, Pattern, Payload, Reason, TcpSpec};
use pingu::probe::resolve::Resolver;
use pingu::probe::tcp::TcpProber;

use crate::farm::dns::{NameServer, Says};
use crate::farm::judge::{PATIENT, assert_down, assert_plausible, assert_up, phases, stuck};
use crate::farm::script::{Scripted, Step, hear, say};
use crate::farm::{Farm, Full};

fn prober() -> TcpProber {
    // no servers: these tests name addresses and localhost only
    TcpProber::new(Resolver::with_servers(&[]))
}

fn spec(port: u16, send: &str, expect: &str) -> TcpSpec {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    TcpSpec {
        host: "127.0.0.1".into(),
        port,
        ip: Family::Any,
        send: given(send).map(|it| Payload::try_from(it).unwrap()),
        expect: given(expect).map(|it| Pattern::new(&it).unwrap()),
    }
}

async fn probe(spec: &TcpSpec) -> Observation {
    let observation = prober().probe(spec, PATIENT).await;
    assert_plausible(&observation);
    observation
}

async fn against(steps: impl Into<Vec<Step>>, send: &str, expect: &str) -> Observation {
    let server = Scripted::start(steps).await;
    probe(&spec(server.port(), send, expect)).await
}

#[tokio::test]
async fn an_open_port_is_up_by_its_connection_alone() {
    let observation = against([Step::Hold], "", "").await;
    assert_up(&observation);
    let all = phases(&observation);
    assert!(all.connect_us.is_some());
    assert_eq!(
        (all.dns_us, all.ttfb_us, all.transfer_us),
        (None, None, None)
    );
    assert_eq!(
        observation.measurement.resolved_ip,
        Some([127, 0, 0, 1].into())
    );
    assert_eq!(observation.measurement.status_code, None);
}

#[tokio::test]
async fn a_closed_port_is_refused_and_a_name_that_does_not_exist_is_dns() {
    let closed = probe(&spec(Farm::closed().port(), "", "")).await;
    assert_down(&closed, Reason::Refused, "refused the connection");
    let names =
        NameServer::start([("here.test.", Says::Addresses(vec![[127, 0, 0, 1].into()]))]).await;
    let prober = TcpProber::new(Resolver::with_servers(&[names.address]));
    let server = Scripted::start([Step::Hold]).await;
    let named = |name: &str| TcpSpec {
        host: Host::from(name),
        ..spec(server.port(), "", "")
    };
    let observation = prober.probe(&named("here.test"), PATIENT).await;
    assert_up(&observation);
    assert!(phases(&observation).dns_us.is_some());
    let observation = prober.probe(&named("nosuch.test"), PATIENT).await;
    assert_down(&observation, Reason::Dns, "NXDOMAIN");
}

#[tokio::test]
async fn a_family_is_the_only_one_that_is_tried() {
    let server = Scripted::start([Step::Hold]).await;
    let of = |ip| TcpSpec {
        host: "localhost".into(),
        ip,
        ..spec(server.port(), "", "")
    };
    assert_up(&probe(&of(Family::V4)).await);
    let six = probe(&of(Family::V6)).await;
    assert_down(&six, Reason::Refused, "[::1]:");
}

#[tokio::test]
async fn what_is_sent_arrives_and_what_is_expected_is_found() {
    let steps = [hear("PING\r\n"), say("+PONG\r\n"), Step::Hold];
    let observation = against(steps, r"PING\r\n", r"^\+PONG\r\n$").await;
    assert_up(&observation);
    let all = phases(&observation);
    assert!(all.ttfb_us.is_some() && all.transfer_us.is_some());
    // bytes that are no text, both ways
    let steps = [hear("\0\n\t\\"), say(b"\xff\xfe\x00ok"), Step::Hold];
    let observation = against(steps, r"\0\n\t\\", r"(?-u)^\xff\xfe\x00ok").await;
    assert_up(&observation);
}

#[tokio::test]
async fn an_answer_may_come_in_pieces() {
    let pause = || Step::Pause(Duration::from_millis(30));
    let steps = [
        say("220 ma"),
        pause(),
        say("il.example ES"),
        pause(),
        say("MTP"),
        Step::Hold,
    ];
    let observation = against(steps, "", "^220 .*ESMTP").await;
    assert_up(&observation);
    let all = phases(&observation);
    assert!(all.transfer_us.unwrap() >= 60_000, "{all:?}");
    assert!(observation.measurement.latency.unwrap() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_pattern_is_found_before_the_other_side_ends() {
    // the last byte of the match ends the latency, not the 30 s of silence after it
    let observation = against([say("ready"), Step::Hold], "", "ready").await;
    assert_up(&observation);
    assert!(observation.measurement.latency.unwrap() < PATIENT / 2);
}

#[tokio::test]
async fn another_answer_is_body_and_is_told() {
    let observation = against([say("554 no \x1b[31mservice\r\n")], "", "^220 ").await;
    assert_down(
        &observation,
        Reason::Body,
        "the answer does not match: \"554 no [31mservice\"",
    );
    assert!(observation.measurement.latency.is_some(), "an answer came");
    // the same from a server that keeps the connection
    let server = Scripted::start([say("554 no service\r\n"), Step::Hold]).await;
    let spec = spec(server.port(), "", "^220 ");
    let observation = stuck(|timeout| {
        let (prober, spec) = (prober(), spec.clone());
        async move { prober.probe(&spec, timeout).await }
    })
    .await;
    assert_down(
        &observation,
        Reason::Body,
        "did not match before the time was up: \"554 no service\"",
    );
    assert_eq!(observation.measurement.latency, None);
}

#[tokio::test]
async fn a_connection_that_is_cut_is_reset() {
    let observation = against([], "", "x").await;
    assert_down(&observation, Reason::Reset, "closed without an answer");
    let observation = against([Step::Reset], "", "x").await;
    assert_down(&observation, Reason::Reset, "");
    let pause = Step::Pause(Duration::from_millis(50));
    let observation = against([say("abc"), pause, Step::Reset], "", "x").await;
    assert_down(&observation, Reason::Reset, "while reading the answer");
}

#[tokio::test]
async fn an_endless_answer_ends_at_its_bound() {
    let server = Scripted::start([Step::Flood(&[b'a'; 4096])]).await;
    let observation = probe(&spec(server.port(), "", "b")).await;
    assert_down(
        &observation,
        Reason::TooLarge,
        "no match in the first 64 KiB",
    );
    // the rest of it waited in the system's buffers
    assert!(server.said() < 64 * 1024 * 1024, "{}", server.said());
    // found at the very end of what is read
    let end = format!("{}b", "a".repeat(64 * 1024 - 1));
    assert_up(&against([say(&end), Step::Hold], "", "b").await);
    let late = format!("a{end}");
    let observation = against([say(&late), Step::Hold], "", "b").await;
    assert_down(&observation, Reason::TooLarge, "64 KiB");
}

#[tokio::test]
async fn a_drip_is_read_to_its_match() {
    assert_up(&against([Step::Drip(b"............x")], "", r"^(\.{12}x){5}").await);
}

#[tokio::test]
async fn the_timeout_ends_every_step() {
    let full = Full::start();
    let silent = Scripted::start([Step::Hold]).await;
    let dripping = Scripted::start([Step::Drip(b"a")]).await;
    let names = NameServer::start([]).await;
    let unnamed = TcpSpec {
        host: "never.silent.test".into(),
        ..spec(1, "", "")
    };
    for (spec, reason, error) in [
        (
            spec(full.address().port(), "", ""),
            Reason::Timeout,
            "stuck connecting to 127.0.0.1:",
        ),
        (
            spec(silent.port(), "hello", "x"),
            Reason::Timeout,
            "stuck waiting for the answer",
        ),
        (
            spec(dripping.port(), "", "x"),
            Reason::Body,
            "did not match before",
        ),
    ] {
        let observation = stuck(|timeout| {
            let (prober, spec) = (prober(), spec.clone());
            async move { prober.probe(&spec, timeout).await }
        })
        .await;
        assert_down(&observation, reason, error);
    }
    let prober = TcpProber::new(Resolver::with_servers(&[names.address]));
    let observation = stuck(|timeout| {
        let (prober, spec) = (prober.clone(), unnamed.clone());
        async move { prober.probe(&spec, timeout).await }
    })
    .await;
    assert_ne!(observation.verdict.outcome(), Outcome::Up);
}
