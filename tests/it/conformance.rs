//! What every backend must do, whatever it stores in. A backend joins with one line at the end.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pingu::model::{
    Certificate, Chain, Declared, Detail, Digest, ErrorText, Hop, HttpSpec, HttpVersion, IcmpSpec,
    IncidentRule, Measurement, Observation, Outcome, Packets, Phases, ProbeResult, ProbeSpec,
    Reason, Summary, TargetId, TargetMap, TargetSpec, Timestamp,
};
use pingu::storage::history::History;
use pingu::storage::postgres::PostgresStore;
use pingu::storage::sqlite::SqliteStore;
use pingu::storage::{
    Change, Day, FiguresQuery, Progress, Recorded, Resolution, ResultQuery, Stale, Status, Store,
    rollup,
};
use proptest::prelude::*;

use crate::beat_cases::*;
use crate::incident_cases::*;

/// 2026-02-23T00:00:00Z: a midnight, so that days are crossed.
const MIDNIGHT: i64 = 1_771_804_800_000_000;

pub type Backend = Arc<dyn Store>;

pub fn at(seconds: f64) -> Timestamp {
    Timestamp::from_micros(MIDNIGHT + (seconds * 1e6) as i64)
}

pub fn icmp(name: &str) -> Declared {
    Declared {
        id: None,
        spec: TargetSpec {
            name: name.to_owned(),
            enabled: true,
            interval: Duration::from_secs(60),
            timeout: Duration::from_millis(1000),
            slow_after: Duration::from_millis(800),
            incident: IncidentRule::default(),
            group: Some("home".to_owned()),
            tags: vec![
                "edge".to_owned(),
                "ü 'quoted'; DROP TABLE targets".to_owned(),
            ],
            description: None,
            probe: ProbeSpec::Icmp(IcmpSpec::new("192.0.2.1".to_owned())),
        },
    }
}

fn http(name: &str, url: &str) -> Declared {
    let mut declared = icmp(name);
    declared.spec.probe = ProbeSpec::Http(HttpSpec::new(url.parse().unwrap(), url));
    declared.spec.interval = Duration::from_millis(2500);
    declared
}

/// Syncs and gives the ids in the order of the declarations.
pub async fn sync(store: &Backend, declared: &[Declared]) -> Vec<TargetId> {
    store.sync_targets(declared, at(0.0)).await.unwrap();
    let targets = store.targets(Status::All).await.unwrap();
    declared
        .iter()
        .map(|wanted| {
            let found = targets
                .iter()
                .rev()
                .find(|it| it.spec.name == wanted.spec.name);
            found.expect("synced").id
        })
        .collect()
}

pub fn up(target: TargetId, slot: Timestamp, latency_us: u64) -> ProbeResult {
    let measurement = Measurement {
        latency: Some(Duration::from_micros(latency_us)),
        resolved_ip: Some("192.0.2.1".parse().unwrap()),
        ..Measurement::default()
    };
    let slow_after = Duration::from_millis(800);
    ProbeResult::new(
        target,
        slot,
        Duration::from_micros(150),
        slow_after,
        Observation::up(measurement),
    )
}

pub fn failed(target: TargetId, slot: Timestamp, outcome: Outcome) -> ProbeResult {
    let observation = match outcome {
        Outcome::Unknown => {
            Observation::unknown(Reason::Local, "no permission", Measurement::default())
        }
        _ => Observation::down(
            Reason::Timeout,
            "no reply within 1000 ms",
            Measurement::default(),
        ),
    };
    ProbeResult::new(
        target,
        slot,
        Duration::ZERO,
        Duration::from_secs(1),
        observation,
    )
}

pub async fn record(store: &Backend, batch: Vec<ProbeResult>) -> Recorded {
    store.record(batch.into()).await.unwrap()
}

fn query(target: Option<TargetId>, limit: usize) -> ResultQuery {
    ResultQuery {
        target,
        since: None,
        until: None,
        after: None,
        limit,
    }
}

async fn a_target_comes_back_as_it_was_declared(store: Backend) {
    let declared = [icmp("b"), http("a", "https://example.com/x?y=1#z")];
    sync(&store, &declared).await;
    let targets = store.targets(Status::Enabled).await.unwrap();
    let specs: Vec<_> = targets.into_iter().map(|target| target.spec).collect();
    assert_eq!(specs, [declared[1].spec.clone(), declared[0].spec.clone()]);
}

async fn a_target_is_found_by_id_by_its_own_id_and_by_name(store: Backend) {
    let mut declared = icmp("router ☃");
    declared.id = Some("core-1".to_owned());
    let ids = sync(&store, &[declared]).await;
    let id = ids[0].to_string();
    for reference in [id.as_str(), &id.to_uppercase(), "core-1", "router ☃"] {
        let found = store.target(reference).await.unwrap();
        assert_eq!(found.map(|target| target.id), Some(ids[0]), "{reference}");
    }
    for reference in [
        "",
        "nobody",
        "00000000-0000-0000-0000-000000000000",
        "%",
        "router_☃",
        "core-1\0",
    ] {
        assert_eq!(store.target(reference).await.unwrap(), None, "{reference}");
    }
}

async fn a_removed_target_keeps_its_id_and_its_history(store: Backend) {
    let ids = sync(&store, &[icmp("a"), icmp("b")]).await;
    record(&store, vec![up(ids[0], at(1.0), 1000)]).await;
    let changes = store.sync_targets(&[icmp("b")], at(2.0)).await.unwrap();
    let gone = Change::Remove {
        id: ids[0],
        name: "a".to_owned(),
    };
    assert_eq!(changes, [gone]);
    assert_eq!(store.targets(Status::Disabled).await.unwrap()[0].id, ids[0]);
    assert_eq!(
        store.results(&query(Some(ids[0]), 10)).await.unwrap().len(),
        1
    );
    assert_eq!(store.latest_by_target().await.unwrap(), []);
    assert_eq!(sync(&store, &[icmp("a"), icmp("b")]).await, ids);
    assert_eq!(store.latest_by_target().await.unwrap().len(), 1);
}

async fn names_may_be_swapped_and_taken_over(store: Backend) {
    let with_id = |id: &str, name: &str| Declared {
        id: Some(id.to_owned()),
        ..icmp(name)
    };
    let before = sync(&store, &[with_id("x", "a"), with_id("y", "b")]).await;
    let after = sync(&store, &[with_id("x", "b"), with_id("y", "a")]).await;
    assert_eq!(before, after);
    // the name of a target that left is free
    let changes = store
        .sync_targets(&[with_id("x", "a")], at(3.0))
        .await
        .unwrap();
    assert_eq!(changes.len(), 2);
    assert_eq!(store.target("a").await.unwrap().unwrap().id, before[0]);
}

