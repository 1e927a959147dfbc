//! The real program while its database is locked, its disk is full, or it is killed: nothing is lost, and every result is counted.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use pingu::model::Timestamp;
use rusqlite::Connection;

use crate::account::{come_to_rest, count, database, now, punctual, spooled, stored};
use crate::pingu::{Home, Pingu};

/// Longer than SQLite waits for a lock, so that batches fail and are not only late.
const OUTAGE: Duration = Duration::from_secs(8);

/// Targets on the loopback network at ten results a second each.
fn targets(count: usize) -> String {
    let mut text = "targets:\n".to_owned();
    for number in 0..count {
        let (third, fourth) = (number / 250, number % 250 + 1);
        let _ = writeln!(
            text,
            "  - {{name: t{number}, type: icmp, host: 127.3.{third}.{fourth}, interval_seconds: 0.1, timeout_ms: 80}}"
        );
    }
    text
}

/// Keeps everybody else from writing until it is dropped.
fn lock(home: &Home) -> Connection {
    let database = database(home);
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    database
}

/// Time passes, and Pingu is watched.
fn for_a_while(time: Duration, mut look: impl FnMut()) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        look();
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_locked_database_loses_nothing_and_is_caught_up_with() {
    let home = Home::new(&targets(220));
    let pingu = home.start();
    pingu.until("results", |pingu| {
        (count(pingu, "stored_total") > 1000).then_some(())
    });
    let produced = count(&pingu, "produced_total");
    let began = Instant::now();
    let lock = lock(&home);
    for_a_while(OUTAGE, || {
        assert!(count(&pingu, "waiting") < 10_000, "memory stays small");
    });
    pingu.until("a failure", |pingu| {
        (pingu.metric("pingu_flush_failures_total") > 0).then_some(())
    });
    let spooled = count(&pingu, "spooled");
    let rate = (count(&pingu, "produced_total") - produced) as f64 / began.elapsed().as_secs_f64();
    assert!(
        spooled as f64 > rate * OUTAGE.as_secs_f64() * 0.9,
        "{spooled} at {rate}/s"
    );
    let released = now();
    drop(lock);
    let waited = Instant::now();
    pingu.until("live results", |pingu| {
        let latest = pingu.items("/results/latest?limit=1");
        let ts: Timestamp = latest.first()?["ts"].as_str()?.parse().ok()?;
        (ts >= released).then_some(())
    });
    let waited = waited.elapsed();
    println!("{spooled} spooled at {rate:.0}/s, live results after {waited:?}");
    come_to_rest(&home, &pingu);
    for (seconds, share) in [
        ("0.02", punctual(&pingu, "0.02")),
        ("0.1", punctual(&pingu, "0.1")),
    ] {
        println!("{share:.5} of all probes began within {seconds} s of their slot");
    }
    assert!(punctual(&pingu, "1.0") > 0.99);
    assert_eq!(count(&pingu, "dropped_total"), 0);
    assert_eq!(count(&pingu, "quarantined_total"), 0);
    let known = count(&pingu, "produced_total") - count(&pingu, "duplicate_total");
    let counted = count(&pingu, "stored_total");
    assert_eq!(counted, known);
    let (status, log) = pingu.stop();
    assert!(status.success(), "{status}\n{log}");
    // what was stored without an answer came out as duplicates: each produced result is there exactly once
    let rows = stored(&home).len() as i64;
    assert!(rows >= counted, "{rows} rows, {counted} stored");
    for (line, times) in [("takes no results", 1), ("takes results again", 1)] {
        assert_eq!(log.matches(line).count(), times, "{line}\n{log}");
    }
}

#[test]
fn a_kill_while_spooling_loses_no_more_than_the_last_moment() {
    let home = Home::new(&targets(50));
    let mut kept = BTreeSet::new();
    for round in 0..5_u64 {
        let pingu = home.start();
        let before = count(&pingu, "stored_total");
        pingu.until("results", |pingu| {
            (count(pingu, "stored_total") > before).then_some(())
        });
        let lock = lock(&home);
        pingu.until("results in the spool", |pingu| {
            (count(pingu, "spooled") > 100).then_some(())
        });
        std::thread::sleep(Duration::from_millis(round * 173 % 400));
        let metrics = pingu.get("/metrics").body;
        let before = count_in(&metrics, "spooled");
        let killed = now();
        pingu.kill();
        drop(lock);
        let left = spooled(&home);
        let newest = left.iter().map(|(_, slot)| *slot).max().unwrap();
        let lost = killed.since(newest);
        println!("killed {lost:?} after the newest slot in the spool");
        // 200 ms are promised; a loaded machine may stop everything for longer
        assert!(lost < Duration::from_secs(2), "{lost:?}");
        assert!(left.len() as i64 >= before, "{} of {before}", left.len());
        kept.extend(left);
        kept.extend(stored(&home));
    }
    let pingu = home.start();
    assert!(count(&pingu, "recovered_total") > 100);
    come_to_rest(&home, &pingu);
    let (status, log) = pingu.stop();
    assert!(status.success(), "{status}\n{log}");
    let stored = stored(&home);
    assert!(
        kept.is_subset(&stored),
        "{} are missing",
        kept.difference(&stored).count()
    );
    assert!(spooled(&home).is_empty());
}

