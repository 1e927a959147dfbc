//! TLS targets, at once and after a dialogue in plain text, each probed through real sockets.

use std::time::Duration;

use pingu::model::{Observation, Outcome, Reason, StartTls, Timestamp, TlsSpec};
use pingu::probe::resolve::Resolver;
use pingu::probe::tls::TlsProber;

use crate::cluster::{Cluster, secret_file};
use crate::farm::certificate::{Authority, Manners};
use crate::farm::judge::{PATIENT, assert_down, assert_plausible, assert_up, phases, stuck};
use crate::farm::script::{Scripted, Step, hear, say};
use crate::farm::{Certificate, Farm};

/// A length, and the code that asks for TLS.
const SSL_REQUEST: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";

struct Bench {
    authority: Authority,
    prober: TlsProber,
}

impl Bench {
    fn new() -> Self {
        let authority = Authority::new(Authority::NAME);
        let roots = pingu::probe::http::Roots::only([authority.der()]).unwrap();
        let prober = TlsProber::new(Resolver::with_servers(&[]), &roots);
        Self { authority, prober }
    }

    async fn serving(&self, certificate: &Certificate) -> Scripted {
        Scripted::start([Step::Tls(self.authority.acceptor(certificate))]).await
    }

    async fn probe(&self, spec: &TlsSpec) -> Observation {
        let observation = self.prober.probe(spec, PATIENT).await;
        assert_plausible(&observation);
        observation
    }

    /// A dialogue that ends in TLS with a good certificate.
    async fn after(&self, protocol: StartTls, steps: Vec<Step>) -> Observation {
        let acceptor = self.authority.acceptor(&Certificate::Valid);
        let steps = [steps, vec![Step::Tls(acceptor)]].concat();
        let server = Scripted::start(steps).await;
        self.probe(&starttls(protocol, server.port())).await
    }

    async fn stuck(&self, spec: TlsSpec) -> Observation {
        stuck(|timeout| {
            let (prober, spec) = (self.prober.clone(), spec.clone());
            async move { prober.probe(&spec, timeout).await }
        })
        .await
    }
}

fn at(port: u16) -> TlsSpec {
    TlsSpec::new("127.0.0.1", port)
}

fn starttls(protocol: StartTls, port: u16) -> TlsSpec {
    TlsSpec {
        starttls: Some(protocol),
        ..at(port)
    }
}

fn expires_at(observation: &Observation) -> Option<String> {
    let detail = observation.measurement.detail.as_ref()?;
    detail
        .cert_expires_at
        .map(|it| it.to_string()[..10].to_owned())
}

/// The dialogue as good servers have it, up to the go-ahead.
fn dialogue(protocol: StartTls) -> Vec<Step> {
    match protocol {
        StartTls::Smtp => vec![
            say("220-mail.example\r\n220 ESMTP\r\n"),
            hear("EHLO [127.0.0.1]\r\n"),
            say("250-mail.example\r\n250-SIZE 1000\r\n250-starttls\r\n250 HELP\r\n"),
            hear("STARTTLS\r\n"),
            say("220 go ahead\r\n"),
        ],
        StartTls::Imap => vec![
            say("* OK [CAPABILITY IMAP4rev1] ready\r\n"),
            hear("a1 CAPABILITY\r\n"),
            say("* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK done\r\n"),
            hear("a2 STARTTLS\r\n"),
            say("a2 OK begin\r\n"),
        ],
        StartTls::Pop3 => vec![
            say("+OK ready <1@mail.example>\r\n"),
            hear("CAPA\r\n"),
            say("+OK\r\nTOP\r\nSTLS\r\n.\r\n"),
            hear("STLS\r\n"),
            say("+OK begin\r\n"),
        ],
        StartTls::Postgres => vec![hear(SSL_REQUEST), say("S")],
    }
}

#[tokio::test]
async fn a_good_handshake_is_up_with_its_phases_and_the_end_of_the_certificate() {
    let bench = Bench::new();
    let server = bench.serving(&Certificate::Valid).await;
    let observation = bench.probe(&at(server.port())).await;
    assert_up(&observation);
    let all = phases(&observation);
    assert!(all.connect_us.is_some() && all.tls_us.is_some());
    assert_eq!((all.ttfb_us, all.transfer_us), (None, None));
    assert_eq!(expires_at(&observation).as_deref(), Some("2099-01-01"));
    let named = TlsSpec::new("localhost", server.port());
    let observation = bench.probe(&named).await;
    assert_up(&observation);
    assert!(phases(&observation).dns_us.is_some());
}

