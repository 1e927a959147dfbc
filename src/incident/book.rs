//! The book of incidents: what goes on, shared by those who see results, those who write it down and those who want to be told.
//!
//! Bounded by what it is about: one open incident a target, of which only the newest state waits to be written, however long the
//! database is away; and [`MOST_ENDED`] that have ended and are not written yet. Beyond that the oldest goes, and is counted.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Change, Detector, What};
use crate::model::{Incident, IncidentRule, ProbeResult, Target, TargetId, Timestamp};

/// About 50 MB: a day without the database in which every minute seventy targets fail and recover.
const MOST_ENDED: usize = 100_000;

/// Told of every change but one more failure for the same reason, in order. It must be quick and never ask the book: results wait.
pub type Listener = Box<dyn Fn(&Change<'_>) + Send + Sync>;

/// What goes on, and what of it waits to be written.
#[derive(Default)]
pub struct Book {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    detector: Detector,
    /// Ended and not written yet, the oldest first.
    ended: VecDeque<Incident>,
    /// Whose open incident is to be written soon.
    soon: HashSet<TargetId>,
    /// Whose open incident has only failed once more.
    later: HashSet<TargetId>,
    dropped: u64,
    listeners: Vec<Listener>,
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Book").finish_non_exhaustive()
    }
}

impl Book {
    /// From now on `listener` is told too.
    pub fn follow(&self, listener: Listener) {
        self.lock().listeners.push(listener);
    }

    /// From now on these are the targets that are probed; incidents of others are removed at `now`.
    pub fn watch<'a>(&self, targets: impl Iterator<Item = &'a Target>, now: Timestamp) {
        let mut inner = self.lock();
        let watched = targets.map(|target| (target.id, target.spec.incident));
        for incident in inner.detector.watch(watched, now) {
            inner.end(incident);
        }
    }

    /// Looks at a live result of a target with this rule.
    pub fn see(&self, rule: IncidentRule, result: &ProbeResult) {
        let mut inner = self.lock();
        let Inner {
            detector,
            soon,
            later,
            listeners,
            ..
        } = &mut *inner;
        let Some(change) = detector.see(rule, result) else {
            return;
        };
        match change.what {
            What::Ended => {
                let incident = change.incident.into_owned();
                inner.end(incident);
            }
            What::Failed => {
                later.insert(result.target);
            }
            What::Opened | What::Continued | What::Changed => {
                // a reason that alternates must not become a write a second
                let waits = if change.what == What::Opened {
                    soon
                } else {
                    later
                };
                waits.insert(result.target);
                tell(listeners, &change);
            }
        }
    }

    /// Takes over what an earlier process left open; before anything is taken to be written.
    pub fn adopt(&self, known: Vec<Incident>, now: Timestamp) {
        let mut inner = self.lock();
        for mut incident in known {
            let target = incident.target;
            // it may have opened once more and ended while nobody knew of this one: then that was its end
            let next = inner.ended.iter().position(|it| it.target == target);
            if let Some(next) = next.and_then(|next| inner.ended.remove(next)) {
                incident.absorb(next);
                inner.ended.push_back(incident);
                continue;
            }
            let Inner {
                detector,
                soon,
                listeners,
                ..
            } = &mut *inner;
            let change = detector.adopt(incident, now);
            if change.what == What::Ended {
                let incident = change.incident.into_owned();
                inner.end(incident);
                continue;
            }
            soon.insert(target);
            tell(listeners, &change);
        }
    }

    /// What is to be written next, at most so many: what ended, what opened, and with `all` what goes on.
    pub fn take(&self, most: usize, all: bool) -> Vec<Incident> {
        let mut inner = self.lock();
        let count = most.min(inner.ended.len());
        let mut taken: Vec<_> = inner.ended.drain(..count).collect();
        if all {
            let later = std::mem::take(&mut inner.later);
            inner.soon.extend(later);
        }
        let room = most - taken.len();
        let targets: Vec<TargetId> = inner.soon.iter().take(room).copied().collect();
        for target in targets {
            inner.soon.remove(&target);
            inner.later.remove(&target);
            taken.extend(inner.detector.open(target).cloned());
        }
        taken
    }

    /// What was taken and could not be written.
    pub fn give_back(&self, taken: Vec<Incident>) {
        let mut inner = self.lock();
        for incident in taken.into_iter().rev() {
            if incident.is_open() {
                // if it has ended since, that waits already
                inner.soon.insert(incident.target);
            } else {
                inner.ended.push_front(incident);
            }
        }
        inner.trim();
    }

    /// How many incidents go on.
    pub fn open_count(&self) -> usize {
        self.lock().detector.open_count()
    }

    /// How many wait to be written.
    pub fn waiting(&self) -> usize {
        let inner = self.lock();
        inner.ended.len() + inner.soon.len() + inner.later.len()
    }

    /// How many have ended and were given up, as too many waited, since this was asked last.
    pub fn take_dropped(&self) -> u64 {
        std::mem::take(&mut self.lock().dropped)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // a listener that panicked has left nothing half done
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn end(&mut self, incident: Incident) {
        self.soon.remove(&incident.target);
        self.later.remove(&incident.target);
        tell(&self.listeners, &ended(&incident));
        self.ended.push_back(incident);
        self.trim();
    }

    fn trim(&mut self) {
        while self.ended.len() > MOST_ENDED {
            self.ended.pop_front();
            self.dropped += 1;
        }
    }
}

fn tell(listeners: &[Listener], change: &Change<'_>) {
    for listener in listeners {
        listener(change);
    }
}

