//! Histories and what becomes of them: written as one letter a result, and generated.

use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::model::{Changes, Ended, Measurement, Observation, Reason};

const RULE: IncidentRule = IncidentRule {
    fail_after: 2,
    recover_after: 2,
};

fn target(number: u128) -> TargetId {
    TargetId(Uuid::from_u128(number))
}

fn at(slot: usize) -> Timestamp {
    Timestamp::from_micros(slot as i64 * 1_000_000)
}

/// `u` up, `d` down with a timeout, `r` down with a refusal, `?` unknown.
fn result(of: TargetId, slot: usize, letter: char) -> ProbeResult {
    let nothing = Measurement::default;
    let observation = match letter {
        'u' => Observation::up(nothing()),
        'd' => Observation::down(Reason::Timeout, format!("no reply at {slot}"), nothing()),
        'r' => Observation::down(Reason::Refused, format!("refused at {slot}"), nothing()),
        _ => Observation::unknown(Reason::Local, "no route of its own", nothing()),
    };
    let day = Duration::from_secs(86_400);
    ProbeResult::new(of, at(slot), Duration::ZERO, day, observation)
}

fn watching(rule: IncidentRule) -> Detector {
    let mut detector = Detector::default();
    let ended = detector.watch([(target(1), rule), (target(2), rule)].into_iter(), at(0));
    assert_eq!(ended, []);
    detector
}

/// What each result changed: `.` nothing, `O` opened, `f` failed once more, `c` for another reason, `E` ended; and the incidents that
/// ended, as first slot, slot of opening, slot of the end, failures.
fn story(rule: IncidentRule, history: &str) -> (String, Vec<[usize; 4]>) {
    let mut detector = watching(rule);
    let (mut told, mut ended) = (String::new(), Vec::new());
    for (index, letter) in history.chars().enumerate() {
        // slots begin at one: zero is the start
        let change = detector.see(rule, &result(target(1), index + 1, letter));
        told.push(match &change {
            None => '.',
            Some(change) => match change.what {
                What::Opened => 'O',
                What::Failed => 'f',
                What::Changed => 'c',
                What::Ended => 'E',
                What::Continued => '!',
            },
        });
        if let Some(change) = change.filter(|change| change.what == What::Ended) {
            let incident = change.incident.into_owned();
            let slot = |at: Timestamp| at.as_micros().unsigned_abs() as usize / 1_000_000;
            let end = incident.ended.unwrap();
            assert_eq!(end.by, Ending::Recovered);
            let slots = [incident.began, incident.opened, end.at].map(slot);
            ended.push([slots[0], slots[1], slots[2], incident.failed as usize]);
        }
    }
    (told, ended)
}

#[test]
fn so_many_results_in_a_row_open_and_resolve() {
    let rule = |fail_after, recover_after| IncidentRule {
        fail_after,
        recover_after,
    };
    for (rule, history, told, ended) in [
        (rule(2, 2), "uuuu", "....", vec![]),
        (rule(2, 2), "uddduuu", "..Of.E.", vec![[2, 3, 5, 3]]),
        // one failure is none, nor are many that are not in a row
        (rule(2, 2), "ududud", "......", vec![]),
        // one answer is no recovery, and does not cut the incident in two
        (rule(2, 2), "dduduu", ".O.f.E", vec![[1, 2, 5, 3]]),
        (rule(1, 1), "dudu", "OEOE", vec![[1, 1, 2, 1], [3, 3, 4, 1]]),
        (rule(3, 1), "dduddddu", ".....OfE", vec![[4, 6, 8, 4]]),
        (rule(1, 3), "duuduuu", "O..f..E", vec![[1, 1, 5, 2]]),
        // unknown leaves a run as it is
        (rule(2, 2), "????", "....", vec![]),
        (rule(2, 2), "d?d?u?u", "..O...E", vec![[1, 3, 5, 2]]),
        (rule(2, 2), "dd????d", ".O....f", vec![]),
        (rule(2, 2), "u?d?u?d", ".......", vec![]),
        // another reason is told, also while it opens
        (rule(2, 2), "ddrrduu", ".Ocfc.E", vec![[1, 2, 6, 5]]),
        (rule(2, 2), "drduu", ".Oc.E", vec![[1, 2, 4, 3]]),
        // the first result ever is a failure
        (rule(1, 1), "d", "O", vec![]),
    ] {
        assert_eq!(
            story(rule, history),
            (told.to_owned(), ended),
            "{rule:?} {history}"
        );
    }
}

