//! What `/targets?beats=` tells is what the lists of results say, whoever stored them, when and in which order.

use std::time::{Duration, Instant};

use pingu::model::{Outcome, Timestamp};
use pingu::storage::Store;
use pingu::storage::beats::Beats;
use pingu::storage::postgres::PostgresStore;
use pingu::storage::sqlite::SqliteStore;
use serde_json::{Value, json};

use crate::account::{count, database, now};
use crate::cluster;
use crate::conformance::{Backend, at, failed, icmp, record, sync, up};
use crate::farm::{Certificate, Farm};
use crate::pingu::{Home, Pingu};

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn micros(result: &Value) -> i64 {
    let ts: Timestamp = result["ts"].as_str().unwrap().parse().unwrap();
    ts.as_micros()
}

/// The texts of a target and their median, by the words of the description.
fn drawn(results: &[Value], interval: f64, most: usize) -> Value {
    // newest first, as the list has them
    let (mut shown, mut slots): (Vec<Option<&Value>>, _) = (Vec::new(), 0);
    for result in results {
        let newer = shown.last().copied().flatten();
        let gap = newer
            .is_some_and(|newer| (micros(newer) - micros(result)) as f64 > 1.5 * interval * 1e6);
        if shown.len() + usize::from(gap) >= most {
            break;
        }
        if gap {
            shown.push(None);
        }
        shown.push(Some(result));
        slots += 1;
    }
    let latency = |result: &Value| result["latency_us"].as_u64();
    let mut latencies: Vec<u64> = results[..slots].iter().filter_map(latency).collect();
    latencies.sort_unstable();
    let median = latencies
        .get(latencies.len().saturating_sub(1) / 2)
        .copied();
    let outcome = |result: Option<&Value>| match result {
        None => '0',
        Some(result) if result["slow"] == true || result["lossy"] == true => '2',
        Some(result) => match result["outcome"].as_str().unwrap() {
            "up" => '1',
            "down" => '3',
            _ => '4',
        },
    };
    let height = |result: Option<&Value>| {
        let latency = result.and_then(latency);
        let step = latency.zip(median).map_or(0.0, |(latency, median)| {
            let doublings = (latency.max(1) as f64 / median.max(1) as f64).log2();
            ((8.0 * doublings).round() + 32.0).clamp(1.0, 63.0)
        });
        char::from(DIGITS[step as usize])
    };
    let oldest_first = || shown.iter().rev().copied();
    let (s, q): (String, String) = (
        oldest_first().map(outcome).collect(),
        oldest_first().map(height).collect(),
    );
    json!({"s": s, "q": q, "median_us": median})
}

/// That a list tells of each target what its results say. Nothing is probed meanwhile.
fn assert_told(pingu: &Pingu, most: usize) {
    // what was read before the last result was stored may be shown for a moment
    let asked = now();
    let list = pingu.until("a list of now", |pingu| {
        let list = pingu.json(&format!("/api/v1/targets?status=all&beats={most}"));
        let at: Timestamp = list["generated_at"].as_str()?.parse().ok()?;
        (at > asked).then_some(list)
    });
    for item in list["items"].as_array().unwrap() {
        let name = item["name"].as_str().unwrap();
        let mut results = pingu.items(&format!("/targets/{name}/results?limit={most}"));
        if item["enabled"] == false {
            results.clear();
        }
        let interval = item["interval_seconds"].as_f64().unwrap();
        let expected = drawn(&results, interval, most);
        for field in ["s", "q", "median_us"] {
            assert_eq!(item[field], expected[field], "{field} of {item}");
        }
        let newest = results.first().unwrap_or(&Value::Null);
        for field in ["ts", "outcome", "latency_us", "reason", "error"] {
            assert_eq!(item[field], newest[field], "{field} of {item}");
        }
        for field in ["slow", "lossy"] {
            assert_eq!(item[field], newest[field] == true, "{field} of {item}");
        }
    }
}