async fn syncing_the_same_file_again_changes_nothing(store: Backend) {
    let declared = [icmp("a"), http("b", "http://[::1]:8000/")];
    sync(&store, &declared).await;
    assert_eq!(store.sync_targets(&declared, at(9.0)).await.unwrap(), []);
}

async fn a_result_comes_back_as_it_was_recorded(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    let detail = Detail {
        phases: Some(Phases {
            dns_us: Some(1),
            connect_us: Some(200),
            tls_us: None,
            ttfb_us: Some(30_000),
            transfer_us: Some(0),
        }),
        packets: Some(Packets {
            sent: 5,
            received: 4,
            min_us: Some(10),
            median_us: Some(11),
            max_us: Some(12),
            jitter_us: Some(1),
            rtts_us: vec![Some(10), None, Some(12), Some(11), Some(11)],
            late: 1,
            ..Packets::default()
        }),
        cert_expires_at: Some(at(86_400.5)),
        redirects: vec![Hop {
            url: ErrorText::new("http://a.example/?…"),
            status: 301,
            took_us: 700,
        }],
        http_version: Some(HttpVersion::Two),
    };
    let measurement = Measurement {
        latency: Some(Duration::from_micros(1_234_567)),
        status_code: Some(503),
        resolved_ip: Some("2001:db8::1".parse().unwrap()),
        detail: Some(Box::new(detail)),
        chain: None,
    };
    let lag = Duration::from_micros(2_000_001);
    let text = "status 503, expected 200 to 399 — “ü” '; DROP TABLE results; --";
    let down = Observation::down(Reason::Status, text, measurement.clone());
    let slow_after = Duration::from_secs(1);
    let results: Vec<_> = [
        down,
        Observation::up(measurement),
        Observation::unknown(Reason::Local, "EMFILE", Measurement::default()),
    ]
    .into_iter()
    .zip([1.0, 2.0, 3.0])
    .map(|(observation, s)| ProbeResult::new(ids[0], at(s), lag, slow_after, observation))
    .collect();
    record(&store, results.clone()).await;
    let mut stored = store.results(&query(Some(ids[0]), 10)).await.unwrap();
    stored.reverse();
    assert!(stored.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert!(
        stored
            .iter()
            .all(|it| &*it.target_name == "a" && &*it.location == "here")
    );
    let read: Vec<_> = stored.into_iter().map(|it| it.result).collect();
    assert_eq!(read, results);
    assert!(read[1].slow && read[1].lossy() && !read[0].slow);
}

fn presented(serial: &str, distrust: Option<&str>) -> Arc<Chain> {
    let mut digest = [0; 32];
    for (place, byte) in serial
        .bytes()
        .chain(distrust.unwrap_or_default().bytes())
        .enumerate()
    {
        digest[place % 32] ^= byte;
    }
    let certificate = Certificate {
        subject: "CN='quoted' \\ \"ü\"".to_owned(),
        issuer: "CN=Authority".to_owned(),
        names: vec!["a.example".to_owned(), "2001:db8::1".to_owned()],
        names_omitted: 3,
        serial: serial.to_owned(),
        not_before: at(-86_400.0),
        not_after: at(86_400.0),
        sha256: "00".repeat(32),
        key: "EC P-256".to_owned(),
    };
    Arc::new(Chain {
        digest: Digest(digest),
        certificates: vec![
            Certificate {
                not_after: at(172_800.0),
                ..certificate.clone()
            },
            certificate,
        ],
        omitted: 1,
        distrust: distrust.map(ErrorText::new),
    })
}

/// A result that brings a chain.
fn with_chain(target: TargetId, seconds: f64, chain: &Arc<Chain>) -> ProbeResult {
    let mut result = up(target, at(seconds), 5);
    result.observation.measurement.chain = Some(Arc::clone(chain));
    result
}

async fn a_chain_is_kept_once_for_each_target(store: Backend) {
    const HOUR: f64 = 3_600.0;
    let ids = sync(&store, &[icmp("a"), icmp("b")]).await;
    let (first, second) = (presented("01", None), presented("02", Some("expired")));
    let seen = async |target| {
        let seen = store.certificates(target).await.unwrap();
        let [seen] = seen.as_slice() else {
            panic!("{seen:?}");
        };
        (
            seen.seen_at,
            seen.certificates[0].serial.clone(),
            seen.clone(),
        )
    };
    assert_eq!(store.certificates(ids[0]).await.unwrap(), []);
    let stranger = TargetId(uuid::Uuid::from_u128(1));
    assert_eq!(store.certificates(stranger).await.unwrap(), []);

    record(
        &store,
        vec![with_chain(ids[0], 0.0, &first), up(ids[1], at(0.0), 5)],
    )
    .await;
    let (seen_at, _, whole) = seen(ids[0]).await;
    assert_eq!(seen_at, at(0.0));
    assert_eq!(&*whole.location, "here");
    assert_eq!(whole.certificates, first.certificates);
    assert_eq!((whole.omitted, whole.distrust), (1, None));
    assert_eq!(store.certificates(ids[1]).await.unwrap(), []);
    let expiries = store.expiries().await.unwrap();
    assert_eq!(Vec::from_iter(expiries), [(ids[0], at(86_400.0))]);

    // the same within a day is not written again, nor is what brings none
    record(
        &store,
        vec![
            with_chain(ids[0], HOUR, &first),
            up(ids[0], at(2.0 * HOUR), 5),
        ],
    )
    .await;
    assert_eq!(seen(ids[0]).await.0, at(0.0));
    // after a day it is
    record(&store, vec![with_chain(ids[0], 25.0 * HOUR, &first)]).await;
    assert_eq!(seen(ids[0]).await.0, at(25.0 * HOUR));
    // another one at once, the last one of a batch
    let batch = vec![
        with_chain(ids[0], 26.0 * HOUR, &second),
        with_chain(ids[0], 27.0 * HOUR, &first),
        with_chain(ids[0], 28.0 * HOUR, &second),
        with_chain(ids[1], 28.0 * HOUR, &second),
    ];
    record(&store, batch).await;
    let (seen_at, serial, whole) = seen(ids[0]).await;
    assert_eq!((seen_at, serial.as_str()), (at(28.0 * HOUR), "02"));
    assert_eq!(whole.distrust, Some(ErrorText::new("expired")));
    assert_eq!(seen(ids[1]).await.1, "02");
    // a failure leaves what was seen
    let gone = failed(ids[0], at(60.0 * HOUR), Outcome::Down);
    record(&store, vec![gone]).await;
    assert_eq!(seen(ids[0]).await.0, at(28.0 * HOUR));
}

async fn a_slot_is_stored_once(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    let first = up(ids[0], at(1.0), 1000);
    let stored = record(&store, vec![first.clone(), first.clone()]).await;
    assert_eq!((stored.stored, stored.duplicate), (1, 1));
    let other = failed(ids[0], at(1.0), Outcome::Down);
    let again = record(&store, vec![other, up(ids[0], at(2.0), 1)]).await;
    assert_eq!((again.stored, again.duplicate), (1, 1));
    let results = store.results(&query(None, 10)).await.unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[1].result, first);
}

