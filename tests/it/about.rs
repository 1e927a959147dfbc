//! What Pingu says of itself.

use serde_json::{Value, json};

use crate::cluster;
use crate::pingu::{Home, Pingu};

const TARGETS: &str = "\
targets:
  - {name: lo, type: icmp, host: 127.0.0.1, interval_seconds: 0.5}
  - {name: closed, type: tcp, host: 127.0.0.1, port: 1, interval_seconds: 0.5}
";

fn about(pingu: &Pingu) -> Value {
    pingu.json("/api/v1/about")
}

#[test]
fn a_poller_tells_how_it_does() {
    let home = Home::new(TARGETS);
    let mut command = home.command(&[]);
    command.env("LOCATION", "attic").env("RETENTION_DAYS", "7");
    let pingu = Pingu::start(command.env("SPOOL_MAX_BYTES", "100MiB"));
    let told = pingu.until("results", |pingu| {
        let told = about(pingu);
        (told["accounting"]["stored"].as_u64()? > 3).then_some(told)
    });
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(told["location"], "attic");
    assert_eq!(
        told["database"],
        json!({"kind": "sqlite", "reachable": true})
    );
    assert_eq!(told["retention"]["results_days"], 7);
    let file = &told["targets_file"];
    assert_eq!(file["path"], "targets.yaml", "{told}");
    assert_eq!(file["problems"], json!([]));
    let poller = &told["poller"];
    assert_eq!(poller["targets"], 2, "{told}");
    // how many depends on what else the machine does
    assert!(poller["missed"].is_u64(), "{told}");
    let (median, high) = (poller["lag_p50_ms"].as_f64(), poller["lag_p99_ms"].as_f64());
    assert!(median.is_some() && median <= high, "{told}");
    assert!(
        (0..=2).contains(&poller["in_flight"].as_i64().unwrap()),
        "{told}"
    );
    assert_eq!(told["spool"]["max_bytes"], 100 << 20, "{told}");
    assert!(told["readers"]["connections"].as_i64() >= Some(1), "{told}");
    // nothing is under way for good
    pingu.until("a moment of rest", |pingu| {
        (about(pingu)["poller"]["in_flight"] == 0).then_some(())
    });
}

#[test]
fn what_is_wrong_with_the_targets_file_is_told_until_it_is_mended() {
    let home = Home::new(TARGETS);
    let pingu = home.start();
    let problems = |pingu: &Pingu| about(pingu)["targets_file"]["problems"].clone();
    assert_eq!(problems(&pingu), json!([]));
    let secret = "  - {name: x, type: http, url: 'http://ada:hunter2@127.0.0.1/', intervall: 3}\n";
    home.write_targets(&format!("{TARGETS}{secret}"));
    let problem = pingu.until("a problem", |pingu| problems(pingu).get(0).cloned());
    assert_eq!(problem["line"], 4, "{problem}");
    assert!(problem["column"].as_u64() > Some(20), "{problem}");
    assert!(
        problem["message"].as_str().unwrap().contains("intervall"),
        "{problem}"
    );
    let source = problem["source"].as_str().unwrap();
    assert!(
        source.contains("intervall: 3") && source.contains("***"),
        "{problem}"
    );
    assert!(!about(&pingu).to_string().contains("hunter2"));
    std::fs::remove_file(home.path().join("targets.yaml")).unwrap();
    let missing = pingu.until("another problem", |pingu| {
        let problem = problems(pingu).get(0).cloned()?;
        problem["line"].is_null().then_some(problem)
    });
    assert!(
        missing["hint"].is_string() && missing["source"].is_null(),
        "{missing}"
    );
    home.write_targets(TARGETS);
    pingu.until("no problem", |pingu| {
        (problems(pingu) == json!([])).then_some(())
    });
}

#[test]
fn an_api_without_a_poller_tells_of_what_it_has() {
    let database = cluster::database();
    let home = Home::new(TARGETS);
    let api = Pingu::start(home.command(&["api"]).env("DATABASE_URL", &database.url));
    let told = about(&api);
    assert_eq!(
        told["database"],
        json!({"kind": "postgres", "reachable": true})
    );
    // those of the poller are in force, whatever this environment says
    for absent in [
        "location",
        "targets_file",
        "poller",
        "accounting",
        "spool",
        "retention",
    ] {
        assert_eq!(told.get(absent), Some(&Value::Null), "{told}");
    }
    assert!(!told.to_string().contains("postgresql://"), "{told}");
}
