//! What every backend must do with incidents: cases of the suite in `conformance.rs`.

use pingu::model::{
    Ended, Ending, ErrorText, Failure, Incident, IncidentRule, Reason, StoredIncident, TargetId,
    Timestamp,
};
use pingu::storage::{IncidentQuery, Resolution, Status, rollup};

use crate::conformance::{Backend, DAY, at, day, drop_day, icmp, record, sync, up};

/// One that began at this second, and failed twice.
fn incident(target: TargetId, second: f64) -> Incident {
    let failure = Failure::new(Reason::Timeout, "no reply within 1000 ms");
    let mut incident = Incident::begin(target, at(second), &failure);
    incident.fail(at(second + 1.0), &failure);
    incident.opened = at(second + 1.0);
    incident
}

fn over(mut incident: Incident, second: f64) -> Incident {
    incident.end(at(second), Ending::Recovered);
    incident
}

async fn write(store: &Backend, incidents: &[Incident]) {
    store.write_incidents(incidents).await.unwrap();
}

async fn all(store: &Backend, query: IncidentQuery) -> Vec<StoredIncident> {
    let limit = if query.limit == 0 { 1000 } else { query.limit };
    let query = IncidentQuery { limit, ..query };
    store.incidents(&query).await.unwrap()
}

fn incidents(stored: Vec<StoredIncident>) -> Vec<Incident> {
    stored.into_iter().map(|it| it.incident).collect()
}

pub async fn an_incident_comes_back_as_it_was_written_last(store: Backend) {
    let ids = sync(&store, &[icmp("a"), icmp("b")]).await;
    let mut first = incident(ids[0], 10.0);
    write(&store, &[first.clone(), incident(ids[1], 20.0)]).await;
    write(&store, &[first.clone()]).await;
    let stored = store.open_incidents().await.unwrap();
    let of = |stored: &[StoredIncident], target| {
        let found = stored.iter().find(|it| it.incident.target == target);
        found.unwrap().clone()
    };
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0].incident.target, ids[1], "the newest first");
    let before = of(&stored, ids[0]);
    assert_eq!((&*before.location, &*before.target_name), ("here", "a"));
    assert_eq!(before.incident, first);

    let text = "é ☃ 'quoted'; DROP TABLE incidents --";
    first.fail(at(12.0), &Failure::new(Reason::Refused, text));
    first.fail(
        at(13.0),
        &Failure::new(Reason::Tls, ErrorText::new("x").as_str()),
    );
    write(&store, &[first.clone()]).await;
    let stored = store.incident(before.id).await.unwrap().unwrap();
    assert_eq!((stored.id, stored.incident), (before.id, first.clone()));

    // an end stays, whatever comes late
    let open = first.clone();
    first.end(at(14.0), Ending::Recovered);
    write(&store, &[first.clone()]).await;
    write(&store, &[open]).await;
    let mut removed = first.clone();
    removed.ended = Some(Ended {
        at: at(99.0),
        by: Ending::Removed,
    });
    write(&store, &[removed]).await;
    let stored = store.incident(before.id).await.unwrap().unwrap();
    assert_eq!(stored.incident, first);
    assert_eq!(store.open_incidents().await.unwrap().len(), 1);
    assert!(before.id > 0 && before.id < 1 << 53);
    for unknown in [0, -1, i64::MAX] {
        assert_eq!(store.incident(unknown).await.unwrap(), None);
    }
}

pub async fn an_incident_of_an_unknown_target_is_left_out(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    let nobody = TargetId(uuid::Uuid::from_u128(7));
    write(&store, &[incident(nobody, 1.0), incident(ids[0], 2.0)]).await;
    write(&store, &[]).await;
    let stored = all(&store, IncidentQuery::default()).await;
    assert_eq!(incidents(stored), [incident(ids[0], 2.0)]);
}

pub async fn incidents_have_pages_and_touch_their_span(store: Backend) {
    let ids = sync(&store, &[icmp("a"), icmp("b")]).await;
    let mut expected = Vec::new();
    for second in (0..40).map(|number| f64::from(number) * 10.0) {
        for id in &ids {
            expected.push(over(incident(*id, second), second + 5.0));
        }
    }
    expected.push(incident(ids[1], 1000.0));
    for batch in expected.chunks(7) {
        write(&store, batch).await;
    }
    let whole = all(&store, IncidentQuery::default()).await;
    assert_eq!(whole.len(), 81);
    let positions: Vec<_> = whole.iter().map(|it| (it.incident.began, it.id)).collect();
    assert!(positions.windows(2).all(|pair| pair[0] > pair[1]));

    let span = |since: f64, until: f64| IncidentQuery {
        since: Some(at(since)),
        until: Some(at(until)),
        ..IncidentQuery::default()
    };
    for (query, count) in [
        (
            IncidentQuery {
                target: Some(ids[0]),
                ..IncidentQuery::default()
            },
            40,
        ),
        (
            IncidentQuery {
                open: Some(true),
                ..IncidentQuery::default()
            },
            1,
        ),
        (
            IncidentQuery {
                open: Some(false),
                ..IncidentQuery::default()
            },
            80,
        ),
        (
            IncidentQuery {
                open: Some(true),
                target: Some(ids[0]),
                ..IncidentQuery::default()
            },
            0,
        ),
        (
            IncidentQuery {
                open: Some(true),
                ..span(2000.0, 3000.0)
            },
            1,
        ),
        (
            IncidentQuery {
                open: Some(true),
                ..span(0.0, 1000.0)
            },
            0,
        ),
        (
            IncidentQuery {
                target: Some(ids[1]),
                ..span(103.0, 104.0)
            },
            1,
        ),
        // half open on both sides
        (span(105.0, 110.0), 0),
        (span(105.0, 110.1), 2),
        (span(104.9, 110.0), 2),
        (span(100.0, 100.0), 0),
        (span(9000.0, 9001.0), 1),
    ] {
        let whole = all(&store, query.clone()).await;
        assert_eq!(whole.len(), count, "{query:?}");
        for limit in [1, 7, 1000] {
            let (mut read, mut after) = (Vec::new(), None);
            loop {
                let page = IncidentQuery {
                    after,
                    limit,
                    ..query.clone()
                };
                let page = store.incidents(&page).await.unwrap();
                let Some(last) = page.last() else { break };
                after = Some((last.incident.began, last.id));
                assert!(page.len() <= limit);
                read.extend(page);
            }
            assert_eq!(read, whole, "{limit} {query:?}");
        }
    }
}