#[tokio::test]
async fn bad_certificates_are_told_and_their_end_is_known_all_the_same() {
    let bench = Bench::new();
    for (certificate, reason, error, end) in [
        (
            Certificate::Expired,
            Reason::CertExpired,
            "expired on 2020-01-02",
            "2020-01-02",
        ),
        (
            Certificate::NotYet,
            Reason::Tls,
            "not valid before 2090-01-01",
            "2099-01-01",
        ),
        (
            Certificate::Foreign,
            Reason::Tls,
            "unknown authority",
            "2099-01-01",
        ),
        (
            Certificate::SelfSigned { authority: false },
            Reason::Tls,
            "self-signed",
            "2099-01-01",
        ),
        (
            Certificate::For(vec!["other.example".to_owned()]),
            Reason::Tls,
            "certificate is for other.example, not for 127.0.0.1",
            "2099-01-01",
        ),
    ] {
        let server = bench.serving(&certificate).await;
        let observation = bench.probe(&at(server.port())).await;
        assert_down(&observation, reason, error);
        assert_eq!(
            expires_at(&observation).as_deref(),
            Some(end),
            "{certificate:?}"
        );
        let insecure = TlsSpec {
            insecure: true,
            ..at(server.port())
        };
        let observation = bench.probe(&insecure).await;
        assert_up(&observation);
        assert_eq!(
            expires_at(&observation).as_deref(),
            Some(end),
            "{certificate:?}"
        );
    }
}

#[tokio::test]
async fn the_certificate_may_be_for_another_name_than_the_host() {
    let bench = Bench::new();
    let server = bench
        .serving(&Certificate::For(vec!["mail.example".to_owned()]))
        .await;
    let named = |name: &str| TlsSpec {
        server_name: Some(name.to_owned()),
        ..at(server.port())
    };
    assert_up(&bench.probe(&named("mail.example")).await);
    let other = bench.probe(&named("other.example")).await;
    assert_down(
        &other,
        Reason::Tls,
        "certificate is for mail.example, not for other.example",
    );
}

#[tokio::test]
async fn a_certificate_that_ends_too_soon_is_down() {
    let bench = Bench::new();
    let server = bench.serving(&Certificate::Valid).await;
    let wanting = |days| TlsSpec {
        cert_min_days: Some(days),
        ..at(server.port())
    };
    assert_up(&bench.probe(&wanting(14)).await);
    let server = bench.serving(&Certificate::Expired).await;
    let expired = TlsSpec {
        insecure: true,
        cert_min_days: Some(14),
        ..at(server.port())
    };
    let observation = bench.probe(&expired).await;
    assert_down(&observation, Reason::CertExpired, "expired on 2020-01-02");
    // ten days are left, whatever the day
    let left = Timestamp::from_micros(
        i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap(),
    )
    .saturating_add(Duration::from_secs(10 * 86_400 + 3_600));
    let server = bench
        .serving(&Certificate::Until(left.as_micros() / 1_000_000))
        .await;
    let wanting = |days| TlsSpec {
        cert_min_days: Some(days),
        ..at(server.port())
    };
    assert_up(&bench.probe(&wanting(10)).await);
    let observation = bench.probe(&wanting(11)).await;
    assert_down(
        &observation,
        Reason::CertExpired,
        "certificate expires in 10 days, on ",
    );
    assert!(
        observation.measurement.latency.is_some(),
        "the handshake ended"
    );
}

#[tokio::test]
async fn protocols_are_offered_and_the_choice_is_judged() {
    let bench = Bench::new();
    let choosing = |alpn: &'static [&'static str]| {
        let manners = Manners {
            alpn,
            ..Manners::default()
        };
        let acceptor = bench.authority.acceptor_with(&Certificate::Valid, manners);
        Scripted::start([Step::Tls(acceptor)])
    };
    let both = choosing(&["h2", "http/1.1"]).await;
    let none = choosing(&[]).await;
    let asking = |port, alpn: &[&str], expect: Option<&str>| TlsSpec {
        alpn: alpn.iter().map(|it| (*it).to_owned()).collect(),
        expect_alpn: expect.map(str::to_owned),
        ..at(port)
    };
    assert_up(
        &bench
            .probe(&asking(both.port(), &["http/1.1", "h2"], Some("h2")))
            .await,
    );
    assert_up(&bench.probe(&asking(both.port(), &[], None)).await);
    let observation = bench
        .probe(&asking(both.port(), &["h2", "http/1.1"], Some("http/1.1")))
        .await;
    assert_down(
        &observation,
        Reason::Tls,
        "the server chose h2, expected http/1.1",
    );
    let observation = bench.probe(&asking(none.port(), &["h2"], Some("h2"))).await;
    assert_down(
        &observation,
        Reason::Tls,
        "the server chose no protocol, expected h2",
    );
    let observation = bench.probe(&asking(both.port(), &["imap"], None)).await;
    assert_down(
        &observation,
        Reason::Tls,
        "none of the protocols that were offered",
    );
}

