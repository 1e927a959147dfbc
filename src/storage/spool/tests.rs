//! The spool on real files.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::model::{Measurement, Observation, Reason, TargetId};

fn place(folder: &TempDir, max_bytes: u64) -> Place {
    Place {
        path: folder.path().join("spool.db"),
        max_bytes,
        location: "local".to_owned(),
    }
}

fn batch(from: i64, count: i64) -> Arc<[ProbeResult]> {
    (from..from + count)
        .map(|second| ProbeResult {
            target: TargetId(uuid::Uuid::from_u128(second as u128 % 7)),
            slot: Timestamp::from_micros(second * 1_000_000),
            lag: Duration::from_micros(150),
            slow: false,
            observation: Observation::down(
                Reason::Timeout,
                "no reply within 1000 ms",
                Measurement::default(),
            ),
        })
        .collect()
}

fn append(spool: &mut Spool, id: i64, batch: Arc<[ProbeResult]>) -> Done {
    let append = vec![(id, batch)];
    let work = Work {
        append,
        ..Work::default()
    };
    spool.work(&work).unwrap()
}

fn load(spool: &mut Spool, below: i64, results: usize, protect: &[i64]) -> Done {
    let work = Work {
        load: Some(Load { below, results }),
        protect: protect.iter().copied().collect(),
        ..Work::default()
    };
    spool.work(&work).unwrap()
}

fn ids(done: &Done) -> Vec<i64> {
    done.loaded.iter().map(|chunk| chunk.id).collect()
}

#[test]
fn what_was_written_is_there_after_a_restart_newest_first() {
    let folder = TempDir::new().unwrap();
    let place = place(&folder, 1 << 20);
    let mut spool = place.open().unwrap();
    assert_eq!((spool.results(), spool.begins()), (0, None));
    for id in 1..=3 {
        append(&mut spool, id, batch(id * 100, 10));
    }
    drop(spool);
    let mut spool = place.open().unwrap();
    assert_eq!((spool.results(), spool.last_chunk()), (30, 3));
    assert_eq!(spool.begins(), Some(Timestamp::from_micros(100_000_000)));
    let all = load(&mut spool, i64::MAX, 30, &[]);
    assert_eq!(ids(&all), [3, 2, 1]);
    assert_eq!(all.loaded[0].results, *batch(300, 10));
    assert_eq!(ids(&load(&mut spool, i64::MAX, 29, &[])), [3, 2]);
    assert_eq!(
        ids(&load(&mut spool, i64::MAX, 1, &[])),
        [3],
        "at least one"
    );
    assert_eq!(ids(&load(&mut spool, i64::MAX, 30, &[3])), [2, 1]);
    assert_eq!(ids(&load(&mut spool, 2, 30, &[])), [1]);
}

#[test]
fn what_was_deleted_is_gone_and_its_space_is_given_back() {
    let folder = TempDir::new().unwrap();
    let place = place(&folder, 64 << 20);
    let mut spool = place.open().unwrap();
    for id in 1..=40 {
        append(&mut spool, id, batch(id * 10_000, 5000));
    }
    assert_eq!(spool.results(), 200_000);
    assert!(spool.bytes() > 10 << 20, "{}", spool.bytes());
    let work = Work {
        delete: (1..=40).chain([7, 99]).collect(),
        ..Work::default()
    };
    spool.work(&work).unwrap();
    assert_eq!((spool.results(), spool.begins()), (0, None));
    assert!(spool.bytes() < 1 << 20, "{}", spool.bytes());
}

#[test]
fn a_full_spool_drops_its_oldest_and_stays_within_its_bound() {
    let folder = TempDir::new().unwrap();
    let place = place(&folder, 1 << 20);
    let mut spool = place.open().unwrap();
    let (mut written, mut dropped, mut largest) = (0, 0, 0);
    for id in 1..=2000 {
        let count = 1 + id * 37 % 500;
        let done = append(&mut spool, id, batch(id * 1000, count));
        assert_eq!(done.too_large, Vec::<i64>::new());
        written += count as u64;
        dropped += done.dropped;
        largest = largest.max(spool.bytes());
        assert_eq!(spool.results(), written - dropped);
    }
    assert!(largest <= 1 << 20, "{largest}");
    assert!(largest > 1 << 19, "the space is used: {largest}");
    let mut kept = ids(&load(&mut spool, i64::MAX, usize::MAX, &[]));
    kept.reverse();
    let expected: Vec<i64> = (2001 - kept.len() as i64..=2000).collect();
    assert_eq!(kept, expected, "the newest stay, without a hole");
}

#[test]
fn a_chunk_under_way_is_not_dropped_and_one_that_never_fits_is_refused() {
    let folder = TempDir::new().unwrap();
    let place = place(&folder, 1 << 20);
    let mut spool = place.open().unwrap();
    append(&mut spool, 1, batch(0, 1000));
    for id in 2..=30 {
        let work = Work {
            append: vec![(id, batch(id * 1000, 1000))],
            protect: HashSet::from([1]),
            ..Work::default()
        };
        spool.work(&work).unwrap();
    }
    let kept = ids(&load(&mut spool, i64::MAX, usize::MAX, &[]));
    assert_eq!(kept.last(), Some(&1));
    assert!(!kept.contains(&2));
    let done = append(&mut spool, 31, batch(0, 30_000));
    assert_eq!(done.too_large, [31]);
    assert_eq!(done.dropped, 0, "nothing goes for what cannot fit");
}

