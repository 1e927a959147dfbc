//! History that is remembered: what a process read once is asked for again only while it is what the database holds, whoever changed
//! that, and whichever database it is.

use std::sync::Arc;
use std::time::Duration;

use pingu::model::{
    Declared, IcmpSpec, IncidentRule, Measurement, Observation, ProbeResult, ProbeSpec, TargetId,
    TargetSpec, Timestamp,
};
use pingu::storage::history::{self, History};
use pingu::storage::postgres::PostgresStore;
use pingu::storage::sqlite::SqliteStore;
use pingu::storage::{
    Day, FiguresQuery, Progress, Resolution, Stale, Standing, Status, Store, rollup,
};
use tokio_postgres::NoTls;

type Backend = Arc<dyn Store>;

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
const LATE: [i64; 4] = [7, DAY + 5 * HOUR + 11, 2 * DAY - 13, HOUR + 7];

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_771_804_800_000_000 + seconds * 1_000_000)
}

async fn target(store: &Backend) -> TargetId {
    let spec = TargetSpec {
        name: "a".to_owned(),
        enabled: true,
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
        slow_after: Duration::from_millis(800),
        incident: IncidentRule::default(),
        group: None,
        tags: Vec::new(),
        description: None,
        probe: ProbeSpec::Icmp(IcmpSpec::new("a".to_owned())),
    };
    let declared = Declared { id: None, spec };
    store.sync_targets(&[declared], at(0)).await.unwrap();
    store.targets(Status::All).await.unwrap()[0].id
}

async fn record(store: &Backend, target: TargetId, slots: impl IntoIterator<Item = i64>) {
    let result = |slot| {
        let measurement = Measurement {
            latency: Some(Duration::from_micros(500)),
            ..Measurement::default()
        };
        let slow_after = Duration::from_millis(800);
        let observation = Observation::up(measurement);
        ProbeResult::new(target, at(slot), Duration::ZERO, slow_after, observation)
    };
    let batch: Arc<[ProbeResult]> = slots.into_iter().map(result).collect();
    let count = batch.len() as u64;
    assert_eq!(store.record(batch).await.unwrap().stored, count);
}

async fn settle(store: &Backend, now: i64) {
    rollup::settle(store.as_ref(), at(now)).await.unwrap();
}

async fn total(history: &History, target: TargetId, since: i64, until: i64) -> u64 {
    let sums = history.summaries(None, at(since), at(until)).await.unwrap();
    sums.get(&target).map_or(0, |sum| sum.total)
}

/// Two processes on one database: who reads, and who stores.
async fn late_results_of_another_process_are_seen(reader: Backend, writer: Backend) {
    let id = target(&writer).await;
    let history = History::new(reader);
    record(&writer, id, (0..2 * DAY).step_by(600)).await;
    settle(&writer, 2 * DAY + HOUR).await;
    let mut expected = 2 * DAY as u64 / 600;
    for _ in 0..2 {
        assert_eq!(total(&history, id, 0, 2 * DAY).await, expected);
    }
    // late ones in a day, an hour and five minutes that were read: seen while they are stale, and once they are settled again
    for late in LATE {
        record(&writer, id, [late]).await;
        expected += 1;
        assert_eq!(total(&history, id, 0, 2 * DAY).await, expected, "{late}");
        settle(&writer, 2 * DAY + HOUR).await;
        for _ in 0..2 {
            assert_eq!(total(&history, id, 0, 2 * DAY).await, expected, "{late}");
        }
        assert_eq!(total(&history, id, 0, HOUR).await, 7, "{late}");
    }
    // a span whose ends move, over what is remembered
    for minutes in 0..40 {
        let (since, until) = (minutes * 60, DAY + minutes * 60);
        let mut count = 0;
        for slot in (0..2 * DAY).step_by(600).chain(LATE) {
            count += u64::from((since..until).contains(&slot));
        }
        assert_eq!(total(&history, id, since, until).await, count, "{minutes}");
    }
}

