//! Postgres at its worst: what Pingu does when the server is not there, not right, or not well.

use std::collections::HashSet;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pingu::model::{
    Declared, IcmpSpec, IncidentRule, Measurement, Observation, ProbeResult, ProbeSpec, TargetId,
    TargetSpec, Timestamp,
};
use pingu::storage::postgres::PostgresStore;
use pingu::storage::{Recorded, ResultQuery, Status, Store, StoreError};
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::cluster::{self, Cluster, Database, PASSWORD, secret_file, sql};
use crate::farm::certificate::{Authority, Certificate};
use crate::pingu::{Home, PATIENCE, Pingu};

const ONE: &str = "targets:\n  - {name: lo, type: icmp, host: 127.0.0.1, interval_seconds: 0.2, timeout_ms: 150}\n";

/// 2026-02-23T00:00:00Z.
const MIDNIGHT: i64 = 1_771_804_800_000_000;

fn at(seconds: f64) -> Timestamp {
    Timestamp::from_micros(MIDNIGHT + (seconds * 1e6) as i64)
}

async fn open(url: &str) -> Result<PostgresStore, StoreError> {
    PostgresStore::open(&url.to_owned().into(), "here").await
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
            probe: ProbeSpec::Icmp(IcmpSpec::new("192.0.2.1".to_owned())),
        },
    }
}

/// Targets named t0, t1 and so on.
async fn targets(store: &PostgresStore, count: usize) -> Vec<TargetId> {
    let declared: Vec<_> = (0..count).map(|n| declared(&format!("t{n}"))).collect();
    store.sync_targets(&declared, at(0.0)).await.unwrap();
    let targets = store.targets(Status::Enabled).await.unwrap();
    targets.into_iter().map(|target| target.id).collect()
}

fn up(target: TargetId, slot: Timestamp) -> ProbeResult {
    let measurement = Measurement {
        latency: Some(Duration::from_micros(1234)),
        ..Measurement::default()
    };
    let slow_after = Duration::from_secs(1);
    ProbeResult::new(
        target,
        slot,
        Duration::ZERO,
        slow_after,
        Observation::up(measurement),
    )
}

/// One result of each target a second.
fn batch(targets: &[TargetId], seconds: std::ops::Range<u32>) -> Arc<[ProbeResult]> {
    let slots = seconds.map(|second| at(f64::from(second)));
    slots
        .flat_map(|slot| targets.iter().map(move |id| up(*id, slot)))
        .collect()
}

async fn all(store: &PostgresStore) -> Vec<Timestamp> {
    let query = ResultQuery {
        target: None,
        since: None,
        until: None,
        after: None,
        limit: 100_000,
    };
    let results = store.results(&query).await.unwrap();
    results.into_iter().map(|it| it.result.slot).collect()
}

