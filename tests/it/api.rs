//! The fixed routes as clients see them: every byte of their shape, and every way of asking wrongly.

use std::fmt::Write;

use serde_json::Value;

use crate::cluster;
use crate::pingu::{Answer, Home, Pingu, script};

const TARGETS: &str = "\
targets:
  - name: self
    type: http
    url: http://127.0.0.1:1/health
    interval_seconds: 3600
    group: web
  - name: lo
    type: icmp
    host: 127.0.0.1
    interval_seconds: 0.5
    timeout_ms: 400
    tags: [edge, home]
    description: this machine
  - name: resting
    type: icmp
    host: ::1
    enabled: false
";

/// Both targets probed at least once.
fn started() -> (Home, Pingu) {
    let home = Home::new(TARGETS);
    let pingu = home.start();
    settle(&pingu);
    (home, pingu)
}

fn settle(pingu: &Pingu) {
    pingu.latest("self");
    // its interval is short: soon it is the newest, and stays so
    pingu.until("lo to be the newest", |pingu| {
        let latest = pingu.items("/results/latest-by-target");
        (latest[0]["target_name"] == "lo").then_some(())
    });
}

/// The body with what differs from run to run made alike, and nothing else touched: order, spacing and types are the contract.
fn shape(body: &str) -> String {
    let mut text = body.to_owned();
    for (pattern, word) in [
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", "TIME"),
        (
            r#""(id|latency_ms|latency_us|lag_us|seconds_since_last_result|total_probes|missed_probes)":\d+"#,
            r#""$1":0"#,
        ),
        (r#""(\w+_latency_ms)":\d+\.\d+"#, r#""$1":0.0"#),
        // the second result brings the first difference
        (r#""jitter_ms":(null|\d+\.\d+)"#, r#""jitter_ms":0.0"#),
        (r#""revision":"[0-9a-f]+""#, r#""revision":null"#),
        // whether there are more results yet is a matter of time
        (r#","next_cursor":"[\w-]+""#, ""),
    ] {
        let pattern = regex::Regex::new(pattern).unwrap();
        text = pattern.replace_all(&text, word).into_owned();
    }
    text
}

#[test]
fn the_fixed_routes_have_their_shapes() {
    let (_home, pingu) = started();
    insta::assert_snapshot!("the_fixed_routes_have_their_shapes", shapes(&pingu));
}

#[test]
fn the_fixed_routes_have_the_same_shapes_on_postgres() {
    let database = cluster::database();
    let home = Home::new(TARGETS);
    let pingu = Pingu::start(home.command(&[]).env("DATABASE_URL", &database.url));
    settle(&pingu);
    insta::assert_snapshot!("the_fixed_routes_have_their_shapes", shapes(&pingu));
}

#[test]
fn the_fixed_routes_have_the_same_shapes_where_another_process_probes() {
    let database = cluster::database();
    for url in ["sqlite://pingu.db", &database.url] {
        let home = Home::new(TARGETS);
        let _poller = Pingu::start(home.command(&["poller"]).env("DATABASE_URL", url));
        let api = Pingu::start(home.command(&["api"]).env("DATABASE_URL", url));
        settle(&api);
        insta::assert_snapshot!("the_fixed_routes_have_their_shapes", shapes(&api));
    }
}

fn shapes(pingu: &Pingu) -> String {
    let lo = pingu.json("/targets/lo")["id"].as_str().unwrap().to_owned();
    let mut shapes = String::new();
    for path in [
        "/health",
        "/targets",
        "/targets?status=disabled",
        &format!("/targets/{lo}"),
        &format!("/targets/{lo}/results?limit=1"),
        "/targets/self/results?limit=1",
        "/results/latest?limit=1&until=2020-01-01T00:00:00Z",
        "/results/latest-by-target",
        "/summary",
        &format!("/summary/{lo}?window=24h"),
        "/livez",
        "/readyz",
        "/version",
    ] {
        let answer = pingu.get(path);
        assert!(
            answer.head.contains("content-type: application/json\r\n"),
            "{}",
            answer.head
        );
        let path = path.replace(&lo, "UUID");
        writeln!(
            shapes,
            "{} {path}
{}
",
            answer.status,
            shape(&answer.body)
        )
        .unwrap();
    }
    shapes
}

#[test]
fn fixed_routes_are_the_same_under_api_v1() {
    let (_home, pingu) = started();
    for path in [
        "/health",
        "/targets",
        "/targets/lo",
        "/targets/lo/results",
        "/results/latest",
        "/results/latest-by-target",
        "/summary",
        "/summary/lo",
    ] {
        let (root, versioned) = (pingu.json(path), pingu.json(&format!("/api/v1{path}")));
        let keys = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&root), keys(&versioned), "{path}");
    }
}

#[test]
fn wrong_requests_get_an_error_in_one_form() {
    let (_home, pingu) = started();
    let long = format!("/results/latest?x={}", "y".repeat(9000));
    let cases = [
        ("GET", "/targets/nobody", 404, "not_found"),
        (
            "GET",
            "/targets/00000000-0000-0000-0000-000000000000/results",
            404,
            "not_found",
        ),
        ("GET", "/summary/nobody", 404, "not_found"),
        ("GET", "/targets/%FF", 404, "not_found"),
        ("GET", "/targets/'%20OR%201=1--", 404, "not_found"),
        ("GET", "/targets?status=bogus", 400, "invalid_status"),
        ("GET", "/targets?status=", 400, "invalid_status"),
        ("GET", "/results/latest?limit=0", 400, "invalid_limit"),
        ("GET", "/results/latest?limit=-1", 400, "invalid_limit"),
        ("GET", "/targets/lo/results?limit=ten", 400, "invalid_limit"),
        (
            "GET",
            "/results/latest?since=yesterday",
            400,
            "invalid_time",
        ),
        (
            "GET",
            "/results/latest?until=2026-02-30T00:00:00Z",
            400,
            "invalid_time",
        ),
        (
            "GET",
            "/results/latest?since=2026-02-02T00:00:00Z&until=2026-02-01T00:00:00Z",
            400,
            "invalid_range",
        ),
        ("GET", "/targets?beats=0", 400, "invalid_beats"),
        ("GET", "/targets?beats=121", 400, "invalid_beats"),
        ("GET", "/api/v1/targets?beats=", 400, "invalid_beats"),
        ("GET", "/summary?window=1y", 400, "invalid_window"),
        ("GET", "/summary/lo?window=", 400, "invalid_window"),
        ("GET", "/summary?window=401d", 400, "invalid_window"),
        ("GET", "/api", 404, "not_found"),
        ("GET", "/api/v1", 404, "not_found"),
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/api/v2/targets", 404, "not_found"),
        ("GET", "/assets/nothing.js", 404, "not_found"),
        ("POST", "/api/v1/nothing", 404, "not_found"),
        ("POST", "/targets", 405, "method_not_allowed"),
        ("DELETE", "/targets/lo", 405, "method_not_allowed"),
        ("PUT", "/", 405, "method_not_allowed"),
        ("GET", &long, 414, "uri_too_long"),
    ];
    for (method, path, status, code) in cases {
        let answer = pingu.ask(method, path);
        assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
        let body = answer.json();
        assert_eq!(body["code"], code, "{method} {path}");
        assert!(!body["error"].as_str().unwrap().is_empty());
        assert_eq!(body.as_object().unwrap().len(), 2, "{body}");
        assert_eq!(
            answer.head.contains("\r\nallow: get"),
            status == 405,
            "{}",
            answer.head
        );
    }
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let (_home, pingu) = started();
    let answer = pingu.request(
        "POST /targets HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 65537\r\n\r\n",
    );
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (413, Some("payload_too_large"))
    );
}

#[test]
fn results_are_paged_by_time_and_clamped() {
    let (_home, pingu) = started();
    let all = pingu.until("five results", |pingu| {
        let items = pingu.items("/targets/lo/results?limit=99999");
        (items.len() >= 5).then_some(items)
    });
    let times: Vec<_> = all
        .iter()
        .map(|item| item["ts"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        times.windows(2).all(|pair| pair[0] > pair[1]),
        "newest first: {times:?}"
    );
    let window = format!("/targets/lo/results?since={}&until={}", times[3], times[1]);
    let found: Vec<_> = pingu
        .items(&window)
        .iter()
        .map(|item| item["ts"].clone())
        .collect();
    assert_eq!(found, times[2..=3], "since is inclusive, until is not");
    let ids: Vec<_> = all
        .iter()
        .map(|item| item["id"].as_i64().unwrap())
        .collect();
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "{ids:?}");
}

#[test]
fn a_target_is_found_by_its_name_and_unknown_parameters_are_ignored() {
    let (_home, pingu) = started();
    let by_name = pingu.json("/targets/lo?nonsense=1&limit=abc");
    let by_id = pingu.json(&format!("/targets/{}", by_name["id"].as_str().unwrap()));
    assert_eq!(by_name, by_id);
}

#[test]
fn head_answers_without_a_body() {
    let (_home, pingu) = started();
    let script = script();
    for path in ["/health", "/targets", "/", &script, "/livez"] {
        let answer = pingu.ask("HEAD", path);
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
    }
}

#[test]
fn any_other_path_is_the_page_under_a_strict_policy() {
    let (_home, pingu) = started();
    for path in ["/", "/t/lo", "/incidents", "/no/such/page"] {
        let Answer { status, head, body } = pingu.get(path);
        assert_eq!(status, 200, "{path}");
        assert!(head.contains("content-type: text/html"), "{head}");
        assert!(
            head.contains(
                "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';"
            ),
            "{head}"
        );
        assert!(body.contains("<!doctype html>") || body.contains("<!DOCTYPE html>"));
    }
    let script = script();
    let asset = pingu.get(&script);
    assert_eq!(asset.status, 200);
    let tag = asset
        .head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap()
        .to_owned();
    let again = pingu.request(&format!(
        "GET {script} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIf-None-Match: {tag}\r\n\r\n"
    ));
    assert_eq!((again.status, again.body.as_str()), (304, ""));
}

/// The dashboard's client is made of that file, and people read it without a program that runs. `UPDATE_EXAMPLES=1` writes it
/// anew, with the examples that the program was built with: those first.
#[test]
fn the_description_in_docs_is_the_one_that_is_answered() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let document = Home::new(TARGETS).start().json("/openapi.json");
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
        std::fs::write(path, text).unwrap();
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(
        kept == document,
        "docs/openapi.json is not what the program answers: UPDATE_EXAMPLES=1 cargo test --test it -- the_description"
    );
}

#[test]
fn the_description_lists_every_route_and_the_docs_need_no_network() {
    let (_home, pingu) = started();
    let document = pingu.json("/openapi.json");
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut operations = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let statuses: Vec<_> = operation["responses"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect();
            operations.push(format!("{method} {path} {}", statuses.join(" ")));
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()));
        }
    }
    insta::assert_snapshot!(operations.join("\n"));
    let docs = pingu.get("/docs/");
    assert_eq!(docs.status, 200);
    assert!(!docs.body.contains("://"), "{}", docs.body);
    for asset in [
        "swagger-ui.css",
        "swagger-ui-bundle.js",
        "swagger-initializer.js",
    ] {
        assert!(docs.body.contains(asset), "{}", docs.body);
        assert_eq!(pingu.get(&format!("/docs/{asset}")).status, 200);
    }
    assert!(matches!(pingu.get("/docs").status, 301..=308));
}
