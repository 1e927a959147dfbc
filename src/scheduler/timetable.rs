//! Which target is due next: the scheduler's state, without its thread.
//!
//! Pure: every method takes `now`. A slot is either handed out or counted as missed, never both, never neither.

use std::sync::Arc;
use std::time::Duration;

use super::agenda::Agenda;
use crate::model::{Kind, Slots, Target, TargetMap, Timestamp};

/// A newcomer whose first slot is further away than this gets an extra probe within it.
pub const FIRST_LOOK: Duration = Duration::from_secs(2);
/// With more targets than this nobody gets one: it would be a burst.
pub const FIRST_LOOKS: usize = 10_000;
/// First looks are spread over this time, which leaves the rest of [`FIRST_LOOK`] for starting them.
const FIRST_LOOK_SPREAD: Duration = Duration::from_millis(1500);

/// A probe to be started now.
#[derive(Debug, Clone)]
pub struct Due {
    pub target: Arc<Target>,
    pub slot: Timestamp,
    /// From here on the slot counts as missed: the next one is due.
    pub expires: Timestamp,
}

#[derive(Debug, Default)]
pub struct Timetable {
    entries: Vec<Entry>,
    free: Vec<u32>,
    by_id: TargetMap<u32>,
    agenda: Agenda<Event>,
    /// What was due, for its capacity.
    events: Vec<(Timestamp, Event)>,
}

#[derive(Debug)]
struct Entry {
    target: Option<Arc<Target>>,
    slots: Slots,
    /// Events of an earlier occupant, or of an earlier interval, carry an older number.
    generation: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    entry: u32,
    generation: u32,
    first_look: bool,
}

impl Entry {
    /// The target, if the event is of this occupant and interval.
    fn current(&self, event: Event) -> Option<&Arc<Target>> {
        let is_current = self.generation == event.generation;
        self.target.as_ref().filter(|_| is_current)
    }
}

impl Timetable {
    /// Makes the timetable hold exactly `targets`. Those that did not change keep their next slot.
    pub fn replace(&mut self, targets: Vec<Arc<Target>>, now: Timestamp) {
        let looks = targets.len() <= FIRST_LOOKS;
        let mut gone = std::mem::take(&mut self.by_id);
        let mut newcomers = Vec::new();
        for target in targets {
            let id = target.id;
            let (entry, looked) = match gone.remove(&id) {
                Some(entry) => (entry, self.update(entry, target, now)),
                None => (self.insert(target, now), false),
            };
            self.by_id.insert(id, entry);
            if !looked {
                newcomers.push(entry);
            }
        }
        for entry in gone.into_values() {
            let gone = &mut self.entries[entry as usize];
            gone.target = None;
            gone.generation = gone.generation.wrapping_add(1);
            self.free.push(entry);
        }
        if looks {
            self.look_first(&newcomers, now);
        }
    }

    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// When to look again: nothing is due before.
    pub fn next(&self) -> Option<Timestamp> {
        self.agenda.next()
    }

    /// Hands out everything that is due by `ahead` from now, and how many slots of which kind were missed.
    pub fn take_due(
        &mut self,
        now: Timestamp,
        ahead: Duration,
        due: &mut Vec<Due>,
        mut missed: impl FnMut(Kind, u64),
    ) {
        (self.agenda).take(now.saturating_add(ahead), &mut self.events);
        for (at, event) in self.events.drain(..) {
            let entry = &self.entries[event.entry as usize];
            let Some(target) = entry.current(event) else {
                continue;
            };
            if event.first_look {
                due.push(Due {
                    target: Arc::clone(target),
                    slot: at,
                    expires: at.saturating_add(target.spec.interval),
                });
                continue;
            }
            // never a burst: of several slots that passed only the last is probed
            let slot = entry.slots.at_or_before(at.max(now));
            let skipped = entry.slots.count(at, slot);
            if skipped > 0 {
                missed(target.spec.probe.kind(), skipped);
            }
            let next = entry.slots.after(slot);
            due.push(Due {
                target: Arc::clone(target),
                slot,
                expires: next,
            });
            self.agenda.put(next, event);
        }
    }

