//! Pingu under load while its database is killed and paused, and while it is killed itself: each slot is stored once, or counted.
//!
//! `make test` goes a few rounds; `make siege` goes as many as `SIEGE_ROUNDS` says, with the optimised program, and shows the figures.
//! Times are shown and not judged, save against bounds that only a fault reaches: this machine may be busy with something else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use pingu::model::{TargetId, Timestamp};
use rusqlite::Connection;

use crate::account::{self, Key, come_to_rest, count, now, punctual, spooled};
use crate::cluster::{Cluster, Database};
use crate::pingu::{Home, PATIENCE, Pingu};

/// A probe on loopback has its result by then, and a recorder that promises 200 ms has put it down.
const A_FAULT: Duration = Duration::from_secs(3);
const SECOND: i64 = 1_000_000;

/// How hard to try.
struct Effort {
    rounds: u64,
    targets: usize,
    pause: Duration,
}

fn effort() -> Effort {
    match std::env::var("SIEGE_ROUNDS") {
        Ok(rounds) => Effort {
            rounds: rounds.parse().expect("SIEGE_ROUNDS is a number"),
            targets: 2000,
            pause: Duration::from_secs(60),
        },
        Err(_) => Effort {
            rounds: 3,
            targets: 500,
            pause: Duration::from_secs(8),
        },
    }
}

/// Targets on the loopback network, each probed once a second.
fn targets(count: usize) -> String {
    let mut text = "targets:\n".to_owned();
    for number in 0..count {
        let (third, fourth) = (number / 250, number % 250 + 1);
        let _ = writeln!(
            text,
            "  - {{name: t{number}, type: icmp, host: 127.4.{third}.{fourth}, interval_seconds: 1, timeout_ms: 900}}"
        );
    }
    text
}

/// Moments that differ from round to round, and are the same in each run.
fn moment(round: u64) -> Duration {
    Duration::from_millis(300 + round * 617 % 1400)
}

/// Every result that Postgres has, each row by itself.
fn rows(database: &Database) -> Vec<Key> {
    let found = database.sql(
        "SELECT t.id || ' ' || (extract(epoch FROM r.ts) * 1000000)::int8 FROM results AS r \
         JOIN series AS s ON s.key = r.series_key JOIN targets AS t ON t.key = s.target_key",
    );
    let parsed = found.iter().map(|row| {
        let (id, ts) = row.split_once(' ').expect("two columns");
        let slot = Timestamp::from_micros(ts.parse().expect("microseconds"));
        (TargetId(id.parse().expect("a UUID")), slot)
    });
    parsed.collect()
}

/// The slots that are absent between the first and the last one of each target.
fn gaps(found: &BTreeSet<Key>) -> Vec<Key> {
    let mut by_target: BTreeMap<TargetId, Vec<i64>> = BTreeMap::new();
    for (target, slot) in found {
        by_target.entry(*target).or_default().push(slot.as_micros());
    }
    let mut absent = Vec::new();
    for (target, slots) in by_target {
        for pair in slots.windows(2) {
            assert_eq!((pair[1] - pair[0]) % SECOND, 0, "{target:?}: {slots:?}");
            let skipped = (pair[0] + SECOND..pair[1]).step_by(SECOND as usize);
            absent.extend(skipped.map(|slot| (target, Timestamp::from_micros(slot))));
        }
    }
    absent
}

fn show_lag(pingu: &Pingu) {
    for seconds in ["0.002", "0.005", "0.01", "0.02", "0.05"] {
        let share = punctual(pingu, seconds) * 100.0;
        println!("{share:.3} % of all probes began within {seconds} s of their slot");
    }
}

