//! Targets of every type through the real program, from the file to the API, on both databases.

use std::process::Command;

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::cluster;
use crate::farm::certificate::Authority;
use crate::farm::dns::{NameServer, Says};
use crate::farm::script::{Scripted, Step, hear, say};
use crate::farm::{Certificate, Farm};
use crate::pingu::{Home, Pingu};

/// Servers for one target of each type that is up, and one that is down.
struct World {
    authority: Authority,
    tcp: Scripted,
    tls: Scripted,
    mail: Scripted,
    dns: NameServer,
    // last: it runs the others
    runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let authority = Authority::new(Authority::NAME);
        let encrypt = || Step::Tls(authority.acceptor(&Certificate::Valid));
        let (tcp, tls, mail, dns) = runtime.block_on(async {
            let greeting = [say("220 mail.example\r\n"), Step::Hold];
            let dialogue = [
                say("220 mail.example\r\n"),
                hear("EHLO [127.0.0.1]\r\n"),
                say("250-mail.example\r\n250 STARTTLS\r\n"),
                hear("STARTTLS\r\n"),
                say("220 go ahead\r\n"),
                encrypt(),
            ];
            let zone = [("here.test.", Says::Addresses(vec![[192, 0, 2, 1].into()]))];
            (
                Scripted::start(greeting).await,
                Scripted::start([encrypt()]).await,
                Scripted::start(dialogue).await,
                NameServer::start(zone).await,
            )
        });
        Self {
            authority,
            tcp,
            tls,
            mail,
            dns,
            runtime,
        }
    }

    fn targets(&self) -> String {
        let (tcp, tls, mail) = (self.tcp.port(), self.tls.port(), self.mail.port());
        let (dns, closed) = (self.dns.address, Farm::closed().port());
        format!(
            r"defaults: {{interval_seconds: 0.5, timeout_ms: 450}}
targets:
  - {{name: banner, type: tcp, host: 127.0.0.1, port: {tcp}, expect: '^220 '}}
  - {{name: wrong banner, type: tcp, host: 127.0.0.1, port: {tcp}, expect: '^554 '}}
  - {{name: closed, type: tcp, host: 127.0.0.1, port: {closed}}}
  - {{name: answered, type: dns, server: '{dns}', query: here.test, expect_answers: [192.0.2.1]}}
  - {{name: no such name, type: dns, server: '{dns}', query: gone.test}}
  - {{name: handshake, type: tls, host: 127.0.0.1, port: {tls}}}
  - {{name: mail, type: tls, host: 127.0.0.1, port: {mail}, starttls: smtp, server_name: localhost}}
  - {{name: stranger, type: tls, host: 127.0.0.1, port: {tls}, server_name: other.example}}
"
        )
    }

    /// A folder with the targets and the authority that Pingu shall trust.
    fn home(&self) -> Home {
        let home = Home::new(&self.targets());
        std::fs::write(home.path().join("roots.pem"), self.authority.root_pem()).unwrap();
        home
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // servers that are dropped end tasks of this runtime
        drop(self.runtime.enter());
    }
}

fn trusting<'a>(home: &Home, command: &'a mut Command) -> &'a mut Command {
    command.env("SSL_CERT_FILE", home.path().join("roots.pem"))
}

fn assert_result(pingu: &Pingu, name: &str, outcome: &str, reason: &Value, phases: &[&str]) {
    let result = pingu.latest(name);
    assert_eq!(result["outcome"], outcome, "{result}");
    assert_eq!(&result["reason"], reason, "{result}");
    assert_eq!(result["success"], outcome == "up", "{result}");
    assert_eq!(result["status_code"], Value::Null, "{result}");
    let found = result["phases"].as_object().map(|all| all.keys().cloned());
    let found: Vec<_> = found.into_iter().flatten().collect();
    assert_eq!(found, phases, "{result}");
    if outcome == "up" {
        assert!(result["latency_us"].as_i64().unwrap() > 0, "{result}");
    }
}