#[test]
fn an_incident_keeps_the_first_and_the_last_reason_and_how_it_changed() {
    let mut detector = watching(RULE);
    for (slot, letter) in (1..).zip("drrd".chars()) {
        detector.see(RULE, &result(target(1), slot, letter));
    }
    let incident = detector.open(target(1)).unwrap();
    assert_eq!(incident.first.reason, Reason::Timeout);
    assert_eq!(incident.first.error.as_str(), "no reply at 1");
    assert_eq!(incident.last.error.as_str(), "no reply at 4");
    assert_eq!((incident.failed, incident.last_failed), (4, at(4)));
    let changes = incident.changes.kept.iter();
    let changes: Vec<_> = changes.map(|it| (it.at, it.from, it.to)).collect();
    assert_eq!(
        changes,
        [
            (at(2), Reason::Timeout, Reason::Refused),
            (at(4), Reason::Refused, Reason::Timeout)
        ]
    );
}

#[test]
fn the_list_of_changes_is_bounded_and_keeps_the_newest() {
    let mut detector = watching(RULE);
    for slot in 1..=1000 {
        let letter = if slot % 2 == 0 { 'r' } else { 'd' };
        detector.see(RULE, &result(target(1), slot, letter));
    }
    let changes = &detector.open(target(1)).unwrap().changes;
    assert_eq!(changes.kept.len(), Changes::MOST);
    assert_eq!(changes.omitted, 999 - Changes::MOST as u64);
    assert_eq!(changes.kept.last().unwrap().at, at(1000));
}

#[test]
fn a_slot_that_is_not_newer_than_the_last_changes_nothing() {
    let mut detector = watching(RULE);
    for (slot, letter) in [(10, 'u'), (9, 'd'), (8, 'd'), (10, 'd'), (7, '?')] {
        assert_eq!(detector.see(RULE, &result(target(1), slot, letter)), None);
    }
    assert_eq!(detector.see(RULE, &result(target(1), 11, 'd')), None);
    assert!(detector.see(RULE, &result(target(1), 12, 'd')).is_some());
    // nor is it resolved by old answers
    for slot in 1..12 {
        assert_eq!(detector.see(RULE, &result(target(1), slot, 'u')), None);
    }
    assert_eq!(detector.open_count(), 1);
}

#[test]
fn a_rule_that_changes_holds_from_the_next_result_on() {
    let mut detector = watching(RULE);
    let patient = IncidentRule {
        fail_after: 100,
        recover_after: 100,
    };
    for slot in 1..=5 {
        assert_eq!(detector.see(patient, &result(target(1), slot, 'd')), None);
    }
    let change = detector.see(RULE, &result(target(1), 6, 'd')).unwrap();
    assert_eq!((change.what, change.incident.began), (What::Opened, at(1)));
}

#[test]
fn a_target_that_leaves_takes_its_incident_with_it() {
    let mut detector = watching(RULE);
    for number in [1, 2] {
        for slot in [1, 2] {
            detector.see(RULE, &result(target(number), slot, 'd'));
        }
    }
    assert_eq!(detector.open_count(), 2);
    let ended = detector.watch([(target(2), RULE)].into_iter(), at(5));
    let expected = Some(Ended {
        at: at(5),
        by: Ending::Removed,
    });
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].target, ended[0].ended), (target(1), expected));
    assert_eq!(detector.open_count(), 1);
    // a probe that was under way comes back
    let eager = IncidentRule {
        fail_after: 1,
        recover_after: 1,
    };
    assert_eq!(detector.see(eager, &result(target(1), 6, 'd')), None);
    // and when the target does, it begins anew
    let both = [(target(1), RULE), (target(2), RULE)];
    assert_eq!(detector.watch(both.into_iter(), at(7)), []);
    assert_eq!(detector.see(RULE, &result(target(1), 8, 'd')), None);
    let change = detector.see(RULE, &result(target(1), 9, 'd')).unwrap();
    assert_eq!(change.incident.began, at(8));
}

/// An incident that opened with the failures at 1 and 2.
fn left_open() -> Incident {
    let mut detector = watching(RULE);
    detector.see(RULE, &result(target(1), 1, 'd'));
    detector.see(RULE, &result(target(1), 2, 'd'));
    detector.open(target(1)).unwrap().clone()
}

#[test]
fn what_an_earlier_process_left_open_goes_on() {
    let mut detector = watching(RULE);
    assert_eq!(detector.adopt(left_open(), at(10)).what, What::Continued);
    assert_eq!(detector.open_count(), 1);
    let change = detector.see(RULE, &result(target(1), 11, 'r')).unwrap();
    assert_eq!((change.what, change.incident.failed), (What::Changed, 3));
    assert_eq!(detector.see(RULE, &result(target(1), 12, 'u')), None);
    let change = detector.see(RULE, &result(target(1), 13, 'u')).unwrap();
    assert_eq!(change.what, What::Ended);
    assert_eq!(
        (change.incident.began, change.incident.opened),
        (at(1), at(2))
    );
    assert_eq!(change.incident.ended.unwrap().at, at(12));
}

