//! What is known of each name, and which lookups are under way.
//!
//! Promises a fixed ceiling: beyond it the names that were asked for longest ago go first. Pure but for the channel of a lookup under
//! way; every function takes `now`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::ResolveError;
use crate::model::Family;

/// The addresses of a name, best first, each with port 0. Never empty.
pub type Addresses = Arc<[SocketAddr]>;

pub(super) type Outcome = Result<Addresses, ResolveError>;

/// Everything known of the names that were asked for.
pub(super) struct Cache {
    names: HashMap<Box<str>, Entry>,
    capacity: usize,
}

struct Entry {
    used: Instant,
    /// One for each family that was asked for: nearly always one.
    slots: Vec<(Family, Slot)>,
}

/// What is known of one name in one family.
#[derive(Default)]
pub(super) struct Slot {
    answer: Option<Answer>,
    failure: Option<(ResolveError, Instant)>,
    flight: Option<Flight>,
}

struct Answer {
    addresses: Addresses,
    fresh_until: Instant,
    usable_until: Instant,
}

/// A lookup under way, which everyone who asks for the same name joins.
#[derive(Clone)]
pub(super) struct Flight {
    /// When its first query left; empty while it waits for its turn.
    pub(super) asked: Arc<OnceLock<Instant>>,
    pub(super) outcome: watch::Receiver<Option<Outcome>>,
}

impl Slot {
    /// How long an address serves as a last resort after its TTL: a day, the least that RFC 8767 section 5 suggests.
    const STALE: Duration = Duration::from_secs(86_400);

    /// What may be answered without asking anyone.
    pub(super) fn fresh(&self, now: Instant) -> Option<Outcome> {
        if let Some(answer) = &self.answer
            && now < answer.fresh_until
        {
            return Some(Ok(answer.addresses.clone()));
        }
        match &self.failure {
            Some((failure, until)) if now < *until => Some(Err(failure.clone())),
            _ => None,
        }
    }

    /// The last known addresses, fresh or not.
    pub(super) fn stale(&self, now: Instant) -> Option<Addresses> {
        self.answer
            .as_ref()
            .filter(|answer| now < answer.usable_until)
            .map(|answer| answer.addresses.clone())
    }

    /// The lookup under way; none if its task died.
    pub(super) fn flight(&self) -> Option<Flight> {
        self.flight
            .as_ref()
            .filter(|flight| flight.outcome.has_changed().is_ok())
            .cloned()
    }

    pub(super) fn depart(&mut self, flight: Flight) {
        self.flight = Some(flight);
    }

    fn land(&mut self, outcome: &Outcome, kept: Duration, now: Instant) {
        self.flight = None;
        match outcome {
            Ok(addresses) => {
                self.failure = None;
                self.answer = Some(Answer {
                    addresses: addresses.clone(),
                    fresh_until: now + kept,
                    usable_until: now + kept + Self::STALE,
                });
            }
            Err(failure) => {
                // the name is gone for good: its old address would be a lie
                if matches!(failure, ResolveError::NotFound { .. }) {
                    self.answer = None;
                }
                self.failure = Some((failure.clone(), now + kept));
            }
        }
    }
}

