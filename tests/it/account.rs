//! Where every result is, as the metrics say and as the files of a Pingu show it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pingu::model::{TargetId, Timestamp};
use pingu::storage::spool::{Load, Place, Work};
use rusqlite::Connection;

use crate::pingu::{Home, PATIENCE, Pingu};

pub type Key = (TargetId, Timestamp);

/// The database as another program has it open.
pub fn database(home: &Home) -> Connection {
    let database = Connection::open(home.path().join("pingu.db")).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    database
}

/// Every stored result.
pub fn stored(home: &Home) -> BTreeSet<Key> {
    let database = database(home);
    let days: Vec<i64> = database
        .prepare("SELECT day FROM days")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut found = BTreeSet::new();
    for day in days {
        let sql = format!(
            "SELECT t.id, r.at FROM results_{day} AS r JOIN series AS s ON s.key = r.series_key JOIN targets AS t ON t.key = s.target_key"
        );
        let mut statement = database.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
        });
        for row in rows.unwrap() {
            let (target, at) = row.unwrap();
            let slot = Timestamp::from_micros(day * 86_400_000_000 + at);
            found.insert((TargetId(target.parse().unwrap()), slot));
        }
    }
    found
}

/// What a Pingu that has ended left in its spool.
pub fn spooled(home: &Home) -> BTreeSet<Key> {
    let place = Place {
        path: home.path().join("pingu.spool.db"),
        max_bytes: 1 << 30,
        location: "local".to_owned(),
    };
    let work = Work {
        load: Some(Load {
            below: i64::MAX,
            results: usize::MAX,
        }),
        ..Work::default()
    };
    let done = place.open().unwrap().work(&work).unwrap();
    assert_eq!(done.unreadable, 0);
    let results = done.loaded.into_iter().flat_map(|chunk| chunk.results);
    results.map(|it| (it.target, it.slot)).collect()
}

pub fn count(pingu: &Pingu, what: &str) -> i64 {
    pingu.metric(&format!("pingu_results_{what}"))
}

/// What came in less what became of it: zero, once all is at rest.
pub fn unaccounted(pingu: &Pingu) -> i64 {
    let text = pingu.get("/metrics").body;
    let sum = |name: &str| -> i64 {
        text.lines()
            .filter_map(|line| line.strip_prefix("pingu_results_")?.strip_prefix(name))
            .filter(|rest| rest.starts_with([' ', '{']))
            .map(|rest| rest.rsplit(' ').next().unwrap().parse::<i64>().unwrap())
            .sum()
    };
    let came = sum("produced_total") + sum("recovered_total");
    let ended = [
        "stored_total",
        "duplicate_total",
        "quarantined_total",
        "dropped_total",
    ];
    let rests = ["spooled", "waiting"];
    came - ended.iter().chain(&rests).map(|it| sum(it)).sum::<i64>()
}

/// The share of probes that began at the latest so many seconds after their slot.
pub fn punctual(pingu: &Pingu, seconds: &str) -> f64 {
    let text = pingu.get("/metrics").body;
    let bucket = |le: &str| -> f64 {
        let name = format!("pingu_lag_seconds_bucket{{le=\"{le}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.expect("a bucket").parse().unwrap()
    };
    bucket(seconds) / bucket("+Inf")
}

/// Probing ends, everything is stored, and the account is exact.
pub fn come_to_rest(home: &Home, pingu: &Pingu) {
    home.write_targets("targets: []\n");
    pingu.until("no target to be left", |pingu| {
        (pingu.metric("pingu_targets") == 0).then_some(())
    });
    // slots that were handed out before are probed all the same, within 40 ms
    let last = Cell::new((0, Instant::now()));
    pingu.until("all probes to end", |pingu| {
        let produced = count(pingu, "produced_total");
        let (before, since) = last.get();
        if produced != before {
            last.set((produced, Instant::now()));
        }
        (produced == before && since.elapsed() > Duration::from_millis(300)).then_some(())
    });
    pingu.until("the account to be exact", |pingu| {
        let rests = count(pingu, "spooled") + count(pingu, "waiting");
        (rests == 0 && unaccounted(pingu) == 0).then_some(())
    });
}

pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Timestamp::from_micros(since.unwrap().as_micros() as i64)
}
