//! What every backend must do with beats: cases of the suite in `conformance.rs`. They are always what the lists of results say.

use std::collections::HashMap;

use pingu::model::{
    Detail, Measurement, Observation, Outcome, Packets, ProbeResult, Reason, StoredResult,
    TargetId, Timestamp,
};
use pingu::storage::beats::{Beat, BeatQuery, Beats, Found};
use pingu::storage::{Resolution, ResultQuery, Status, rollup};

use crate::conformance::{Backend, DAY, at, day, drop_day, failed, icmp, record, sync, up};

fn beat(stored: &StoredResult) -> Beat {
    let result = &stored.result;
    let latency = result.observation.measurement.latency;
    Beat::new(
        result.slot,
        result.outcome(),
        result.slow || result.lossy(),
        latency.map(|latency| latency.as_micros() as i64),
    )
}

/// What the list of a target's results says, the oldest first.
async fn listed(store: &Backend, target: TargetId, limit: usize) -> Vec<Beat> {
    let query = ResultQuery {
        target: Some(target),
        since: None,
        until: None,
        after: None,
        limit,
    };
    let results = store.results(&query).await.unwrap();
    results.iter().rev().map(beat).collect()
}

/// That `beats` are those of every enabled target, and of no other.
pub async fn assert_listed(store: &Backend, beats: &Beats) {
    for target in store.targets(Status::All).await.unwrap() {
        let mut told = beats.of(target.id, Timestamp::MAX);
        let mut expected = Vec::new();
        if target.spec.enabled {
            expected = listed(store, target.id, beats.most()).await;
            // each location has as many
            told.drain(..told.len().saturating_sub(beats.most()));
        }
        assert_eq!(told, expected, "{}", target.spec.name);
    }
}

fn lossy(target: TargetId, slot: Timestamp, received: u16) -> ProbeResult {
    let mut result = up(target, slot, 900);
    let packets = Packets {
        sent: 3,
        received,
        ..Packets::default()
    };
    result.observation.measurement.detail = Some(Box::new(Detail {
        packets: Some(packets),
        ..Detail::default()
    }));
    result
}

pub async fn a_beat_says_what_its_result_was_like(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    let nothing = Measurement::default();
    let mut batch = vec![
        up(ids[0], at(-60.0), 1),
        up(ids[0], at(0.0), 800_001),
        lossy(ids[0], at(60.0), 2),
        lossy(ids[0], at(120.0), 3),
        failed(ids[0], at(180.0), Outcome::Unknown),
        failed(ids[0], at(240.0), Outcome::Down),
    ];
    // a packet that is lost by a target that is down makes it no more than down
    batch[5].observation = Observation::down(Reason::Status, "\"packets\"", nothing);
    batch.push(ProbeResult {
        slot: at(300.0),
        ..batch[0].clone()
    });
    batch[6].observation.measurement.latency = None;
    record(&store, batch).await;
    let beats = Beats::read(store.as_ref(), None, 60).await.unwrap();
    let told: Vec<_> = beats
        .of(ids[0], Timestamp::MAX)
        .into_iter()
        .map(|it| (it.slot(), it.outcome(), it.impaired(), it.latency_us()))
        .collect();
    let expected = [
        (at(-60.0), Outcome::Up, false, Some(1)),
        (at(0.0), Outcome::Up, true, Some(800_001)),
        (at(60.0), Outcome::Up, true, Some(900)),
        (at(120.0), Outcome::Up, false, Some(900)),
        (at(180.0), Outcome::Unknown, false, None),
        (at(240.0), Outcome::Down, false, None),
        (at(300.0), Outcome::Up, false, None),
    ];
    assert_eq!(told, expected);
    assert_eq!(beats.of(ids[0], at(120.0)).len(), 4);
    assert_listed(&store, &beats).await;
}

async fn found(store: &Backend, after: &[(i64, Timestamp)], numbered: i64) -> Found {
    let after: HashMap<_, _> = after.iter().copied().collect();
    let query = BeatQuery {
        after: after.into(),
        numbered,
        most: 3,
    };
    store.beats(&query).await.unwrap()
}

pub async fn only_what_is_new_is_read_and_its_number_proves_it(store: Backend) {
    let ids = sync(&store, &[icmp("a"), icmp("b")]).await;
    let slots = |range: std::ops::Range<i32>| range.map(|it| at(f64::from(it)));
    let of = |id, range| {
        slots(range)
            .map(move |slot| up(id, slot, 5))
            .collect::<Vec<_>>()
    };
    record(&store, of(ids[0], 0..5)).await;
    let all = found(&store, &[], 0).await;
    // the newest three of five that were numbered
    assert_eq!((all.series.len(), all.fresh, all.numbered), (1, 3, 5));
    let series = &all.series[0];
    let seen: Vec<_> = series.beats.iter().map(|beat| beat.slot()).collect();
    assert_eq!(seen, slots(2..5).collect::<Vec<_>>());
    let newest = (series.key, at(4.0));

    let none = found(&store, &[newest], all.numbered).await;
    assert_eq!((none.fresh, none.numbered), (0, 5));
    assert!(none.series[0].beats.is_empty());

    record(&store, of(ids[0], 5..7)).await;
    record(&store, of(ids[1], 0..1)).await;
    let new = found(&store, &[newest], all.numbered).await;
    let count: usize = new.series.iter().map(|series| series.beats.len()).sum();
    assert_eq!((count, new.fresh, new.numbered), (3, 3, 8));

    // what comes late is behind nothing that is known, and shows as a number that was not found
    record(&store, vec![up(ids[0], at(2.5), 5)]).await;
    let late = found(&store, &[(series.key, at(6.0))], new.numbered).await;
    assert!(late.numbered > new.numbered);
    assert_eq!(late.fresh, 0);
}