fn targets() -> String {
    let closed = Farm::closed().port();
    format!(
        r"defaults: {{interval_seconds: 0.2, timeout_ms: 150}}
targets:
  - {{name: good, id: g, type: icmp, host: 127.0.0.1}}
  - {{name: slow, type: icmp, host: 127.0.0.1, slow_ms: 1}}
  - {{name: bad, type: tcp, host: 127.0.0.1, port: {closed}}}
  - {{name: faulty, type: icmp, host: 127.0.0.1, source: 203.0.113.7}}
  - {{name: resting, type: icmp, host: 127.0.0.1, enabled: false}}
"
    )
}

fn half(home: &Home, name: &str, database: &str) -> Pingu {
    Pingu::start(home.command(&[name]).env("DATABASE_URL", database))
}

fn wait_for(pingu: &Pingu, name: &str, results: usize) {
    pingu.until("results", |pingu| {
        let found = pingu.items(&format!("/targets/{name}/results?limit={results}"));
        (found.len() >= results).then_some(())
    });
}

#[test]
fn a_list_tells_what_the_results_say_on_both_backends() {
    let postgres = cluster::database();
    for url in ["sqlite://pingu.db", &postgres.url] {
        let home = Home::new(&targets());
        // a gap between two lives
        for life in 1..=2 {
            let pingu = half(&home, "run", url);
            for name in ["good", "slow", "bad", "faulty"] {
                wait_for(&pingu, name, 20 * life);
                pingu.items("/targets?beats=60");
            }
            pingu.stop();
            // five slots without a probe: a gap, however quickly the next life begins
            std::thread::sleep(Duration::from_secs(1));
        }
        let api = half(&home, "api", url);
        for most in [60, 1, 2, 7, 120, 60] {
            assert_told(&api, most);
        }
        let items = api.items("/targets?beats=120");
        assert!(
            items
                .iter()
                .all(|item| item["s"].as_str().unwrap().contains('0'))
        );
        let digits = ['3', '4', '1'];
        for (item, digit) in items.iter().zip(digits) {
            assert!(item["s"].as_str().unwrap().ends_with(digit), "{item}");
        }
        // a page of another order tells the same
        let down = api.json("/targets?outcome=down&sort=-latency&limit=1&beats=120");
        assert_eq!(down["items"][0]["s"], items[0]["s"]);
        let plain = api.json("/targets?limit=1");
        assert_eq!(plain["items"][0].get("s"), None, "{plain}");
        // where the page ends has nothing to do with what it tells
        let next = plain["next_cursor"].as_str().unwrap();
        let page = api.json(&format!("/targets?limit=1&beats=3&cursor={next}"));
        assert_eq!(page["items"][0]["name"], "faulty");
    }
}

#[test]
fn results_that_come_late_are_told_in_their_place() {
    let home = Home::new(&targets());
    let url = format!("sqlite://{}", home.path().join("pingu.db").display());
    let poller = half(&home, "poller", &url);
    let api = half(&home, "api", &url);
    wait_for(&api, "good", 5);
    api.items("/targets?beats=120");
    // longer than SQLite waits for a lock: results go to the spool, and those of afterwards come first
    let lock = database(&home);
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    poller.until("results in the spool", |poller| {
        (count(poller, "spooled") > 20).then_some(())
    });
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        api.items("/targets?beats=120");
    }
    drop(lock);
    // the list is asked for all the while
    poller.until("an empty spool", |poller| {
        api.items("/targets?beats=120");
        (count(poller, "spooled") + count(poller, "waiting") < 20).then_some(())
    });
    let renamed = targets().replace("name: good", "name: better");
    home.write_targets(&renamed.replace("name: slow,", "name: slow, enabled: false,"));
    api.until("another name", |api| {
        let items = api.items("/targets?beats=120");
        items
            .iter()
            .any(|item| item["name"] == "better")
            .then_some(())
    });
    api.items("/targets?beats=120");
    home.write_targets(&renamed);
    api.until("all targets again", |api| {
        (api.items("/targets?beats=120").len() == 4).then_some(())
    });
    poller.stop();
    let seen = api.items("/targets?beats=120");
    assert_told(&api, 120);
    assert!(seen.iter().any(|item| item["name"] == "better"));
}

