//! What an answer must be like: status, headers, body and JSON, of servers that are well, ill and malicious.

use std::time::Duration;

use pingu::model::{
    Expect, HeaderMatch, HttpSpec, JsonMatch, JsonPath, Observation, Outcome, Pattern, Reason,
    Statuses,
};
use pingu::probe::http::HttpProber;
use pingu::probe::resolve::Resolver;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::farm::Farm;
use crate::farm::judge::assert_plausible;
use crate::http_probe::{BRIEF, PATIENT, SLACK, assert_down, assert_up};

struct Bench {
    farm: Farm,
    prober: HttpProber,
}

impl Bench {
    async fn new() -> Self {
        let farm = Farm::start().await;
        let prober = HttpProber::new(Resolver::with_servers(&[]), &farm.roots());
        Self { farm, prober }
    }

    async fn within(&self, path: &str, expect: Expect, timeout: Duration) -> Observation {
        let url = self.farm.http(path);
        let mut spec = HttpSpec::new(url.parse().unwrap(), url);
        *spec.expect = expect;
        let observation = self.prober.probe(&spec, timeout).await;
        assert_plausible(&observation);
        observation
    }

    async fn probe(&self, path: &str, expect: Expect) -> Observation {
        self.within(path, expect, PATIENT).await
    }
}

fn body(pattern: &str) -> Expect {
    Expect {
        body: Some(Pattern::new(pattern).unwrap()),
        ..Expect::default()
    }
}

fn header(name: &str, pattern: &str) -> Expect {
    Expect {
        headers: vec![HeaderMatch {
            name: name.to_owned(),
            pattern: Pattern::new(pattern).unwrap(),
        }],
        ..Expect::default()
    }
}

fn at(path: &str, value: Value) -> Expect {
    Expect {
        json: vec![JsonMatch {
            path: JsonPath::new(path).unwrap(),
            value,
        }],
        ..Expect::default()
    }
}

#[tokio::test]
async fn the_status_is_one_of_those_expected() {
    let bench = Bench::new().await;
    let expect = |ranges: &[(u16, u16)]| Expect {
        status: Some(Statuses::new(ranges.to_vec())),
        ..Expect::default()
    };
    assert_up(
        &bench.probe("/status/404", expect(&[(404, 404)])).await,
        404,
    );
    assert_up(
        &bench.probe("/status/503", expect(&[(100, 999)])).await,
        503,
    );
    let observation = bench
        .probe("/ok", expect(&[(201, 201), (204, 204), (300, 399)]))
        .await;
    let error = "status 200, expected 201, 204 or 300 to 399";
    assert_down(&observation, Reason::Status, error);
    // the status is told before anything else of the answer
    let mut both = body("nothing like this");
    both.status = Some(Statuses::new(vec![(201, 201)]));
    let observation = bench.probe("/ok", both).await;
    assert_down(&observation, Reason::Status, "status 200, expected 201");
}

#[tokio::test]
async fn headers_match_or_the_first_is_told() {
    let bench = Bench::new().await;
    for (name, pattern) in [
        ("Content-Type", "^application/json$"),
        ("server", "farm"),
        // one of several is enough
        ("Via", "^two$"),
    ] {
        assert_up(&bench.probe("/health", header(name, pattern)).await, 200);
    }
    for (name, pattern, error) in [
        (
            "Server",
            "nginx",
            "the header Server is farm/1, expected to match `nginx`",
        ),
        (
            "Via",
            "three",
            "the header Via is one, expected to match `three`",
        ),
        (
            "X-None",
            ".",
            "there is no header X-None, expected to match `.`",
        ),
    ] {
        let observation = bench.probe("/health", header(name, pattern)).await;
        assert_down(&observation, Reason::Body, error);
    }
}

#[tokio::test]
async fn a_long_header_is_examined_like_a_body() {
    let bench = Bench::new().await;
    assert_up(
        &bench.probe("/fat-header", header("X-Fat", "a{100}$")).await,
        200,
    );
    let observation = bench.probe("/fat-header", header("X-Fat", "b")).await;
    let error = format!(
        "the header X-Fat is {}…, expected to match `b`",
        "a".repeat(60)
    );
    assert_down(&observation, Reason::Body, &error);
}

