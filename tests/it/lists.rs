//! Lists as clients read them: pages that end nowhere too early, filters, and answers that are asked for again and again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::cluster;
use crate::pingu::{Answer, Home, PATIENCE, Pingu};

const TARGETS: &str = "\
targets:
  - {name: alpha, type: icmp, host: 127.0.0.1, interval_seconds: 1, group: Home, tags: [edge, blue], description: The Router}
  - {name: beta, type: tcp, host: 127.0.0.1, port: 1, interval_seconds: 1, group: Office, tags: [edge]}
  - {name: gamma, type: http, url: 'http://127.0.0.1:1/Status', interval_seconds: 3600}
  - {name: delta, type: icmp, host: '::1', enabled: false, tags: [blue]}
";

/// `count` targets that share their slots.
fn many(count: usize) -> String {
    let mut targets = "targets:\n".to_owned();
    for number in 0..count {
        let line =
            format!("{{name: t{number:03}, type: icmp, host: 127.0.0.1, interval_seconds: 0.5}}");
        writeln!(targets, "  - {line}").unwrap();
    }
    targets
}

fn started(targets: &str, database: &str) -> (Home, Pingu) {
    let home = Home::new(targets);
    let pingu = Pingu::start(home.command(&[]).env("DATABASE_URL", database));
    (home, pingu)
}

fn names(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .map(|item| item.get("name").unwrap_or(&item["target_name"]))
        .map(|name| name.as_str().expect("a name"))
        .collect()
}

/// Every item of a list, page by page.
fn walk(pingu: &Pingu, path: &str) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), String::new());
    loop {
        let page = pingu.json(&format!("{path}{next}"));
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page.get("next_cursor") {
            Some(cursor) => next = format!("&cursor={}", cursor.as_str().unwrap()),
            None => return items,
        }
    }
}

fn assert_pages(pingu: &Pingu) {
    // results go on being written while these are read; those of a second and more ago are all there
    let until = pingu.until("ten results of each", |pingu| {
        let items = pingu.items("/results/latest?limit=1000");
        let settled = items.get(100).filter(|_| items.len() >= 200)?;
        Some(settled["ts"].as_str().unwrap().to_owned())
    });
    for path in [
        format!("/results/latest?until={until}"),
        format!("/targets/t003/results?until={until}"),
    ] {
        let all = pingu.items(&format!("{path}&limit=1000"));
        assert!(all.len() > 1, "{path}");
        for limit in [1, 7] {
            assert_eq!(walk(pingu, &format!("{path}&limit={limit}")), all, "{path}");
        }
    }
    let open = walk(pingu, "/results/latest?limit=3");
    let mut seen = BTreeSet::new();
    for item in &open {
        let identity = (item["ts"].to_string(), item["target_id"].to_string());
        assert!(seen.insert(identity), "twice: {item}");
    }
    let slots: Vec<_> = open.iter().map(|it| it["ts"].as_str().unwrap()).collect();
    assert!(slots.is_sorted_by(|newer, older| newer >= older));
    let expected: Vec<_> = (0..20).map(|number| format!("t{number:03}")).collect();
    for path in [
        "/targets?limit=3",
        "/results/latest-by-target?limit=3",
        "/summary?window=1h&limit=3",
    ] {
        let items = walk(pingu, path);
        assert_eq!(names(&items), expected, "{path}");
        let whole = path.replace("limit=3", "");
        assert_eq!(pingu.json(&whole).get("next_cursor"), None, "{whole}");
        assert_eq!(pingu.items(&whole).len(), 20, "{whole}");
    }
}

#[test]
fn pages_have_every_item_once_on_both_backends() {
    let database = cluster::database();
    for url in ["sqlite://pingu.db", &database.url] {
        let (_home, pingu) = started(&many(20), url);
        assert_pages(&pingu);
    }
}

#[test]
fn a_cursor_outlives_a_restart_and_is_taken_by_every_process_on_the_database() {
    let home = Home::new(&many(5));
    let pingu = home.start();
    pingu.latest("t004");
    let page = pingu.json("/targets?limit=2");
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = format!("/targets?limit=2&cursor={cursor}");
    let expected = ["t002", "t003"];
    assert_eq!(names(&pingu.items(&next)), expected);
    let api = Pingu::start(&mut home.command(&["api"]));
    assert_eq!(names(&api.items(&next)), expected);
    pingu.stop();
    let again = home.start();
    assert_eq!(names(&again.items(&next)), expected);
}