async fn an_unknown_target_is_set_aside_and_its_neighbours_stored(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    let nobody = TargetId(uuid::Uuid::from_u128(7));
    let batch = vec![
        up(ids[0], at(1.0), 1),
        up(nobody, at(1.0), 1),
        up(ids[0], at(2.0), 1),
    ];
    let recorded = record(&store, batch).await;
    assert_eq!((recorded.stored, recorded.quarantined), (2, 1));
}

async fn ids_increase_over_batches_and_fit_in_53_bits(store: Backend) {
    let ids = sync(&store, &[icmp("a"), icmp("b")]).await;
    let mut last = 0;
    for second in 0..20_u32 {
        let slot = at(f64::from(second));
        record(&store, ids.iter().map(|id| up(*id, slot, 1)).collect()).await;
        let newest = store.results(&query(None, 2)).await.unwrap();
        for stored in newest.iter().rev() {
            assert!(stored.id > last && stored.id < 1 << 53);
            last = stored.id;
        }
    }
}

async fn windows_include_since_and_exclude_until_across_days(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    let seconds = [-90_000.0, -2.0, -1.0, 0.0, 1.0, 90_000.0];
    record(
        &store,
        seconds.iter().map(|s| up(ids[0], at(*s), 1)).collect(),
    )
    .await;
    let read = async |since: Option<f64>, until: Option<f64>, limit| {
        let query = ResultQuery {
            target: Some(ids[0]),
            since: since.map(at),
            until: until.map(at),
            after: None,
            limit,
        };
        let results = store.results(&query).await.unwrap();
        results
            .iter()
            .map(|it| (it.result.slot.as_micros() - MIDNIGHT) / 1_000_000)
            .collect::<Vec<_>>()
    };
    assert_eq!(read(None, None, 10).await, [90_000, 1, 0, -1, -2, -90_000]);
    assert_eq!(read(Some(-1.0), Some(1.0), 10).await, [0, -1]);
    assert!(read(Some(0.0), Some(0.0), 10).await.is_empty());
    assert_eq!(read(None, Some(0.0), 2).await, [-1, -2]);
    assert_eq!(read(Some(-90_000.0), None, 3).await, [90_000, 1, 0]);
    assert!(read(Some(90_001.0), None, 3).await.is_empty());
}

async fn the_newest_results_of_all_targets_are_merged(store: Backend) {
    let declared: Vec<_> = (0..40).map(|number| icmp(&format!("t{number}"))).collect();
    let ids = sync(&store, &declared).await;
    let mut all = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        // each target has its own rate; together they cross two midnights
        for count in 0..(number % 7 * 9) {
            let second = 100_000.0 - (count * (number + 3)) as f64 * 97.0 - number as f64 / 64.0;
            all.push(up(*id, at(second), 1));
        }
    }
    record(&store, all.clone()).await;
    all.sort_by_key(|result| std::cmp::Reverse(result.slot));
    let slots = |results: &[ProbeResult]| results.iter().map(|it| it.slot).collect::<Vec<_>>();
    let until = all[all.len() / 2].slot;
    for limit in [1, 5, 39, 41, 200, 1000] {
        let read = store.results(&query(None, limit)).await.unwrap();
        let read: Vec<_> = read.into_iter().map(|it| it.result).collect();
        assert_eq!(
            slots(&read),
            slots(&all[..limit.min(all.len())]),
            "limit {limit}"
        );
        let older = ResultQuery {
            until: Some(until),
            ..query(None, limit)
        };
        let read = store.results(&older).await.unwrap();
        let read: Vec<_> = read.into_iter().map(|it| it.result).collect();
        let expected: Vec<_> = all.iter().filter(|it| it.slot < until).cloned().collect();
        let expected = &expected[..limit.min(expected.len())];
        assert_eq!(slots(&read), slots(expected), "until, limit {limit}");
    }
}

/// Reads page after page to the end, and lets something happen after each.
async fn walk(
    store: &Backend,
    target: Option<TargetId>,
    limit: usize,
    mut between: impl AsyncFnMut(usize),
) -> Vec<(Timestamp, i64)> {
    let mut met: Vec<(Timestamp, i64)> = Vec::new();
    for number in 0.. {
        let page = ResultQuery {
            after: met.last().copied(),
            ..query(target, limit)
        };
        let page = store.results(&page).await.unwrap();
        assert!(page.len() <= limit);
        met.extend(page.iter().map(|it| (it.result.slot, it.id)));
        if page.len() < limit {
            break;
        }
        between(number).await;
    }
    assert!(met.windows(2).all(|pair| pair[0] > pair[1]), "{met:?}");
    met
}

/// Many results share a slot, and others arrive after each page: newer ones, late ones of older slots, and repeated ones.
async fn pages_meet_every_result_once(
    store: Backend,
    before: Vec<(u8, u8)>,
    after: Vec<(u8, u8)>,
    limit: usize,
) {
    let declared: Vec<_> = (0..6).map(|number| icmp(&format!("t{number}"))).collect();
    let ids = sync(&store, &declared).await;
    // eight slots around a midnight
    let result = |(target, slot): &(u8, u8)| {
        let slot = at((f64::from(*slot) - 4.0) * 7_000.0);
        up(ids[usize::from(*target)], slot, 1)
    };
    record(&store, before.iter().map(result).collect()).await;
    for target in [None, Some(ids[0])] {
        let there = store.results(&query(target, 1000)).await.unwrap();
        let there: Vec<_> = there.iter().map(|it| (it.result.slot, it.id)).collect();
        let met = walk(&store, target, limit, async |number| {
            if let Some(late) = after.get(number) {
                record(&store, vec![result(late)]).await;
            }
        })
        .await;
        let met_of_those: Vec<_> = met.into_iter().filter(|it| there.contains(it)).collect();
        assert_eq!(met_of_those, there, "{target:?}");
    }
}

