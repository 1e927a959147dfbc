//! Chance that falls the same way whenever it is asked the same question: no state is kept between results, so that any part of a
//! history can be made alone, in any order, and is the same.

/// Draws that follow from what they are of.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Of a seed and of whatever tells one question from another.
    pub fn of(parts: &[u64]) -> Self {
        let fold = |state: u64, part: &u64| mix(state ^ part).wrapping_add(GOLDEN);
        Self(parts.iter().fold(0, fold))
    }

    /// `SplitMix64` (Steele, Lea, Flood, OOPSLA 2014).
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// Evenly in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Evenly between two values.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Evenly in magnitude: as often below the geometric mean as above it.
    pub fn magnitude(&mut self, low: f64, high: f64) -> f64 {
        (low.ln() + (high / low).ln() * self.unit()).exp()
    }

    /// One or more, seldom much more: Pareto with a shape of 2.5, at most 30.
    pub fn tail(&mut self) -> f64 {
        (1.0 - self.unit()).powf(-0.4).min(30.0)
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const fn mix(mut state: u64) -> u64 {
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_even_and_the_same_every_time() {
        let mean = |seed| {
            let mut dice = Dice::of(&[seed, 7]);
            (0..10_000).map(|_| dice.unit()).sum::<f64>() / 10_000.0
        };
        assert!((mean(1) - 0.5).abs() < 0.02);
        assert!((mean(1) - mean(1)).abs() < f64::EPSILON);
        assert!((mean(1) - mean(2)).abs() > f64::EPSILON);
    }

    #[test]
    fn a_tail_is_mostly_short() {
        let mut dice = Dice::of(&[3]);
        let draws: Vec<_> = (0..10_000).map(|_| dice.tail()).collect();
        let long = draws.iter().filter(|draw| **draw > 5.0).count();
        assert!(draws.iter().all(|draw| (1.0..=30.0).contains(draw)));
        assert!((50..500).contains(&long), "{long}");
    }
}