const fn ended(incident: &Incident) -> Change<'_> {
    Change {
        what: What::Ended,
        incident: Cow::Borrowed(incident),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::model::{Ending, IcmpSpec, Measurement, Observation, ProbeSpec, Reason, TargetSpec};

    const RULE: IncidentRule = IncidentRule {
        fail_after: 1,
        recover_after: 1,
    };

    fn target(number: u128) -> Target {
        Target {
            id: TargetId(Uuid::from_u128(number)),
            spec: TargetSpec {
                name: number.to_string(),
                enabled: true,
                interval: Duration::from_secs(1),
                timeout: Duration::from_secs(1),
                slow_after: Duration::from_secs(1),
                incident: RULE,
                group: None,
                tags: Vec::new(),
                description: None,
                probe: ProbeSpec::Icmp(IcmpSpec::new("127.0.0.1".to_owned())),
            },
        }
    }

    fn at(slot: i64) -> Timestamp {
        Timestamp::from_micros(slot)
    }

    fn book(targets: u128) -> Book {
        let book = Book::default();
        let targets: Vec<_> = (0..targets).map(target).collect();
        book.watch(targets.iter(), at(0));
        book
    }

    fn see(book: &Book, number: u128, slot: i64, is_up: bool) {
        let observation = if is_up {
            Observation::up(Measurement::default())
        } else {
            Observation::down(Reason::Timeout, "no reply", Measurement::default())
        };
        let id = TargetId(Uuid::from_u128(number));
        let second = Duration::from_secs(1);
        let result = ProbeResult::new(id, at(slot), Duration::ZERO, second, observation);
        book.see(RULE, &result);
    }

    #[test]
    fn what_opens_and_ends_is_taken_soon_and_what_goes_on_with_all() {
        let book = book(2);
        see(&book, 0, 1, false);
        let taken = book.take(10, false);
        assert_eq!(taken.len(), 1);
        assert_eq!(book.take(10, false), []);
        see(&book, 0, 2, false);
        assert_eq!(book.take(10, false), []);
        assert_eq!(book.take(10, true)[0].failed, 2);
        assert_eq!(book.take(10, true), []);
        see(&book, 0, 3, true);
        let taken = book.take(10, false);
        assert_eq!(taken[0].ended.unwrap().at, at(3));
        assert_eq!(book.waiting(), 0);
    }

    #[test]
    fn of_an_open_one_the_newest_state_waits_and_what_ended_is_kept_in_order() {
        let book = book(1);
        see(&book, 0, 1, false);
        let first = book.take(10, true);
        see(&book, 0, 2, false);
        book.give_back(first);
        assert_eq!(book.waiting(), 2, "counted as new and as more of the same");
        let taken = book.take(10, true);
        assert_eq!((taken.len(), taken[0].failed), (1, 2));
        // it ends while it is being written in vain
        see(&book, 0, 3, true);
        see(&book, 0, 4, false);
        see(&book, 0, 5, true);
        book.give_back(taken);
        let taken = book.take(10, true);
        let ends: Vec<_> = taken.iter().map(|it| it.ended.unwrap().at).collect();
        assert_eq!(ends, [at(3), at(5)]);
        book.give_back(taken);
        let ends: Vec<_> = [(); 2].map(|()| book.take(1, true)[0].began).to_vec();
        assert_eq!(ends, [at(1), at(4)]);
        assert_eq!(book.waiting(), 0);
    }

    #[test]
    fn however_long_nobody_writes_the_book_has_a_bound_and_counts_what_goes() {
        let book = book(1);
        for round in 0..MOST_ENDED as i64 + 5 {
            see(&book, 0, round * 2 + 1, false);
            see(&book, 0, round * 2 + 2, true);
        }
        assert_eq!(book.waiting(), MOST_ENDED);
        assert_eq!((book.take_dropped(), book.take_dropped()), (5, 0));
        assert_eq!(book.take(1, false)[0].began, at(11), "the oldest went");
    }

    #[test]
    fn listeners_are_told_of_all_but_one_more_failure() {
        let book = book(2);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        book.follow(Box::new(move |change| {
            let ending = change.incident.ended.map(|ended| ended.by);
            hearing.lock().unwrap().push((change.what, ending));
        }));
        for slot in 1..5 {
            see(&book, 0, slot, false);
        }
        see(&book, 0, 5, true);
        see(&book, 1, 6, false);
        book.watch([target(0)].iter(), at(7));
        assert_eq!(book.open_count(), 0);
        assert_eq!(
            *heard.lock().unwrap(),
            [
                (What::Opened, None),
                (What::Ended, Some(Ending::Recovered)),
                (What::Opened, None),
                (What::Ended, Some(Ending::Removed)),
            ]
        );
    }

    #[test]
    fn what_opened_and_ended_before_an_older_one_is_known_was_its_end() {
        let left = {
            let book = book(1);
            see(&book, 0, 1, false);
            book.take(1, true)
        };
        let book = book(1);
        see(&book, 0, 10, false);
        see(&book, 0, 11, true);
        see(&book, 0, 12, false);
        book.adopt(left, at(20));
        let mut taken = book.take(10, true);
        taken.sort_by_key(|it| it.began);
        let spans: Vec<_> = taken
            .iter()
            .map(|it| (it.began, it.ended.map(|ended| ended.at), it.failed))
            .collect();
        assert_eq!(spans, [(at(1), Some(at(11)), 2), (at(12), None, 1)]);
    }
}
