//! What `/metrics` says of targets, in both forms, on both databases.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use tokio::runtime::Runtime;

use crate::cluster;
use crate::farm::{Certificate, Farm};
use crate::pingu::{Home, PATIENCE, Pingu};

/// The text format 0.0.4, as a client gets it that asks for nothing else.
struct Page(String);

impl Page {
    fn of(pingu: &Pingu) -> Self {
        Self(pingu.get("/metrics").body)
    }

    /// The value of a sample with exactly these labels.
    fn value(&self, sample: &str) -> Option<f64> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(sample));
        line.map(|rest| rest.trim_start().parse().unwrap())
    }

    fn of_target(&self, name: &str, kind: &str, target: &str) -> Option<f64> {
        self.value(&format!(
            "{name}{{target=\"{target}\",type=\"{kind}\",group=\"\"}} "
        ))
    }
}

fn targets(farm: &Farm, expired: &str) -> String {
    let good = farm.https("/ok");
    let plain = farm.http("/hops/1");
    format!(
        r#"defaults: {{interval_seconds: 0.5, timeout_ms: 450}}
targets:
  - {{name: good, type: http, url: '{good}'}}
  - {{name: expired, type: http, url: '{expired}'}}
  - {{name: plain, type: http, url: '{plain}', group: 'a "b" \c'}}
  - {{name: echo, type: icmp, host: '::1'}}
  - {{name: faulty, type: icmp, host: 127.0.0.1, source: 203.0.113.7}}
  - {{name: resting, type: icmp, host: 127.0.0.1, enabled: false}}
"#
    )
}

fn assert_figures(start: impl FnOnce(&Home) -> Pingu) {
    let runtime = Runtime::new().unwrap();
    let (farm, expired) = runtime.block_on(async {
        let mut farm = Farm::start().await;
        let expired = farm.https_with(&Certificate::Expired, "/ok").await;
        (farm, expired)
    });
    let home = Home::new(&targets(&farm, &expired));
    std::fs::write(home.path().join("roots.pem"), farm.authority().root_pem()).unwrap();
    let pingu = start(&home);
    for name in ["good", "expired", "plain", "echo", "faulty"] {
        pingu.latest(name);
    }
    let expiries = ["2099-01-01T00:00:00Z", "2020-01-02T00:00:00Z"].map(|it| {
        let instant: pingu::model::Timestamp = it.parse().unwrap();
        Some(instant.as_micros() as f64 / 1e6)
    });
    let expiry =
        |page: &Page, target| page.of_target("probe_ssl_earliest_cert_expiry", "http", target);
    let page = pingu.until("the certificates to be stored", |pingu| {
        let page = Page::of(pingu);
        (["good", "expired"].map(|target| expiry(&page, target)) == expiries).then_some(page)
    });

    let success = |kind, target| page.of_target("probe_success", kind, target);
    assert_eq!(success("http", "good"), Some(1.0), "{}", page.0);
    assert_eq!(success("http", "expired"), Some(0.0), "{}", page.0);
    assert_eq!(success("icmp", "echo"), Some(1.0), "{}", page.0);
    assert_eq!(success("icmp", "faulty"), None, "{}", page.0);
    let unknown = |target| page.of_target("pingu_target_unknown", "icmp", target);
    assert_eq!([unknown("faulty"), unknown("echo")], [Some(1.0), Some(0.0)]);
    assert!(!page.0.contains("target=\"resting\""), "{}", page.0);

    let whole = page
        .of_target("probe_duration_seconds", "http", "good")
        .unwrap();
    let phase = |phase: &str| {
        let labels = format!("target=\"good\",type=\"http\",group=\"\",phase=\"{phase}\"");
        page.value(&format!("probe_http_duration_seconds{{{labels}}} "))
    };
    let phases = ["connect", "tls", "processing", "transfer"].map(|it| phase(it).unwrap());
    assert!(
        whole > 0.0 && phases.iter().sum::<f64>() <= whole,
        "{phases:?} of {whole}"
    );
    assert_eq!(phase("resolve"), None, "an address is not looked up");
    let escaped = r#"probe_http_redirects{target="plain",type="http",group="a \"b\" \\c"} "#;
    assert_eq!(page.value(escaped), Some(1.0), "{}", page.0);
    let version = |target, kind| page.of_target("probe_ip_protocol", kind, target);
    assert_eq!(version("echo", "icmp"), Some(6.0));
    assert_eq!(version("good", "http"), Some(4.0));
    let rtt =
        "probe_icmp_duration_seconds{target=\"echo\",type=\"icmp\",group=\"\",phase=\"rtt\"} ";
    assert!(page.value(rtt).unwrap() > 0.0);

    // nothing answers any more, and what was presented stays
    runtime.block_on(async move { drop(farm) });
    pingu.until("the servers to be gone", |pingu| {
        let page = Page::of(pingu);
        let refused = |target| page.of_target("probe_success", "http", target) == Some(0.0);
        let silent = |target| {
            page.of_target("probe_duration_seconds", "http", target)
                .is_none()
        };
        (refused("good") && silent("good") && silent("expired")).then(|| {
            assert_eq!(
                ["good", "expired"].map(|target| expiry(&page, target)),
                expiries
            );
        })
    });
}