/// Waits until the server shows a result of a slot after `since`, and says how long that took.
fn live_after(database: &Database, since: Timestamp) -> Duration {
    let began = Instant::now();
    let sql = format!(
        "SELECT 1 FROM target_state WHERE ts >= to_timestamp({}) LIMIT 1",
        since.as_micros() as f64 / 1e6
    );
    while database.sql(&sql).is_empty() {
        assert!(
            began.elapsed() < PATIENCE,
            "the server is back, results are not"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    began.elapsed()
}

#[test]
fn a_server_that_is_killed_and_paused_under_load_loses_no_slot() {
    let effort = effort();
    // as a server is shipped: a commit that was answered outlives the process
    let mut cluster = Cluster::start(&["synchronous_commit=on"]);
    let database = cluster.database();
    let home = Home::new(&targets(effort.targets));
    let pingu = Pingu::start(home.command(&[]).env("DATABASE_URL", &database.url));
    pingu.until("every target to have results", |pingu| {
        (count(pingu, "stored_total") > 2 * effort.targets as i64).then_some(())
    });
    let mut slowest = Duration::ZERO;
    for round in 0..effort.rounds {
        std::thread::sleep(moment(round));
        cluster.stop_hard();
        std::thread::sleep(moment(round + 7));
        cluster.start_again();
        let live = live_after(&database, now());
        slowest = slowest.max(live);
    }
    println!(
        "{} kills of the server: live results at most {slowest:?} after its return",
        effort.rounds
    );
    cluster.signal_all("STOP");
    let began = Instant::now();
    while began.elapsed() < effort.pause {
        assert!(count(&pingu, "waiting") < 20_000, "memory stays small");
        std::thread::sleep(Duration::from_millis(500));
    }
    println!(
        "paused for {:?}: {} results in the spool",
        effort.pause,
        count(&pingu, "spooled")
    );
    cluster.signal_all("CONT");
    let live = live_after(&database, now());
    println!("live results {live:?} after the pause");
    pingu.until("the spool to be empty", |pingu| {
        (count(pingu, "spooled") == 0).then_some(())
    });
    come_to_rest(&home, &pingu);
    show_lag(&pingu);
    let missed = pingu.metric("pingu_slots_missed_total");
    let produced = count(&pingu, "produced_total");
    assert_eq!(count(&pingu, "dropped_total"), 0);
    assert_eq!(count(&pingu, "quarantined_total"), 0);
    let (status, log) = pingu.stop();
    assert!(status.success(), "{status}\n{log}");
    let rows = rows(&database);
    let found: BTreeSet<Key> = rows.iter().copied().collect();
    assert_eq!(rows.len(), found.len(), "a slot is there twice");
    assert_eq!(found.len() as i64, produced, "produced and stored");
    let absent = gaps(&found);
    println!(
        "{produced} results, each stored once; {} slots absent, {missed} counted as missed",
        absent.len()
    );
    assert!(absent.len() as i64 <= missed, "{absent:?}");
}

/// What a life of Pingu that ended with a kill left behind.
struct Life {
    began: Timestamp,
    killed: Timestamp,
    missed: i64,
}

impl Life {
    /// How long before the kill the oldest slot was that left no result, between the first and the last moment.
    fn loss(&self, kept: &BTreeSet<Key>) -> Duration {
        let mine = |slot: Timestamp| self.began <= slot && slot < self.killed;
        let mut known: BTreeSet<Key> = kept.iter().filter(|key| mine(key.1)).copied().collect();
        let targets: BTreeSet<TargetId> = known.iter().map(|(target, _)| *target).collect();
        for target in targets {
            // the grid goes on to the kill, whatever was stored last
            let last = known.range((target, Timestamp::MIN)..=(target, Timestamp::MAX));
            let (_, last) = last.last().copied().expect("it has one");
            let behind = self.killed.since(last).as_secs() as i64;
            let end = last.as_micros() + (behind + 1) * SECOND;
            known.insert((target, Timestamp::from_micros(end)));
        }
        let lost = gaps(&known).into_iter().filter(|key| mine(key.1));
        let oldest = lost.map(|(_, slot)| self.killed.since(slot)).max();
        oldest.unwrap_or_default()
    }
}

/// Lets Pingu live and be killed again and again; in every second life the database is away at the end.
fn kill_again_and_again(
    home: &Home,
    start: impl Fn() -> Pingu,
    mut away: impl FnMut(bool),
    stored: impl Fn() -> Vec<Key>,
) {
    let effort = effort();
    let (mut worst, mut judged) = (Duration::ZERO, 0);
    let mut kept = BTreeSet::new();
    for round in 0..effort.rounds {
        let pingu = start();
        let began = now();
        pingu.until("results", |pingu| {
            (count(pingu, "produced_total") > effort.targets as i64).then_some(())
        });
        let outage = round % 2 == 1;
        if outage {
            away(true);
            pingu.until("results in the spool", |pingu| {
                (count(pingu, "spooled") > 0).then_some(())
            });
        }
        std::thread::sleep(moment(round));
        let missed = pingu.metric("pingu_slots_missed_total");
        let killed = now();
        pingu.kill();
        if outage {
            away(false);
        }
        let life = Life {
            began,
            killed,
            missed,
        };
        kept.extend(stored());
        kept.extend(spooled(home));
        // a slot that was missed has no result that could be lost
        if life.missed == 0 {
            judged += 1;
            let loss = life.loss(&kept);
            worst = worst.max(loss);
            assert!(loss < A_FAULT, "life {round} lost {loss:?}");
        }
    }
    println!(
        "{} kills of Pingu, {judged} of them judged: the oldest slot lost was {worst:?} old",
        effort.rounds
    );
    assert!(
        judged > 0,
        "this machine misses slots in each of Pingu's lives"
    );
    let pingu = start();
    come_to_rest(home, &pingu);
    assert_eq!(count(&pingu, "dropped_total"), 0);
    let (status, log) = pingu.stop();
    assert!(status.success(), "{status}\n{log}");
    let rows = stored();
    let found: BTreeSet<Key> = rows.iter().copied().collect();
    assert_eq!(rows.len(), found.len(), "a slot is there twice");
    let absent = kept.difference(&found).count();
    assert_eq!(absent, 0, "of {} that were kept", kept.len());
    println!("{} results kept through all kills", found.len());
    assert!(spooled(home).is_empty());
}

#[test]
fn a_pingu_that_is_killed_again_and_again_keeps_its_sqlite_file() {
    let home = Home::new(&targets(effort().targets));
    let mut lock: Option<Connection> = None;
    kill_again_and_again(
        &home,
        || home.start(),
        |away| {
            lock = away.then(|| {
                let database = account::database(&home);
                database.execute_batch("BEGIN IMMEDIATE").unwrap();
                database
            });
        },
        || account::stored(&home).into_iter().collect(),
    );
    let whole: String = account::database(&home)
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(whole, "ok");
}

#[test]
fn a_pingu_that_is_killed_again_and_again_loses_nothing_on_postgres() {
    let cluster = Cluster::start(&[]);
    let database = cluster.database();
    let home = Home::new(&targets(effort().targets));
    kill_again_and_again(
        &home,
        || Pingu::start(home.command(&[]).env("DATABASE_URL", &database.url)),
        |away| cluster.signal_all(if away { "STOP" } else { "CONT" }),
        || rows(&database),
    );
}
