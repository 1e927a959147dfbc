//! Who probes next when more want to than may at once.
//!
//! A turn goes to the target that has used the least time of turns so far (start-time fair queueing, Goyal, Vin, Cheng, SIGCOMM
//! 1996): a target that answers in a millisecond is not kept waiting by those that hang, and those that hang share what is left. A
//! target that was away starts level with the others, so that nobody saves up turns.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::model::{Kind, TargetId};

/// How many probes of each type may run at the same time. There is no such limit for ICMP.
#[derive(Debug, Clone, Copy)]
pub struct AtOnce {
    pub http: usize,
    pub tcp: usize,
    pub dns: usize,
    pub tls: usize,
}

/// The turns of each type.
#[derive(Debug)]
pub struct Limits {
    http: Turns,
    tcp: Turns,
    dns: Turns,
    tls: Turns,
}

impl Limits {
    pub fn new(at_once: AtOnce) -> Self {
        Self {
            http: Turns::new(at_once.http),
            tcp: Turns::new(at_once.tcp),
            dns: Turns::new(at_once.dns),
            tls: Turns::new(at_once.tls),
        }
    }

    pub fn of(&self, kind: Kind) -> &Turns {
        match kind {
            Kind::Icmp => unreachable!("echoes take no turns"),
            Kind::Http => &self.http,
            Kind::Tcp => &self.tcp,
            Kind::Dns => &self.dns,
            Kind::Tls => &self.tls,
        }
    }
}

/// A bounded number of turns. A clone shares them.
#[derive(Debug, Clone)]
pub struct Turns(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    /// The used time at which the last turn was given: where newcomers start.
    level: Duration,
    /// Only of those that are above the level.
    used: HashMap<TargetId, Duration>,
    /// By used time, then in the order of coming.
    waiting: BTreeMap<Place, (TargetId, oneshot::Sender<Turn>)>,
    came: u64,
}

type Place = (Duration, u64);

/// The right to probe, given back when dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    target: TargetId,
    since: Instant,
}

impl Turns {
    pub fn new(at_once: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            free: at_once,
            level: Duration::ZERO,
            used: HashMap::new(),
            waiting: BTreeMap::new(),
            came: 0,
        })))
    }

    /// Waits for a turn, `patience` at the most; nothing if none came.
    pub async fn take(&self, target: TargetId, patience: Duration) -> Option<Turn> {
        let (place, mut given) = {
            let mut state = self.state();
            if state.free > 0 {
                state.free -= 1;
                return Some(self.turn(target));
            }
            let used = state.used.get(&target).copied().unwrap_or_default();
            let place = (used.max(state.level), state.came);
            state.came += 1;
            let (give, given) = oneshot::channel();
            state.waiting.insert(place, (target, give));
            (place, given)
        };
        // also when the wait itself is dropped
        let _leaving = Leaving { turns: self, place };
        match tokio::time::timeout(patience, &mut given).await {
            Ok(turn) => turn.ok(),
            Err(_) => given.try_recv().ok(),
        }
    }

    fn turn(&self, target: TargetId) -> Turn {
        Turn {
            turns: self.clone(),
            target,
            since: Instant::now(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // nothing that holds the lock can panic halfway
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a wait off the list when it ends, however it does.
struct Leaving<'a> {
    turns: &'a Turns,
    place: Place,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let left = self.turns.state().waiting.remove(&self.place);
        drop(left);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let held = self.since.elapsed();
        let mut state = self.turns.state();
        let level = state.level;
        let used = state.used.entry(self.target).or_default();
        *used = (*used).max(level) + held;
        let Some(((level, _), (target, give))) = state.waiting.pop_first() else {
            state.free += 1;
            // nobody waits: nobody has to be held back for what it used
            state.used.clear();
            state.level = Duration::ZERO;
            return;
        };
        state.level = level;
        state.used.retain(|_, used| *used > level);
        drop(state);
        // one that just left gives it back by dropping it
        let _ = give.send(self.turns.turn(target));
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn target(number: u128) -> TargetId {
        TargetId(Uuid::from_u128(number))
    }

    #[tokio::test]
    async fn no_more_than_the_limit_have_a_turn() {
        let turns = Turns::new(2);
        let first = turns.take(target(1), LONG).await.unwrap();
        let _second = turns.take(target(2), LONG).await.unwrap();
        assert!(turns.take(target(3), Duration::ZERO).await.is_none());
        drop(first);
        assert!(turns.take(target(3), Duration::ZERO).await.is_some());
        assert!(turns.state().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_turn_that_nobody_waits_for_any_more_is_not_lost() {
        let turns = Turns::new(1);
        let held = turns.take(target(1), LONG).await.unwrap();
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(target(2), LONG).await.is_some() }
        });
        while turns.state().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        assert!(waiting.await.is_err());
        drop(held);
        assert!(turns.take(target(3), Duration::ZERO).await.is_some());
        assert_eq!(turns.state().free, 1);
    }

    #[tokio::test]
    async fn who_used_little_goes_before_who_used_much() {
        let turns = Turns::new(1);
        let held = turns.take(target(0), LONG).await.unwrap();
        turns.state().used.insert(target(1), Duration::from_secs(9));
        let (told, mut order) = tokio::sync::mpsc::unbounded_channel();
        for number in [1, 2, 3] {
            let (mine, told) = (turns.clone(), told.clone());
            tokio::spawn(async move {
                let turn = mine.take(target(number), LONG).await.unwrap();
                told.send(number).unwrap();
                drop(turn);
            });
            while turns.state().waiting.len() < number as usize {
                tokio::task::yield_now().await;
            }
        }
        drop(held);
        let order = [order.recv().await, order.recv().await, order.recv().await];
        assert_eq!(order, [Some(2), Some(3), Some(1)]);
    }
}
