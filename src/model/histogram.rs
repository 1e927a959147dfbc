//! Latencies, counted so that any two counts can be added and every percentile stays within one percent.
//!
//! Bucket `i` holds what lies in `(γ^(i-1), γ^i]` microseconds with γ = 1.02; a value is given back as the bucket's middle, at most
//! (γ - 1) / (γ + 1) = 0.99 % away. The buckets never move, so histograms of minutes add up to those of a year without loss: a
//! percentile is never an average of percentiles. (The bound is that of `DDSketch`, Masson, Rim, Lee, VLDB 2019.)

/// Widths grow by this factor. Part of the storage format.
const GAMMA: f64 = 1.02;

/// How many latencies fell into which bucket. Only buckets that hold something take room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Bucket and count, in the order of the buckets.
    buckets: Vec<(u16, u64)>,
    count: u64,
}

impl Histogram {
    pub fn add(&mut self, micros: u64) {
        let bucket = bucket(micros);
        self.count += 1;
        match self
            .buckets
            .binary_search_by_key(&bucket, |(index, _)| *index)
        {
            Ok(at) => self.buckets[at].1 += 1,
            Err(at) => self.buckets.insert(at, (bucket, 1)),
        }
    }

    pub fn merge(&mut self, other: &Self) {
        let mut at = 0;
        for &(bucket, count) in &other.buckets {
            at = self.put(at, bucket, count);
        }
        self.count += other.count;
    }

    /// Adds to a bucket that lies at place `from` or after it; gives its place.
    ///
    /// What is merged mostly has the buckets that are there: a walk without memory of its own, 5 times as fast as building a third.
    fn put(&mut self, from: usize, bucket: u16, count: u64) -> usize {
        let rest = self.buckets[from..].iter();
        let at = from + rest.take_while(|(index, _)| *index < bucket).count();
        match self.buckets.get_mut(at) {
            Some((index, there)) if *index == bucket => *there += count,
            _ => self.buckets.insert(at, (bucket, count)),
        }
        at
    }

    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The value below which the fraction `q` lies, in microseconds; between two values it is interpolated, as SQL's
    /// `percentile_cont` does. Nothing when nothing was counted.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        let last = self.count.checked_sub(1)?;
        let rank = q.clamp(0.0, 1.0) * last as f64;
        let (below, share) = (rank.floor(), rank.fract());
        let low = self.value_at(below as u64)?;
        let high = self.value_at((below as u64 + 1).min(last))?;
        Some(low + (high - low) * share)
    }

    /// The value with so many smaller ones before it.
    fn value_at(&self, rank: u64) -> Option<f64> {
        let mut seen = 0;
        self.buckets.iter().find_map(|&(bucket, count)| {
            seen += count;
            (rank < seen).then(|| middle(bucket))
        })
    }

    /// Appends the histogram as varints: how many buckets, then for each the distance from the one before and its count.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        put(bytes, self.buckets.len() as u64);
        let mut last = 0;
        for &(bucket, count) in &self.buckets {
            put(bytes, u64::from(bucket - last));
            put(bytes, count);
            last = bucket;
        }
    }

    /// Takes a histogram off the front of `bytes` and adds it; nothing if they do not begin with one.
    pub fn decode(&mut self, bytes: &mut &[u8]) -> Option<()> {
        let length = take(bytes)?;
        let (mut bucket, mut at) = (0_u16, 0);
        for position in 0..length {
            let distance = u16::try_from(take(bytes)?).ok()?;
            if position > 0 && distance == 0 {
                return None;
            }
            bucket = bucket.checked_add(distance)?;
            let count = take(bytes)?;
            self.count = self.count.checked_add(count)?;
            at = self.put(at, bucket, count);
        }
        Some(())
    }
}

fn bucket(micros: u64) -> u16 {
    // below a microsecond nothing is told apart; above, ln(2^64) / ln 1.02 = 2,241 buckets at the most
    let index = (micros.max(1) as f64).ln() / GAMMA.ln();
    index.ceil() as u16
}

fn middle(bucket: u16) -> f64 {
    2.0 * GAMMA.powi(i32::from(bucket)) / (GAMMA + 1.0)
}

/// A number in as many bytes as it needs, seven bits each (LEB128).
pub fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// Takes a number off the front; nothing if it is cut off or does not fit.
pub fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.add(*value);
        }
        histogram
    }

    /// As SQL's `percentile_cont` computes it.
    fn exact(sorted: &[u64], q: f64) -> f64 {
        let rank = q * (sorted.len() - 1) as f64;
        let (low, high) = (
            sorted[rank.floor() as usize] as f64,
            sorted[rank.ceil() as usize] as f64,
        );
        low + (high - low) * rank.fract()
    }

    #[test]
    fn nothing_has_no_percentiles() {
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    proptest! {
        #[test]
        fn percentiles_are_within_one_percent(mut values in prop::collection::vec(1_u64..4_000_000_000, 1..300), q in 0.0..=1.0_f64) {
            let estimate = of(&values).quantile(q).unwrap();
            values.sort_unstable();
            let exact = exact(&values, q);
            prop_assert!((estimate - exact).abs() <= exact * 0.01, "{estimate} is not {exact}");
        }

        #[test]
        fn parts_add_up_to_the_whole(values in prop::collection::vec(0_u64..10_000_000, 0..200), cut in 0_usize..200) {
            let cut = cut.min(values.len());
            let mut merged = of(&values[..cut]);
            merged.merge(&of(&values[cut..]));
            prop_assert_eq!(merged, of(&values));
        }

        #[test]
        fn what_is_encoded_is_decoded(values in prop::collection::vec(any::<u64>(), 0..200), more in any::<Vec<u8>>()) {
            let histogram = of(&values);
            let mut bytes = Vec::new();
            histogram.encode(&mut bytes);
            bytes.extend(&more);
            let mut rest = bytes.as_slice();
            let mut decoded = Histogram::default();
            prop_assert_eq!(decoded.decode(&mut rest), Some(()));
            prop_assert_eq!(rest, more.as_slice());
            prop_assert_eq!(&decoded, &histogram);
            // added to what is there, it is merged
            let mut merged = histogram.clone();
            merged.merge(&histogram);
            prop_assert_eq!(decoded.decode(&mut bytes.as_slice()), Some(()));
            prop_assert_eq!(decoded, merged);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in any::<Vec<u8>>()) {
            let _ = Histogram::default().decode(&mut bytes.as_slice());
        }
    }
}