    fn insert(&mut self, target: Arc<Target>, now: Timestamp) -> u32 {
        let slots = Slots::new(target.id, target.spec.interval);
        let entry = if let Some(entry) = self.free.pop() {
            let slot = &mut self.entries[entry as usize];
            slot.target = Some(target);
            slot.slots = slots;
            entry
        } else {
            self.entries.push(Entry {
                target: Some(target),
                slots,
                generation: 0,
            });
            self.entries.len() as u32 - 1
        };
        self.start(entry, now);
        entry
    }

    /// Whether the target is probed as before, so that nobody waits for a first look at it.
    fn update(&mut self, entry: u32, target: Arc<Target>, now: Timestamp) -> bool {
        let held = &mut self.entries[entry as usize];
        let slots = Slots::new(target.id, target.spec.interval);
        let before = held.target.replace(target);
        let same_probe = match (&before, &held.target) {
            (Some(before), Some(after)) => before.spec.probe == after.spec.probe,
            _ => false,
        };
        if held.slots != slots {
            held.slots = slots;
            held.generation = held.generation.wrapping_add(1);
            self.start(entry, now);
        }
        same_probe
    }

    fn start(&mut self, entry: u32, now: Timestamp) {
        let held = &self.entries[entry as usize];
        let event = Event {
            entry,
            generation: held.generation,
            first_look: false,
        };
        self.agenda.put(held.slots.after(now), event);
    }

