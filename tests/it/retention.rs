//! Old history goes while everything else goes on: with several processes on one database, with readers that hold a table, with a
//! clock that is wrong, and in the real program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pingu::metrics::Metrics;
use pingu::model::{
    Declared, IcmpSpec, IncidentRule, Measurement, Observation, ProbeResult, ProbeSpec, Reason,
    TargetId, TargetSpec, Timestamp,
};
use pingu::storage::history::History;
use pingu::storage::postgres::PostgresStore;
use pingu::storage::recorder::{Pace, Recorder};
use pingu::storage::retention::{self, Keep};
use pingu::storage::spool::Place;
use pingu::storage::sqlite::SqliteStore;
use pingu::storage::{Day, Progress, Resolution, ResultQuery, Status, Store, StoreError, rollup};
use tokio::sync::mpsc;
use tokio_postgres::NoTls;
use tokio_util::sync::CancellationToken;

use crate::cluster;
use crate::pingu::{Home, PATIENCE};

type Backend = Arc<dyn Store>;

/// 2026-02-23T00:00:00Z.
const MIDNIGHT: i64 = 1_771_804_800_000_000;
const DAY: f64 = 86_400.0;

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_micros(MIDNIGHT + (seconds * 1e6) as i64)
}

fn day(offset: i64) -> Day {
    Day(Day::of(at(0.0)).0 + offset)
}

fn declared(name: &str) -> Declared {
    Declared {
        id: None,
        spec: TargetSpec {
            name: name.to_owned(),
            enabled: true,
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(1),
            slow_after: Duration::from_millis(800),
            incident: IncidentRule::default(),
            group: None,
            tags: Vec::new(),
            description: None,
            probe: ProbeSpec::Icmp(IcmpSpec::new("127.0.0.1")),
        },
    }
}

async fn targets(store: &Backend, names: &[&str]) -> Vec<TargetId> {
    let declared: Vec<_> = names.iter().map(|name| declared(name)).collect();
    store.sync_targets(&declared, at(0.0)).await.unwrap();
    let targets = store.targets(Status::Enabled).await.unwrap();
    targets.into_iter().map(|target| target.id).collect()
}

fn down(target: TargetId, slot: Timestamp, text: &str) -> ProbeResult {
    let observation = Observation::down(Reason::Dns, text, Measurement::default());
    let slow_after = Duration::from_secs(1);
    ProbeResult::new(target, slot, Duration::ZERO, slow_after, observation)
}

/// One result a second of a span.
fn history(target: TargetId, seconds: std::ops::Range<u32>) -> Arc<[ProbeResult]> {
    let slots = seconds.map(|second| at(f64::from(second)));
    slots
        .map(|slot| down(target, slot, "no such name"))
        .collect()
}

async fn days(store: &Backend) -> Vec<Day> {
    let days = store.days(Resolution::Raw).await.unwrap();
    let filled = days.iter().filter(|kept| !kept.is_empty);
    filled.map(|kept| kept.day).collect()
}

async fn drop_all(store: &Backend, day: Day) {
    let deadline = Instant::now() + PATIENCE;
    while let Progress::Partly(_) = store.drop_day(Resolution::Raw, day).await.unwrap() {
        assert!(Instant::now() < deadline);
    }
}

async fn until<T>(what: &str, mut wanted: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = wanted().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waiting for {what} in vain");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A process that remembers the database as it was before another one dropped a day.
async fn what_one_process_drops_another_does_not_bring_back(dropping: Backend, storing: Backend) {
    let ids = targets(&storing, &["a"]).await;
    let old = down(ids[0], at(10.0), "old");
    storing.record([old].into()).await.unwrap();
    rollup::settle(dropping.as_ref(), at(2.0 * DAY))
        .await
        .unwrap();
    drop_all(&dropping, day(0)).await;
    // to have it forgotten, its target must have a newer result, stored by someone who does not remember it
    let newer = down(ids[0], at(2.0 * DAY), "newer");
    dropping.record([newer].into()).await.unwrap();
    dropping.forget_verdicts().await.unwrap();
    let other = down(ids[0], at(2.0 * DAY + 1.0), "other");
    dropping.record([other].into()).await.unwrap();

    let late = down(ids[0], at(11.0), "old");
    let fresh = down(ids[0], at(2.0 * DAY + 2.0), "old");
    let recorded = storing.record([late, fresh.clone()].into()).await.unwrap();
    assert_eq!((recorded.too_old, recorded.stored), (1, 1));
    assert_eq!(days(&storing).await.first(), Some(&day(2)));
    let query = ResultQuery {
        target: None,
        since: None,
        until: None,
        after: None,
        limit: 1,
    };
    let newest = storing.results(&query).await.unwrap();
    assert_eq!(newest[0].result, fresh, "with the words that it had");
}

#[tokio::test]
async fn sqlite_processes_agree_on_what_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pingu.db");
    let open = || Arc::new(SqliteStore::open(&path, "here").unwrap()) as Backend;
    what_one_process_drops_another_does_not_bring_back(open(), open()).await;
}