#[tokio::test]
async fn what_is_not_tls_or_is_not_there_is_told() {
    let bench = Bench::new();
    let plain = Scripted::start([say("SSH-2.0-OpenSSH_9.2\r\n"), Step::Hold]).await;
    let observation = bench.probe(&at(plain.port())).await;
    assert_down(&observation, Reason::Tls, "the answer is not TLS");
    let cut = Scripted::start([Step::Reset]).await;
    let observation = bench.probe(&at(cut.port())).await;
    let reason = observation.verdict.failure().map(|it| it.reason);
    assert!(
        matches!(reason, Some(Reason::Tls | Reason::Reset)),
        "{observation:?}"
    );
    let observation = bench.probe(&at(Farm::closed().port())).await;
    assert_down(&observation, Reason::Refused, "refused");
}

#[tokio::test]
async fn every_protocol_turns_to_tls_when_asked() {
    let bench = Bench::new();
    for protocol in StartTls::ALL {
        let observation = bench.after(protocol, dialogue(protocol)).await;
        assert_up(&observation);
        let all = phases(&observation);
        assert!(
            all.ttfb_us.is_some() && all.tls_us.is_some(),
            "{protocol:?} {all:?}"
        );
        assert_eq!(expires_at(&observation).as_deref(), Some("2099-01-01"));
    }
    // an old server of POP3 that cannot list what it can do
    let old = vec![
        say("+OK\r\n"),
        hear("CAPA\r\n"),
        say("-ERR what?\r\n"),
        hear("STLS\r\n"),
        say("+OK\r\n"),
    ];
    assert_up(&bench.after(StartTls::Pop3, old).await);
}

#[tokio::test]
async fn a_server_without_starttls_is_down_with_what_it_said() {
    let bench = Bench::new();
    for (protocol, steps, error) in [
        (
            StartTls::Smtp,
            vec![
                say("220 hi\r\n"),
                hear("EHLO"),
                say("250-mail.example\r\n250 HELP\r\n"),
            ],
            "the smtp server does not offer TLS: \"250-mail.example 250 HELP\"",
        ),
        (
            StartTls::Smtp,
            vec![say("220 hi\r\n"), hear("EHLO"), say("502 no\r\n")],
            "smtp: the answer to EHLO is \"502 no\"",
        ),
        (
            StartTls::Smtp,
            vec![say("554 go away\r\n")],
            "smtp: the answer to the greeting is \"554 go away\"",
        ),
        (
            StartTls::Imap,
            vec![
                say("* OK hi\r\n"),
                hear("a1"),
                say("* CAPABILITY IMAP4rev1\r\na1 OK\r\n"),
            ],
            "does not offer TLS: \"* CAPABILITY IMAP4rev1\"",
        ),
        (
            StartTls::Imap,
            vec![say("* PREAUTH hi\r\n")],
            "\"* PREAUTH hi\"",
        ),
        (
            StartTls::Imap,
            vec![say("* BYE busy\r\n")],
            "\"* BYE busy\"",
        ),
        (
            StartTls::Pop3,
            vec![say("+OK\r\n"), hear("CAPA"), say("+OK\r\nTOP\r\n.\r\n")],
            "the pop3 server does not offer TLS: \"TOP\"",
        ),
        (
            StartTls::Pop3,
            vec![
                say("+OK\r\n"),
                hear("CAPA"),
                say("-ERR\r\n"),
                hear("STLS"),
                say("-ERR no\r\n"),
            ],
            "pop3: the answer to STLS is \"-ERR no\"",
        ),
        (
            StartTls::Postgres,
            vec![hear(SSL_REQUEST), say("N")],
            "the postgres server does not offer TLS: \"N\"",
        ),
        (
            StartTls::Postgres,
            vec![hear(SSL_REQUEST), say("HTTP/1.1 400 Bad Request\r\n")],
            "postgres: the answer to SSLRequest is \"H\"",
        ),
    ] {
        let server = Scripted::start(steps).await;
        let observation = bench.probe(&starttls(protocol, server.port())).await;
        assert_down(&observation, Reason::Protocol, error);
        assert_eq!(observation.measurement.latency, None);
    }
}