fn count_in(metrics: &str, what: &str) -> i64 {
    let name = format!("pingu_results_{what} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.expect("a metric").parse().unwrap()
}

#[test]
fn a_stop_while_the_database_is_locked_keeps_everything() {
    let home = Home::new(&targets(50));
    let pingu = home.start();
    pingu.until("results", |pingu| {
        (count(pingu, "stored_total") > 100).then_some(())
    });
    let lock = lock(&home);
    pingu.until("results in the spool", |pingu| {
        (count(pingu, "spooled") > 100).then_some(())
    });
    let (status, log) = pingu.stop();
    assert!(status.success(), "{status}\n{log}");
    assert!(log.contains("the next start stores them"), "{log}");
    drop(lock);
    let mut expected = spooled(&home);
    assert!(expected.len() > 100);
    expected.extend(stored(&home));
    let pingu = home.start();
    come_to_rest(&home, &pingu);
    pingu.stop();
    assert!(expected.is_subset(&stored(&home)));
}

#[test]
fn a_small_spool_keeps_its_bound_and_counts_what_it_drops() {
    let home = Home::new(&targets(400));
    let pingu = Pingu::start(home.command(&[]).env("SPOOL_MAX_BYTES", "1MiB"));
    pingu.until("results", |pingu| {
        (count(pingu, "stored_total") > 100).then_some(())
    });
    let lock = lock(&home);
    let size = || -> u64 {
        let files = ["pingu.spool.db", "pingu.spool.db-wal"];
        let sizes = files.map(|file| fs::metadata(home.path().join(file)).map_or(0, |it| it.len()));
        sizes.iter().sum()
    };
    pingu.until("the spool to overflow", |pingu| {
        assert!(size() <= 1 << 20, "{}", size());
        (count(pingu, "dropped_total") > 5000).then_some(())
    });
    assert!(
        pingu
            .get("/metrics")
            .body
            .contains("pingu_results_dropped_total{reason=\"spool_full\"}")
    );
    assert!(pingu.metric("pingu_spool_bytes") <= 1 << 20);
    drop(lock);
    come_to_rest(&home, &pingu);
    let dropped = count(&pingu, "dropped_total");
    let expected = count(&pingu, "produced_total") - dropped - count(&pingu, "duplicate_total");
    assert_eq!(count(&pingu, "stored_total"), expected);
    let (status, log) = pingu.stop();
    assert!(status.success(), "{status}\n{log}");
    assert_eq!(log.matches("the spool is full").count(), 1, "{log}");
}

#[test]
fn on_a_full_disk_results_wait_in_memory_until_there_is_room() {
    let home = Home::new(&targets(100));
    let disk = home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let command = home.command(&[]);
    // a disk of its own that no other process sees, nearly full
    let mut private = Command::new("unshare");
    private
        .args(["--mount", "sh", "-ec"])
        .arg("mount -t tmpfs -o size=1m tmpfs disk; head -c 700000 /dev/zero > disk/filler; exec \"$0\"")
        .arg(command.get_program())
        .current_dir(home.path())
        .env_clear()
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("SPOOL_PATH", "disk/pingu.spool.db");
    let pingu = Pingu::start(&mut private);
    pingu.until("results", |pingu| {
        (count(pingu, "stored_total") > 100).then_some(())
    });
    let lock = lock(&home);
    pingu.until("the disk to be full", |pingu| {
        (pingu.log().contains("the disk is full") && count(pingu, "waiting") > 3000).then_some(())
    });
    let filler = format!("/proc/{}/root{}", pingu.id(), disk.join("filler").display());
    fs::remove_file(filler).unwrap();
    pingu.until("the spool to take them", |pingu| {
        (count(pingu, "waiting") < 1000).then_some(())
    });
    drop(lock);
    come_to_rest(&home, &pingu);
    assert_eq!(count(&pingu, "dropped_total"), 0);
    let expected = count(&pingu, "produced_total") - count(&pingu, "duplicate_total");
    assert_eq!(count(&pingu, "stored_total"), expected);
    let (status, log) = pingu.stop();
    assert!(status.success(), "{status}\n{log}");
    for line in ["the spool cannot be used", "the spool works again"] {
        assert_eq!(log.matches(line).count(), 1, "{line}\n{log}");
    }
}

#[test]
fn a_second_pingu_does_not_take_the_spool_of_the_first() {
    let home = Home::new(&targets(1));
    let first = home.start();
    let output = home.command(&[]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{error}");
    assert!(
        error.contains("another running Pingu uses this spool"),
        "{error}"
    );
    let mut other = home.command(&[]);
    let second = Pingu::start(other.env("LOCATION", "paris-1"));
    second.latest("t0");
    assert!(home.path().join("pingu.paris-1.spool.db").exists());
    drop(first);
}

#[test]
fn without_a_place_for_the_spool_pingu_runs_and_says_so() {
    let home = Home::new(&targets(1));
    let pingu = Pingu::start(
        home.command(&[])
            .env("SPOOL_PATH", "missing/pingu.spool.db"),
    );
    pingu.latest("t0");
    let log = pingu.log();
    assert!(
        log.contains("missing/pingu.spool.db") && log.contains("cannot be opened"),
        "{log}"
    );
    fs::create_dir(home.path().join("missing")).unwrap();
    pingu.until("the spool", |pingu| {
        pingu.log().contains("the spool works again").then_some(())
    });
}
