//! The whole program watches a farm of hostile servers: what it stores of each, how long each takes, and what all of them cost.

use std::fmt::Write as _;

use crate::farm::Farm;
use crate::pingu::Home;

/// A reason, and what its error says.
type Fault = (&'static str, &'static str);

/// A path of the farm, what is expected of it, and what comes of it; no fault is up.
const TARGETS: &[(&str, &str, Option<Fault>)] = &[
    ("/gzip-bomb", "", None),
    (
        "/gzip-bomb",
        "expect_body: x",
        Some(("too_large", "no match for `x` in the first 1 MiB")),
    ),
    (
        "/gzip-members",
        "expect_json: {$.a: 1}",
        Some(("too_large", "the body is beyond 1 MiB")),
    ),
    ("/gigabyte", "", None),
    (
        "/gigabyte",
        "expect_body: x",
        Some(("too_large", "no match for `x` in the first 1 MiB")),
    ),
    (
        "/endless-body",
        "expect_json: {$.a: 1}",
        Some(("too_large", "the body is beyond 1 MiB")),
    ),
    (
        "/endless-interim",
        "",
        Some(("protocol", "more than 20 interim answers (1xx)")),
    ),
    (
        "/endless-header",
        "",
        Some(("too_large", "headers beyond 64 KiB or 256 lines")),
    ),
    (
        "/endless-headers",
        "",
        Some(("too_large", "headers beyond 64 KiB or 256 lines")),
    ),
    (
        "/many-headers",
        "",
        Some(("too_large", "headers beyond 64 KiB or 256 lines")),
    ),
    (
        "/to-file",
        "",
        Some(("redirect", "redirect to file: only http and https")),
    ),
    (
        "/to-ftp",
        "",
        Some(("redirect", "redirect to ftp: only http and https")),
    ),
    ("/loop", "", Some(("redirect", "redirect loop, back to "))),
    ("/ping", "", Some(("redirect", "redirect loop, back to "))),
    (
        "/hops/11",
        "",
        Some(("redirect", "more than 10 redirects, the next to ")),
    ),
    (
        "/weary/0",
        "max_redirects: 20",
        Some(("timeout", "no answer within 400 ms, stuck ")),
    ),
    (
        "/drip-headers",
        "",
        Some((
            "timeout",
            "no answer within 400 ms, stuck reading the headers",
        )),
    ),
    (
        "/drip-moved",
        "",
        Some((
            "timeout",
            "no answer within 400 ms, stuck reading the headers",
        )),
    ),
    (
        "/drip-body",
        "",
        Some(("timeout", "no answer within 400 ms, stuck reading the body")),
    ),
    (
        "/drip-json",
        "expect_json: {'$[0]': 1}",
        Some(("timeout", "no answer within 400 ms, stuck reading the body")),
    ),
    ("/no-text", "expect_body: ready", None),
    (
        "/no-text",
        "expect_json: {$.a: 1}",
        Some(("body", "the body cannot be read as JSON")),
    ),
    (
        "/json-deep",
        "expect_json: {$.a: 1}",
        Some(("body", "recursion limit exceeded at line 1 column 128")),
    ),
    (
        "/json-deep-objects",
        "expect_json: {$..a: 1}",
        Some(("body", "recursion limit exceeded")),
    ),
    (
        "/json-hostile",
        "expect_json: {$.status: 1}",
        Some(("body", "<script>alert(1)</script>")),
    ),
    (
        "/json-many-objects",
        "expect_json: {$..a: 2}",
        Some(("body", "one of the 120001 values at $..a is 1")),
    ),
    (
        "/json-many-objects",
        "expect_json: {'$[*].a': 2}",
        Some(("body", "one of the 120001 values at")),
    ),
    (
        "/json-many-objects",
        "expect_json: {'$[?@.b]': 2}",
        Some(("body", "there is nothing at $[?@.b]")),
    ),
    (
        "/json-long-key",
        "expect_json: {'$.*[*]': 2}",
        Some(("body", "one of the 250000 values")),
    ),
    (
        "/json-long-key",
        "expect_json: {'$..*': 2}",
        Some(("body", "one of the 250001 values")),
    ),
    ("/garbage", "", Some(("protocol", "the answer is not HTTP"))),
];

/// Of the whole process, in KiB. Measured: 40 MiB without the bodies that are long and JSON, 105 with them.
const MOST_MEMORY: u64 = 200 * 1024;

#[test]
fn a_farm_of_hostile_servers_is_told_apart_in_bounded_time_and_memory() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let farm = runtime.block_on(Farm::start());
    let mut targets = "defaults: {interval_seconds: 1, timeout_ms: 400}\ntargets:\n".to_owned();
    for (at, (path, keys, _)) in TARGETS.iter().enumerate() {
        let url = farm.http(path);
        // those whose body is examined may take a while in a build without optimisation
        let patience = if matches!(*path, path if path.starts_with("/drip") || path.starts_with("/weary"))
        {
            ""
        } else {
            ", timeout_ms: 60000, interval_seconds: 60"
        };
        let keys = if keys.is_empty() {
            String::new()
        } else {
            format!(", {keys}")
        };
        writeln!(
            targets,
            "  - {{name: t{at}, type: http, url: '{url}'{patience}{keys}}}"
        )
        .unwrap();
    }
    let home = Home::new(&targets);
    let pingu = home.start();
    for (at, (path, keys, expected)) in TARGETS.iter().enumerate() {
        let result = pingu.latest(&format!("t{at}"));
        let place = format!("{path} {keys}: {result}");
        match expected {
            None => assert_eq!(result["outcome"], "up", "{place}"),
            Some((reason, error)) => {
                assert_eq!(result["reason"], *reason, "{place}");
                let told = result["error"].as_str().unwrap();
                assert!(told.contains(error), "{place}");
                assert!(
                    told.len() <= 256 && !told.chars().any(char::is_control),
                    "{place}"
                );
            }
        }
    }
    let way = pingu.latest("t14");
    let hops = way["redirects"].as_array().unwrap();
    assert_eq!(hops.len(), 11, "{way}");
    assert_eq!(hops[0]["url"], farm.http("/hops/11"));
    assert_eq!(hops[10]["status"], 302);
    assert!(hops.iter().all(|hop| hop["took_us"].as_u64().unwrap() > 0));
    assert_eq!(pingu.latest("t0").get("redirects"), None);

    // those with a short interval have come round several times by then
    pingu.until("three results of the slowest", |pingu| {
        let items = pingu.items("/targets/t18/results?limit=3");
        (items.len() == 3).then_some(())
    });
    let status = std::fs::read_to_string(format!("/proc/{}/status", pingu.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < MOST_MEMORY, "{peak} KiB");
}
