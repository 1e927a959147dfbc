//! What keeps Pingu safe where others can reach it: who may read, what browsers may do, what hostile and slow clients get.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use sha2::Sha256;

use crate::cluster::Cluster;
use crate::pingu::{Answer, Home, PATIENCE, Pingu, script};

const TARGETS: &str = "\
targets:
  - {name: lo, type: icmp, host: 127.0.0.1, interval_seconds: 1}
";
const TOKEN: &str = "correct-horse-battery-staple";

fn guarded() -> (Home, Pingu) {
    let home = Home::new(TARGETS);
    let pingu = Pingu::start(home.command(&[]).env("API_TOKEN", TOKEN));
    (home, pingu)
}

/// Whatever comes until the connection ends, also if it ends badly.
fn exchange(pingu: &Pingu, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(pingu.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // the rest of what is refused is not always read
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let mut space = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut space) {
        bytes.extend_from_slice(&space[..count]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The head of an answer alone: streams have no end.
fn head(pingu: &Pingu, method: &str, path: &str, headers: &str) -> (u16, String) {
    let body = if method == "post" {
        "content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    } else {
        "\r\n"
    };
    let method = method.to_ascii_uppercase();
    let mut stream = TcpStream::connect(pingu.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        assert_eq!(stream.read(&mut byte).unwrap(), 1, "{method} {path}");
        bytes.push(byte[0]);
    }
    let text = String::from_utf8(bytes).unwrap().to_ascii_lowercase();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text)
}

fn sign_in(pingu: &Pingu, token: &str, headers: &str) -> Answer {
    let body = serde_json::json!({ "token": token }).to_string();
    pingu.request(&format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    ))
}

/// The cookie that an answer sets, as it is sent back. Not of the lower-case head: its value is case-sensitive.
fn session(pingu: &Pingu, token: &str) -> String {
    let body = serde_json::json!({ "token": token }).to_string();
    let request = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let text = exchange(pingu, request.as_bytes());
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "))
        .unwrap_or_else(|| panic!("{text}"));
    line.split(';').next().unwrap().to_owned()
}

/// A session that is sealed as Pingu seals it.
fn sealed(token: &str, expires: u64) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).unwrap();
    mac.update(b"pingu session 1\n");
    mac.update(&expires.to_be_bytes());
    let tag = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("pingu_session={expires}.{tag}")
}

fn with(cookie: &str) -> String {
    format!("cookie: theme=dark; {cookie}\r\n")
}

fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).unwrap();
}

#[test]
fn every_route_asks_for_the_token_and_takes_a_session_for_it() {
    let (_home, pingu) = guarded();
    let bearer = format!("authorization: Bearer {TOKEN}\r\n");
    let cookie = session(&pingu, TOKEN);
    let document = pingu.request(&format!(
        "GET /openapi.json HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{bearer}\r\n"
    ));
    let document = document.json();
    let mut routes: Vec<(String, String)> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            routes.push((method.clone(), path.clone()));
        }
    }
    assert!(routes.len() > 20, "{routes:?}");
    for path in ["/openapi.json", "/docs/", "/docs/swagger-ui.css"] {
        routes.push(("get".to_owned(), path.to_owned()));
    }
    let script = script();
    for path in ["/", "/t/lo", script.as_str()] {
        routes.push(("get".to_owned(), path.to_owned()));
    }
    let ways = [
        ("nothing", String::new()),
        (
            "wrong token",
            "authorization: Bearer correct-horse-battery-stapl\r\n".to_owned(),
        ),
        (
            "forged",
            with(&sealed("another-token-than-this", 9_999_999_999)),
        ),
        ("expired", with(&sealed(TOKEN, 1_700_000_000))),
        ("token", bearer),
        ("session", with(&cookie)),
    ];
    let mut table = format!("{:<52}", "");
    for (way, _) in &ways {
        write!(table, "{way:>12}").unwrap();
    }
    let open = [
        ("get", "/livez"),
        ("get", "/readyz"),
        ("get", "/api/v1/session"),
        ("post", "/api/v1/session"),
        ("get", "/"),
        ("get", "/t/lo"),
        ("get", script.as_str()),
    ];
    for (method, route) in &routes {
        let path = route.replace("{id}", "lo");
        write!(table, "\n{:<52}", format!("{method} {route}")).unwrap();
        let is_open = open.contains(&(method, route));
        for (at, (way, headers)) in ways.iter().enumerate() {
            let (status, head) = head(&pingu, method, &path, headers);
            write!(table, "{status:>12}").unwrap();
            let place = format!("{method} {route} with {way}: {head}");
            let may = is_open || at >= 4;
            assert_eq!(status != 401, may, "{place}");
            assert!(status < 500, "{place}");
            assert_eq!(head.contains("www-authenticate: bearer"), !may, "{place}");
        }
    }
    println!("{table}");
    assert!(!pingu.log().contains(TOKEN));
}

