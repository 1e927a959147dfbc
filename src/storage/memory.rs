//! Sums that were read earlier, within a bound: a part of history, what proved it when it was read, and the figures of all targets.
//!
//! It knows nothing of the database: whoever asks brings the proof that holds now, and gets a block if it is the one that it was
//! remembered with. What was longest not asked for goes first; what nobody asked for in an hour goes in any case.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::block::Block;
use super::segment::Segment;

/// All blocks together. 24 hours of 10,000 targets with 1,000 results each take 25 MB.
const MAX_BYTES: usize = 64 << 20;
/// Places in the maps, proofs and pointers: more than a block takes beside its bytes.
const OVERHEAD: usize = 256;
const UNUSED: Duration = Duration::from_secs(3_600);

/// The stamps of a part's buckets, in their order.
pub type Proof = Vec<Option<i64>>;

#[derive(Debug)]
pub struct Memory(Mutex<Blocks>);

#[derive(Debug)]
struct Blocks {
    by_part: HashMap<Segment, Remembered>,
    bytes: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Remembered {
    proof: Proof,
    block: Arc<Block>,
    used: Instant,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_room(MAX_BYTES)
    }
}

impl Memory {
    fn with_room(max_bytes: usize) -> Self {
        Self(Mutex::new(Blocks {
            by_part: HashMap::new(),
            bytes: 0,
            max_bytes,
        }))
    }

    pub fn get(&self, part: Segment, proof: &Proof) -> Option<Arc<Block>> {
        let mut blocks = self.blocks();
        let found = blocks.by_part.get_mut(&part)?;
        if found.proof != *proof {
            blocks.forget(part);
            return None;
        }
        found.used = Instant::now();
        Some(Arc::clone(&found.block))
    }

    pub fn put(&self, part: Segment, proof: Proof, block: Arc<Block>) {
        let mut blocks = self.blocks();
        blocks.forget(part);
        let used = Instant::now();
        let remembered = Remembered { proof, block, used };
        if remembered.size() > blocks.max_bytes {
            return;
        }
        blocks.bytes += remembered.size();
        blocks.by_part.insert(part, remembered);
        blocks.tidy(used);
    }

    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        // whole at every moment that something could panic
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Blocks {
    fn forget(&mut self, part: Segment) {
        if let Some(gone) = self.by_part.remove(&part) {
            self.bytes -= gone.size();
        }
    }

    fn tidy(&mut self, now: Instant) {
        let mut by_age: Vec<_> = self
            .by_part
            .iter()
            .map(|(part, it)| (it.used, *part))
            .collect();
        by_age.sort_unstable_by_key(|(used, _)| *used);
        for (used, part) in by_age {
            if self.bytes <= self.max_bytes && now.duration_since(used) <= UNUSED {
                break;
            }
            self.forget(part);
        }
    }
}

impl Remembered {
    fn size(&self) -> usize {
        OVERHEAD + self.block.size() + size_of_val(self.proof.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::Resolution;
    use super::*;
    use crate::model::{Summary, TargetId, TargetMap, Timestamp};

    fn part(hour: i64) -> Segment {
        let at = |hour| Timestamp::from_micros(hour * 3_600_000_000);
        Segment {
            resolution: Resolution::Hour,
            since: at(hour),
            until: at(hour + 1),
        }
    }

    fn block(targets: u128) -> Arc<Block> {
        let id = |number| TargetId(Uuid::from_u128(number));
        let sums: TargetMap<_> = (0..targets)
            .map(|it| (id(it), Summary::default()))
            .collect();
        Arc::new(Block::of(&sums))
    }

    #[test]
    fn another_proof_finds_nothing() {
        let memory = Memory::default();
        memory.put(part(1), vec![Some(5)], block(1));
        assert_eq!(memory.get(part(2), &vec![Some(5)]), None);
        assert_eq!(memory.get(part(1), &vec![Some(5)]), Some(block(1)));
        for other in [vec![Some(6)], vec![None], vec![]] {
            assert_eq!(memory.get(part(1), &other), None);
            memory.put(part(1), vec![Some(5)], block(1));
        }
    }

    #[test]
    fn the_bound_holds_and_what_was_not_asked_for_goes_first() {
        let big = block(100);
        let fit = 5;
        let room = fit * (big.size() + OVERHEAD + size_of::<Option<i64>>());
        let memory = Memory::with_room(room);
        for hour in 0..20 {
            memory.put(part(hour), vec![None], Arc::clone(&big));
            assert!(memory.get(part(0), &vec![None]).is_some(), "{hour}");
            assert!(memory.blocks().bytes <= room);
        }
        assert_eq!(memory.blocks().by_part.len(), fit);
        assert_eq!(memory.get(part(1), &vec![None]), None);
        // what does not fit at all pushes nothing out
        memory.put(part(20), vec![None], block(1_000));
        assert_eq!(memory.get(part(20), &vec![None]), None);
        assert_eq!(memory.blocks().by_part.len(), fit);
    }

    #[test]
    fn what_nobody_asks_for_goes() {
        let memory = Memory::default();
        memory.put(part(1), vec![None], block(1));
        let later = Instant::now() + UNUSED + Duration::from_secs(1);
        memory.blocks().tidy(later);
        let blocks = memory.blocks();
        assert_eq!((blocks.bytes, blocks.by_part.len()), (0, 0));
    }
}