#[tokio::test]
async fn what_follows_the_go_ahead_in_plain_text_is_no_part_of_tls() {
    let bench = Bench::new();
    for protocol in StartTls::ALL {
        let mut steps = dialogue(protocol);
        if let Some(Step::Say(go_ahead)) = steps.last_mut() {
            go_ahead.extend(b"250 injected\r\n");
        }
        let observation = bench.after(protocol, steps).await;
        assert_down(
            &observation,
            Reason::Protocol,
            "the server spoke out of turn: \"250 injected\"",
        );
    }
    // and before a command
    let steps = vec![say("220 hi\r\n250-early\r\n250 STARTTLS\r\n"), Step::Hold];
    let observation = bench.after(StartTls::Smtp, steps).await;
    assert_down(
        &observation,
        Reason::Protocol,
        "out of turn: \"250-early 250 STARTTLS\"",
    );
}

#[tokio::test]
async fn a_dialogue_without_end_ends_at_its_bounds() {
    let bench = Bench::new();
    for (protocol, greeting, flood, error) in [
        (
            StartTls::Smtp,
            "",
            b"220-more\r\n".as_slice(),
            "more than 128 lines before TLS",
        ),
        (
            StartTls::Smtp,
            "220-",
            b"aaaaaaaaaaaaaaaa",
            "a line of more than 8 KiB: 220-aaaa",
        ),
        (
            StartTls::Pop3,
            "",
            b"aaaaaaaaaaaaaaaa",
            "a line of more than 8 KiB",
        ),
        (
            StartTls::Imap,
            "* OK ",
            b"aaaaaaaaaaaaaaaa",
            "a line of more than 8 KiB",
        ),
    ] {
        let server = Scripted::start([say(greeting), Step::Flood(flood)]).await;
        let observation = bench.probe(&starttls(protocol, server.port())).await;
        assert_down(&observation, Reason::Protocol, error);
        assert!(server.said() < 64 * 1024 * 1024, "{}", server.said());
    }
    let closed = Scripted::start([say("220-hi\r\n")]).await;
    let observation = bench.probe(&starttls(StartTls::Smtp, closed.port())).await;
    assert_down(
        &observation,
        Reason::Reset,
        "closed while in the smtp dialogue before TLS",
    );
}

#[tokio::test]
async fn the_timeout_ends_the_dialogue_and_the_handshake() {
    let bench = Bench::new();
    let silent = Scripted::start([Step::Hold]).await;
    let observation = bench.stuck(at(silent.port())).await;
    assert_down(&observation, Reason::Timeout, "stuck in the TLS handshake");
    for protocol in StartTls::ALL {
        let observation = bench.stuck(starttls(protocol, silent.port())).await;
        let error = format!("stuck in the {} dialogue before TLS", protocol.as_str());
        assert_down(&observation, Reason::Timeout, &error);
    }
    let dripping = Scripted::start([Step::Drip(b"220-a\r\n")]).await;
    let observation = bench.stuck(starttls(StartTls::Smtp, dripping.port())).await;
    assert_down(&observation, Reason::Timeout, "dialogue");
    let mut steps = dialogue(StartTls::Smtp);
    steps.push(Step::Hold);
    let later = Scripted::start(steps).await;
    let observation = bench.stuck(starttls(StartTls::Smtp, later.port())).await;
    assert_down(&observation, Reason::Timeout, "stuck in the TLS handshake");
    assert!(phases(&observation).ttfb_us.is_some(), "the dialogue ended");
}

#[tokio::test]
async fn a_real_postgres_is_asked_for_its_certificate() {
    let bench = Bench::new();
    let (chain, key) = bench.authority.pem(&Certificate::Valid);
    let secured = tokio::task::spawn_blocking(move || {
        Cluster::start_with(&["ssl=on"], |folder| {
            secret_file(&folder.join("data/server.crt"), &chain);
            secret_file(&folder.join("data/server.key"), &key);
        })
    });
    let secured = secured.await.unwrap();
    let observation = bench
        .probe(&starttls(StartTls::Postgres, secured.port()))
        .await;
    assert_up(&observation);
    assert_eq!(expires_at(&observation).as_deref(), Some("2099-01-01"));
    let plain = tokio::task::spawn_blocking(|| Cluster::start(&[]))
        .await
        .unwrap();
    let observation = bench
        .probe(&starttls(StartTls::Postgres, plain.port()))
        .await;
    assert_down(&observation, Reason::Protocol, "does not offer TLS: \"N\"");
    assert_eq!(observation.verdict.outcome(), Outcome::Down);
}