/// Tries until it is stored, as the recorder does.
async fn record_in_the_end(store: &PostgresStore, batch: &Arc<[ProbeResult]>) -> Recorded {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match store.record(Arc::clone(batch)).await {
            Ok(recorded) => return recorded,
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
                assert!(Instant::now() < deadline, "{error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn run(home: &Home, command: &str, url: &str) -> (i32, String) {
    let mut command = home.command(&[command]);
    let output = command.env("DATABASE_URL", url).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().expect("an exit code"), stderr)
}

#[test]
fn each_server_that_cannot_be_used_has_its_line_and_its_exit_code() {
    let home = Home::new(ONE);
    let cluster = Cluster::start(&[]);
    let foreign = cluster.database();
    foreign.sql("CREATE TABLE targets (id int)");
    let newer = cluster.database();
    newer.sql("CREATE TABLE pingu_schema (version int4); INSERT INTO pingu_schema VALUES (99)");
    let latin = Database::create(&cluster.socket_url("postgres"), "LATIN1");
    let read_only = cluster.database();
    read_only.sql(&format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        read_only.name()
    ));
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let unused = {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        taken.local_addr().unwrap()
    };
    let strict = cluster.database();
    strict.sql("CREATE ROLE guest LOGIN; REVOKE CREATE ON SCHEMA public FROM public");
    let guest = strict.url.replace("pingu@", "guest@");

    let wrong = cluster.tcp_url("hunter2", "postgres");
    let missing = cluster.tcp_url(PASSWORD, "nowhere");
    let encrypted = format!("{}?sslmode=require", cluster.tcp_url(PASSWORD, "postgres"));
    let misspelt = format!("{}?sslmode=verified", cluster.tcp_url(PASSWORD, "postgres"));
    let cases: [(&str, &[&str]); 9] = [
        (&wrong, &["password", "check user", "127.0.0.1:"]),
        (&missing, &["nowhere", "does not exist", "createdb"]),
        (&foreign.url, &["another program", "targets"]),
        (&newer.url, &["version 99", "newer Pingu"]),
        (&latin.url, &["LATIN1", "UTF8"]),
        (&read_only.url, &["read-only"]),
        (&encrypted, &["TLS"]),
        (&misspelt, &["sslmode", "verify-full"]),
        (&guest, &["permission denied", "own the database"]),
    ];
    // a start waits for these, a migration does not
    let away: [(&str, &[&str]); 3] = [
        (
            &format!("postgres://ada:hunter2@{unused}/x"),
            &["refused", "127.0.0.1:"],
        ),
        (
            &format!("postgres://ada:hunter2@{silent}/x"),
            &["no answer in time"],
        ),
        (
            "postgres://ada:hunter2@no-such-host.invalid/x",
            &["no-such-host.invalid"],
        ),
    ];
    let commands = cases.map(|case| ("run", case));
    let commands = commands
        .into_iter()
        .chain(away.map(|case| ("migrate", case)));
    for (command, (url, words)) in commands {
        let (status, stderr) = run(&home, command, url);
        assert_eq!(status, 4, "{url}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{url} should say {word:?}: {stderr}");
        }
        for never in ["hunter2", PASSWORD, "panicked"] {
            assert!(!stderr.contains(never), "{url}: {stderr}");
        }
    }
    let (status, stderr) = run(&home, "run", &guest);
    assert_eq!(status, 4, "{stderr}");
    assert!(
        stderr.contains("permission denied") && stderr.contains("own"),
        "{stderr}"
    );
}

#[test]
fn check_tells_what_would_change_and_changes_nothing() {
    let home = Home::new(ONE);
    let database = cluster::database();
    let check = || {
        let mut command = home.command(&["check"]);
        let output = command.env("DATABASE_URL", &database.url).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let before = check();
    assert!(before.contains("does not exist yet"), "{before}");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(database.sql(tables), ["0"]);
    let pingu = Pingu::start(home.command(&[]).env("DATABASE_URL", &database.url));
    pingu.latest("lo");
    pingu.stop();
    let after = check();
    assert!(after.contains("nothing would change"), "{after}");
    home.write_targets("targets: []\n");
    let removal = check();
    assert!(removal.contains("no longer in the file"), "{removal}");
    assert_eq!(
        database.sql("SELECT count(*) FROM targets WHERE enabled"),
        ["1"]
    );
}

#[test]
fn four_processes_may_start_at_once_on_an_empty_database() {
    let database = cluster::database();
    let homes: Vec<_> = (0..4).map(|_| Home::new(ONE)).collect();
    let running: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = homes
            .iter()
            .map(|home| {
                let mut command = home.command(&[]);
                command.env("DATABASE_URL", &database.url);
                scope.spawn(move || Pingu::start(&mut command))
            })
            .collect();
        starts.into_iter().map(|it| it.join().unwrap()).collect()
    });
    // each migration once
    let versions = "SELECT count(*) || ' ' || count(DISTINCT version) || ' ' || max(version) FROM pingu_schema";
    assert_eq!(database.sql(versions), ["7 7 7"]);
    assert_eq!(database.sql("SELECT count(*) FROM targets"), ["1"]);
    // all four probe the same slots at the same location: each is stored once, whoever was first
    running[3].until("results", |pingu| {
        (pingu.items("/targets/lo/results?limit=30").len() >= 20).then_some(())
    });
    let mut stored = 0;
    for pingu in running {
        let (status, log) = pingu.stop();
        assert!(status.success(), "{log}");
        let count = log
            .lines()
            .find_map(|line| line.split_once("results_stored="));
        stored += count.expect("it says so").1.trim().parse::<u64>().unwrap();
    }
    assert_eq!(
        database.sql("SELECT count(*) FROM results"),
        [stored.to_string()]
    );
    assert_eq!(
        database.sql("SELECT count(DISTINCT id) FROM results"),
        [stored.to_string()]
    );
}