/// Another process that read its figures before a late result came, and writes them after that one was rolled up.
async fn figures_that_were_overtaken_are_not_written(_: Backend, store: Backend) {
    let id = target(&store).await;
    record(&store, id, [10, 20]).await;
    let seen = store.stale().await.unwrap()[0];
    let query = FiguresQuery {
        resolution: Resolution::Raw,
        target: None,
        since: at(0),
        until: at(300),
        step: seen.resolution.width(),
    };
    let figures = store.figures(&query).await.unwrap();
    record(&store, id, [30]).await;
    settle(&store, HOUR + 60).await;
    store.roll_up(seen, figures).await.unwrap();
    settle(&store, HOUR + 60).await;
    assert_eq!(total(&History::new(store), id, 0, HOUR).await, 3);
}

/// What is remembered of days that go is not asked for again; what is kept of them is.
async fn days_that_were_dropped_are_gone_from_memory(reader: Backend, writer: Backend) {
    let id = target(&writer).await;
    let history = History::new(Arc::clone(&reader));
    record(&writer, id, (0..3 * DAY).step_by(600)).await;
    settle(&writer, 3 * DAY + HOUR).await;
    let a_day = DAY as u64 / 600;
    assert_eq!(total(&history, id, 0, 3 * DAY).await, 3 * a_day);
    for (resolution, left) in [
        (Resolution::Raw, 3 * a_day),
        (Resolution::FiveMinutes, 3 * a_day),
        (Resolution::Hour, 2 * a_day),
    ] {
        let stamps = async || reader.standing(at(0), at(DAY)).await.unwrap().stamps;
        let of = |stamps: &pingu::storage::Stamps| stamps.of(resolution, at(0));
        let before = of(&stamps().await);
        assert_eq!(before.is_some(), resolution != Resolution::Raw);
        let day = Day::of(at(0));
        while matches!(
            writer.drop_day(resolution, day).await.unwrap(),
            Progress::Partly(_)
        ) {}
        assert_eq!(of(&stamps().await), None, "no stamp outlasts its day");
        assert_eq!(
            total(&history, id, 0, 3 * DAY).await,
            left,
            "{resolution:?}"
        );
    }
    // five minutes of the day that is left
    assert_eq!(total(&history, id, DAY, DAY + 900).await, 2);
}

/// Stamps come with the roll-ups, and change with them.
async fn every_roll_up_has_a_stamp_of_its_own(_: Backend, store: Backend) {
    let id = target(&store).await;
    record(&store, id, [10]).await;
    let of = |standing: &Standing| {
        [Resolution::FiveMinutes, Resolution::Hour]
            .map(|resolution| standing.stamps.of(resolution, at(0)))
    };
    let standing = async || store.standing(at(100), at(101)).await.unwrap();
    assert_eq!(of(&standing().await), [None, None]);
    settle(&store, 2 * HOUR).await;
    let first = of(&standing().await);
    assert!(first.iter().all(Option::is_some), "{first:?}");
    record(&store, id, [11]).await;
    let stale = Stale {
        resolution: Resolution::FiveMinutes,
        bucket: at(0),
        marks: 1,
    };
    assert_eq!(standing().await.stale, [stale]);
    assert_eq!(of(&standing().await), first);
    settle(&store, 2 * HOUR).await;
    let second = of(&standing().await);
    assert!(
        second
            .iter()
            .zip(first)
            .all(|(a, b)| a.is_some() && *a != b)
    );
    // nothing has changed: nothing is read anew
    settle(&store, 2 * HOUR).await;
    assert_eq!(of(&standing().await), second);
}

/// Nobody has to ask for what another is reading already.
async fn many_readers_at_once_all_get_it(reader: Backend, writer: Backend) {
    let id = target(&writer).await;
    record(&writer, id, (0..2 * DAY).step_by(60)).await;
    settle(&writer, 2 * DAY + HOUR).await;
    let history = Arc::new(History::new(reader));
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..10 {
        let history = Arc::clone(&history);
        asking.spawn(async move { total(&history, id, number * 7, DAY + number * 7).await });
    }
    while let Some(found) = asking.join_next().await {
        let found = found.unwrap();
        assert!((1_440..=1_441).contains(&found), "{found}");
    }
}