pub async fn beats_follow_what_is_kept(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    let slots = [-DAY + 5.0, -5.0, 5.0];
    let batch = slots.map(|slot| up(ids[0], at(slot), 5));
    record(&store, batch.to_vec()).await;
    let before = Beats::read(store.as_ref(), None, 60).await.unwrap();
    assert_eq!(before.of(ids[0], Timestamp::MAX).len(), 3);
    while rollup::settle(store.as_ref(), at(2.0 * DAY)).await.unwrap() > 0 {}
    assert!(drop_day(&store, Resolution::Raw, day(-1)).await);
    for last in [None, Some(&before)] {
        let after = Beats::read(store.as_ref(), last, 60).await.unwrap();
        assert_eq!(after.of(ids[0], Timestamp::MAX).len(), 1);
        assert_listed(&store, &after).await;
    }
}

pub async fn a_series_of_which_nothing_is_kept_has_no_beats_until_it_has_a_result(store: Backend) {
    let ids = sync(&store, &[icmp("a"), icmp("b")]).await;
    let batch = vec![up(ids[0], at(-5.0), 5), up(ids[1], at(5.0), 5)];
    record(&store, batch).await;
    let mut beats = Beats::read(store.as_ref(), None, 60).await.unwrap();
    while rollup::settle(store.as_ref(), at(2.0 * DAY)).await.unwrap() > 0 {}
    assert!(drop_day(&store, Resolution::Raw, day(-1)).await);
    for known in [true, true, false] {
        let last = known.then_some(&beats);
        beats = Beats::read(store.as_ref(), last, 60).await.unwrap();
        assert!(beats.of(ids[0], Timestamp::MAX).is_empty());
        assert_listed(&store, &beats).await;
    }
    record(&store, vec![up(ids[0], at(10.0), 5)]).await;
    for last in [Some(&beats), None] {
        let after = Beats::read(store.as_ref(), last, 60).await.unwrap();
        assert_eq!(after.of(ids[0], Timestamp::MAX).len(), 1);
        assert_listed(&store, &after).await;
    }
}

/// One step of what a database goes through: 0 to 5 results that come next, 6 late ones, 7 some again, 8 a target rests, 9 all are there.
pub type Step = (u8, u8, u8);

/// Whatever is stored in whichever order, and whichever targets come and go, beats that are kept current are those of the lists.
pub async fn beats_that_are_kept_current_are_those_of_the_lists(
    store: Backend,
    steps: Vec<Step>,
    most: usize,
) {
    let resting = |resting: Option<usize>| {
        let mut declared = [icmp("a"), icmp("b"), icmp("c")];
        for (number, declared) in declared.iter_mut().enumerate() {
            declared.id = Some(format!("t{number}"));
            declared.spec.enabled = resting != Some(number);
        }
        declared
    };
    let ids = sync(&store, &resting(None)).await;
    let mut beats = Beats::read(store.as_ref(), None, most).await.unwrap();
    let (mut now, mut last) = (0.0, Vec::new());
    for (number, (what, target, count)) in steps.into_iter().enumerate() {
        let id = ids[usize::from(target) % ids.len()];
        let result = |at: Timestamp| match count % 4 {
            0 => failed(id, at, Outcome::Down),
            1 => failed(id, at, Outcome::Unknown),
            2 => lossy(id, at, u16::from(target) % 4),
            _ => up(id, at, 1 + u64::from(target)),
        };
        let batch: Vec<_> = match what {
            0..=5 => (0..=count % 5)
                .map(|_| {
                    now += 7_001.0;
                    result(at(now))
                })
                .collect(),
            6 => vec![result(at(now - 7_000.0 * f64::from(count)))],
            7 => last.clone(),
            8 => {
                let resting = resting(Some(usize::from(target) % ids.len()));
                store.sync_targets(&resting, at(now + 1.0)).await.unwrap();
                Vec::new()
            }
            _ => {
                // under another name: it is the same target by its own id
                let mut all = resting(None);
                all[0].spec.name = format!("a{number}");
                store.sync_targets(&all, at(now + 1.0)).await.unwrap();
                Vec::new()
            }
        };
        if !batch.is_empty() {
            record(&store, batch.clone()).await;
            last = batch;
        }
        if number % 2 == 0 {
            beats = Beats::read(store.as_ref(), Some(&beats), most)
                .await
                .unwrap();
            assert_listed(&store, &beats).await;
        }
    }
    beats = Beats::read(store.as_ref(), Some(&beats), most)
        .await
        .unwrap();
    assert_listed(&store, &beats).await;
    let anew = Beats::read(store.as_ref(), None, most).await.unwrap();
    assert_listed(&store, &anew).await;
}