fn refusal(answer: &Answer) -> (u16, String) {
    let code = answer.json()["code"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (answer.status, code)
}

#[test]
fn a_cursor_of_anything_else_is_refused() {
    let (_home, pingu) = started(&many(3), "sqlite://pingu.db");
    pingu.until("six results", |pingu| {
        let count = pingu.items("/results/latest").len();
        (count >= 6).then_some(())
    });
    let cursor = |path: &str| {
        let page = pingu.json(path);
        page["next_cursor"].as_str().expect("more").to_owned()
    };
    let of_targets = cursor("/targets?limit=1");
    let of_results = cursor("/results/latest?limit=1");
    let of_one = cursor("/targets/t000/results?limit=1");
    let mut altered = of_targets.clone();
    altered.replace_range(9..10, if &of_targets[9..10] == "A" { "B" } else { "A" });
    for path in [
        format!("/targets?limit=1&cursor={altered}"),
        format!("/targets?limit=1&cursor={}", &of_targets[..20]),
        "/targets?limit=1&cursor=".to_owned(),
        "/targets?cursor=AAAA".to_owned(),
        format!("/targets?limit=1&cursor={}", "A".repeat(7000)),
        "/results/latest?cursor=%00%FF".to_owned(),
        format!("/targets?limit=1&cursor={of_results}"),
        format!("/targets?limit=1&sort=-name&cursor={of_targets}"),
        format!("/targets?limit=1&q=t&cursor={of_targets}"),
        format!("/targets?limit=1&tag=a&cursor={of_targets}"),
        format!("/summary?limit=1&cursor={of_targets}"),
        format!("/results/latest-by-target?limit=1&cursor={of_targets}"),
        format!("/results/latest?limit=1&cursor={of_one}"),
        format!("/results/latest?since=2020-01-01T00:00:00Z&cursor={of_results}"),
        format!("/targets/t001/results?limit=1&cursor={of_one}"),
    ] {
        let answer = pingu.get(&path);
        assert_eq!(
            refusal(&answer),
            (400, "invalid_cursor".to_owned()),
            "{path}"
        );
    }
    // how long a page is belongs to no cursor, and one time is one filter however it is written
    assert_eq!(
        pingu
            .items(&format!("/targets?limit=5&cursor={of_targets}"))
            .len(),
        2
    );
    let since = "2020-01-01T00:00:00Z";
    let page = cursor(&format!("/results/latest?limit=1&since={since}"));
    let same = "2020-01-01T01:00:00%2B01:00";
    pingu.json(&format!(
        "/results/latest?limit=1&since={same}&cursor={page}"
    ));
}

#[test]
fn targets_are_filtered_and_sorted() {
    let database = cluster::database();
    for url in ["sqlite://pingu.db", &database.url] {
        let (_home, pingu) = started(TARGETS, url);
        for name in ["alpha", "beta", "gamma"] {
            pingu.latest(name);
        }
        for (query, expected) in [
            ("", &["alpha", "beta", "gamma"][..]),
            ("status=all", &["alpha", "beta", "delta", "gamma"]),
            ("status=disabled", &["delta"]),
            ("q=ALPH", &["alpha"]),
            ("q=router", &["alpha"]),
            ("q=127.0.0.1", &["alpha", "beta", "gamma"]),
            ("q=/status", &["gamma"]),
            ("q=office", &["beta"]),
            ("q=Edge", &["alpha", "beta"]),
            ("q=", &["alpha", "beta", "gamma"]),
            ("q=nothing", &[]),
            ("q=alpha%00127", &[]),
            ("group=Home", &["alpha"]),
            ("group=home", &[]),
            ("group=", &["gamma"]),
            ("tag=edge", &["alpha", "beta"]),
            ("tag=edge&tag=blue", &["alpha"]),
            ("tag=edge&tag=red", &[]),
            ("type=icmp&status=all", &["alpha", "delta"]),
            ("type=http", &["gamma"]),
            ("outcome=up", &["alpha"]),
            ("outcome=down", &["beta", "gamma"]),
            ("outcome=unknown", &[]),
            ("outcome=none", &[]),
            ("outcome=none&status=all", &["delta"]),
            ("sort=name", &["alpha", "beta", "gamma"]),
            ("sort=-name", &["gamma", "beta", "alpha"]),
            ("sort=outcome", &["beta", "gamma", "alpha"]),
            ("sort=-outcome", &["alpha", "beta", "gamma"]),
            (
                "sort=-outcome&status=all",
                &["alpha", "beta", "gamma", "delta"],
            ),
            ("sort=latency&type=icmp&status=all", &["alpha", "delta"]),
            ("sort=-latency&type=icmp&status=all", &["alpha", "delta"]),
            ("sort=type", &["alpha", "gamma", "beta"]),
            ("sort=-type", &["beta", "gamma", "alpha"]),
            ("sort=group", &["alpha", "beta", "gamma"]),
            ("sort=-group", &["beta", "alpha", "gamma"]),
            ("q=a&tag=edge&type=tcp&outcome=down&group=Office", &["beta"]),
        ] {
            for place in ["/targets", "/api/v1/targets"] {
                let whole = pingu.items(&format!("{place}?{query}"));
                assert_eq!(names(&whole), expected, "{query}");
                let pages = walk(&pingu, &format!("{place}?{query}&limit=1"));
                assert_eq!(names(&pages), expected, "{query} in pages");
            }
        }
        for (query, code) in [
            ("type=ping", "invalid_type"),
            ("type=", "invalid_type"),
            ("outcome=UP", "invalid_outcome"),
            ("sort=size", "invalid_sort"),
            ("sort=--name", "invalid_sort"),
            ("sort=", "invalid_sort"),
            ("limit=0", "invalid_limit"),
        ] {
            let answer = pingu.get(&format!("/targets?{query}"));
            assert_eq!(refusal(&answer), (400, code.to_owned()), "{query}");
        }
        let shown = pingu.items("/targets?outcome=down&q=beta");
        assert_eq!(shown[0]["outcome"], "down");
        assert!(shown[0]["since"].is_string());
        let plain = pingu.items("/targets?q=beta");
        assert_eq!(plain[0].get("outcome"), None);
    }
}

#[test]
fn a_changed_file_shows_in_every_list_at_once() {
    let (home, pingu) = started(TARGETS, "sqlite://pingu.db");
    pingu.latest("alpha");
    let alpha = pingu.json("/targets/alpha")["id"].clone();
    let changed = TARGETS.replace("alpha", "omega").replace("beta", "alpha");
    home.write_targets(&changed.replace("The Router", "Another"));
    // omega is new; the name of alpha is now that of the target that was beta
    pingu.until("the new file", |pingu| {
        let items = pingu.items("/targets");
        (names(&items) == ["alpha", "gamma", "omega"]).then_some(())
    });
    let named = |pingu: &Pingu, name: &str| pingu.json(&format!("/targets/{name}"));
    assert_eq!(named(&pingu, "omega")["description"], "Another");
    assert_eq!(named(&pingu, "alpha")["type"], "tcp");
    assert_eq!(named(&pingu, "beta")["enabled"], false);
    let by_id = named(&pingu, alpha.as_str().unwrap());
    assert_eq!(by_id["name"], "alpha");
    pingu.latest("omega");
}

/// The answer to a request with these further headers, its body as bytes.
fn ask(pingu: &Pingu, method: &str, path: &str, headers: &str) -> (Answer, Vec<u8>) {
    let mut stream = TcpStream::connect(pingu.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: pingu\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let answered = Answer {
        status,
        head: head.to_ascii_lowercase(),
        body: String::new(),
    };
    (answered, answer.split_off(end + 4))
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let lines = answer.head.lines();
    lines
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

const ROUTES: [&str; 13] = [
    "/health",
    "/targets",
    "/targets?status=all&limit=2",
    "/targets?beats=60",
    "/targets/t001",
    "/targets/t001/results",
    "/results/latest",
    "/results/latest-by-target",
    "/summary",
    "/summary/t001",
    "/api/v1/targets/t001/series",
    "/version",
    "/openapi.json",
];

#[test]
fn an_answer_that_did_not_change_is_not_sent_again() {
    // nothing is probed again while this is read
    let targets = many(20).replace("interval_seconds: 0.5", "interval_seconds: 86400");
    let (home, pingu) = started(&targets, "sqlite://pingu.db");
    pingu.until("a result of each", |pingu| {
        let count = pingu.items("/results/latest-by-target").len();
        (count == 20).then_some(())
    });
    let moving = [
        "/health",
        "/summary",
        "/summary/t001",
        "/api/v1/targets/t001/series",
    ];
    for path in ROUTES.into_iter().filter(|path| !moving.contains(path)) {
        let (first, body) = ask(&pingu, "GET", path, "");
        assert_eq!(first.status, 200);
        let tag = header(&first, "etag").expect(path);
        assert!(tag.starts_with("w/\"") && tag.ends_with('"'), "{tag}");
        let known = format!(
            "If-None-Match: \"nothing\", {}\r\n",
            tag.replace("w/", "W/")
        );
        for method in ["GET", "HEAD"] {
            let (second, empty) = ask(&pingu, method, path, &known);
            assert_eq!(second.status, 304, "{method} {path}");
            assert!(empty.is_empty());
            assert_eq!(header(&second, "etag"), Some(tag));
            assert_eq!(header(&second, "vary"), Some("accept-encoding"));
        }
        let (other, again) = ask(&pingu, "GET", path, "If-None-Match: W/\"0\"\r\n");
        assert_eq!((other.status, again.len()), (200, body.len()), "{path}");
    }
    let tag = |path| {
        let (answer, _) = ask(&pingu, "GET", path, "");
        header(&answer, "etag").unwrap().to_owned()
    };
    let (list, one) = (tag("/targets"), tag("/targets/t001"));
    home.write_targets(&targets.replace("name: t001,", "name: t001, group: new,"));
    pingu.until("another validator", |_| {
        (tag("/targets") != list && tag("/targets/t001") != one).then_some(())
    });
    let failed = ask(&pingu, "GET", "/targets/nobody", "If-None-Match: *\r\n").0;
    assert_eq!((failed.status, header(&failed, "etag")), (404, None));
}

#[test]
fn answers_are_compressed_as_the_client_likes() {
    let targets = many(40).replace("interval_seconds: 0.5", "interval_seconds: 86400");
    let (_home, pingu) = started(&targets, "sqlite://pingu.db");
    pingu.until("a result of each", |pingu| {
        let count = pingu.items("/results/latest-by-target").len();
        (count == 40).then_some(())
    });
    for path in [
        "/targets",
        "/results/latest-by-target",
        "/results/latest",
        "/openapi.json",
        "/metrics",
    ] {
        for (coding, accepted) in [("gzip", "gzip"), ("br", "gzip;q=0.5, br"), ("zstd", "zstd")] {
            let accept = format!("Accept-Encoding: {accepted}\r\n");
            let (answer, body) = ask(&pingu, "GET", path, &accept);
            assert_eq!(header(&answer, "content-encoding"), Some(coding), "{path}");
            assert_eq!(header(&answer, "vary"), Some("accept-encoding"));
            assert_eq!(
                header(&answer, "content-length"),
                Some(body.len().to_string().as_str())
            );
            let mut plain = Vec::new();
            match coding {
                "gzip" => GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap(),
                "br" => brotli::Decompressor::new(&body[..], 4096)
                    .read_to_end(&mut plain)
                    .unwrap(),
                _ => {
                    plain = zstd::bulk::decompress(&body, 1 << 24).unwrap();
                    plain.len()
                }
            };
            assert!(
                body.len() < plain.len() / 2,
                "{path}: {} of {}",
                body.len(),
                plain.len()
            );
            if path != "/metrics" {
                serde_json::from_slice::<Value>(&plain).expect(path);
            }
            let (head, empty) = ask(&pingu, "HEAD", path, &accept);
            assert!(empty.is_empty());
            assert_eq!(header(&head, "content-encoding"), Some(coding), "{path}");
        }
        let (plain, body) = ask(&pingu, "GET", path, "Accept-Encoding: identity\r\n");
        assert_eq!(header(&plain, "content-encoding"), None);
        assert!(body.starts_with(b"{") || path == "/metrics");
    }
    // what is tiny stays as it is
    for path in ["/targets/t001", "/health", "/livez", "/version"] {
        let (answer, _) = ask(&pingu, "GET", path, "Accept-Encoding: gzip\r\n");
        assert_eq!(header(&answer, "content-encoding"), None, "{path}");
    }
}

#[test]
fn head_has_the_headers_of_get_on_every_route() {
    let (_home, pingu) = started(&many(3), "sqlite://pingu.db");
    pingu.latest("t001");
    let volatile = ["date", "etag", "content-length"];
    let headers = |answer: &Answer| -> BTreeSet<String> {
        let lines = answer.head.lines().skip(1);
        lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| {
                if volatile.contains(&name) {
                    name.to_owned()
                } else {
                    format!("{name}: {value}")
                }
            })
            .collect()
    };
    let others = ["/metrics", "/livez", "/readyz", "/targets/nobody", "/docs/"];
    for path in ROUTES.into_iter().chain(others) {
        let (get, body) = ask(&pingu, "GET", path, "");
        let (head, empty) = ask(&pingu, "HEAD", path, "");
        assert_eq!(get.status, head.status, "{path}");
        assert_eq!(headers(&get), headers(&head), "{path}");
        assert!(empty.is_empty() && !body.is_empty(), "{path}");
    }
}

#[test]
fn a_database_that_goes_away_is_an_error_and_no_old_answer() {
    let database = cluster::database();
    let (_home, pingu) = started(&many(3), &database.url);
    pingu.latest("t001");
    let hot = ["/targets", "/targets/t001", "/results/latest-by-target"];
    for path in hot {
        assert_eq!(pingu.get(path).status, 200);
    }
    drop(database);
    for path in hot {
        pingu.until("the outage to show", |pingu| {
            let answer = pingu.get(path);
            (answer.status >= 500).then_some(())
        });
    }
    pingu.until("the outage to show in /health", |pingu| {
        (pingu.json("/health")["db"] == false).then_some(())
    });
}