macro_rules! both {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    let folder = tempfile::tempdir().unwrap();
                    let path = folder.path().join("pingu.db");
                    let [writer, reader] = ["here", "there"].map(|location| {
                        std::sync::Arc::new(super::SqliteStore::open(&path, location).unwrap())
                    });
                    super::$case(reader, writer).await;
                }
            )*
        }

        mod postgres {
            $(
                #[tokio::test]
                async fn $case() {
                    let database = crate::cluster::database();
                    let url = database.url.clone().into();
                    let writer = super::PostgresStore::open(&url, "here").await.unwrap();
                    let reader = super::PostgresStore::open_for_reading(&url).await.unwrap();
                    super::$case(std::sync::Arc::new(reader), std::sync::Arc::new(writer)).await;
                }
            )*
        }
    };
}

both!(
    late_results_of_another_process_are_seen,
    figures_that_were_overtaken_are_not_written,
    days_that_were_dropped_are_gone_from_memory,
    every_roll_up_has_a_stamp_of_its_own,
    many_readers_at_once_all_get_it,
);

async fn sql(url: &str, statements: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(statements).await.unwrap();
}

#[tokio::test]
async fn a_database_in_the_place_of_another_is_told_from_it() {
    let database = crate::cluster::database();
    let open = async || {
        let store = PostgresStore::open(&database.url.clone().into(), "here").await;
        Arc::new(store.unwrap()) as Backend
    };
    let first = open().await;
    let history = History::new(Arc::clone(&first));
    let id = target(&first).await;
    record(&first, id, (0..2 * DAY).step_by(600)).await;
    settle(&first, 2 * DAY + HOUR).await;
    assert_eq!(total(&history, id, 0, 2 * DAY).await, 288);

    sql(
        &database.url,
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public",
    )
    .await;
    let second = open().await;
    let id = target(&second).await;
    record(&second, id, (0..2 * DAY).step_by(1_200)).await;
    settle(&second, 2 * DAY + HOUR).await;
    assert_eq!(total(&history, id, 0, 2 * DAY).await, 144);
}

#[tokio::test]
async fn what_was_rolled_up_before_there_were_stamps_gets_some() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pingu.db");
    let database = crate::cluster::database();
    for is_sqlite in [true, false] {
        let open = async || {
            if is_sqlite {
                Arc::new(SqliteStore::open(&path, "here").unwrap()) as Backend
            } else {
                let url = database.url.clone().into();
                Arc::new(PostgresStore::open(&url, "here").await.unwrap())
            }
        };
        let store = open().await;
        let id = target(&store).await;
        // the second day has five minutes, and no hour yet
        record(&store, id, [10, 20, DAY + 10]).await;
        settle(&store, DAY + 600).await;
        store.close().await;
        let back = "DROP TABLE settled; DROP TABLE certificates; DROP TABLE incidents; \
                    ALTER TABLE targets DROP COLUMN fail_after; ALTER TABLE targets DROP COLUMN recover_after";
        if is_sqlite {
            let connection = rusqlite::Connection::open(&path).unwrap();
            connection.execute_batch(back).unwrap();
            connection.pragma_update(None, "user_version", 4).unwrap();
        } else {
            let back = format!("{back}; DELETE FROM pingu_schema WHERE version > 4");
            sql(&database.url, &back).await;
        }
        let store = open().await;
        let stamps = store.standing(at(0), at(2 * DAY)).await.unwrap().stamps;
        for (resolution, bucket) in [
            (Resolution::Hour, 0),
            (Resolution::FiveMinutes, 0),
            (Resolution::FiveMinutes, DAY),
        ] {
            let stamp = stamps.of(resolution, at(bucket));
            assert!(stamp.is_some(), "{resolution:?} {bucket} {is_sqlite}");
        }
        let history = History::new(store);
        for _ in 0..2 {
            assert_eq!(total(&history, id, 0, 2 * DAY).await, 3);
        }
    }
}

#[test]
fn a_window_of_a_day_begins_with_five_minutes_and_a_shorter_one_where_it_says() {
    for (window, now, begins) in [
        (DAY, DAY + 301, 300),
        (DAY, DAY + 300, 300),
        (DAY, DAY + 299, 0),
        (DAY - 1, DAY + 301, 302),
        (7 * DAY, 8 * DAY + 301, DAY + 300),
    ] {
        let window = Duration::from_secs(window.unsigned_abs());
        assert_eq!(history::beginning(at(now), window), at(begins));
    }
}