fn trusting<'a>(home: &Home, command: &'a mut Command) -> &'a mut Command {
    command.env("SSL_CERT_FILE", home.path().join("roots.pem"))
}

#[test]
fn targets_have_the_figures_that_dashboards_know() {
    assert_figures(|home| Pingu::start(trusting(home, &mut home.command(&[]))));
}

#[test]
fn targets_have_the_same_figures_on_postgres() {
    let database = cluster::database();
    assert_figures(|home| {
        let mut command = home.command(&[]);
        Pingu::start(trusting(home, command.env("DATABASE_URL", &database.url)))
    });
}

#[test]
fn a_scrape_gets_the_form_it_asks_for() {
    let home = Home::new("targets: []\n");
    let pingu = home.start();
    let ask = |accept: &str| {
        pingu.request(&format!(
            "GET /metrics HTTP/1.1\r\nHost: pingu\r\nConnection: close\r\nAccept: {accept}\r\n\r\n"
        ))
    };
    let open = ask(
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
    );
    assert!(
        open.head
            .contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{}",
        open.head
    );
    assert!(open.body.ends_with("# EOF\n"));
    assert!(open.body.contains("# TYPE pingu_results_stored counter\n"));
    let text = ask("*/*");
    assert!(
        text.head
            .contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{}",
        text.head
    );
    assert!(
        text.body
            .contains("# TYPE pingu_results_stored_total counter\npingu_results_stored_total 0\n"),
        "{}",
        text.body
    );
    assert!(!text.body.contains("# EOF"));
}

/// What a client of HTTP/1.1 makes of the pieces of an answer.
fn joined(mut chunked: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = chunked.windows(2).position(|it| it == b"\r\n").unwrap();
        let length = std::str::from_utf8(&chunked[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        chunked = &chunked[end + 2..];
        if length == 0 {
            return whole;
        }
        whole.extend(&chunked[..length]);
        chunked = &chunked[length + 2..];
    }
}

#[test]
fn figures_of_many_targets_flow_and_are_whole_in_every_coding() {
    let mut targets = "defaults: {interval_seconds: 3600}\ntargets:\n".to_owned();
    for number in 0..1000 {
        let (third, fourth) = (number / 250, number % 250 + 1);
        writeln!(
            targets,
            "  - {{name: t{number}, type: icmp, host: 127.9.{third}.{fourth}}}"
        )
        .unwrap();
    }
    let home = Home::new(&targets);
    let pingu = home.start();
    pingu.until("every result", |pingu| {
        (pingu.items("/results/latest-by-target").len() == 1000).then_some(())
    });
    let ask = |headers: &str| {
        let mut stream = TcpStream::connect(pingu.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        assert!(head.contains("vary: accept-encoding"), "{head}");
        (head, joined(&answer[end + 4..]))
    };
    // its own figures differ from one scrape to the next, those of targets do not
    let of_targets = |text: Vec<u8>| {
        let text = String::from_utf8(text).unwrap();
        text[text.find("# HELP probe_success ").unwrap()..].to_owned()
    };
    let plain = of_targets(ask("").1);
    assert!(
        plain.len() > 2 * 64 * 1024,
        "more than one piece: {}",
        plain.len()
    );
    assert_eq!(plain.matches("\nprobe_success{").count(), 1000);
    assert_eq!(plain.matches("# TYPE ").count(), 17);
    for coding in ["gzip", "br", "zstd"] {
        let (head, coded) = ask(&format!("Accept-Encoding: {coding}\r\n"));
        assert!(
            head.contains(&format!("content-encoding: {coding}")),
            "{head}"
        );
        let mut text = Vec::new();
        match coding {
            "gzip" => flate2::read::GzDecoder::new(&coded[..]).read_to_end(&mut text),
            "br" => brotli::Decompressor::new(&coded[..], 4096).read_to_end(&mut text),
            _ => zstd::stream::read::Decoder::new(&coded[..])
                .unwrap()
                .read_to_end(&mut text),
        }
        .unwrap();
        assert!(
            coded.len() * 5 < text.len(),
            "{coding}: {} of {}",
            coded.len(),
            text.len()
        );
        assert_eq!(of_targets(text), plain, "{coding}");
    }
    let (_, open) = ask("Accept: application/openmetrics-text\r\n");
    assert_eq!(of_targets(open), format!("{plain}# EOF\n"));
    let head = pingu.ask("HEAD", "/metrics");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}