#[tokio::test]
async fn a_pattern_is_searched_in_the_bytes_of_the_body() {
    let bench = Bench::new().await;
    for (path, pattern) in [
        ("/ok", "hell"),
        ("/ok", "^hello$"),
        ("/ok", "(?i)HELLO"),
        ("/chunked", "^hello$"),
        ("/until-close", "read until I close"),
        // no text at all, and a text within it
        ("/no-text", "ready"),
        ("/no-text", r"(?-u)\xff\xfe\x00 ready"),
        // the last bytes that count
        ("/mib", "ready$"),
        // found before the rest would be needed
        ("/mib-and-more", "^aaa"),
        ("/endless-body", "aaa"),
        ("/gigabyte", "56789"),
    ] {
        let observation = bench.probe(path, body(pattern)).await;
        assert_up(&observation, 200);
    }
    for (path, pattern, reason, error) in [
        (
            "/ok",
            "bye",
            Reason::Body,
            "no match for `bye` in the body of 5 bytes",
        ),
        (
            "/empty",
            "x",
            Reason::Body,
            "the body is empty, expected to match `x`",
        ),
        (
            "/mib",
            "bye",
            Reason::Body,
            "no match for `bye` in the body of 1048576 bytes",
        ),
        (
            "/mib-and-more",
            "ready",
            Reason::TooLarge,
            "no match for `ready` in the first 1 MiB of the body",
        ),
        (
            "/endless-body",
            "b",
            Reason::TooLarge,
            "no match for `b` in the first 1 MiB of the body",
        ),
        (
            "/gigabyte",
            "x",
            Reason::TooLarge,
            "no match for `x` in the first 1 MiB of the body",
        ),
        (
            "/length-short",
            "hello",
            Reason::Reset,
            "the connection was closed while reading the body",
        ),
    ] {
        let observation = bench.probe(path, body(pattern)).await;
        assert_down(&observation, reason, error);
    }
}

#[tokio::test]
async fn values_in_json_are_those_expected() {
    let bench = Bench::new().await;
    for (path, value) in [
        ("$.status", json!("ok")),
        ("$.count", json!(3.0)),
        ("$.note", json!(null)),
        ("$.parts[0]", json!({"up": true, "name": "db"})),
        ("$.parts[?@.name == 'mail'].up", json!(false)),
        ("$.parts[*].name", json!("db")),
    ] {
        let observation = bench.probe("/health", at(path, value)).await;
        if path == "$.parts[*].name" {
            let error = "one of the 2 values at $.parts[*].name is \"mail\", expected \"db\"";
            assert_down(&observation, Reason::Body, error);
        } else {
            assert_up(&observation, 200);
        }
    }
}

#[tokio::test]
async fn json_that_is_not_as_expected_is_told() {
    let bench = Bench::new().await;
    for (url, path, value, error) in [
        (
            "/health",
            "$.status",
            json!("up"),
            "$.status is \"ok\", expected \"up\"",
        ),
        (
            "/health",
            "$.count",
            json!("3"),
            "$.count is 3, expected \"3\"",
        ),
        (
            "/health",
            "$.missing",
            json!(1),
            "there is nothing at $.missing, expected 1",
        ),
        (
            "/health",
            "$.parts",
            json!(1),
            "$.parts is [{\"name\":\"db\",\"up\":true},{\"name\":\"mail\",\"up\":false}], expected 1",
        ),
        (
            "/json-none",
            "$.a",
            json!(1),
            "the body cannot be read as JSON: expected value at line 1 column 1",
        ),
        (
            "/json-cut",
            "$.a",
            json!(1),
            "the body cannot be read as JSON: EOF while parsing",
        ),
        (
            "/empty",
            "$.a",
            json!(1),
            "the body cannot be read as JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            "/json-deep",
            "$.a",
            json!(1),
            "the body cannot be read as JSON: recursion limit exceeded at line 1 column 128",
        ),
        (
            "/json-deep-objects",
            "$..a",
            json!(1),
            "the body cannot be read as JSON: recursion limit exceeded at line 1 column",
        ),
        (
            "/json-long-key",
            "$.*[*]",
            json!(2),
            "one of the 250000 values at $.*[*] is 1, expected 2",
        ),
        (
            "/json-many-objects",
            "$..a",
            json!(2),
            "one of the 120001 values at $..a is 1, expected 2",
        ),
        (
            "/json-many-objects",
            "$[?$[?$[?@.b]]]",
            json!(2),
            "$[?$[?$[?@.b]]]: the path leads to too many values",
        ),
        // the mark that turns the text around and the escape are gone or harmless
        (
            "/json-hostile",
            "$.status",
            json!(1),
            "$.status is \"\\u001b[31m<script>alert(1)</script>\\u0000\", expected 1",
        ),
    ] {
        let observation = bench.probe(url, at(path, value)).await;
        assert_down(&observation, Reason::Body, error);
    }
    assert_up(
        &bench.probe("/json-mib", at("$[0]", json!("ok"))).await,
        200,
    );
    let observation = bench
        .probe("/json-mib-and-more", at("$[0]", json!("ok")))
        .await;
    let error = "the body is beyond 1 MiB, so it is not read as JSON";
    assert_down(&observation, Reason::TooLarge, error);
}