#[tokio::test]
async fn pollers_that_write_at_once_never_share_an_id() {
    let database = cluster::database();
    let first = open(&database.url).await.unwrap();
    let ids = targets(&first, 50).await;
    let url = database.url.clone().into();
    let mut writers = vec![first];
    for location in ["b", "c", "d"] {
        writers.push(PostgresStore::open(&url, location).await.unwrap());
    }
    let work = writers.iter().map(async |store| {
        for round in 0..10 {
            let recorded = store.record(batch(&ids, round * 4..round * 4 + 4)).await;
            assert_eq!(recorded.unwrap().stored, 200);
        }
    });
    futures_util::future::join_all(work).await;
    let counts = "SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || max(id) FROM results";
    assert_eq!(database.sql(counts), ["8000 8000 8000"]);
    assert_eq!(database.sql("SELECT count(*) FROM verdicts"), ["1"]);
}

#[tokio::test]
async fn a_day_without_a_partition_gets_one_whatever_the_day() {
    let database = cluster::database();
    let store = open(&database.url).await.unwrap();
    let ids = targets(&store, 1).await;
    let days = [
        "0001-01-01",
        "1969-12-31",
        "2026-02-23",
        "2262-04-12",
        "9999-12-20",
    ];
    for day in days {
        let slot: Timestamp = format!("{day}T23:59:59.999999Z").parse().unwrap();
        let recorded = store.record([up(ids[0], slot)].into()).await.unwrap();
        assert_eq!(recorded.stored, 1, "{day}");
        let name = format!("results_{}", day.replace('-', ""));
        assert_eq!(database.sql(&format!("SELECT count(*) FROM {name}")), ["1"]);
    }
    // no day has a name there: nothing but a broken clock asks for it
    let beyond = [
        up(ids[0], Timestamp::MAX),
        up(ids[0], Timestamp::MIN),
        up(ids[0], at(1.0)),
    ];
    let recorded = store.record(beyond.into()).await.unwrap();
    assert_eq!((recorded.stored, recorded.quarantined), (1, 2));
    assert_eq!(all(&store).await.len(), 6);
}

#[tokio::test]
async fn a_partition_that_vanishes_is_made_again() {
    let database = cluster::database();
    let store = open(&database.url).await.unwrap();
    let ids = targets(&store, 3).await;
    store.record(batch(&ids, 0..2)).await.unwrap();
    database.sql("DROP TABLE results_20260223");
    let recorded = store.record(batch(&ids, 2..4)).await.unwrap();
    assert_eq!(recorded.stored, 6);
    // one that was taken off, for an archive say, is put back with what it holds
    database.sql("ALTER TABLE results DETACH PARTITION results_20260223");
    let recorded = store.record(batch(&ids, 3..5)).await.unwrap();
    assert_eq!((recorded.stored, recorded.duplicate), (3, 3));
    assert_eq!(all(&store).await.len(), 9);
}

#[tokio::test]
async fn what_a_process_remembers_of_a_database_that_was_made_anew_is_forgotten() {
    let database = cluster::database();
    let store = open(&database.url).await.unwrap();
    let ids = targets(&store, 2).await;
    store.record(batch(&ids, 0..1)).await.unwrap();
    database.sql(
        "TRUNCATE target_state, results; DELETE FROM series; DELETE FROM verdicts; DELETE FROM locations",
    );
    let recorded = store.record(batch(&ids, 1..2)).await.unwrap();
    assert_eq!(recorded.stored, 2);
    assert_eq!(all(&store).await, [at(1.0), at(1.0)]);
}