#[tokio::test]
async fn postgres_processes_agree_on_what_is_gone() {
    let database = cluster::database();
    let url = database.url.clone().into();
    let dropping: Backend = Arc::new(PostgresStore::open(&url, "here").await.unwrap());
    let storing: Backend = Arc::new(PostgresStore::open(&url, "here").await.unwrap());
    what_one_process_drops_another_does_not_bring_back(Arc::clone(&dropping), storing).await;
    // the one that did not know may have made the partition anew: it is empty, and goes with the next run
    drop_all(&dropping, day(0)).await;
    let tables = database.sql("SELECT count(*) FROM pg_class WHERE relname = 'results_20260223'");
    assert_eq!(tables, ["0"]);
}

/// Whatever is stored beside the floor as it rises: each result that counts as stored is in a roll-up or still there.
async fn a_floor_that_rises_beside_batches_loses_none(store: Backend, other: Backend) {
    let ids = targets(&store, &["a"]).await;
    let id = ids[0];
    let is_done = Arc::new(AtomicBool::new(false));
    let (writer, done) = (Arc::clone(&other), Arc::clone(&is_done));
    let storing = tokio::spawn(async move {
        let mut stored = 0;
        for second in 0..5_000 {
            if done.load(Ordering::Relaxed) {
                break;
            }
            let recorded = writer
                .record(history(id, second..second + 1))
                .await
                .unwrap();
            assert_eq!(recorded.stored + recorded.too_old, 1);
            if recorded.too_old == 1 {
                break;
            }
            stored += recorded.stored;
            tokio::task::yield_now().await;
        }
        stored
    });
    until("a floor that has risen", async || {
        rollup::settle(store.as_ref(), at(2.0 * DAY)).await.unwrap();
        let step = store.drop_day(Resolution::Raw, day(0)).await.unwrap();
        (!matches!(step, Progress::Held)).then_some(())
    })
    .await;
    is_done.store(true, Ordering::Relaxed);
    let stored = storing.await.unwrap();
    drop_all(&store, day(0)).await;
    rollup::settle(store.as_ref(), at(2.0 * DAY)).await.unwrap();
    let history = History::new(Arc::clone(&store));
    let sums = history.summaries(None, at(0.0), at(DAY));
    let sums = sums.await.unwrap();
    assert_eq!(sums.get(&id).map_or(0, |sum| sum.total), stored);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_raises_a_floor_between_batches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pingu.db");
    let open = || Arc::new(SqliteStore::open(&path, "here").unwrap()) as Backend;
    a_floor_that_rises_beside_batches_loses_none(open(), open()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_raises_a_floor_between_batches() {
    let database = cluster::database();
    let url = database.url.clone().into();
    let store: Backend = Arc::new(PostgresStore::open(&url, "here").await.unwrap());
    let other: Backend = Arc::new(PostgresStore::open(&url, "here").await.unwrap());
    a_floor_that_rises_beside_batches_loses_none(store, other).await;
}

#[tokio::test]
async fn a_large_day_goes_in_pieces_that_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pingu.db");
    let store: Backend = Arc::new(SqliteStore::open(&path, "here").unwrap());
    let ids = targets(&store, &["a"]).await;
    store.record(history(ids[0], 0..25_000)).await.unwrap();
    rollup::settle(store.as_ref(), at(2.0 * DAY)).await.unwrap();
    let mut rows = Vec::new();
    loop {
        let step = store.drop_day(Resolution::Raw, day(0)).await.unwrap();
        // what is half gone is not read
        let query = ResultQuery {
            target: None,
            since: None,
            until: None,
            after: None,
            limit: 10,
        };
        assert_eq!(store.results(&query).await.unwrap(), []);
        match step {
            Progress::Partly(removed) => rows.push(removed.rows),
            Progress::Gone(Some(removed)) => {
                rows.push(removed.rows);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rows, [10_000, 10_000, 5_000]);
    let file = rusqlite::Connection::open(&path).unwrap();
    let tables = "SELECT count(*) FROM sqlite_master WHERE name LIKE 'results_%'";
    let left: i64 = file.query_row(tables, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_reader_that_holds_a_table_stops_no_writer_and_only_puts_off_the_drop() {
    let database = cluster::database();
    let url = database.url.clone().into();
    let store: Backend = Arc::new(PostgresStore::open(&url, "here").await.unwrap());
    let ids = targets(&store, &["a"]).await;
    store.record(history(ids[0], 0..10)).await.unwrap();
    rollup::settle(store.as_ref(), at(2.0 * DAY)).await.unwrap();
    let (reader, connection) = tokio_postgres::connect(&database.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    // as a backup does it, for hours
    let hold = "BEGIN; SELECT count(*) FROM results; SELECT count(*) FROM results_20260223";
    reader.batch_execute(hold).await.unwrap();

    let dropping = Arc::clone(&store);
    let dropping = tokio::spawn(async move { dropping.drop_day(Resolution::Raw, day(0)).await });
    let start = 2 * 86_400;
    let mut second = start;
    while !dropping.is_finished() || second < start + 5 {
        let recorded = store.record(history(ids[0], second..second + 1)).await;
        assert_eq!(recorded.unwrap().stored, 1, "while the reader is at it");
        second += 1;
    }
    let refused = dropping.await.unwrap();
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(text)) if text.contains("using the table")),
        "{refused:?}"
    );
    assert_eq!(
        store.floors().await.unwrap().raw,
        day(1),
        "nobody reads it any more"
    );

    reader.batch_execute("COMMIT").await.unwrap();
    let step = store.drop_day(Resolution::Raw, day(0)).await.unwrap();
    assert!(
        matches!(step, Progress::Gone(Some(removed)) if removed.bytes > 0),
        "{step:?}"
    );
    assert_eq!(days(&store).await, [day(2)]);
}

#[tokio::test]
async fn what_comes_too_late_is_dropped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("pingu.db"), "here").unwrap();
    let store: Backend = Arc::new(store);
    let ids = targets(&store, &["a"]).await;
    store.record(history(ids[0], 0..1)).await.unwrap();
    rollup::settle(store.as_ref(), at(2.0 * DAY)).await.unwrap();
    drop_all(&store, day(0)).await;

    let metrics = Metrics::new();
    let recorder = Recorder {
        store: Arc::clone(&store),
        metrics: Arc::clone(&metrics),
        place: Place {
            path: folder.path().join("spool.db"),
            max_bytes: 1 << 20,
            location: "here".to_owned(),
        },
        spool: None,
        pace: Pace::default(),
    };
    let (sender, results) = mpsc::channel(16);
    let recording = tokio::spawn(recorder.run(results));
    for slot in [at(5.0), at(6.0), at(2.0 * DAY)] {
        sender.send(down(ids[0], slot, "late")).await.unwrap();
    }
    drop(sender);
    recording.await.unwrap();
    assert_eq!((metrics.stored.get(), metrics.dropped_in_all()), (1, 2));
    let text = metrics.encode();
    let expected = r#"pingu_results_dropped_total{reason="too_old"} 2"#;
    assert!(text.contains(expected), "{text}");
}

/// Runs retention until it has left nothing behind, at one time by the clock.
async fn tidy(store: &Backend, metrics: &Arc<Metrics>, now: Timestamp) {
    let keep = Keep {
        raw: 2,
        five_minutes: 3,
        hours: 4,
    };
    let stop = CancellationToken::new();
    metrics.retention_succeeded.set(0.0);
    let (kept, counted) = (Arc::clone(store), Arc::clone(metrics));
    let running = tokio::spawn(retention::run(
        kept,
        counted,
        keep,
        move || now,
        stop.clone(),
    ));
    until("retention", async || {
        (metrics.retention_succeeded.get() > 0.0).then_some(())
    })
    .await;
    stop.cancel();
    running.await.unwrap();
}

async fn history_is_as_long_as_it_is_to_be(store: Backend) {
    let ids = targets(&store, &["a"]).await;
    let a_day = |offset: u32| history(ids[0], offset * 86_400..offset * 86_400 + 3);
    for offset in 0..8 {
        store.record(a_day(offset)).await.unwrap();
    }
    rollup::settle(store.as_ref(), at(9.0 * DAY)).await.unwrap();
    let metrics = Metrics::new();
    tidy(&store, &metrics, at(7.5 * DAY)).await;
    let first = async |resolution| {
        let days = store.days(resolution).await.unwrap();
        days.iter().find(|kept| !kept.is_empty).unwrap().day
    };
    assert_eq!(first(Resolution::Raw).await, day(5));
    assert_eq!(first(Resolution::FiveMinutes).await, day(4));
    assert_eq!(first(Resolution::Hour).await, day(3));
    let text = metrics.encode();
    for (resolution, dropped, oldest) in [("raw", 5, 5), ("5m", 4, 4), ("1h", 3, 3)] {
        let oldest = day(oldest).start().as_micros() / 1_000_000;
        for line in [
            format!(r#"pingu_retention_dropped_total{{resolution="{resolution}"}} {dropped}"#),
            format!(
                r#"pingu_history_oldest_timestamp_seconds{{resolution="{resolution}"}} {oldest}"#
            ),
            format!(r#"pingu_retention_held{{resolution="{resolution}"}} 0"#),
        ] {
            assert!(text.contains(&line), "{line} is not in\n{text}");
        }
    }
    let history = History::new(Arc::clone(&store));
    let sums = history.summaries(None, at(0.0), at(9.0 * DAY));
    assert_eq!(sums.await.unwrap()[&ids[0]].total, 15, "five days of three");

    // a start with a clock that is years ahead, which has stored something already
    let far = at(5_000.0 * DAY);
    store
        .record([down(ids[0], far, "far")].into())
        .await
        .unwrap();
    tidy(&store, &metrics, far).await;
    assert_eq!(first(Resolution::Raw).await, day(6), "a day at the most");
    assert_eq!(first(Resolution::Hour).await, day(4));
}

#[tokio::test]
async fn sqlite_history_is_as_long_as_it_is_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("pingu.db"), "here").unwrap();
    history_is_as_long_as_it_is_to_be(Arc::new(store)).await;
}

#[tokio::test]
async fn postgres_history_is_as_long_as_it_is_to_be() {
    let database = cluster::database();
    let store = PostgresStore::open(&database.url.clone().into(), "here").await;
    history_is_as_long_as_it_is_to_be(Arc::new(store.unwrap())).await;
}

#[tokio::test]
async fn days_whose_roll_ups_are_never_made_stay_and_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("pingu.db"), "here").unwrap();
    let store: Backend = Arc::new(store);
    let ids = targets(&store, &["a"]).await;
    for offset in 0..5 {
        let start = offset * 86_400;
        store
            .record(history(ids[0], start..start + 1))
            .await
            .unwrap();
    }
    let metrics = Metrics::new();
    let stop = CancellationToken::new();
    let keep = Keep {
        raw: 2,
        five_minutes: 0,
        hours: 0,
    };
    let (kept, counted) = (Arc::clone(&store), Arc::clone(&metrics));
    let now = || at(4.5 * DAY);
    let running = tokio::spawn(retention::run(kept, counted, keep, now, stop.clone()));
    let held = r#"pingu_retention_held{resolution="raw"} 2"#;
    until("the days that are held", async || {
        metrics.encode().contains(held).then_some(())
    })
    .await;
    stop.cancel();
    running.await.unwrap();
    assert_eq!(days(&store).await.len(), 5);
    assert!(metrics.retention_succeeded.get() < 1.0);
}

