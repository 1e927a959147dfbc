//! The whole at a glance, and what a summary says of slots that have no result.

use serde_json::{Value, json};

use crate::farm::Farm;
use crate::pingu::{Home, Pingu};

fn targets() -> String {
    let closed = Farm::closed().port();
    format!(
        r"defaults: {{interval_seconds: 0.5, timeout_ms: 400}}
targets:
  - {{name: good, type: icmp, host: 127.0.0.1}}
  - {{name: bad, type: tcp, host: 127.0.0.1, port: {closed}}}
  - {{name: faulty, type: icmp, host: 127.0.0.1, source: 203.0.113.7}}
  - {{name: resting, type: icmp, host: 127.0.0.1, enabled: false}}
"
    )
}

fn summary(pingu: &Pingu, name: &str) -> Value {
    let all = pingu.items("/summary?window=1h");
    let listed = all
        .into_iter()
        .find(|it| it["target_name"] == name)
        .unwrap();
    let alone = pingu.json(&format!("/summary/{name}?window=1h"));
    for field in ["target_id", "outcome"] {
        assert_eq!(listed[field], alone[field]);
    }
    alone
}

#[test]
fn an_overview_counts_what_there_is() {
    let home = Home::new(&targets());
    let pingu = home.start();
    let overview = pingu.until("an incident to open", |pingu| {
        let overview = pingu.json("/api/v1/overview");
        let is_settled = overview["targets"]["pending"] == 0 && overview["open_incidents"] == 1;
        is_settled.then_some(overview)
    });
    let counts =
        json!({"enabled": 3, "disabled": 1, "up": 1, "down": 1, "unknown": 1, "pending": 0});
    assert_eq!(overview["targets"], counts, "{overview}");
    assert_eq!(overview["probes_per_second"], 6.0);
    assert_eq!(overview["locations"], json!(["local"]));
    assert_eq!(overview["version"], env!("CARGO_PKG_VERSION"));
    let uptime = overview["uptime_24h"].as_f64().unwrap();
    assert!(uptime > 0.0 && uptime < 100.0, "{overview}");

    let bad = summary(&pingu, "bad");
    assert_eq!(bad["outcome"], "down");
    // half a second each: exact in binary
    let failed = bad["total_probes"].as_u64().unwrap();
    assert_eq!(bad["downtime_seconds"], json!(failed as f64 * 0.5), "{bad}");
    let faulty = summary(&pingu, "faulty");
    assert_eq!(
        (&faulty["outcome"], &faulty["downtime_seconds"]),
        (&json!("unknown"), &json!(0.0))
    );
}

#[test]
fn nothing_is_well_where_there_is_nothing() {
    let home = Home::new("targets: []\n");
    let pingu = home.start();
    let overview = pingu.json("/api/v1/overview");
    let counts =
        json!({"enabled": 0, "disabled": 0, "up": 0, "down": 0, "unknown": 0, "pending": 0});
    assert_eq!(
        (&overview["targets"], &overview["uptime_24h"]),
        (&counts, &Value::Null)
    );
}

#[test]
fn slots_while_pingu_did_not_run_are_missed() {
    let home = Home::new(
        "targets:\n  - {name: good, type: icmp, host: 127.0.0.1, interval_seconds: 0.5}\n",
    );
    let pingu = home.start();
    pingu.latest("good");
    let before = summary(&pingu, "good");
    assert_eq!(before["missed_probes"], 0, "{before}");
    let stopped = std::time::Instant::now();
    pingu.stop();
    std::thread::sleep(std::time::Duration::from_secs(4));
    let pingu = home.start();
    let total = |it: &Value| it["total_probes"].as_u64().unwrap();
    let after = pingu.until("a new result", |pingu| {
        let after = summary(pingu, "good");
        (total(&after) > total(&before) + 1).then_some(after)
    });
    let missed = after["missed_probes"].as_f64().unwrap();
    let away = stopped.elapsed().as_secs_f64() / 0.5;
    assert!(
        (3.0..=away + 1.0).contains(&missed),
        "{missed} of {away}: {after}"
    );
    assert_eq!(after["outcome"], "up");
}