#[test]
fn a_session_outlives_restarts_and_counts_in_every_process_with_its_token() {
    let (home, pingu) = guarded();
    let answer = sign_in(&pingu, TOKEN, "");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (204, ""),
        "{}",
        answer.head
    );
    for part in [
        "set-cookie: pingu_session=",
        "; path=/",
        "; httponly",
        "; samesite=strict",
        "; max-age=2592000",
        "cache-control: no-store",
    ] {
        assert!(answer.head.contains(part), "{part}: {}", answer.head);
    }
    assert!(!answer.head.contains("secure"), "{}", answer.head);
    assert!(!answer.head.contains(TOKEN));
    let by_https = sign_in(&pingu, TOKEN, "X-Forwarded-Proto: https\r\n");
    assert!(by_https.head.contains("; secure"), "{}", by_https.head);

    let cookie = with(&session(&pingu, TOKEN));
    let reads = |pingu: &Pingu| head(pingu, "get", "/targets", &cookie).0;
    let other = Pingu::start(home.command(&["api"]).env("API_TOKEN", TOKEN));
    assert_eq!((reads(&pingu), reads(&other)), (200, 200));
    pingu.stop();
    let again = Pingu::start(home.command(&[]).env("API_TOKEN", TOKEN));
    assert_eq!(reads(&again), 200);
    again.stop();
    let changed = Pingu::start(
        home.command(&[])
            .env("API_TOKEN", "another-horse-battery-staple"),
    );
    assert_eq!(reads(&changed), 401);
}