fn assert_served(pingu: &Pingu, world: &World) {
    assert_result(
        pingu,
        "banner",
        "up",
        &Value::Null,
        &["connect_us", "transfer_us", "ttfb_us"],
    );
    let late = &["connect_us", "ttfb_us"];
    assert_result(pingu, "wrong banner", "down", &json!("body"), late);
    assert_result(pingu, "closed", "down", &json!("refused"), &[]);
    assert_result(pingu, "answered", "up", &Value::Null, &["ttfb_us"]);
    assert_result(pingu, "no such name", "down", &json!("dns"), &["ttfb_us"]);
    assert_result(
        pingu,
        "handshake",
        "up",
        &Value::Null,
        &["connect_us", "tls_us"],
    );
    assert_result(
        pingu,
        "mail",
        "up",
        &Value::Null,
        &["connect_us", "tls_us", "ttfb_us"],
    );
    assert_result(pingu, "stranger", "down", &json!("tls"), &["connect_us"]);
    let stranger = pingu.latest("stranger");
    assert_eq!(
        stranger["cert_expires_at"], "2099-01-01T00:00:00.000000Z",
        "{stranger}"
    );

    let certificate = pingu.json("/api/v1/targets/stranger/certificate");
    assert!(
        certificate.to_string().contains("CN=Farm Server"),
        "{certificate}"
    );

    let target = pingu.json("/targets/mail");
    assert_eq!(
        [
            &target["type"],
            &target["host"],
            &target["url"],
            &target["port"],
            &target["starttls"]
        ],
        [
            &json!("tls"),
            &json!("127.0.0.1"),
            &Value::Null,
            &json!(world.mail.port()),
            &json!("smtp")
        ]
    );
    let target = pingu.json("/targets/answered");
    assert_eq!(
        [
            &target["type"],
            &target["host"],
            &target["port"],
            &target["query"],
            &target["record"],
            &target["transport"]
        ],
        [
            &json!("dns"),
            &json!("127.0.0.1"),
            &json!(world.dns.address.port()),
            &json!("here.test"),
            &json!("A"),
            &json!("udp")
        ]
    );
    let target = pingu.json("/targets/banner");
    assert_eq!(
        [&target["type"], &target["timeout_ms"]],
        [&json!("tcp"), &json!(450)]
    );
    assert!(
        target.get("query").is_none() && target.get("expect").is_none(),
        "{target}"
    );

    // every result counts in the summaries, whatever the type
    let summary = pingu.until("results", |pingu| {
        let summary = pingu.json("/summary/no%20such%20name?window=1h");
        (summary["total_probes"].as_i64()? >= 2).then_some(summary)
    });
    assert_eq!(summary["uptime_percent"], 0.0, "{summary}");
    let series = pingu.json("/api/v1/targets/handshake/series?points=1");
    let tls = series["phases"]["tls_us"].as_array().unwrap();
    assert!(
        tls.iter().any(|it| it.as_i64().is_some_and(|us| us > 0)),
        "{series}"
    );
}

#[test]
fn every_type_is_probed_stored_and_served_on_sqlite() {
    let world = World::new();
    let home = world.home();
    let pingu = Pingu::start(trusting(&home, &mut home.command(&[])));
    assert_served(&pingu, &world);
    let (status, log) = pingu.stop();
    assert!(status.success(), "{status}\n{log}");
    // what was stored is read again by another process
    let pingu = Pingu::start(trusting(&home, &mut home.command(&[])));
    assert_served(&pingu, &world);
}

#[test]
fn every_type_is_probed_stored_and_served_on_postgres() {
    let world = World::new();
    let home = world.home();
    let database = cluster::database();
    let mut command = home.command(&[]);
    command.env("DATABASE_URL", &database.url);
    let pingu = Pingu::start(trusting(&home, &mut command));
    assert_served(&pingu, &world);
    let kinds =
        "SELECT string_agg(DISTINCT target_type, ' ' ORDER BY target_type) FROM target_latest";
    assert_eq!(database.sql(kinds), ["dns tcp tls"]);
}