/// Stores ten seconds of results a batch until one fails, then goes on until all are stored; `trouble` happens meanwhile.
async fn store_through(
    store: &PostgresStore,
    ids: &[TargetId],
    first: u32,
    trouble: impl FnOnce() + Send + 'static,
) -> (u32, Recorded) {
    let mut trouble = Some(trouble);
    let mut total = Recorded::default();
    let deadline = Instant::now() + PATIENCE;
    for count in 0.. {
        if let Some(trouble) = trouble.take_if(|_| count == 3) {
            tokio::task::spawn_blocking(trouble);
        }
        let second = (first + count) * 10;
        let more = batch(ids, second..second + 10);
        match store.record(Arc::clone(&more)).await {
            Ok(recorded) => total += recorded,
            Err(error) => {
                assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
                total += record_in_the_end(store, &more).await;
                return (first + count + 1, total);
            }
        }
        assert!(Instant::now() < deadline, "nothing failed");
    }
    unreachable!("the loop has no end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_crashes_in_the_middle_loses_and_repeats_nothing() {
    let cluster = Arc::new(Mutex::new(Cluster::start(&["synchronous_commit=on"])));
    let database = cluster.lock().unwrap().database();
    let store = open(&database.url).await.unwrap();
    let ids = targets(&store, 100).await;
    let (mut batches, mut total) = (0, Recorded::default());
    for _ in 0..3 {
        let crashing = Arc::clone(&cluster);
        let crash = move || {
            let mut cluster = crashing.lock().unwrap();
            cluster.stop_hard();
            cluster.start_again();
        };
        let (done, recorded) = store_through(&store, &ids, batches, crash).await;
        batches = done;
        total += recorded;
    }
    let produced = u64::from(batches) * 1000;
    assert_eq!(total.stored + total.duplicate, produced);
    assert_eq!(total.quarantined, 0);
    assert_eq!(
        database.sql("SELECT count(*) FROM results"),
        [produced.to_string()]
    );
    assert_eq!(all(&store).await.len() as u64, produced);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_answering_is_given_up_and_found_again() {
    let cluster = Arc::new(Cluster::start(&[]));
    let database = cluster.database();
    let store = open(&database.url).await.unwrap();
    let ids = targets(&store, 100).await;
    let pausing = Arc::clone(&cluster);
    // longer than the deadline of a batch: it fires while the server has the batch in its hands
    let pause = move || {
        pausing.signal_all("STOP");
        std::thread::sleep(Duration::from_secs(8));
        pausing.signal_all("CONT");
    };
    let reading = async {
        // a reader, too, is told in time
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        let answer = store.stats().await;
        (begun.elapsed(), answer)
    };
    let (stored, (waited, answer)) =
        futures_util::future::join(store_through(&store, &ids, 0, pause), reading).await;
    if let Err(error) = answer {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
    assert!(waited < PATIENCE / 2, "{waited:?}");
    let (batches, total) = stored;
    let produced = u64::from(batches) * 1000;
    assert_eq!(total.stored + total.duplicate, produced);
    assert_eq!(
        database.sql("SELECT count(*) FROM results"),
        [produced.to_string()]
    );
    assert_eq!(all(&store).await.len() as u64, produced);
}

/// Cuts every connection but the one that asks.
fn cut(database: &Database) {
    database.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
}

/// The first failure; a connection that was cut may be noticed only when it is used.
async fn refusal(store: &PostgresStore, batch: &Arc<[ProbeResult]>, word: &str) -> StoreError {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match store.record(Arc::clone(batch)).await {
            Err(error) if error.to_string().contains(word) => return error,
            other => assert!(
                Instant::now() < deadline,
                "{word:?} was never said: {other:?}"
            ),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_server_that_becomes_read_only_is_waited_for() {
    let database = cluster::database();
    let store = open(&database.url).await.unwrap();
    let ids = targets(&store, 1).await;
    let set = format!(
        "ALTER DATABASE {} SET default_transaction_read_only",
        database.name()
    );
    database.sql(&format!("{set} = on"));
    cut(&database);
    let batch = batch(&ids, 0..3);
    let error = refusal(&store, &batch, "read-only").await;
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert_eq!(store.targets(Status::All).await.unwrap().len(), 1);
    sql(database.admin(), &format!("{set} = off"));
    cut(&database);
    assert_eq!(record_in_the_end(&store, &batch).await.stored, 3);
}

#[tokio::test]
async fn a_server_without_a_free_connection_is_waited_for() {
    let cluster = Cluster::start(&["max_connections=5", "max_wal_senders=0"]);
    let database = cluster.database();
    let store = open(&database.url).await.unwrap();
    let ids = targets(&store, 1).await;
    cut(&database);
    let mut taken = Vec::new();
    let text = loop {
        match tokio_postgres::connect(&database.url, NoTls).await {
            Ok((client, connection)) => taken.push((client, tokio::spawn(connection))),
            Err(error) => break error.as_db_error().unwrap().message().to_owned(),
        }
    };
    assert!(text.contains("too many clients"), "{text}");
    let batch = batch(&ids, 0..3);
    let error = refusal(&store, &batch, "no more connections").await;
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    drop(taken);
    assert_eq!(record_in_the_end(&store, &batch).await.stored, 3);
}

#[tokio::test]
async fn a_password_that_changes_is_no_end() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let url = cluster.tcp_url(PASSWORD, database.name());
    let store = open(&url).await.unwrap();
    let ids = targets(&store, 1).await;
    database.sql("ALTER ROLE pingu PASSWORD 'other'");
    cut(&database);
    let batch = batch(&ids, 0..3);
    let error = refusal(&store, &batch, "check user").await;
    assert!(!error.to_string().contains(PASSWORD), "{error}");
    database.sql(&format!("ALTER ROLE pingu PASSWORD '{PASSWORD}'"));
    assert_eq!(store.record(batch).await.unwrap().stored, 3);
}

#[tokio::test]
async fn a_reader_that_goes_away_leaves_no_query_behind_for_the_next() {
    let database = cluster::database();
    let store = open(&database.url).await.unwrap();
    targets(&store, 20).await;
    for round in 0..50_u64 {
        let hurry = Duration::from_micros(round * 40);
        // whether it was in time is not the point
        let _ = tokio::time::timeout(hurry, store.targets(Status::All)).await;
        assert_eq!(store.stats().await.unwrap().enabled_targets, 20);
    }
    let open = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'";
    assert_eq!(database.sql(open), ["0"]);
}

#[tokio::test]
async fn batches_that_overlap_are_merged_and_those_after_them_appended() {
    let database = cluster::database();
    let store = open(&database.url).await.unwrap();
    let ids = targets(&store, 10).await;
    let latest = async || {
        let latest = store.latest_by_target().await.unwrap();
        let slots: HashSet<_> = latest.iter().map(|it| it.stored.result.slot).collect();
        let stored = all(&store).await;
        assert_eq!(slots, HashSet::from([stored[0]]));
        stored.len()
    };
    let record = async |seconds| {
        let recorded = store.record(batch(&ids, seconds)).await.unwrap();
        (recorded.stored, recorded.duplicate)
    };
    assert_eq!(record(100..110).await, (100, 0));
    assert_eq!(record(110..120).await, (100, 0));
    // late, and new
    assert_eq!(record(50..60).await, (100, 0));
    assert_eq!(latest().await, 300);
    for second in 0..60 {
        assert_eq!(record(200 + second..201 + second).await, (10, 0));
    }
    // late again, and there already, when batches are appended again
    assert_eq!(record(55..65).await, (50, 50));
    assert_eq!(record(255..265).await, (50, 50));
    assert_eq!(latest().await, 1000);
    let counts =
        "SELECT count(*) FROM results AS r JOIN target_state AS s USING (series_key, ts, id)";
    assert_eq!(database.sql(counts), ["10"]);
}

#[tokio::test]
async fn every_statement_is_one_that_this_schema_takes() {
    let database = cluster::database();
    let store = open(&database.url).await.unwrap();
    let ids = targets(&store, 1).await;
    store.record(batch(&ids, 0..1)).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&database.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage/sql");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".postgres.sql") {
            let statement = fs::read_to_string(&path)
                .unwrap()
                .replace("{table}", "results")
                .replace("{time}", "ts")
                .replace("{partition}", "results_20260223")
                .replace("{start}", "0")
                .replace("{end}", "86400");
            let prepared = client.prepare(&statement).await;
            assert!(prepared.is_ok(), "{}: {prepared:?}", path.display());
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}

#[tokio::test]
async fn the_newest_result_of_a_series_is_updated_in_place() {
    // a server of its own: whoever is about to connect holds back its tidying in all databases
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let store = open(&database.url).await.unwrap();
    let ids = targets(&store, 200).await;
    for second in 0..40 {
        store.record(batch(&ids, second..second + 1)).await.unwrap();
    }
    // the server counts a transaction once its connection has been idle for a moment
    let deadline = Instant::now() + PATIENCE;
    loop {
        let counts = database.sql(
            "SELECT n_tup_upd || ' ' || n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'target_state'",
        );
        let counts: Vec<f64> = counts[0].split(' ').map(|it| it.parse().unwrap()).collect();
        if counts[0] > 3000.0 {
            assert!(counts[1] / counts[0] > 0.9, "{counts:?}");
            break;
        }
        assert!(Instant::now() < deadline, "{counts:?}");
        store.stats().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn encryption_is_what_sslmode_asks_for() {
    let authority = Authority::new(Authority::NAME);
    let (certificate, key) = authority.pem(&Certificate::For(vec!["localhost".to_owned()]));
    let cluster = Cluster::start_with(&["ssl=on"], |folder| {
        secret_file(&folder.join("data/server.crt"), &certificate);
        secret_file(&folder.join("data/server.key"), &key);
        fs::write(folder.join("roots.pem"), authority.root_pem()).unwrap();
        let stranger = Authority::new("Stranger").root_pem();
        fs::write(folder.join("stranger.pem"), stranger).unwrap();
    });
    let database = cluster.database();
    let by_address = cluster.tcp_url(PASSWORD, database.name());
    let by_name = by_address.replace("127.0.0.1", "localhost");
    let file = |name: &str| cluster.folder().join(name).display().to_string();
    let (roots, stranger) = (file("roots.pem"), file("stranger.pem"));
    let encrypted = async |url: String| {
        let store = open(&url).await?;
        let used = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                    WHERE application_name = 'pingu' AND datname = current_database()";
        let used = database.sql(used);
        store.close().await;
        cut(&database);
        Ok::<_, StoreError>(used == ["t"])
    };
    for (url, expected) in [
        (format!("{by_address}?sslmode=disable"), false),
        (by_address.clone(), true),
        (format!("{by_address}?sslmode=allow"), true),
        (format!("{by_address}?sslmode=require"), true),
        (
            format!("{by_address}?sslmode=verify-ca&sslrootcert={roots}"),
            true,
        ),
        (
            format!("{by_name}?sslmode=verify-full&sslrootcert={roots}"),
            true,
        ),
        (format!("{}?sslmode=verify-full", database.url), false),
    ] {
        assert_eq!(encrypted(url.clone()).await.unwrap(), expected, "{url}");
    }
    for (url, word) in [
        (
            format!("{by_address}?sslmode=verify-full&sslrootcert={roots}"),
            "127.0.0.1",
        ),
        (
            format!("{by_name}?sslmode=verify-full&sslrootcert={stranger}"),
            "issuer",
        ),
        (
            format!("{by_name}?sslmode=verify-ca&sslrootcert={stranger}"),
            "issuer",
        ),
        (
            format!("{by_name}?sslmode=require&sslrootcert={stranger}"),
            "issuer",
        ),
        (format!("{by_name}?sslmode=verify-full"), "issuer"),
    ] {
        let error = encrypted(url.clone()).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, StoreError::Unusable(_)), "{url}: {text}");
        assert!(
            text.contains("TLS") && text.to_lowercase().contains(word),
            "{url}: {text}"
        );
    }
}

/// PgBouncer in transaction mode before a server, with a single connection to it: nothing may outlive a transaction.
struct Pooler {
    process: Child,
    folder: TempDir,
}

impl Pooler {
    fn start(cluster: &Cluster) -> Self {
        let folder = TempDir::with_prefix_in("pingu-pool-", "/tmp").unwrap();
        cluster::own(folder.path());
        let config = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={} port={} user=pingu\n[pgbouncer]\nlisten_addr=\nlisten_port=6432\nunix_socket_dir={}\n\
             auth_type=any\npool_mode=transaction\ndefault_pool_size=1\nmax_client_conn=100\n",
            cluster.folder().display(),
            cluster.port(),
            folder.path().display()
        );
        secret_file(&config, &text);
        let process = cluster::ordinary(Path::new("pgbouncer"))
            .arg("--quiet")
            .arg(&config)
            .spawn()
            .expect("pgbouncer is installed by make test-tools");
        let pooler = Self { process, folder };
        let deadline = Instant::now() + PATIENCE;
        while cluster::try_sql(&pooler.url("postgres"), "SELECT 1").is_err() {
            assert!(Instant::now() < deadline, "pgbouncer does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        pooler
    }

    fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display().to_string();
        format!("postgresql:///{database}?host={folder}&port=6432&user=pingu")
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_may_stand_between() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let pooler = Pooler::start(&cluster);
    let url = pooler.url(database.name());
    let store = open(&url).await.unwrap();
    let other = PostgresStore::open(&url.into(), "there").await.unwrap();
    let ids = targets(&store, 20).await;
    let days = 86_400 / 10;
    let writing = async |store: &PostgresStore| {
        for round in 0..20 {
            // now and then a day begins
            let first = round * 3 + round / 7 * days * 10;
            let recorded = store.record(batch(&ids, first..first + 3)).await.unwrap();
            assert_eq!(recorded.stored, 60);
        }
    };
    let reading = async |store: &PostgresStore| {
        for _ in 0..20 {
            store.latest_by_target().await.unwrap();
            store.stats().await.unwrap();
            assert_eq!(store.targets(Status::All).await.unwrap().len(), 20);
        }
    };
    futures_util::join!(
        writing(&store),
        writing(&other),
        reading(&store),
        reading(&other),
        reading(&store),
    );
    assert_eq!(all(&store).await.len(), 2400);
    assert_eq!(
        database.sql("SELECT current_setting('statement_timeout')"),
        ["0"]
    );
}