#[test]
fn a_page_learns_whether_it_has_to_sign_in_and_signs_out() {
    let (home, pingu) = guarded();
    let state = |pingu: &Pingu, headers: &str| {
        let answer = pingu.request(&format!(
            "GET /api/v1/session HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n"
        ));
        assert_eq!(answer.status, 200);
        answer.body
    };
    let cookie = with(&session(&pingu, TOKEN));
    let needed = |signed_in| format!(r#"{{"token_needed":true,"signed_in":{signed_in}}}"#);
    assert_eq!(state(&pingu, ""), needed(false));
    assert_eq!(state(&pingu, &with("pingu_session=1.x")), needed(false));
    assert_eq!(state(&pingu, &cookie), needed(true));
    let (status, out) = head(&pingu, "delete", "/api/v1/session", &cookie);
    assert_eq!(status, 204, "{out}");
    assert!(
        out.contains("set-cookie: pingu_session=; path=/;") && out.contains("max-age=0"),
        "{out}"
    );

    let open = Pingu::start(home.command(&["api"]).env_remove("API_TOKEN"));
    let none = r#"{"token_needed":false,"signed_in":true}"#;
    assert_eq!(state(&open, ""), none);
    let answer = sign_in(&open, "whatever", "");
    assert_eq!(answer.status, 204);
    assert!(!answer.head.contains("set-cookie"), "{}", answer.head);
}

#[test]
fn a_sign_in_that_is_wrong_says_what_is_wrong_and_nothing_more() {
    let (_home, pingu) = guarded();
    let ask = |kind: &str, body: &str| {
        pingu.request(&format!(
            "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{kind}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    };
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(5000));
    for (kind, body, status, code) in [
        (json, r#"{"token":"correct-horse"}"#, 401, "unauthorized"),
        (json, r#"{"token":""}"#, 401, "unauthorized"),
        (json, r#"{"token":7}"#, 400, "invalid_body"),
        (
            json,
            r#"{"tokens":"correct-horse-battery-staple"}"#,
            400,
            "invalid_body",
        ),
        (json, "", 400, "invalid_body"),
        (json, "\u{0}\u{1}", 400, "invalid_body"),
        (json, &long, 413, "payload_too_large"),
        ("", r#"{"token":"x"}"#, 415, "unsupported_media_type"),
        (
            "Content-Type: text/plain\r\n",
            r#"{"token":"x"}"#,
            415,
            "unsupported_media_type",
        ),
    ] {
        let answer = ask(kind, body);
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (status, Some(code)),
            "{body}"
        );
        assert!(!answer.head.contains("set-cookie"));
        assert!(!answer.body.contains(TOKEN));
    }
}

#[test]
fn whoever_guesses_keeps_nobody_else_out() {
    let (_home, pingu) = guarded();
    let wrong = "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{\"token\":\"wrong-wrong-12\"}";
    let guessers: Vec<_> = (0..300)
        .map(|_| {
            let mut stream = TcpStream::connect(pingu.address).unwrap();
            stream.write_all(wrong.as_bytes()).unwrap();
            stream
        })
        .collect();
    assert_eq!(sign_in(&pingu, TOKEN, "").status, 204);
    for mut guesser in guessers {
        let mut text = String::new();
        guesser.set_read_timeout(Some(PATIENCE)).unwrap();
        guesser.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 401 "), "{text}");
    }
}

#[test]
fn no_other_site_is_allowed_anything() {
    let home = Home::new(TARGETS);
    let open = home.start();
    let (_home, pingu) = guarded();
    for pingu in [&open, &pingu] {
        for (method, path) in [
            ("OPTIONS", "/targets"),
            ("OPTIONS", "/api/v1/session"),
            ("OPTIONS", "/api/v1/events"),
            ("OPTIONS", "/"),
            ("GET", "/targets"),
            ("GET", "/livez"),
        ] {
            let answer = pingu.request(&format!(
                "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://evil.example\r\n\
                 Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization, content-type\r\n\r\n"
            ));
            assert!(
                !answer.head.contains("access-control-"),
                "{method} {path}: {}",
                answer.head
            );
            assert!(
                method == "GET" || answer.status >= 400,
                "{method} {path}: {}",
                answer.head
            );
        }
    }
}

fn assert_safe(place: &str, head: &str) {
    let head = head.to_ascii_lowercase();
    for header in [
        "\r\nx-content-type-options: nosniff",
        "\r\nreferrer-policy: no-referrer",
        "\r\nx-frame-options: deny",
        "\r\ncontent-security-policy: default-src 'none';",
        "frame-ancestors 'none'",
        "\r\ncache-control: ",
    ] {
        assert!(head.contains(header), "{place}: {header}: {head}");
    }
}

#[test]
fn every_answer_tells_browsers_to_be_careful() {
    let home = Home::new(TARGETS);
    let pingu = home.start();
    let script = script();
    for (method, path, status) in [
        ("GET", "/targets", 200),
        ("GET", "/", 200),
        ("GET", script.as_str(), 200),
        ("GET", "/docs/", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/metrics", 200),
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/targets", 405),
        ("GET", "/summary?window=x", 400),
    ] {
        let answer = pingu.ask(method, path);
        assert_eq!(answer.status, status, "{path}");
        assert_safe(path, &answer.head);
        let kept = answer.head.contains("cache-control: no-store");
        assert_eq!(kept, status >= 400, "{path}: {}", answer.head);
    }
    let answer = pingu.get("/targets");
    assert!(
        answer.head.contains("cache-control: private, no-cache"),
        "{}",
        answer.head
    );
}

#[test]
fn what_cannot_be_read_is_refused_in_the_one_form() {
    let home = Home::new(TARGETS);
    let pingu = home.start();
    let line = |length: usize| {
        let query = "y".repeat(length);
        format!("GET /?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    };
    let headers = |count: usize, length: usize| {
        let value = "z".repeat(length);
        let mut text = "GET /health HTTP/1.1\r\nHost: x\r\n".to_owned();
        for number in 0..count {
            write!(text, "h{number}: {value}\r\n").unwrap();
        }
        text + "\r\n"
    };
    let bomb = headers(1, 100 << 20);
    for (what, request, status, code) in [
        ("a line of 9 KiB", line(9 << 10), 414, "uri_too_long"),
        ("a line of 65,535 bytes", line(65_510), 414, "uri_too_long"),
        ("a line of 80 KiB", line(80 << 10), 414, "uri_too_long"),
        ("a line of 1 MB", line(1 << 20), 414, "uri_too_long"),
        ("101 headers", headers(101, 1), 431, "headers_too_large"),
        (
            "headers of 100 KiB",
            headers(4, 25 << 10),
            431,
            "headers_too_large",
        ),
        ("a header of 100 MB", bomb, 431, "headers_too_large"),
        (
            "garbage",
            "\u{1}\u{2}\u{3}\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        (
            "no HTTP",
            "SSH-2.0-OpenSSH_9.9\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        (
            "another version",
            "GET / HTTP/7.0\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        (
            "a header without a colon",
            "GET / HTTP/1.1\r\nHost\r\n\r\n".to_owned(),
            400,
            "bad_request",
        ),
        (
            "two lengths",
            "POST /targets HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"
                .to_owned(),
            400,
            "bad_request",
        ),
    ] {
        let text = exchange(&pingu, request.as_bytes());
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{what}: {text:?}"));
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{what}: {head}"
        );
        assert_safe(what, head);
        let body: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{what}: {text}"));
        assert_eq!(body["code"], code, "{what}");
        assert!(head.contains("connection: close"), "{what}: {head}");
    }
    assert!(
        pingu
            .get("/metrics")
            .body
            .contains(r#"pingu_http_requests_total{route="unread",status="4xx"}"#)
    );
}

#[test]
fn unusual_requests_get_the_usual_answers() {
    let home = Home::new(TARGETS);
    let pingu = home.start();
    let statuses = |request: &str| -> Vec<String> {
        exchange(&pingu, request.as_bytes())
            .split("HTTP/1.")
            .skip(1)
            .map(|answer| answer[2..5].to_owned())
            .collect()
    };
    let get = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses("GET /livez HTTP/1.0\r\n\r\n"), ["200"]);
    assert_eq!(
        statuses(
            "GET http://elsewhere.example/livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        ),
        ["200"]
    );
    assert_eq!(
        statuses("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").len(),
        1,
        "answered, whatever it is"
    );
    assert_eq!(
        statuses("CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .len(),
        1
    );
    assert_eq!(statuses(&(get.repeat(49) + last)), vec!["200"; 50]);
    let mixed = format!("{get}{get}GET /nothing/\u{0} HTTP/1.1\r\n\r\n");
    assert_eq!(statuses(&mixed), ["200", "200", "400"]);
    let text = exchange(&pingu, mixed.as_bytes());
    assert!(
        text.ends_with(r#"{"error":"the request is malformed","code":"bad_request"}"#),
        "{text}"
    );
}

#[test]
fn a_thousand_slow_clients_do_not_keep_another_from_its_answer() {
    raise_descriptors();
    let home = Home::new(TARGETS);
    let pingu = home.start();
    let begin = |request: &str| {
        let mut stream = TcpStream::connect(pingu.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        stream
    };
    let mut slow: Vec<TcpStream> = Vec::new();
    for _ in 0..350 {
        slow.push(begin("GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: "));
        slow.push(begin(
            "POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{",
        ));
        // asks, and does not read
        slow.push(begin(
            &"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20),
        ));
    }
    for path in ["/health", "/targets", "/results/latest", "/"] {
        let began = Instant::now();
        assert_eq!(pingu.get(path).status, 200, "{path}");
        let took = began.elapsed();
        println!("{path} beside {} slow clients: {took:?}", slow.len());
        assert!(took < Duration::from_secs(3), "{path}: {took:?}");
    }
    assert!(pingu.metric("pingu_http_connections") >= 700);
    let mut late = slow.swap_remove(1);
    let mut text = String::new();
    late.set_read_timeout(Some(PATIENCE)).unwrap();
    late.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    assert!(text.contains(r#""code":"timeout""#), "{text}");
    // those that do not read are let go, though they stay connected
    pingu.until("slow clients to be gone", |pingu| {
        (pingu.metric("pingu_http_connections") < 10).then_some(())
    });
}

#[test]
fn idle_connections_make_room_for_new_ones() {
    let home = Home::new(TARGETS);
    let command = home.command(&[]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 400 && exec \"$0\""])
        .arg(command.get_program())
        .current_dir(home.path())
        .env_clear()
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null());
    let pingu = Pingu::start(&mut limited);
    // a quarter of the descriptors is for readers
    let mut idle: Vec<_> = (0..150)
        .map(|_| TcpStream::connect(pingu.address).unwrap())
        .collect();
    assert_eq!(pingu.get("/livez").status, 200);
    pingu.until("idle ones to be closed", |pingu| {
        (pingu.metric("pingu_http_connections_evicted_total") >= 50).then_some(())
    });
    assert!(pingu.metric("pingu_http_connections") <= 100);
    let mut first = idle.swap_remove(0);
    first.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(
        first.read(&mut [0]).unwrap_or_default(),
        0,
        "the longest idle is closed first"
    );
}

#[test]
fn requests_beyond_the_bound_are_refused_at_once_and_health_is_not() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let home = Home::new(TARGETS);
    let pingu = Pingu::start(home.command(&[]).env("DATABASE_URL", &database.url));
    pingu.latest("lo");
    cluster.signal_all("STOP");
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(pingu.address).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let history: Vec<_> = (0..300).map(|_| ask("/results/latest")).collect();
    let others: Vec<_> = (0..120).map(|_| ask("/targets")).collect();
    for path in ["/livez", "/health", "/metrics", "/version", "/"] {
        assert_eq!(pingu.get(path).status, 200, "{path}");
    }
    let refused = |asked: Vec<TcpStream>| {
        let answers = asked.into_iter().map(|mut stream| {
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            // the first may still find what was read before the database stopped
            let is_answered = text.starts_with("HTTP/1.1 200 ");
            assert!(is_answered || text.starts_with("HTTP/1.1 503 "), "{text}");
            assert_eq!(is_answered, !text.contains("retry-after: "), "{text}");
            text
        });
        let refused = answers.filter(|text| text.contains(r#""code":"overloaded""#));
        refused.count()
    };
    // 128 of the one may wait for the database, and some have given up before the last one comes; all others find a place
    let (history, others) = (refused(history), refused(others));
    println!("{history} of 300 and {others} of 120 were refused at once");
    assert!((60..=172).contains(&history), "{history}");
    assert_eq!(others, 0);
    let text = pingu.get("/metrics").body;
    for line in [
        format!(r#"pingu_http_shed_total{{bound="history"}} {history}"#),
        r#"pingu_http_shed_total{bound="all"} 0"#.to_owned(),
    ] {
        assert!(text.contains(&line), "{line}: {text}");
    }
    cluster.signal_all("CONT");
    pingu.until("answers as before", |pingu| {
        (pingu.get("/results/latest").status == 200).then_some(())
    });
}

#[test]
fn requests_are_counted_by_their_route_alone() {
    let home = Home::new(TARGETS);
    let pingu = home.start();
    pingu.get("/targets/lo");
    pingu.get("/targets/nobody-knows-this");
    pingu.get("/some/page/nobody-knows");
    let text = pingu.get("/metrics").body;
    for line in [
        r#"pingu_http_requests_total{route="/targets/{id}",status="2xx"} 1"#,
        r#"pingu_http_requests_total{route="/targets/{id}",status="4xx"} 1"#,
        r#"pingu_http_requests_total{route="page",status="2xx"} 1"#,
        "pingu_http_request_duration_seconds_bucket",
        r#"pingu_http_shed_total{bound="all"} 0"#,
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("nobody"), "{text}");
}