pub async fn incidents_of_targets_that_leave_are_removed(store: Backend) {
    let ids = sync(&store, &[icmp("a"), icmp("b"), icmp("c")]).await;
    let ended = over(incident(ids[1], 1.0), 5.0);
    let mut open: Vec<_> = ids.iter().map(|id| incident(*id, 20.0)).collect();
    write(&store, std::slice::from_ref(&ended)).await;
    write(&store, &open).await;
    let mut resting = icmp("c");
    resting.spec.enabled = false;
    let file = [icmp("a"), resting];
    store.sync_targets(&file, at(60.0)).await.unwrap();
    let removed = Some(Ended {
        at: at(60.0),
        by: Ending::Removed,
    });
    open[1].ended = removed;
    open[2].ended = removed;
    for (id, incident) in ids.iter().zip(&open) {
        let query = IncidentQuery {
            target: Some(*id),
            limit: 1,
            ..IncidentQuery::default()
        };
        assert_eq!(incidents(all(&store, query).await)[0], *incident);
    }
    // a clock that was set back: nothing ends before it began
    write(&store, &[incident(ids[0], 500.0)]).await;
    store.sync_targets(&[], at(100.0)).await.unwrap();
    let query = IncidentQuery {
        target: Some(ids[0]),
        limit: 1,
        ..IncidentQuery::default()
    };
    let stored = incidents(all(&store, query).await);
    assert_eq!(stored[0].ended.map(|ended| ended.at), Some(at(500.0)));
    assert_eq!(store.open_incidents().await.unwrap(), []);
    assert_eq!(store.targets(Status::Enabled).await.unwrap(), []);
}

pub async fn two_incidents_of_one_target_are_never_open(store: Backend) {
    let ids = sync(&store, &[icmp("a"), icmp("b")]).await;
    let other = incident(ids[1], 5.0);
    write(&store, &[incident(ids[0], 10.0), other.clone()]).await;
    write(&store, &[incident(ids[0], 30.0)]).await;
    let mut first = incident(ids[0], 10.0);
    first.ended = Some(Ended {
        at: at(30.0),
        by: Ending::Superseded,
    });
    let stored = incidents(all(&store, IncidentQuery::default()).await);
    assert_eq!(stored, [incident(ids[0], 30.0), first, other]);
    // where the true end comes in the same batch, it is that
    let ended = over(incident(ids[0], 30.0), 35.0);
    write(&store, &[incident(ids[0], 40.0), ended.clone()]).await;
    let stored = incidents(all(&store, IncidentQuery::default()).await);
    assert_eq!(stored[..2], [incident(ids[0], 40.0), ended]);
}

pub async fn incidents_outlast_results_and_go_with_their_hours(store: Backend) {
    let ids = sync(&store, &[icmp("a")]).await;
    let old = over(incident(ids[0], 10.0), 20.0);
    let long = over(incident(ids[0], 30.0), DAY + 5.0);
    let open = incident(ids[0], DAY + 10.0);
    write(&store, &[old.clone(), long.clone(), open.clone()]).await;
    let slots = [10.0, DAY + 10.0, 2.0 * DAY + 10.0];
    record(&store, slots.map(|s| up(ids[0], at(s), 1_000)).to_vec()).await;
    rollup::settle(store.as_ref(), at(3.0 * DAY)).await.unwrap();
    assert_eq!(store.forget_incidents().await.unwrap(), 0);
    for resolution in [Resolution::Raw, Resolution::FiveMinutes] {
        assert!(drop_day(&store, resolution, day(1)).await);
        assert_eq!(store.forget_incidents().await.unwrap(), 0);
    }
    assert!(drop_day(&store, Resolution::Hour, day(0)).await);
    assert_eq!(store.forget_incidents().await.unwrap(), 1);
    assert_eq!(store.forget_incidents().await.unwrap(), 0);
    let stored = incidents(all(&store, IncidentQuery::default()).await);
    assert_eq!(stored, [open.clone(), long]);
    // what goes on stays, however old
    assert!(drop_day(&store, Resolution::Hour, day(1)).await);
    assert_eq!(store.forget_incidents().await.unwrap(), 1);
    let stored = incidents(all(&store, IncidentQuery::default()).await);
    assert_eq!(stored, [open]);
}

pub async fn a_rule_comes_back_as_it_was_declared(store: Backend) {
    let mut declared = icmp("a");
    let read = async || {
        let targets = store.targets(Status::All).await.unwrap();
        let found = store.target("a").await.unwrap().unwrap();
        assert_eq!(found, targets[0]);
        found.spec.incident
    };
    for (fail_after, recover_after) in [(2, 2), (1, 100), (100, 1)] {
        let rule = IncidentRule {
            fail_after,
            recover_after,
        };
        declared.spec.incident = rule;
        sync(&store, std::slice::from_ref(&declared)).await;
        assert_eq!(read().await, rule);
    }
    let changes = store.sync_targets(&[declared], Timestamp::default()).await;
    assert_eq!(changes.unwrap(), []);
}