async fn pages_hold_while_another_task_writes(store: Backend) {
    let declared: Vec<_> = (0..40).map(|number| icmp(&format!("t{number}"))).collect();
    let ids = sync(&store, &declared).await;
    // all of them at one instant, time after time: a page ends in the middle of a slot
    for slot in 0..10 {
        let slot = at(f64::from(slot) * 10.0);
        record(&store, ids.iter().map(|id| up(*id, slot, 1)).collect()).await;
    }
    let mut cases = Vec::new();
    for (target, limit, count) in [(None, 7, 400), (None, 199, 400), (Some(ids[3]), 1, 10)] {
        let there = store.results(&query(target, 1000)).await.unwrap();
        let there: Vec<_> = there.iter().map(|it| (it.result.slot, it.id)).collect();
        assert_eq!(there.len(), count);
        cases.push((target, limit, there));
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writing = {
        let (store, stop, ids) = (Arc::clone(&store), Arc::clone(&stop), ids.clone());
        tokio::spawn(async move {
            let mut number = 0_u32;
            // not for ever: late results lie ahead of the walk and would keep it from its end
            while number < 30 && !stop.load(Ordering::Relaxed) {
                number += 1;
                // one newer than all, and one late between two slots that were there
                let newer = at(100.0 + f64::from(number));
                let late = at(f64::from(number % 9) * 10.0 + 0.001 * f64::from(number));
                let batch = ids
                    .iter()
                    .flat_map(|id| [up(*id, newer, 1), up(*id, late, 1)]);
                record(&store, batch.collect()).await;
            }
            number
        })
    };
    for (target, limit, there) in cases {
        let pause = async |_| tokio::task::yield_now().await;
        let met = walk(&store, target, limit, pause).await;
        let met: Vec<_> = met.into_iter().filter(|it| there.contains(it)).collect();
        assert_eq!(met, there, "limit {limit}");
    }
    stop.store(true, Ordering::Relaxed);
    assert!(writing.await.unwrap() > 0);
}

async fn a_roster_finds_what_the_database_finds(store: Backend) {
    let mut named = icmp("b");
    named.id = Some("core".to_owned());
    let mut gone = icmp("gone");
    gone.id = Some("c".to_owned());
    let ids = sync(&store, &[icmp("a"), named.clone(), icmp("c"), gone]).await;
    let roster = store.roster(None).await.unwrap().expect("the first one");
    assert_eq!(roster.targets.len(), 4);
    assert!(store.roster(Some(roster.stamp)).await.unwrap().is_none());
    // the last two leave; the slug of one of them is the name of another
    let later = at(1.0);
    store
        .sync_targets(&[icmp("a"), named, icmp("c")], later)
        .await
        .unwrap();
    let roster = store
        .roster(Some(roster.stamp))
        .await
        .unwrap()
        .expect("another one");
    let upper = ids[0].to_string().to_uppercase();
    let slug_of_a_past_target = "c";
    for reference in ["a", "b", "core", slug_of_a_past_target, upper.as_str()] {
        let found = roster.find(reference).map(|index| roster.targets[index].id);
        let expected = store
            .target(reference)
            .await
            .unwrap()
            .map(|target| target.id);
        assert!(expected.is_some());
        assert_eq!(found, expected, "{reference}");
    }
    // a past name is the database's to find
    for reference in [
        "gone",
        "nobody",
        "",
        "00000000-0000-0000-0000-000000000000",
        "nul\0",
    ] {
        assert_eq!(roster.find(reference), None, "{reference}");
    }
    // any change gives another one: a target that is new, changed, gone or back
    let mut stamp = roster.stamp;
    let mut changed = icmp("a");
    changed.spec.enabled = false;
    for (number, declared) in [
        vec![icmp("a"), icmp("n")],
        vec![changed],
        vec![icmp("a")],
        vec![],
    ]
    .into_iter()
    .enumerate()
    {
        let later = at(2.0 + number as f64);
        store.sync_targets(&declared, later).await.unwrap();
        let roster = store.roster(Some(stamp)).await.unwrap();
        stamp = roster.expect("another one").stamp;
        assert!(store.roster(Some(stamp)).await.unwrap().is_none());
    }
}

async fn the_latest_result_is_the_newest_slot_whatever_came_last(store: Backend) {
    let ids = sync(&store, &[icmp("a"), icmp("b"), icmp("c")]).await;
    record(
        &store,
        vec![up(ids[0], at(10.0), 1), up(ids[1], at(3.0), 2)],
    )
    .await;
    record(&store, vec![failed(ids[0], at(5.0), Outcome::Down)]).await;
    let latest = store.latest_by_target().await.unwrap();
    let latest: Vec<_> = latest
        .iter()
        .map(|it| {
            (
                &*it.stored.target_name,
                it.stored.result.slot,
                it.stored.result.outcome(),
            )
        })
        .collect();
    assert_eq!(
        latest,
        [("a", at(10.0), Outcome::Up), ("b", at(3.0), Outcome::Up)]
    );
}

async fn a_clock_that_was_set_back_does_not_freeze_the_latest_result(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    record(&store, vec![up(ids[0], at(7_200.0), 1)]).await;
    // a restart with a clock two hours earlier
    store.sync_targets(&[icmp("a")], at(1.0)).await.unwrap();
    assert_eq!(store.stats().await.unwrap().last_result, None);
    record(&store, vec![failed(ids[0], at(2.0), Outcome::Down)]).await;
    let latest = store.latest_by_target().await.unwrap();
    assert_eq!(latest[0].stored.result.outcome(), Outcome::Down);
    assert_eq!(
        store.results(&query(Some(ids[0]), 10)).await.unwrap().len(),
        2
    );
}

async fn an_outcome_began_with_its_first_result(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    let began = async |batch| {
        record(&store, batch).await;
        store.latest_by_target().await.unwrap()[0].since
    };
    let down = |second| failed(ids[0], at(second), Outcome::Down);
    assert_eq!(began(vec![up(ids[0], at(1.0), 1)]).await, at(1.0));
    assert_eq!(
        began(vec![up(ids[0], at(2.0), 1), up(ids[0], at(3.0), 1)]).await,
        at(1.0)
    );
    assert_eq!(
        began(vec![up(ids[0], at(4.0), 1), down(5.0), down(6.0)]).await,
        at(5.0)
    );
    assert_eq!(began(vec![down(7.0)]).await, at(5.0));
    assert_eq!(
        began(vec![up(ids[0], at(8.0), 1), down(9.0)]).await,
        at(9.0)
    );
}

async fn a_summary_counts_unknown_in_no_figure(store: Backend) {
    let ids = sync(&store, &[icmp("a"), icmp("b"), icmp("off")]).await;
    let batch = vec![
        up(ids[0], at(-1.0), 1000),
        up(ids[0], at(0.0), 2000),
        up(ids[0], at(1.0), 4000),
        failed(ids[0], at(2.0), Outcome::Down),
        failed(ids[0], at(3.0), Outcome::Unknown),
        up(ids[0], at(10.0), 1_000_000),
        failed(ids[1], at(1.0), Outcome::Unknown),
        up(ids[2], at(1.0), 1),
    ];
    record(&store, batch).await;
    store
        .sync_targets(&[icmp("a"), icmp("b")], at(4.0))
        .await
        .unwrap();
    let all = summaries(&store, None, 0.0, 10.0).await;
    let a = &all[&ids[0]];
    assert_eq!((a.total, a.up, a.unknown), (4, 2, 1));
    assert!((a.uptime_percent().unwrap() - 200.0 / 3.0).abs() < 1e-9);
    assert!((a.latency.mean().unwrap() - 3000.0).abs() < 1e-9);
    let b = &all[&ids[1]];
    assert_eq!(
        (b.total, b.uptime_percent(), b.latency.mean()),
        (1, None, None)
    );
    let one = summaries(&store, Some(ids[2]), 0.0, 10.0).await;
    assert_eq!((one.len(), one[&ids[2]].total), (1, 1));
    let across = summaries(&store, Some(ids[0]), -100.0, 100.0).await;
    assert_eq!(across[&ids[0]].total, 6);
}

async fn summaries(
    store: &Backend,
    target: Option<TargetId>,
    since: f64,
    until: f64,
) -> TargetMap<Summary> {
    let history = History::new(Arc::clone(store));
    let summaries = history.summaries(target, at(since), at(until));
    summaries.await.unwrap()
}

async fn roll_ups_hold_what_their_results_say(store: Backend) {
    let ids = sync(&store, &[icmp("a"), icmp("b")]).await;
    let phases = Phases {
        connect_us: Some(100),
        ttfb_us: Some(900),
        ..Phases::default()
    };
    let mut detailed = up(ids[1], at(3_700.0), 1_000);
    detailed.observation.measurement.detail = Some(Box::new(Detail {
        phases: Some(phases),
        ..Detail::default()
    }));
    record(
        &store,
        vec![
            up(ids[0], at(10.0), 500),
            up(ids[0], at(20.0), 700),
            detailed,
        ],
    )
    .await;
    let five = |bucket| Stale {
        resolution: Resolution::FiveMinutes,
        bucket: at(bucket),
        marks: 1,
    };
    assert_eq!(store.stale().await.unwrap(), [five(0.0), five(3_600.0)]);

    // the second bucket has not ended yet
    assert_eq!(
        rollup::settle(store.as_ref(), at(3_800.0)).await.unwrap(),
        2
    );
    let stale = store.stale().await.unwrap();
    assert_eq!(stale, [five(3_600.0)], "the first hour is settled too");
    let query = FiguresQuery {
        resolution: Resolution::Hour,
        target: Some(ids[0]),
        since: at(0.0),
        until: at(3_600.0),
        step: None,
    };
    let hours = store.figures(&query).await.unwrap();
    assert_eq!(hours.len(), 1);
    assert_eq!(
        (hours[0].summary.total, hours[0].summary.latency.sum),
        (2, 1200)
    );
    assert_eq!(hours[0].summary.jitter.value(), Some(200.0));

    // a replay marks its bucket again, and its hour with it
    record(&store, vec![failed(ids[0], at(30.0), Outcome::Down)]).await;
    assert_eq!(
        summaries(&store, Some(ids[0]), 0.0, 7_200.0).await[&ids[0]].total,
        3
    );
    rollup::settle(store.as_ref(), at(20_000.0)).await.unwrap();
    assert_eq!(store.stale().await.unwrap(), []);
    let hours = store.figures(&query).await.unwrap();
    assert_eq!((hours[0].summary.total, hours[0].summary.down()), (3, 1));
    let b = &summaries(&store, None, 0.0, 7_200.0).await[&ids[1]];
    let means = b
        .phases
        .map(|mean| mean.value().map(|micros| micros as u64));
    assert_eq!(means, [None, Some(100), None, Some(900), None]);
}

async fn a_mark_that_comes_while_rolling_up_is_not_lost(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    record(&store, vec![up(ids[0], at(1.0), 500)]).await;
    let seen = store.stale().await.unwrap()[0];
    record(&store, vec![up(ids[0], at(2.0), 500)]).await;
    store.roll_up(seen, Vec::new()).await.unwrap();
    let stale = store.stale().await.unwrap();
    assert!(
        stale
            .iter()
            .any(|it| it.bucket == seen.bucket && it.resolution == seen.resolution)
    );
    assert_eq!(
        summaries(&store, None, 0.0, 3_600.0).await[&ids[0]].total,
        2
    );
}

async fn a_series_has_aligned_buckets_and_nulls_nothing(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    let batch = (0..120)
        .map(|n| up(ids[0], at(f64::from(n) * 60.0), 1_000 + n as u64))
        .collect();
    record(&store, batch).await;
    for settled in [false, true] {
        if settled {
            rollup::settle(store.as_ref(), at(90_000.0)).await.unwrap();
        }
        let read = async |points| {
            History::new(Arc::clone(&store))
                .series(ids[0], at(0.0), at(7_200.0), points)
                .await
                .unwrap()
        };
        let fine = read(300).await;
        assert_eq!(
            (fine.step, fine.resolution),
            (Duration::from_secs(30), Resolution::Raw)
        );
        assert_eq!(
            fine.buckets.len(),
            120,
            "buckets without results are absent"
        );
        let coarse = read(24).await;
        assert_eq!(coarse.step, Duration::from_secs(300));
        assert_eq!(
            coarse.resolution,
            if settled {
                Resolution::FiveMinutes
            } else {
                Resolution::Raw
            }
        );
        assert_eq!(coarse.buckets.len(), 24);
        assert!(
            coarse
                .buckets
                .iter()
                .all(|(at, summary)| at.as_micros() % 300_000_000 == 0 && summary.total == 5)
        );
        let hours = read(2).await;
        assert_eq!(hours.buckets.len(), 2);
        assert_eq!(
            (
                hours.buckets[1].1.latency.min,
                hours.buckets[1].1.latency.max
            ),
            (1_060, 1_119)
        );
    }
}

/// Whatever was stored, settled and replayed in whichever order: figures are those of the results, percentiles within one percent.
async fn figures_are_those_of_the_results(
    store: Backend,
    steps: Vec<(u8, u32, u32, bool)>,
    span: (u32, u32),
) {
    let ids = sync(&store, &[icmp("a"), icmp("b")]).await;
    // remembers what it read while everything changes
    let history = History::new(Arc::clone(&store));
    let mut kept: BTreeMap<(TargetId, Timestamp), (Outcome, u64)> = BTreeMap::new();
    for (number, chunk) in steps.chunks(7).enumerate() {
        let mut batch = Vec::new();
        for &(target, slot, latency, good) in chunk {
            let id = ids[usize::from(target % 2)];
            let slot = at(f64::from(slot));
            let result = if good {
                up(id, slot, latency.into())
            } else {
                failed(id, slot, Outcome::Down)
            };
            kept.entry((id, slot))
                .or_insert((result.outcome(), latency.into()));
            batch.push(result);
        }
        record(&store, batch).await;
        if number % 2 == 0 {
            rollup::settle(store.as_ref(), at(f64::from(chunk[0].1) + 4_000.0))
                .await
                .unwrap();
        }
        agrees(&history, &ids, &kept, span, Duration::from_micros(1)).await;
    }
    agrees(&history, &ids, &kept, span, Duration::from_micros(1)).await;
    rollup::settle(store.as_ref(), at(10.0 * DAY))
        .await
        .unwrap();
    for (resolution, next) in [
        (Resolution::Raw, Resolution::FiveMinutes),
        (Resolution::FiveMinutes, Resolution::Hour),
    ] {
        assert!(drop_day(&store, resolution, day(0)).await);
        agrees(&history, &ids, &kept, span, next.width().unwrap()).await;
    }
}

/// Whether the figures of a span are those of what is kept; what is left of it has buckets of this width, each of which counts where
/// it begins.
async fn agrees(
    history: &History,
    ids: &[TargetId],
    kept: &BTreeMap<(TargetId, Timestamp), (Outcome, u64)>,
    span: (u32, u32),
    width: Duration,
) {
    let (since, until) = (at(span.0.min(span.1).into()), at(span.0.max(span.1).into()));
    let summaries = history.summaries(None, since, until).await.unwrap();
    for id in ids {
        let rows = kept.iter().filter(|((target, slot), _)| {
            target == id && (since..until).contains(&slot.bucket(width))
        });
        let rows: Vec<_> = rows.map(|(_, row)| *row).collect();
        let mut latencies: Vec<_> = rows
            .iter()
            .filter(|row| row.0 == Outcome::Up)
            .map(|row| row.1)
            .collect();
        latencies.sort_unstable();
        let found = summaries.get(id).cloned().unwrap_or_default();
        assert_eq!(
            (found.total, found.up),
            (rows.len() as u64, latencies.len() as u64)
        );
        assert_eq!(found.latency.sum, latencies.iter().sum::<u64>());
        for q in [0.0, 0.5, 0.95, 0.99, 1.0] {
            let Some(last) = latencies.len().checked_sub(1) else {
                continue;
            };
            let rank = q * last as f64;
            let (low, high) = (
                latencies[rank.floor() as usize] as f64,
                latencies[rank.ceil() as usize] as f64,
            );
            let exact = low + (high - low) * rank.fract();
            let estimate = found.latency.quantile(q).unwrap();
            assert!(
                (estimate - exact).abs() <= exact * 0.01 + 1e-9,
                "p{q}: {estimate} is not {exact}"
            );
        }
    }
}

pub fn day(offset: i64) -> Day {
    Day(Day::of(at(0.0)).0 + offset)
}

/// All of a day; whether it could go.
pub async fn drop_day(store: &Backend, resolution: Resolution, day: Day) -> bool {
    loop {
        match store.drop_day(resolution, day).await.unwrap() {
            Progress::Gone(_) => return true,
            Progress::Partly(_) => {}
            Progress::Held => return false,
        }
    }
}

async fn days(store: &Backend, resolution: Resolution) -> Vec<Day> {
    let days = store.days(resolution).await.unwrap();
    let filled = days.iter().filter(|kept| !kept.is_empty);
    filled.map(|kept| kept.day).collect()
}

pub const DAY: f64 = 86_400.0;

async fn a_day_goes_once_its_roll_ups_are_made_and_nothing_comes_back(store: Backend) {
    use Resolution::Raw;
    let ids = sync(&store, &[icmp("a"), icmp("gone")]).await;
    record(
        &store,
        vec![
            up(ids[0], at(10.0), 500),
            failed(ids[1], at(20.0), Outcome::Down),
            up(ids[0], at(2.0 * DAY), 700),
        ],
    )
    .await;
    assert!(!drop_day(&store, Raw, day(0)).await, "it is in no roll-up");
    assert_eq!(store.results(&query(None, 9)).await.unwrap().len(), 3);
    assert_eq!(
        store.floors().await.unwrap(),
        pingu::storage::Floors::default()
    );

    rollup::settle(store.as_ref(), at(3.0 * DAY)).await.unwrap();
    assert_eq!(days(&store, Raw).await, [day(0), day(2)]);
    let before = summaries(&store, None, 0.0, 3.0 * DAY).await;
    assert!(drop_day(&store, Raw, day(0)).await);
    assert_eq!(
        store.drop_day(Raw, day(0)).await.unwrap(),
        Progress::Gone(None)
    );
    assert_eq!(days(&store, Raw).await, [day(2)]);
    assert_eq!(store.floors().await.unwrap().raw, day(1));
    assert_eq!(store.results(&query(None, 9)).await.unwrap().len(), 1);
    assert_eq!(store.results(&query(Some(ids[1]), 9)).await.unwrap(), []);
    let latest = store.latest_by_target().await.unwrap();
    assert_eq!(latest.len(), 2, "the newest result of each stays");
    assert_eq!(
        latest[1].stored.result,
        failed(ids[1], at(20.0), Outcome::Down)
    );
    assert_eq!(summaries(&store, None, 0.0, 3.0 * DAY).await, before);

    // a spool that was found late, together with something to keep
    let late = vec![
        up(ids[0], at(30.0), 1),
        up(ids[0], at(10.0), 1),
        up(ids[0], at(DAY), 1),
        up(TargetId(uuid::Uuid::from_u128(7)), at(1.0), 1),
    ];
    let recorded = record(&store, late).await;
    assert_eq!(
        (recorded.too_old, recorded.stored, recorded.quarantined),
        (2, 1, 1)
    );
    let stale = store.stale().await.unwrap();
    assert_eq!(stale.len(), 1, "nothing of the day that is gone: {stale:?}");
    rollup::settle(store.as_ref(), at(3.0 * DAY)).await.unwrap();
    assert_eq!(days(&store, Raw).await, [day(1), day(2)]);
    assert_eq!(summaries(&store, None, 0.0, DAY).await[&ids[0]].total, 1);
}

async fn a_roll_up_is_never_made_of_less_than_it_knows(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    record(
        &store,
        vec![up(ids[0], at(10.0), 500), up(ids[0], at(20.0), 700)],
    )
    .await;
    let mut seen = store.stale().await.unwrap()[0];
    rollup::settle(store.as_ref(), at(DAY)).await.unwrap();
    let query = |resolution| FiguresQuery {
        resolution,
        target: None,
        since: at(0.0),
        until: at(3_600.0),
        step: None,
    };
    let mut figures = store
        .figures(&query(Resolution::FiveMinutes))
        .await
        .unwrap();
    for (resolution, parts) in [
        (Resolution::FiveMinutes, Resolution::Raw),
        (Resolution::Hour, Resolution::FiveMinutes),
    ] {
        assert!(drop_day(&store, parts, day(0)).await);
        // another process, which read what was left while the day went
        figures[0].summary.total = 1;
        seen.resolution = resolution;
        store.roll_up(seen, figures.clone()).await.unwrap();
        assert_eq!(store.stale().await.unwrap(), []);
        let kept = store.figures(&query(resolution)).await.unwrap();
        assert_eq!((kept.len(), kept[0].summary.total), (1, 2));
    }
}

async fn roll_ups_outlast_what_they_are_made_of(store: Backend) {
    use Resolution::{FiveMinutes, Hour, Raw};
    let ids = sync(&store, &[icmp("a")]).await;
    let slots = [10.0, 4_000.0, DAY + 10.0, 2.0 * DAY + 10.0];
    record(&store, slots.map(|s| up(ids[0], at(s), 1_000)).to_vec()).await;
    rollup::settle(store.as_ref(), at(3.0 * DAY)).await.unwrap();
    for resolution in [Hour, FiveMinutes] {
        assert_eq!(days(&store, resolution).await, [day(0), day(1), day(2)]);
        assert!(
            !drop_day(&store, resolution, day(0)).await,
            "{resolution:?}"
        );
    }
    assert!(drop_day(&store, Raw, day(1)).await, "two days at once");
    assert!(
        drop_day(&store, Raw, day(0)).await,
        "what is below goes too"
    );
    let read = async |since: f64, until: f64| {
        History::new(Arc::clone(&store))
            .series(ids[0], at(since), at(until), 1000)
            .await
            .unwrap()
    };
    let fine = read(0.0, 7_200.0).await;
    assert_eq!(
        fine.step,
        Duration::from_secs(300),
        "no narrower than what is kept"
    );
    assert_eq!(fine.resolution, FiveMinutes);
    let starts: Vec<_> = fine.buckets.iter().map(|(at, _)| *at).collect();
    assert_eq!(starts, [at(0.0), at(3_900.0)]);
    assert_eq!(read(2.0 * DAY, 2.0 * DAY + 60.0).await.resolution, Raw);

    assert!(drop_day(&store, FiveMinutes, day(0)).await);
    assert_eq!(days(&store, FiveMinutes).await, [day(1), day(2)]);
    let coarse = read(0.0, 7_200.0).await;
    assert_eq!(
        (coarse.step, coarse.resolution),
        (Duration::from_secs(3_600), Hour)
    );
    assert_eq!(coarse.buckets.len(), 2);
    // what cannot be cut belongs to the span that it begins in
    for (since, until, total) in [(0.0, 5.0, 1), (5.0, 3_600.0, 0), (5.0, 3_700.0, 1)] {
        let sums = summaries(&store, None, since, until).await;
        let found = sums.get(&ids[0]).map_or(0, |sum| sum.total);
        assert_eq!(found, total, "{since}..{until}");
    }
    assert_eq!(
        summaries(&store, None, 0.0, 3.0 * DAY).await[&ids[0]].total,
        4
    );

    assert!(drop_day(&store, Hour, day(0)).await);
    assert_eq!(days(&store, Hour).await, [day(1), day(2)]);
    assert_eq!(
        summaries(&store, None, 0.0, 3.0 * DAY).await[&ids[0]].total,
        2
    );
    assert_eq!(read(0.0, 7_200.0).await.buckets, []);
}

async fn what_no_result_says_any_more_is_forgotten(store: Backend) {
    let ids = sync(&store, &[icmp("a"), icmp("b")]).await;
    let saying = |id, second: f64, text: &str| {
        let down = Observation::down(Reason::Dns, text, Measurement::default());
        ProbeResult::new(id, at(second), Duration::ZERO, Duration::from_secs(1), down)
    };
    let (old, newest) = (saying(ids[0], 10.0, "old"), saying(ids[1], 20.0, "newest"));
    let kept = saying(ids[0], 2.0 * DAY, "kept");
    record(&store, vec![old, newest.clone(), kept.clone()]).await;
    rollup::settle(store.as_ref(), at(3.0 * DAY)).await.unwrap();
    assert_eq!(store.forget_verdicts().await.unwrap(), 0, "all are in use");
    assert!(drop_day(&store, Resolution::Raw, day(1)).await);
    assert_eq!(store.forget_verdicts().await.unwrap(), 1);
    assert_eq!(store.forget_verdicts().await.unwrap(), 0);
    let latest = store.latest_by_target().await.unwrap();
    assert_eq!(latest[1].stored.result, newest);

    // the writer remembers a number that may be another's by now
    let other = saying(ids[0], 2.0 * DAY + 1.0, "other");
    record(&store, vec![other.clone()]).await;
    let again = saying(ids[0], 2.0 * DAY + 2.0, "old");
    record(&store, vec![again.clone()]).await;
    let results = store.results(&query(Some(ids[0]), 9)).await.unwrap();
    let results: Vec<_> = results.into_iter().map(|it| it.result).collect();
    assert_eq!(results, [again, other, kept]);
}

async fn the_state_of_the_whole_is_told(store: Backend) {
    assert_eq!(
        store.stats().await.unwrap(),
        pingu::storage::Stats::default()
    );
    let mut paused = icmp("paused");
    paused.spec.enabled = false;
    paused.spec.interval = Duration::from_secs(3600);
    let ids = sync(&store, &[icmp("a"), http("b", "http://localhost/"), paused]).await;
    record(&store, vec![up(ids[1], at(5.0), 1), up(ids[0], at(4.0), 1)]).await;
    let stats = store.stats().await.unwrap();
    assert_eq!(stats.enabled_targets, 2);
    assert_eq!(stats.largest_interval, Duration::from_secs(60));
    assert_eq!(stats.last_result, Some(at(5.0)));
}

async fn a_closed_store_says_so(store: Backend) {
    store.close().await;
    assert!(store.stats().await.is_err());
    assert!(store.record(Vec::new().into()).await.is_err());
}

/// Whatever mixture of batches, replays and targets is recorded, each slot is there once, as it was first.
async fn any_history_is_kept_once(store: Backend, steps: Vec<(u8, u16, bool)>) {
    let ids = sync(&store, &[icmp("a"), icmp("b"), icmp("c")]).await;
    let mut expected = std::collections::BTreeMap::new();
    for chunk in steps.chunks(5) {
        let mut batch = Vec::new();
        for &(target, slot, good) in chunk {
            let id = ids[usize::from(target) % ids.len()];
            let slot = at(f64::from(slot) * 3.7 - 86_400.0);
            let result = if good {
                up(id, slot, 5)
            } else {
                failed(id, slot, Outcome::Down)
            };
            expected.entry((slot, id)).or_insert_with(|| result.clone());
            batch.push(result);
        }
        let size = batch.len() as u64;
        let recorded = record(&store, batch).await;
        assert_eq!(recorded.stored + recorded.duplicate, size);
    }
    let mut read = Vec::new();
    for id in &ids {
        let results = store.results(&query(Some(*id), 1000)).await.unwrap();
        assert!(
            results
                .windows(2)
                .all(|pair| pair[0].result.slot > pair[1].result.slot)
        );
        read.extend(results.into_iter().map(|it| it.result));
    }
    let read: std::collections::BTreeMap<_, _> = read
        .into_iter()
        .map(|it| ((it.slot, it.target), it))
        .collect();
    assert_eq!(read, expected);
}

fn run<F: Future<Output = ()>>(case: impl FnOnce() -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(case());
}

/// The suite, for a backend that `$open` makes: a new, empty store and a guard that removes it.
macro_rules! conformance {
    ($backend:ident, $open:expr, [$($case:ident),* $(,)?]) => {
        mod $backend {
            use super::*;
            $(
                #[test]
                fn $case() {
                    run(|| async {
                        let (store, _guard) = $open;
                        super::$case(store).await;
                    });
                }
            )*

            proptest! {
                #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
                #[test]
                fn figures_are_those_of_the_results(
                    steps in prop::collection::vec((0..2_u8, 0..20_000_u32, 1..2_000_000_u32, any::<bool>()), 1..80),
                    span in (0..20_000_u32, 0..20_000_u32),
                ) {
                    run(|| async {
                        let (store, _guard) = $open;
                        super::figures_are_those_of_the_results(store, steps, span).await;
                    });
                }

                #[test]
                fn any_history_is_kept_once(steps in prop::collection::vec((0..3_u8, 0..60_000_u16, any::<bool>()), 1..60)) {
                    run(|| async {
                        let (store, _guard) = $open;
                        super::any_history_is_kept_once(store, steps).await;
                    });
                }

                #[test]
                fn beats_that_are_kept_current_are_those_of_the_lists(
                    steps in prop::collection::vec((0..10_u8, any::<u8>(), any::<u8>()), 1..40),
                    most in 1..9_usize,
                ) {
                    run(|| async {
                        let (store, _guard) = $open;
                        super::beats_that_are_kept_current_are_those_of_the_lists(store, steps, most).await;
                    });
                }

                #[test]
                fn pages_meet_every_result_once(
                    before in prop::collection::vec((0..6_u8, 0..8_u8), 1..40),
                    after in prop::collection::vec((0..6_u8, 0..12_u8), 0..20),
                    limit in 1..6_usize,
                ) {
                    run(|| async {
                        let (store, _guard) = $open;
                        super::pages_meet_every_result_once(store, before, after, limit).await;
                    });
                }
            }
        }
    };
}

macro_rules! backend {
    ($backend:ident, $open:expr) => {
        conformance!(
            $backend,
            $open,
            [
                a_target_comes_back_as_it_was_declared,
                a_target_is_found_by_id_by_its_own_id_and_by_name,
                a_removed_target_keeps_its_id_and_its_history,
                names_may_be_swapped_and_taken_over,
                syncing_the_same_file_again_changes_nothing,
                a_result_comes_back_as_it_was_recorded,
                a_chain_is_kept_once_for_each_target,
                a_slot_is_stored_once,
                an_unknown_target_is_set_aside_and_its_neighbours_stored,
                ids_increase_over_batches_and_fit_in_53_bits,
                windows_include_since_and_exclude_until_across_days,
                the_newest_results_of_all_targets_are_merged,
                pages_hold_while_another_task_writes,
                a_roster_finds_what_the_database_finds,
                the_latest_result_is_the_newest_slot_whatever_came_last,
                a_clock_that_was_set_back_does_not_freeze_the_latest_result,
                an_outcome_began_with_its_first_result,
                a_summary_counts_unknown_in_no_figure,
                roll_ups_hold_what_their_results_say,
                a_mark_that_comes_while_rolling_up_is_not_lost,
                a_beat_says_what_its_result_was_like,
                only_what_is_new_is_read_and_its_number_proves_it,
                beats_follow_what_is_kept,
                a_series_of_which_nothing_is_kept_has_no_beats_until_it_has_a_result,
                a_series_has_aligned_buckets_and_nulls_nothing,
                a_day_goes_once_its_roll_ups_are_made_and_nothing_comes_back,
                a_roll_up_is_never_made_of_less_than_it_knows,
                roll_ups_outlast_what_they_are_made_of,
                what_no_result_says_any_more_is_forgotten,
                a_rule_comes_back_as_it_was_declared,
                an_incident_comes_back_as_it_was_written_last,
                an_incident_of_an_unknown_target_is_left_out,
                incidents_have_pages_and_touch_their_span,
                incidents_of_targets_that_leave_are_removed,
                two_incidents_of_one_target_are_never_open,
                incidents_outlast_results_and_go_with_their_hours,
                the_state_of_the_whole_is_told,
                a_closed_store_says_so,
            ]
        );
    };
}

backend!(sqlite, {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("pingu.db"), "here").unwrap();
    (Arc::new(store) as Backend, folder)
});

backend!(postgres, {
    let database = crate::cluster::database();
    let url = database.url.clone().into();
    let store = PostgresStore::open(&url, "here").await.unwrap();
    (Arc::new(store) as Backend, database)
});
