//! History as charts and calendars ask for it: several targets on one axis, the hours of a week, the days of a year. Through the real
//! API, on both databases.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use pingu::model::{
    Declared, IcmpSpec, Measurement, Observation, ProbeResult, ProbeSpec, Reason, TargetSpec,
    Timestamp,
};
use pingu::storage::postgres::PostgresStore;
use pingu::storage::sqlite::SqliteStore;
use pingu::storage::{Status, Store, rollup};
use serde_json::Value;

use crate::cluster;
use crate::pingu::{Home, Pingu};

const HOUR: i64 = 3_600;
const DAYS: i64 = 10;
/// An hour in which everything fails.
const BAD_HOUR: i64 = 3;

fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    Timestamp::from_micros(since.as_micros() as i64)
}

fn declared(name: &str) -> Declared {
    let spec = TargetSpec {
        name: name.to_owned(),
        enabled: true,
        interval: Duration::from_secs(1_200),
        timeout: Duration::from_secs(1),
        slow_after: Duration::from_millis(800),
        incident: pingu::model::IncidentRule::default(),
        group: None,
        tags: Vec::new(),
        description: None,
        probe: ProbeSpec::Icmp(IcmpSpec::new("127.0.0.1".to_owned())),
    };
    Declared { id: None, spec }
}

/// Three results an hour of two targets. An answer took a millisecond for each hour of the day that had begun.
async fn fill(store: &dyn Store) {
    let declared = [declared("a"), declared("b")];
    store.sync_targets(&declared, now()).await.unwrap();
    let last = now().bucket(Duration::from_secs(3_600)).as_micros() / 1_000_000;
    let mut results = Vec::new();
    for target in store.targets(Status::All).await.unwrap() {
        for slot in (last - DAYS * 24 * HOUR..last).step_by(1_200) {
            let hour = slot.div_euclid(HOUR).rem_euclid(24);
            let latency = Duration::from_millis(hour as u64 + 1);
            let measurement = Measurement {
                latency: (hour != BAD_HOUR).then_some(latency),
                ..Measurement::default()
            };
            let observation = if hour == BAD_HOUR {
                Observation::down(Reason::Timeout, "no answer", measurement)
            } else {
                Observation::up(measurement)
            };
            let slot = Timestamp::from_micros(slot * 1_000_000);
            let slow_after = target.spec.slow_after;
            let result = ProbeResult::new(target.id, slot, Duration::ZERO, slow_after, observation);
            results.push(result);
        }
    }
    let batch: Arc<[ProbeResult]> = results.into();
    store.record(batch).await.unwrap();
    rollup::settle(store, now()).await.unwrap();
    store.close().await;
}

fn rows(map: &Value, column: &str) -> Vec<Vec<Option<i64>>> {
    let rows = map[column].as_array().unwrap().iter();
    let row = |row: &Value| row.as_array().unwrap().iter().map(Value::as_i64).collect();
    rows.map(row).collect()
}

fn assert_heatmap(pingu: &Pingu) {
    let map = |query: &str| pingu.json(&format!("/api/v1/targets/a/heatmap{query}"));
    let week = map("?weeks=1");
    assert_eq!(
        (&week["tz"], &week["weeks"]),
        (&Value::from("UTC"), &Value::from(1))
    );
    let (medians, totals, failed) = (
        rows(&week, "p50_us"),
        rows(&week, "total"),
        rows(&week, "failed"),
    );
    assert_eq!((medians.len(), totals.len(), failed.len()), (7, 7, 7));
    for day in 0..7 {
        assert_eq!(medians[day].len(), 24);
        for hour in 0..24 {
            let Some(total) = totals[day][hour] else {
                continue;
            };
            let is_bad = hour as i64 == BAD_HOUR;
            assert_eq!(failed[day][hour], Some(if is_bad { total } else { 0 }));
            match medians[day][hour] {
                None => assert!(is_bad, "{day} {hour}"),
                Some(micros) => {
                    let expected = (hour as i64 + 1) * 1_000;
                    assert!(
                        (micros - expected).abs() <= expected / 100,
                        "{day} {hour}: {micros}"
                    );
                }
            }
        }
    }
    let sum = |totals: &[Vec<Option<i64>>]| totals.iter().flatten().flatten().sum::<i64>();
    // the present hour, and the part of its like a week ago that is no more in the window, have none
    assert!(
        (7 * 24 * 3 - 6..=7 * 24 * 3).contains(&sum(&totals)),
        "{totals:?}"
    );

    // nine hours ahead, all year
    let mut ahead = rows(&map("?weeks=1&tz=Asia/Tokyo"), "total").concat();
    ahead.rotate_left(9);
    assert_eq!(ahead, totals.concat());
    let all = map("?weeks=9999999999999999999999");
    assert_eq!(all["weeks"], 53);
    assert_eq!(sum(&rows(&all, "total")), DAYS * 24 * 3);
}