#[test]
fn a_second_process_is_refused_until_the_first_has_ended() {
    let folder = TempDir::new().unwrap();
    let place = place(&folder, 1 << 20);
    let first = place.open().unwrap();
    let error = place.open().unwrap_err();
    assert!(matches!(error, SpoolError::InUse(_)), "{error}");
    assert!(error.to_string().contains("SPOOL_PATH"), "{error}");
    drop(first);
    place.open().unwrap();
}

#[test]
fn results_of_another_location_are_not_taken_for_our_own() {
    let folder = TempDir::new().unwrap();
    let here = place(&folder, 1 << 20);
    let there = Place {
        location: "paris-1".to_owned(),
        ..here.clone()
    };
    let mut spool = here.open().unwrap();
    append(&mut spool, 1, batch(0, 5));
    drop(spool);
    let error = there.open().unwrap_err().to_string();
    assert!(error.contains("5 results of the location local"), "{error}");
    let mut spool = here.open().unwrap();
    let delete = vec![1];
    spool
        .work(&Work {
            delete,
            ..Work::default()
        })
        .unwrap();
    drop(spool);
    drop(there.open().unwrap());
}

#[test]
fn a_file_that_is_something_else_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let place = place(&folder, 1 << 20);
    std::fs::write(&place.path, "targets: []\n".repeat(1000)).unwrap();
    let error = place.open().unwrap_err();
    assert!(matches!(error, SpoolError::Foreign(_)), "{error}");
    assert!(
        std::fs::read_to_string(&place.path)
            .unwrap()
            .starts_with("targets")
    );

    std::fs::remove_file(&place.path).unwrap();
    let other = Connection::open(&place.path).unwrap();
    other.execute_batch("CREATE TABLE mine (id)").unwrap();
    drop(other);
    let error = place.open().unwrap_err().to_string();
    assert!(error.contains("another program"), "{error}");

    std::fs::remove_file(&place.path).unwrap();
    drop(place.open().unwrap());
    let newer = Connection::open(&place.path).unwrap();
    newer.pragma_update(None, "user_version", 2).unwrap();
    drop(newer);
    let error = place.open().unwrap_err().to_string();
    assert!(error.contains("version 2"), "{error}");
}

#[test]
fn a_damaged_spool_is_moved_aside_and_a_new_one_begun() {
    let folder = TempDir::new().unwrap();
    let place = place(&folder, 1 << 20);
    let mut spool = place.open().unwrap();
    for id in 1..=50 {
        append(&mut spool, id, batch(id * 100, 100));
    }
    drop(spool);
    let mut bytes = std::fs::read(&place.path).unwrap();
    // everything but the first page, which says what it is
    bytes[PAGE as usize..].fill(0xa5);
    std::fs::write(&place.path, &bytes).unwrap();
    let spool = place.open().unwrap();
    assert_eq!(spool.results(), 0);
    let aside = folder.path().join("spool.db.damaged-1");
    assert_eq!(std::fs::read(aside).unwrap(), bytes);
}

#[test]
fn a_chunk_that_cannot_be_read_is_set_aside_and_the_others_come() {
    let folder = TempDir::new().unwrap();
    let place = place(&folder, 1 << 20);
    let mut spool = place.open().unwrap();
    for id in 1..=3 {
        append(&mut spool, id, batch(id * 100, 10));
    }
    drop(spool);
    let file = Connection::open(&place.path).unwrap();
    file.execute("UPDATE chunks SET body = x'01ff' WHERE id = 2", [])
        .unwrap();
    drop(file);
    let mut spool = place.open().unwrap();
    let done = load(&mut spool, i64::MAX, 100, &[]);
    assert_eq!((ids(&done), done.unreadable), (vec![3, 1], 10));
    assert_eq!(spool.results(), 20);
    drop(spool);
    let file = Connection::open(&place.path).unwrap();
    let kept: (i64, Vec<u8>) = file
        .query_row("SELECT results, body FROM quarantine", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(kept, (10, vec![1, 0xff]));
}

#[test]
fn the_quarantine_keeps_the_newest_with_what_the_database_said() {
    let folder = TempDir::new().unwrap();
    let place = place(&folder, 1 << 20);
    let mut spool = place.open().unwrap();
    for result in batch(0, 1000).iter() {
        let quarantine = vec![Quarantined {
            result: result.clone(),
            error: "no such column".to_owned(),
        }];
        spool
            .work(&Work {
                quarantine,
                ..Work::default()
            })
            .unwrap();
    }
    drop(spool);
    let file = Connection::open(&place.path).unwrap();
    let (count, newest, error): (i64, String, String) = file
        .query_row(
            "SELECT count(*), max(ts), max(error) FROM quarantine",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!(count, (1 << 20) / PAGE as i64);
    assert_eq!(newest, "1970-01-01T00:16:39.000000Z");
    assert_eq!(error, "no such column");
}

#[test]
fn every_statement_is_one_that_this_schema_takes() {
    let connection = Connection::open_in_memory().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage/sql");
    let schema = folder.join("migrations/0001_start.spool.sql");
    connection
        .execute_batch(&std::fs::read_to_string(schema).unwrap())
        .unwrap();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".spool.sql") {
            let sql = std::fs::read_to_string(&path).unwrap();
            let prepared = connection.prepare(&sql).map(|_| ());
            assert_eq!(prepared, Ok(()), "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 8, "{count}");
}