#[tokio::test]
async fn the_service_keeps_what_it_is_told_to() {
    let home = Home::new(
        "targets:\n  - {name: a, type: icmp, host: 127.0.0.1, interval_seconds: 60, timeout_ms: 1000}\n",
    );
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    let today = Timestamp::from_micros(0)
        .saturating_add(now)
        .bucket(Duration::from_secs(86_400));
    let store = SqliteStore::open(&home.path().join("pingu.db"), "local").unwrap();
    let store: Backend = Arc::new(store);
    let ids = targets(&store, &["a"]).await;
    for ago in 1..=5 {
        let slot = today.saturating_sub(Duration::from_secs(ago * 86_400));
        store
            .record([down(ids[0], slot, "x")].into())
            .await
            .unwrap();
    }
    rollup::settle(store.as_ref(), today).await.unwrap();
    store.close().await;

    let mut command = home.command(&[]);
    command.env("RETENTION_DAYS", "2");
    let pingu = crate::pingu::Pingu::start(&mut command);
    pingu.until("three days to go", |pingu| {
        (pingu.metric("pingu_retention_dropped_total") == 3).then_some(())
    });
    pingu.until("the log to say so", |pingu| {
        let log = pingu.log();
        (log.matches("dropped a day of history").count() == 3 && log.contains("rows=1"))
            .then_some(())
    });
    let old = format!("/targets/a/results?until={today}");
    assert_eq!(pingu.items(&old).len(), 2);
    let all = pingu.json("/summary/a?window=30d");
    let total = all["total_probes"].as_i64().unwrap();
    assert!(total >= 5, "roll-ups know all: {all}");
    assert_eq!(pingu.metric("pingu_results_dropped_total"), 0);
    let (status, log) = pingu.stop();
    assert!(status.success(), "{status}\n{log}");
}
