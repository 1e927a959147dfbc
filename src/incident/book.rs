//! The book of incidents: what goes on, shared by those who see results, those who write it down and those who want to be told.
//!
//! Bounded by what it is about: one open incident a target, of which only the newest state waits to be written, however long the
//! database is away; and [`MOST_ENDED`] that have ended and are not written yet. Beyond that the oldest goes, and is counted.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Change, Detector, What};
use crate::model::{Incident, IncidentRule, ProbeResult, Target, TargetId, TargetMap, Timestamp};

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
    soon: TargetMap<()>,
    /// Whose open incident has only failed once more.
    later: TargetMap<()>,
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
            What::Failed => drop(later.insert(result.target, ())),
            What::Opened | What::Continued | What::Changed => {
                // a reason that alternates must not become a write a second
                let waits = if change.what == What::Opened {
                    soon
                } else {
                    later
                };
                waits.insert(result.target, ());
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
            soon.insert(target, ());
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
        let targets: Vec<TargetId> = inner.soon.keys().take(room).copied().collect();
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
                inner.soon.insert(incident.target, ());
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