impl Cache {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            names: HashMap::new(),
            capacity,
        }
    }

    /// What is known of `name`, made empty if nothing is.
    pub(super) fn slot(&mut self, name: &str, family: Family, now: Instant) -> &mut Slot {
        if !self.names.contains_key(name) {
            self.make_room();
            let empty = Entry {
                used: now,
                slots: Vec::with_capacity(1),
            };
            self.names.insert(name.into(), empty);
        }
        let entry = self.names.get_mut(name).expect("inserted above if missing");
        entry.used = now;
        let at = entry.slots.iter().position(|(of, _)| *of == family);
        let at = at.unwrap_or_else(|| {
            entry.slots.push((family, Slot::default()));
            entry.slots.len() - 1
        });
        &mut entry.slots[at].1
    }

    /// Keeps the outcome of a lookup for `kept`. A name that was evicted meanwhile stays so.
    pub(super) fn land(
        &mut self,
        name: &str,
        family: Family,
        outcome: &Outcome,
        kept: Duration,
        now: Instant,
    ) {
        let slots = self.names.get_mut(name).map(|entry| &mut entry.slots);
        let slot = slots.and_then(|slots| slots.iter_mut().find(|(of, _)| *of == family));
        if let Some((_, slot)) = slot {
            slot.land(outcome, kept, now);
        }
    }

    /// Drops the eighth that was asked for longest ago, so that the cost of choosing is spread over many names.
    fn make_room(&mut self) {
        if self.names.len() < self.capacity {
            return;
        }
        let mut used: Vec<Instant> = self.names.values().map(|entry| entry.used).collect();
        let eighth = (used.len() / 8).min(used.len() - 1);
        let (_, &mut oldest, _) = used.select_nth_unstable(eighth);
        self.names.retain(|_, entry| entry.used > oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn addresses(text: &str) -> Addresses {
        [text.parse().unwrap()].into()
    }

    #[test]
    fn an_answer_is_fresh_then_stale_then_gone() {
        let (mut cache, now) = (Cache::new(8), Instant::now());
        let outcome = Ok(addresses("192.0.2.1:0"));
        cache.slot("a", Family::Any, now);
        cache.land("a", Family::Any, &outcome, 5 * SECOND, now);
        let slot = cache.slot("a", Family::Any, now);
        assert_eq!(slot.fresh(now + 4 * SECOND), Some(outcome));
        assert_eq!(slot.fresh(now + 5 * SECOND), None);
        assert!(slot.stale(now + 5 * SECOND).is_some());
        assert_eq!(slot.stale(now + Slot::STALE + 5 * SECOND), None);
    }

    #[test]
    fn a_hiccup_keeps_the_old_address_and_a_negative_answer_does_not() {
        let (mut cache, now) = (Cache::new(8), Instant::now());
        cache.slot("a", Family::Any, now);
        let address = Ok(addresses("192.0.2.1:0"));
        cache.land("a", Family::Any, &address, SECOND, now);
        let later = now + 2 * SECOND;
        let hiccup = Err(ResolveError::Timeout { name: "a".into() });
        cache.land("a", Family::Any, &hiccup, SECOND, later);
        assert!(cache.slot("a", Family::Any, later).stale(later).is_some());
        assert_eq!(
            cache.slot("a", Family::Any, later).fresh(later),
            Some(hiccup)
        );
        let gone = Err(ResolveError::not_found("a", "NXDOMAIN"));
        cache.land("a", Family::Any, &gone, SECOND, later);
        assert_eq!(cache.slot("a", Family::Any, later).stale(later), None);
    }

    #[test]
    fn families_are_kept_apart() {
        let (mut cache, now) = (Cache::new(8), Instant::now());
        cache.slot("a", Family::V4, now);
        let address = Ok(addresses("192.0.2.1:0"));
        cache.land("a", Family::V4, &address, SECOND, now);
        assert!(cache.slot("a", Family::V4, now).fresh(now).is_some());
        assert_eq!(cache.slot("a", Family::V6, now).fresh(now), None);
    }

    #[test]
    fn the_cache_never_grows_past_its_ceiling_and_forgets_the_oldest() {
        let (mut cache, now) = (Cache::new(64), Instant::now());
        for number in 0..1000_u32 {
            cache.slot(&number.to_string(), Family::Any, now + number * SECOND);
            assert!(cache.names.len() <= 64);
        }
        assert!(cache.names.contains_key("999"));
        assert!(!cache.names.contains_key("0"));
    }

    #[test]
    fn names_asked_for_at_once_make_room_too() {
        let (mut cache, now) = (Cache::new(4), Instant::now());
        for number in 0..100 {
            cache.slot(&number.to_string(), Family::Any, now);
            assert!(cache.names.len() <= 4);
        }
    }

    #[test]
    fn a_lookup_that_died_is_not_joined() {
        let (mut cache, now) = (Cache::new(4), Instant::now());
        let (sender, outcome) = watch::channel(None);
        let slot = cache.slot("a", Family::Any, now);
        slot.depart(Flight {
            asked: Arc::default(),
            outcome,
        });
        assert!(slot.flight().is_some());
        drop(sender);
        assert!(slot.flight().is_none());
    }
}
