//! The views that people read with SQL say what was stored, and reach the rows they need without reading the others.

use std::sync::Arc;
use std::time::Duration;

use pingu::model::{
    Declared, Detail, HttpSpec, IncidentRule, Measurement, Observation, Phases, ProbeResult,
    ProbeSpec, Reason, TargetId, TargetSpec, Timestamp,
};
use pingu::storage::postgres::PostgresStore;
use pingu::storage::sqlite::SqliteStore;
use pingu::storage::{Status, Store, rollup};
use tempfile::TempDir;

use crate::cluster;

/// 2026-02-23T00:00:00Z.
const MIDNIGHT: i64 = 1_771_804_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(MIDNIGHT + seconds * 1_000_000)
}

/// Stores one answer and one failure of a web site in the first hour of a day, and settles what is to be settled.
async fn fill(store: &dyn Store) {
    let url = "https://example.com/";
    let declared = Declared {
        id: None,
        spec: TargetSpec {
            name: "shop".to_owned(),
            enabled: true,
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(3),
            slow_after: Duration::from_millis(100),
            incident: IncidentRule::default(),
            group: Some("web".to_owned()),
            tags: Vec::new(),
            description: None,
            probe: ProbeSpec::Http(HttpSpec::new(url.parse().unwrap(), url)),
        },
    };
    store.sync_targets(&[declared], at(0)).await.unwrap();
    let target: TargetId = store.targets(Status::All).await.unwrap()[0].id;
    let detail = Detail {
        phases: Some(Phases {
            dns_us: Some(1_000),
            ttfb_us: Some(120_000),
            ..Phases::default()
        }),
        cert_expires_at: Some(at(86_400)),
        ..Detail::default()
    };
    let answer = Measurement {
        latency: Some(Duration::from_micros(123_456)),
        status_code: Some(200),
        resolved_ip: Some("192.0.2.7".parse().unwrap()),
        detail: Some(Box::new(detail)),
        chain: None,
    };
    let failure = Observation::down(Reason::Timeout, "no answer in time", Measurement::default());
    let results = [(60, Observation::up(answer)), (120, failure)];
    let results: Arc<[ProbeResult]> = results
        .into_iter()
        .map(|(second, observation)| {
            let (lag, slow_after) = (Duration::from_micros(42), Duration::from_millis(100));
            ProbeResult::new(target, at(second), lag, slow_after, observation)
        })
        .collect();
    store.record(results).await.unwrap();
    rollup::settle(store, at(7_200)).await.unwrap();
}

const HOUR: &str = "SELECT concat_ws(' ', target_name, target_type, target_group, location, total, up, down, unknown, uptime_percent, \
     loss_percent, avg_latency_ms, min_latency_ms, max_latency_ms) FROM target_hourly";
const LATEST: &str = "SELECT concat_ws(' ', target_name, outcome, reason, lag_us, error) FROM target_latest \
     WHERE NOT success AND NOT slow AND latency_ms IS NULL AND status_code IS NULL AND ts = since";

#[tokio::test(flavor = "multi_thread")]
async fn postgres_shows_what_was_stored() {
    let database = cluster::database();
    let store = PostgresStore::open(&database.url.clone().into(), "attic")
        .await
        .unwrap();
    fill(&store).await;
    assert_eq!(
        database.sql(
            "SELECT concat_ws(' ', id, target_name, target_type, target_group, location, extract(epoch FROM ts)::int8, success, outcome, \
             reason, latency_ms, latency_us, lag_us, slow, status_code, resolved_ip, error, dns_us, connect_us, ttfb_us, packets_sent, \
             extract(epoch FROM cert_expires_at)::int8) FROM probe_results ORDER BY ts"
        ),
        [
            "1 shop http web attic 1771804860 t up 123.456 123456 42 t 200 192.0.2.7 1000 120000 1771891200",
            "2 shop http web attic 1771804920 f down timeout 42 f no answer in time",
        ]
    );
    assert_eq!(
        database.sql(HOUR),
        ["shop http web attic 2 1 1 0 50 50 123.456 123.456 123.456"]
    );
    assert_eq!(
        database.sql(LATEST),
        ["shop down timeout 42 no answer in time"]
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_shows_what_was_stored() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pingu.db");
    let store = SqliteStore::open(&path, "attic").unwrap();
    fill(&store).await;
    // while it is open, as people do it
    let connection = rusqlite::Connection::open(&path).unwrap();
    let ask = |sql: &str| -> String { connection.query_row(sql, [], |row| row.get(0)).unwrap() };
    assert_eq!(
        ask(HOUR),
        "shop http web attic 2 1 1 0 50.0 50.0 123.456 123.456 123.456"
    );
    assert_eq!(ask(LATEST), "shop down timeout 42 no answer in time");
    assert_eq!(
        ask("SELECT ts FROM target_latest"),
        "2026-02-23T00:02:00.000000Z"
    );
    assert_eq!(ask("SELECT ts FROM target_hourly"), "2026-02-23T00:00:00Z");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_on_time_reads_only_its_days() {
    let database = cluster::database();
    let store = PostgresStore::open(&database.url.clone().into(), "attic")
        .await
        .unwrap();
    fill(&store).await;
    store.close().await;
    // as a panel asks: the instant is known only when the query runs
    let plan = database.sql(&format!(
        "EXPLAIN SELECT ts, latency_ms FROM probe_results WHERE target_name = 'shop' \
         AND ts >= now() - (now() - to_timestamp({})) AND ts < now() - (now() - to_timestamp({}))",
        MIDNIGHT / 1_000_000,
        MIDNIGHT / 1_000_000 + 3_600
    ));
    let plan = plan.join("\n");
    // a day and two ahead have a partition
    assert!(plan.contains("Subplans Removed: 2"), "{plan}");
}
