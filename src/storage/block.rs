//! The figures of many targets in a part of history, packed: a twentieth of what they take as summaries, and quickly added up.

use uuid::Uuid;

use super::rollup::{Stored, encode};
use crate::model::histogram::{put, take};
use crate::model::{Summary, TargetId, TargetMap};

/// For each target its id, its numbers as varints, and what `rollup::encode` makes of the rest behind its length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block(Box<[u8]>);

impl Block {
    pub fn of(sums: &TargetMap<Summary>) -> Self {
        let mut bytes = Vec::new();
        for (TargetId(id), summary) in sums {
            bytes.extend_from_slice(id.as_bytes());
            for number in [
                summary.total,
                summary.up,
                summary.unknown,
                summary.sent,
                summary.received,
                summary.latency.sum,
                summary.latency.min,
                summary.latency.max,
            ] {
                put(&mut bytes, number);
            }
            let figures = encode(summary);
            put(&mut bytes, figures.len() as u64);
            bytes.extend_from_slice(&figures);
        }
        Self(bytes.into_boxed_slice())
    }

    pub fn add_to(&self, sums: &mut TargetMap<Summary>) {
        let mut bytes = &self.0[..];
        while !bytes.is_empty() {
            add_one(&mut bytes, sums).expect("only `of` makes blocks, and what it writes is read");
        }
    }

    /// Bytes.
    pub const fn size(&self) -> usize {
        self.0.len()
    }
}

fn add_one(bytes: &mut &[u8], sums: &mut TargetMap<Summary>) -> Option<()> {
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    *bytes = rest;
    let mut numbers = [0; 8];
    for number in &mut numbers {
        *number = take(bytes)?;
    }
    let length = usize::try_from(take(bytes)?).ok()?;
    let (figures, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let [
        total,
        up,
        unknown,
        sent,
        received,
        latency_sum,
        latency_min,
        latency_max,
    ] = numbers;
    let stored = Stored {
        total,
        up,
        unknown,
        sent,
        received,
        latency_sum,
        latency_min,
        latency_max,
        figures,
    };
    let id = TargetId(Uuid::from_bytes(*id));
    stored.add_to(sums.entry(id).or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Outcome, Sample};

    fn sums(of: impl IntoIterator<Item = (u128, u64)>) -> TargetMap<Summary> {
        let mut sums = TargetMap::<Summary>::default();
        for (target, latency_us) in of {
            let sample = Sample {
                outcome: Outcome::Up,
                latency_us: Some(latency_us),
                detail: None,
            };
            let sum = sums.entry(TargetId(Uuid::from_u128(target))).or_default();
            sum.add(&sample, Some(1));
        }
        sums
    }

    #[test]
    fn what_was_packed_is_added_up() {
        let first = [(1, 500), (1, 70_000), (2, 3)];
        let second = [(2, 4_000_000), (3, 9), (1, 2)];
        let mut added = TargetMap::default();
        for part in [&first[..], &[], &second[..]] {
            Block::of(&sums(part.iter().copied())).add_to(&mut added);
        }
        assert_eq!(added, sums(first.into_iter().chain(second)));
    }
}
