//! A hashed timer wheel over the slots of the ledger: insert, remove and expire
//! in constant time each, however many wait.
//!
//! Promises: nothing expires before it is due, and everything due is given out by
//! the first `expire` at or past the end of its tick (1.05 ms); no allocation
//! once as many slots were seen. Leaves out: what is done with an expired slot.
//!
//! One turn of the wheel is 4.3 s. What is due later stays in its bucket and is
//! passed over once a turn, which costs less than a hierarchy's cascades.

const TICK_SHIFT: u32 = 20;
const BUCKETS: usize = 4096;
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Entry {
    due: u64,
    next: u32,
    prev: u32,
    /// `NONE` when not in the wheel.
    bucket: u32,
}

/// Times are nanoseconds on one monotonic clock.
#[derive(Debug)]
pub struct Wheel {
    heads: Box<[u32]>,
    occupied: Box<[u64]>,
    entries: Vec<Entry>,
    /// The first tick not yet given out.
    cursor: u64,
    waiting: usize,
}

impl Wheel {
    /// A wheel that never reallocates while slots stay below `capacity`.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            heads: vec![NONE; BUCKETS].into_boxed_slice(),
            occupied: vec![0; BUCKETS / 64].into_boxed_slice(),
            entries: Vec::with_capacity(capacity),
            cursor: 0,
            waiting: 0,
        }
    }

    /// Lets `slot`, which must not be waiting already, expire at `due`.
    pub fn insert(&mut self, slot: u32, due: u64) {
        let index = slot as usize;
        if index >= self.entries.len() {
            let empty = Entry {
                due: 0,
                next: NONE,
                prev: NONE,
                bucket: NONE,
            };
            self.entries.resize(index + 1, empty);
        }
        debug_assert_eq!(self.entries[index].bucket, NONE, "a slot waits once");
        let tick = due.div_ceil(1 << TICK_SHIFT).max(self.cursor);
        let bucket = tick as usize % BUCKETS;
        let head = self.heads[bucket];
        self.entries[index] = Entry {
            due,
            next: head,
            prev: NONE,
            bucket: bucket as u32,
        };
        if head != NONE {
            self.entries[head as usize].prev = slot;
        }
        self.heads[bucket] = slot;
        self.occupied[bucket / 64] |= 1 << (bucket % 64);
        self.waiting += 1;
    }

    /// Takes `slot` out, if it waits.
    pub fn remove(&mut self, slot: u32) {
        let Some(entry) = self.entries.get(slot as usize).copied() else {
            return;
        };
        if entry.bucket == NONE {
            return;
        }
        let bucket = entry.bucket as usize;
        if entry.next != NONE {
            self.entries[entry.next as usize].prev = entry.prev;
        }
        if entry.prev == NONE {
            self.heads[bucket] = entry.next;
            if entry.next == NONE {
                self.occupied[bucket / 64] &= !(1 << (bucket % 64));
            }
        } else {
            self.entries[entry.prev as usize].next = entry.next;
        }
        self.entries[slot as usize].bucket = NONE;
        self.waiting -= 1;
    }

    /// Takes out every slot due by `now` and appends it to `expired`.
    pub fn expire(&mut self, now: u64, expired: &mut Vec<u32>) {
        let last = now >> TICK_SHIFT;
        // After a long sleep each bucket needs one visit, not one per turn slept.
        let mut tick = self.cursor.max((last + 1).saturating_sub(BUCKETS as u64));
        while self.waiting > 0 && tick <= last {
            let Some(ahead) = self.next_occupied(tick as usize % BUCKETS) else {
                break;
            };
            tick += ahead;
            if tick > last {
                break;
            }
            let mut slot = self.heads[tick as usize % BUCKETS];
            while slot != NONE {
                let entry = self.entries[slot as usize];
                if entry.due <= now {
                    self.remove(slot);
                    expired.push(slot);
                }
                slot = entry.next;
            }
            tick += 1;
        }
        self.cursor = self.cursor.max(last + 1);
    }

    /// When `expire` should be called next: never later than something is due
    /// plus a tick. `None` when nothing waits.
    pub fn next_expiry(&self) -> Option<u64> {
        if self.waiting == 0 {
            return None;
        }
        let ahead = self.next_occupied(self.cursor as usize % BUCKETS)?;
        Some((self.cursor + ahead) << TICK_SHIFT)
    }

    /// Buckets from `start` to the next one that is not empty, around the wheel.
    fn next_occupied(&self, start: usize) -> Option<u64> {
        let words = self.occupied.len();
        let (first, bit) = (start / 64, start % 64);
        for step in 0..=words {
            let index = (first + step) % words;
            let mut word = self.occupied[index];
            if step == 0 {
                word &= !0 << bit;
            } else if step == words {
                word &= !(!0 << bit);
            }
            if word != 0 {
                let found = index * 64 + word.trailing_zeros() as usize;
                return Some(((found + BUCKETS - start) % BUCKETS) as u64);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const TICK: u64 = 1 << TICK_SHIFT;

    #[test]
    fn nothing_waits_in_a_new_wheel() {
        let mut wheel = Wheel::with_capacity(1);
        let mut expired = Vec::new();
        wheel.expire(u64::MAX >> 1, &mut expired);
        assert!(expired.is_empty());
        assert_eq!(wheel.next_expiry(), None);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u32, u64),
        Remove(u32),
        Advance(u64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0u32..64, 0u64..20_000_000_000).prop_map(|(slot, wait)| Step::Insert(slot, wait)),
            1 => (0u32..64).prop_map(Step::Remove),
            2 => prop_oneof![0u64..5_000_000, 0u64..30_000_000_000].prop_map(Step::Advance),
        ]
    }

    proptest! {
        #[test]
        fn everything_expires_once_and_in_its_tick(steps in proptest::collection::vec(any_step(), 1..200)) {
            let mut wheel = Wheel::with_capacity(4);
            let mut model: BTreeMap<u32, u64> = BTreeMap::new();
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Insert(slot, wait) => {
                        if let std::collections::btree_map::Entry::Vacant(entry) = model.entry(slot) {
                            entry.insert(now + wait);
                            wheel.insert(slot, now + wait);
                        }
                    }
                    Step::Remove(slot) => {
                        model.remove(&slot);
                        wheel.remove(slot);
                    }
                    Step::Advance(by) => {
                        now += by;
                        let mut expired = Vec::new();
                        wheel.expire(now, &mut expired);
                        for slot in expired {
                            let due = model.remove(&slot);
                            prop_assert!(due.is_some_and(|due| due <= now), "slot {} due {:?} at {}", slot, due, now);
                        }
                        for (slot, due) in &model {
                            prop_assert!(due + TICK > now, "slot {} due {} still waits at {}", slot, due, now);
                        }
                    }
                }
                prop_assert_eq!(wheel.waiting, model.len());
                let first = model.values().min().copied();
                prop_assert_eq!(wheel.next_expiry().is_some(), first.is_some());
                if let (Some(next), Some(first)) = (wheel.next_expiry(), first) {
                    prop_assert!(next <= first.max(now) + 2 * TICK);
                }
            }
        }
    }
}