#[tokio::test]
async fn compressed_bodies_are_understood_or_named() {
    let bench = Bench::new().await;
    let ok = || at("$.status", json!("ok"));
    for path in ["/gzip", "/gzip-twice", "/deflate", "/deflate-raw"] {
        assert_up(&bench.probe(path, ok()).await, 200);
    }
    for (path, error) in [
        ("/gzip-none", "the body says that it is gzip, and is not"),
        ("/gzip-cut", "the body says that it is gzip, and is not"),
        (
            "/gzip-within",
            "the body is compressed as gzip, gzip, expected none, gzip or deflate",
        ),
        (
            "/brotli",
            "the body is compressed as br, expected none, gzip or deflate",
        ),
    ] {
        assert_down(&bench.probe(path, ok()).await, Reason::Body, error);
        // who looks at no body does not care
        assert_up(&bench.probe(path, Expect::default()).await, 200);
    }
    for path in ["/gzip-bomb", "/gzip-members"] {
        let observation = bench.probe(path, ok()).await;
        let error = "the body is beyond 1 MiB, so it is not read as JSON";
        assert_down(&observation, Reason::TooLarge, error);
        let observation = bench.probe(path, body("x")).await;
        let error = "no match for `x` in the first 1 MiB of the body";
        assert_down(&observation, Reason::TooLarge, error);
        assert_up(&bench.probe(path, body(r"^\x00")).await, 200);
    }
}

#[tokio::test]
async fn the_deadline_holds_while_a_body_is_read_for_an_expectation() {
    let bench = Bench::new().await;
    for (path, expect) in [
        ("/drip-body", body("b")),
        // what is there already would do, but an answer counts when it is read
        ("/drip-body", body("a")),
        ("/drip-nothing", body("a")),
        ("/drip-json", at("$[0]", json!(1))),
    ] {
        let began = Instant::now();
        let observation = bench.within(path, expect, BRIEF).await;
        let took = began.elapsed();

        assert!(took >= BRIEF && took < BRIEF + SLACK, "{path}: {took:?}");
        let error = "no answer within 400 ms, stuck reading the body";
        assert_down(&observation, Reason::Timeout, error);
    }
}

/// A pattern that costs as much as any may, on a body as large as any may be.
#[tokio::test]
async fn a_costly_search_delays_no_other_probe() {
    let bench = Bench::new().await;
    let costly = r"(?:(?:a|aa){0,60}){0,3}[b-z]{20}$";
    let searching = bench.probe("/mib-and-more", body(costly));
    let others = async {
        let began = Instant::now();
        for _ in 0..5 {
            assert_up(&bench.probe("/ok", body("hello")).await, 200);
        }
        began.elapsed()
    };
    let (observation, took) = tokio::join!(searching, others);
    // the runtime of this test has one thread: nothing else would run on it while it searched
    assert!(took < SLACK, "{took:?}");
    assert_down(&observation, Reason::TooLarge, "no match for ");
}

/// Own load is nobody's fault: the answer is here, and only this machine has no time for it.
#[tokio::test]
async fn a_body_that_cannot_be_examined_in_time_is_not_the_target_s_fault() {
    let bench = Bench::new().await;
    // takes most of a second, and many without optimisation
    let costly = body("[ab]*a[ab]{1000}c");
    let observation = bench.within("/as-and-bs", costly, BRIEF).await;
    assert_eq!(observation.verdict.outcome(), Outcome::Unknown);
    let failure = observation.verdict.failure().unwrap();
    assert_eq!(failure.reason, Reason::Local);
    let error = "there was no time left to examine the body";
    assert!(failure.error.as_str().starts_with(error), "{observation:?}");
    assert!(observation.measurement.latency.is_some());
}