#[test]
fn what_was_seen_before_it_is_known_that_one_goes_on_belongs_to_it() {
    for (seen, what, failed, open) in [
        ("", What::Continued, 2, 1),
        ("?", What::Continued, 2, 1),
        ("u", What::Continued, 2, 1),
        ("uu", What::Ended, 2, 0),
        ("d", What::Continued, 3, 1),
        ("ud", What::Continued, 3, 1),
        ("ddd", What::Changed, 5, 1),
        ("ddu", What::Changed, 4, 1),
        ("du", What::Continued, 2, 1),
    ] {
        let mut detector = watching(RULE);
        for (slot, letter) in (10..).zip(seen.chars()) {
            detector.see(RULE, &result(target(1), slot, letter));
        }
        let change = detector.adopt(left_open(), at(20));
        assert_eq!(
            (change.what, change.incident.failed),
            (what, failed),
            "{seen}"
        );
        assert_eq!(change.incident.began, at(1));
        assert_eq!(detector.open_count(), open, "{seen}");
        let next = detector.see(RULE, &result(target(1), 30, 'u'));
        let ends = seen.ends_with('u') && open == 1;
        assert_eq!(
            next.is_some_and(|it| it.what == What::Ended),
            ends,
            "{seen}"
        );
    }
}

#[test]
fn a_clock_that_was_set_back_does_not_freeze_what_goes_on() {
    let mut detector = watching(RULE);
    let mut later = left_open();
    later.last_failed = at(1000);
    detector.adopt(later, at(10));
    assert_eq!(detector.see(RULE, &result(target(1), 11, 'u')), None);
    let change = detector.see(RULE, &result(target(1), 12, 'u')).unwrap();
    assert_eq!(change.what, What::Ended);
}

/// What an incident is, said once more and otherwise: looking back over a whole history.
fn open_after(rule: IncidentRule, history: &[char]) -> bool {
    let known: Vec<char> = history.iter().copied().filter(|&it| it != '?').collect();
    let run = |until: usize, up: bool| {
        let earlier = known[..until].iter().rev();
        earlier.take_while(|&&it| (it == 'u') == up).count()
    };
    // the last moment at which enough failures, or enough answers, had come in a row
    let last = (1..=known.len()).rev().find_map(|until| {
        let failed = run(until, false) >= usize::from(rule.fail_after);
        let answered = run(until, true) >= usize::from(rule.recover_after);
        (failed || answered).then_some(failed)
    });
    last.unwrap_or(false)
}

proptest! {
    #[test]
    fn an_incident_is_open_exactly_if_the_last_long_run_was_of_failures(
        history in prop::collection::vec(prop::sample::select(vec!['u', 'd', 'r', '?']), 0..200),
        (fail_after, recover_after) in (1..6_u8, 1..6_u8),
    ) {
        let rule = IncidentRule { fail_after, recover_after };
        let mut detector = watching(rule);
        let mut open: Option<Incident> = None;
        for index in 0..history.len() {
            let change = detector.see(rule, &result(target(1), index + 1, history[index]));
            let change = change.map(|it| (it.what, it.incident.into_owned()));
            match change {
                Some((What::Opened, incident)) => {
                    // never two of one target
                    prop_assert!(open.is_none());
                    prop_assert_eq!(incident.opened, at(index + 1));
                    open = Some(incident);
                }
                Some((What::Ended, incident)) => {
                    let before = open.take().unwrap();
                    prop_assert_eq!(before.began, incident.began);
                    let end = incident.ended.unwrap().at;
                    prop_assert!(incident.last_failed < end && end <= at(index + 1));
                    let span = history[..index].iter().enumerate();
                    let failed = span.filter(|(slot, letter)| {
                        at(slot + 1) >= incident.began && matches!(letter, 'd' | 'r')
                    });
                    prop_assert_eq!(failed.count() as u64, incident.failed);
                }
                Some((_, incident)) => {
                    prop_assert!(open.is_some());
                    open = Some(incident);
                }
                None => {}
            }
            prop_assert_eq!(detector.open_count(), usize::from(open.is_some()));
            prop_assert_eq!(open.is_some(), open_after(rule, &history[..=index]));
        }
    }

    #[test]
    fn a_start_anywhere_changes_nothing_of_what_goes_on(
        history in prop::collection::vec(prop::sample::select(vec!['u', 'd', 'r', '?']), 1..100),
        cut in any::<prop::sample::Index>(),
    ) {
        let rule = IncidentRule { fail_after: 1, recover_after: 1 };
        let whole = {
            let mut detector = watching(rule);
            for (index, letter) in history.iter().enumerate() {
                detector.see(rule, &result(target(1), index + 1, *letter));
            }
            detector.open(target(1)).cloned()
        };
        let cut = cut.index(history.len());
        let mut detector = watching(rule);
        for (index, letter) in history.iter().enumerate() {
            if index == cut {
                let left = detector.open(target(1)).cloned();
                detector = watching(rule);
                if let Some(left) = left {
                    detector.adopt(left, at(index));
                }
            }
            detector.see(rule, &result(target(1), index + 1, *letter));
        }
        prop_assert_eq!(detector.open(target(1)).cloned(), whole);
    }
}