fn assert_uptime(pingu: &Pingu) {
    let days = |query: &str| pingu.items(&format!("/api/v1/targets/a/uptime{query}"));
    let all = days("");
    let sum: i64 = all
        .iter()
        .map(|it| it["total_probes"].as_i64().unwrap())
        .sum();
    assert_eq!(sum, DAYS * 24 * 3);
    let names: Vec<_> = all.iter().map(|it| it["day"].as_str().unwrap()).collect();
    assert!(names.is_sorted_by(|a, b| a > b), "{names:?}");
    // whole days in the middle
    for day in &all[1..DAYS as usize - 1] {
        assert_eq!(day["total_probes"], 72, "{day}");
        assert_eq!(day["failed_probes"], 3, "{day}");
        assert_eq!(day["uptime_percent"], 95.8333, "{day}");
    }
    assert_eq!(
        days("?days=3").len(),
        if all[0]["day"] == today() { 3 } else { 2 }
    );
    // what fails at three in the morning of UTC fails in the evening of the day before in Denver
    let denver = days("?tz=America/Denver");
    assert_eq!(
        denver
            .iter()
            .map(|it| it["failed_probes"].as_i64().unwrap())
            .sum::<i64>(),
        DAYS * 3
    );
}

/// Of UTC.
fn today() -> String {
    now().to_string()[..10].to_owned()
}

fn assert_several(pingu: &Pingu) {
    let until = now().bucket(Duration::from_secs(3_600));
    let since = until.saturating_sub(Duration::from_secs(2 * 86_400));
    let span = format!("since={since}&until={until}&points=48");
    let both = pingu.json(&format!("/api/v1/series?target=b&target=a&{span}"));
    let items = both["items"].as_array().unwrap();
    assert_eq!(
        [&items[0]["target_name"], &items[1]["target_name"]],
        ["b", "a"]
    );
    assert_eq!(both["t"].as_array().unwrap().len(), 48);
    for item in items {
        let name = item["target_name"].as_str().unwrap();
        let alone = pingu.json(&format!("/api/v1/targets/{name}/series?{span}"));
        for axis in ["since", "until", "step_seconds", "resolution", "t"] {
            assert_eq!(alone[axis], both[axis], "{axis}");
        }
        for column in [
            "total", "failed", "unknown", "min_us", "p25_us", "p50_us", "p75_us", "p95_us",
            "max_us", "phases",
        ] {
            assert_eq!(alone[column], item[column], "{column}");
        }
        assert_eq!(item["total"], Value::from(vec![3; 48]));
    }
}

fn assert_refusals(pingu: &Pingu) {
    let thirteen = "target=a&".repeat(13);
    for (path, status, code) in [
        ("/api/v1/series", 400, "invalid_target"),
        (&format!("/api/v1/series?{thirteen}"), 400, "invalid_target"),
        ("/api/v1/series?target=a&target=nobody", 404, "not_found"),
        ("/api/v1/series?target=a&points=0", 400, "invalid_points"),
        ("/api/v1/targets/a/heatmap?weeks=0", 400, "invalid_weeks"),
        (
            "/api/v1/targets/a/heatmap?tz=Europe/Atlantis",
            400,
            "invalid_tz",
        ),
        (
            "/api/v1/targets/a/heatmap?tz=../../../etc/passwd",
            400,
            "invalid_tz",
        ),
        ("/api/v1/targets/a/uptime?tz=", 400, "invalid_tz"),
        ("/api/v1/targets/a/uptime?days=-1", 400, "invalid_days"),
        ("/api/v1/targets/nobody/uptime", 404, "not_found"),
        ("/targets/a/heatmap", 404, "not_found"),
    ] {
        let answer = pingu.get(path);
        if path.starts_with("/api/") {
            assert_eq!(
                (answer.status, &answer.json()["code"]),
                (status, &Value::from(code)),
                "{path}"
            );
        } else {
            assert!(
                answer.head.contains("text/html"),
                "{path} is a page's address"
            );
        }
    }
}

fn assert_charts(pingu: &Pingu) {
    assert_heatmap(pingu);
    assert_uptime(pingu);
    assert_several(pingu);
    assert_refusals(pingu);
}

fn reader<'a>(command: &'a mut Command, url: &str) -> &'a mut Command {
    command.env("DATABASE_URL", url)
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_and_calendars_show_what_is_in_a_file() {
    let home = Home::new("targets: []\n");
    let path = home.path().join("charts.db");
    fill(&SqliteStore::open(&path, "here").unwrap()).await;
    let url = format!("sqlite://{}", path.display());
    assert_charts(&Pingu::start(reader(&mut home.command(&["api"]), &url)));
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_and_calendars_show_what_is_in_postgres() {
    let home = Home::new("targets: []\n");
    let database = cluster::database();
    let store = PostgresStore::open(&database.url.clone().into(), "here").await;
    fill(&store.unwrap()).await;
    assert_charts(&Pingu::start(reader(
        &mut home.command(&["api"]),
        &database.url,
    )));
}