fn said(home: &Home, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = trusting(home, &mut home.command(arguments))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn one_probe_of_each_type_is_shown_with_its_phases() {
    let world = World::new();
    let home = world.home();
    let (tcp, tls, mail, dns) = (
        world.tcp.port(),
        world.tls.port(),
        world.mail.port(),
        world.dns.address,
    );
    for (target, lines) in [
        (format!("tcp://127.0.0.1:{tcp}"), &["up", "connect"][..]),
        (
            format!("tcp://127.0.0.1:{tcp}?expect=^220"),
            &["up", "first byte"],
        ),
        (
            format!("tls://127.0.0.1:{tls}"),
            &["up", "tls", "until 2099-01-01"],
        ),
        (
            format!("tls://localhost:{mail}?starttls=smtp"),
            &["up", "first byte", "tls"],
        ),
        (
            format!("dns://{dns}/here.test?type=A"),
            &["up", "first byte"],
        ),
        (format!("dns://{dns}/here.test"), &["up"]),
    ] {
        let (status, stdout, stderr) = said(&home, &["probe", &target]);
        assert_eq!(status, Some(0), "{target}: {stdout}{stderr}");
        assert!(stdout.starts_with(&target), "{stdout}");
        for line in lines {
            assert!(stdout.contains(line), "{target}: {stdout}");
        }
    }
    let gone = format!("dns://{dns}/gone.test");
    let (status, stdout, _) = said(&home, &["probe", "--json", &gone]);
    assert_eq!(status, Some(1), "{stdout}");
    let result: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&result["outcome"], &result["reason"]),
        (&json!("down"), &json!("dns"))
    );
    assert!(result["phases"]["ttfb_us"].is_number(), "{result}");
    let rounds = format!("tcp://127.0.0.1:{tcp}");
    let (status, stdout, _) = said(&home, &["probe", "-c", "3", "-i", "0.02", &rounds]);
    assert_eq!(status, Some(0), "{stdout}");
    for (target, hint) in [
        ("tcp://127.0.0.1", "give the port"),
        ("tls://127.0.0.1?starttls=ftp", "smtp, imap, pop3, postgres"),
        ("udp://127.0.0.1:53", "cannot probe udp://"),
    ] {
        let (status, _, stderr) = said(&home, &["probe", target]);
        assert_eq!(status, Some(2), "{stderr}");
        assert!(stderr.contains(hint), "{stderr}");
    }
    let (status, stdout, stderr) = said(&home, &["check"]);
    assert_eq!(status, Some(0), "{stderr}");
    assert!(stdout.contains("8 targets"), "{stdout}");
}

#[test]
fn a_type_that_hangs_takes_no_turns_of_another() {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let (dns, tcp) = (
        silent.local_addr().unwrap(),
        std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
    );
    let hanging = (0..8).map(|number| {
        format!("  - {{name: dns {number}, type: dns, server: '{dns}', query: a.test}}\n")
    });
    let port = tcp.local_addr().unwrap().port();
    let targets = format!(
        "defaults: {{interval_seconds: 0.5, timeout_ms: 500}}\ntargets:\n{}  - {{name: tcp, type: tcp, host: 127.0.0.1, port: {port}}}\n",
        hanging.collect::<String>()
    );
    let home = Home::new(&targets);
    let mut command = home.command(&[]);
    command.env("DNS_CONCURRENCY", "2");
    let pingu = Pingu::start(&mut command);
    let missed = |pingu: &Pingu, kind: &str| {
        let text = pingu.get("/metrics").body;
        let name = format!("pingu_slots_missed_total{{type=\"{kind}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.and_then(|count| count.parse::<u64>().ok()).unwrap()
    };
    pingu.until("missed slots", |pingu| {
        (missed(pingu, "dns") >= 8).then_some(())
    });
    let results = pingu.items("/targets/tcp/results?limit=1000");
    assert!(results.len() >= 2, "{results:?}");
    assert!(
        results.iter().all(|it| it["outcome"] == "up"),
        "{results:?}"
    );
    let hung = pingu.latest("dns 0");
    assert_eq!(hung["reason"], "timeout", "{hung}");
}