#[test]
fn a_list_tells_the_last_day_and_the_days_of_certificates() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (farm, expired) = runtime.block_on(async {
        let mut farm = Farm::start().await;
        let expired = farm.https_with(&Certificate::Expired, "/ok").await;
        (farm, expired)
    });
    let good = farm.https("/ok");
    let home = Home::new(&format!(
        "defaults: {{interval_seconds: 0.5, timeout_ms: 450}}\ntargets:\n  - {{name: expired, type: http, url: '{expired}'}}\n  - {{name: good, type: http, url: '{good}'}}\n  - {{name: plain, type: icmp, host: 127.0.0.1}}\n"
    ));
    std::fs::write(home.path().join("roots.pem"), farm.authority().root_pem()).unwrap();
    let pingu = Pingu::start(home.command(&[]).env("SSL_CERT_FILE", "roots.pem"));
    let list = pingu.until("the certificates", |pingu| {
        let list = pingu.json("/targets?beats=60");
        let days = |item: &Value| item["cert_days"].is_i64() && item["uptime_24h"].is_f64();
        list["items"].as_array()?[..2]
            .iter()
            .all(days)
            .then_some(list)
    });
    let now = micros(&json!({"ts": list["generated_at"]}));
    for (number, ends) in [(0, "2020-01-02T00:00:00Z"), (1, "2099-01-01T00:00:00Z")] {
        let ends: Timestamp = ends.parse().unwrap();
        let days = (ends.as_micros() - now).div_euclid(86_400_000_000);
        assert_eq!(list["items"][number]["cert_days"], days, "{list}");
    }
    assert_eq!(list["items"][2]["cert_days"], Value::Null);
    let uptime = |number: usize| list["items"][number]["uptime_24h"].as_f64();
    // a probe of a loaded machine may be too late
    assert!(uptime(0) == Some(0.0) && uptime(1) > Some(0.0), "{list}");
}

async fn merged(here: Backend, there: Backend) {
    let ids = sync(&here, &[icmp("a")]).await;
    let slots = |offset: f64| (0..4).map(move |number| at(offset + 60.0 * f64::from(number)));
    let mut beats = Beats::read(here.as_ref(), None, 60).await.unwrap();
    record(&here, slots(0.0).map(|slot| up(ids[0], slot, 5)).collect()).await;
    beats = Beats::read(here.as_ref(), Some(&beats), 60).await.unwrap();
    let elsewhere = slots(0.0).chain(slots(7.0));
    record(
        &there,
        elsewhere
            .map(|slot| failed(ids[0], slot, Outcome::Down))
            .collect(),
    )
    .await;
    beats = Beats::read(here.as_ref(), Some(&beats), 60).await.unwrap();
    let told: Vec<_> = beats
        .of(ids[0], Timestamp::MAX)
        .into_iter()
        .map(|beat| (beat.slot(), beat.outcome()))
        .collect();
    let mut expected = Vec::new();
    for (same, later) in slots(0.0).zip(slots(7.0)) {
        expected.extend([
            (same, Outcome::Up),
            (same, Outcome::Down),
            (later, Outcome::Down),
        ]);
    }
    assert_eq!(told, expected);
}

#[tokio::test]
async fn several_locations_are_merged_by_their_slots() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pingu.db");
    let open = |location| std::sync::Arc::new(SqliteStore::open(&path, location).unwrap());
    merged(open("here"), open("there")).await;
    let database = cluster::database();
    let url = database.url.clone().into();
    let open = async |location| {
        let store: Backend =
            std::sync::Arc::new(PostgresStore::open(&url, location).await.unwrap());
        store
    };
    let (here, there) = (open("here").await, open("there").await);
    merged(std::sync::Arc::clone(&here), std::sync::Arc::clone(&there)).await;
    for store in [here, there] {
        Store::close(store.as_ref()).await;
    }
}