    fn look_first(&mut self, newcomers: &[u32], now: Timestamp) {
        let count = newcomers.len().max(1) as u32;
        for (position, &entry) in newcomers.iter().enumerate() {
            let held = &self.entries[entry as usize];
            if held.slots.after(now).since(now) <= FIRST_LOOK {
                continue;
            }
            let event = Event {
                entry,
                generation: held.generation,
                first_look: true,
            };
            let wait = FIRST_LOOK_SPREAD * position as u32 / count;
            self.agenda.put(now.saturating_add(wait), event);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uuid::Uuid;

    use super::*;
    use crate::model::{IcmpSpec, IncidentRule, ProbeSpec, TargetId, TargetSpec};

    const NOW: Timestamp = Timestamp::from_micros(1_771_811_632_223_350);

    fn target(number: u128, interval: Duration) -> Arc<Target> {
        Arc::new(Target {
            id: TargetId(Uuid::from_u128(number)),
            spec: TargetSpec {
                name: format!("t{number}"),
                enabled: true,
                interval,
                timeout: interval,
                slow_after: interval,
                incident: IncidentRule::default(),
                group: None,
                tags: Vec::new(),
                description: None,
                probe: ProbeSpec::Icmp(IcmpSpec::new("127.0.0.1".to_owned())),
            },
        })
    }

    fn targets(count: u128, interval: Duration) -> Vec<Arc<Target>> {
        (0..count).map(|number| target(number, interval)).collect()
    }

    /// Every slot handed out in `span`, looking each millisecond, and how many were missed.
    fn run(
        timetable: &mut Timetable,
        from: Timestamp,
        span: Duration,
    ) -> (BTreeMap<TargetId, Vec<Timestamp>>, u64) {
        let (mut slots, mut missed) = (BTreeMap::<_, Vec<_>>::new(), 0);
        let mut due = Vec::new();
        for step in 0..=span.as_millis() as u32 {
            let now = from.saturating_add(Duration::from_millis(1) * step);
            timetable.take_due(now, Duration::ZERO, &mut due, |_, count| missed += count);
            for due in due.drain(..) {
                assert!(due.slot <= now && now < due.expires);
                slots.entry(due.target.id).or_default().push(due.slot);
            }
        }
        (slots, missed)
    }

    #[test]
    fn every_slot_is_handed_out_once() {
        let mut timetable = Timetable::default();
        timetable.replace(targets(50, Duration::from_millis(700)), NOW);
        let (slots, missed) = run(&mut timetable, NOW, Duration::from_secs(7));
        assert_eq!(missed, 0);
        assert_eq!(slots.len(), 50);
        for slots in slots.values() {
            assert_eq!(slots.len(), 10);
            assert!(
                slots
                    .windows(2)
                    .all(|pair| pair[1].since(pair[0]) == Duration::from_millis(700))
            );
        }
    }

    #[test]
    fn slots_may_be_handed_out_ahead_of_their_time() {
        let (ahead, interval) = (Duration::from_millis(20), Duration::from_millis(100));
        let mut timetable = Timetable::default();
        timetable.replace(targets(50, interval), NOW);
        let (mut due, mut missed) = (Vec::new(), 0);
        for step in 0..100 {
            let now = NOW.saturating_add(Duration::from_millis(10) * step);
            let before = due.len();
            timetable.take_due(now, ahead, &mut due, |_, count| missed += count);
            let early = |due: &Due| due.slot.since(now) <= ahead && due.expires > due.slot;
            assert!(due[before..].iter().all(early));
        }
        // the last look sees as far as 1,010 ms from the start
        let within = |due: &&Due| due.slot.since(NOW) <= Duration::from_secs(1);
        assert_eq!((due.iter().filter(within).count(), missed), (500, 0));
        let mut slots: Vec<_> = due.iter().map(|due| (due.target.id, due.slot)).collect();
        let count = slots.len();
        slots.sort_unstable();
        slots.dedup();
        assert_eq!(slots.len(), count);
    }

    #[test]
    fn everyone_is_looked_at_within_two_seconds() {
        let mut timetable = Timetable::default();
        timetable.replace(targets(1000, Duration::from_secs(3600)), NOW);
        let (slots, _) = run(&mut timetable, NOW, FIRST_LOOK);
        assert_eq!(slots.len(), 1000);
    }

    #[test]
    fn a_sleep_is_counted_and_not_caught_up() {
        let mut timetable = Timetable::default();
        timetable.replace(targets(1, Duration::from_secs(1)), NOW);
        run(&mut timetable, NOW, Duration::from_secs(3));
        let woken = NOW.saturating_add(Duration::from_secs(103));
        let (mut due, mut missed) = (Vec::new(), 0);
        timetable.take_due(woken, Duration::ZERO, &mut due, |_, count| missed += count);
        assert_eq!(due.len(), 1);
        assert_eq!(missed, 99);
        assert!(woken.since(due[0].slot) < Duration::from_secs(1));
    }

    #[test]
    fn a_reload_moves_no_slot_of_a_target_that_did_not_change() {
        let mut timetable = Timetable::default();
        let interval = Duration::from_secs(1);
        timetable.replace(targets(20, interval), NOW);
        let (mut before, _) = run(&mut timetable, NOW, Duration::from_millis(2500));
        let later = NOW.saturating_add(Duration::from_millis(2500));
        let mut kept = targets(10, interval);
        kept.push(target(77, interval));
        timetable.replace(kept, later);
        assert_eq!(timetable.len(), 11);
        let (after, missed) = run(&mut timetable, later, Duration::from_millis(2500));
        assert_eq!(missed, 0);
        assert_eq!(after.len(), 11);
        for (id, slots) in after {
            let all = before.entry(id).or_default();
            all.extend(slots);
            assert!(
                all.windows(2)
                    .all(|pair| pair[1].since(pair[0]) == interval)
            );
        }
    }

    #[test]
    fn a_new_interval_takes_effect_and_the_old_slots_end() {
        let mut timetable = Timetable::default();
        timetable.replace(targets(1, Duration::from_secs(1)), NOW);
        timetable.replace(targets(1, Duration::from_millis(200)), NOW);
        let (slots, _) = run(&mut timetable, NOW, Duration::from_secs(2));
        assert_eq!(slots.values().map(Vec::len).sum::<usize>(), 10);
    }

    #[test]
    fn nothing_is_due_when_all_targets_are_gone() {
        let mut timetable = Timetable::default();
        timetable.replace(targets(5, Duration::from_secs(1)), NOW);
        timetable.replace(Vec::new(), NOW);
        let (slots, missed) = run(&mut timetable, NOW, Duration::from_secs(2));
        assert_eq!((slots.len(), missed), (0, 0));
        assert_eq!((timetable.next(), timetable.len()), (None, 0));
    }
}
