//! Estimates the number of distinct_count values, in little memory and without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const WORDS: usize = 64;
const BITS: usize = WORDS * u64::BITS as usize;

/// Linear counting (Whang and others, 1990): each hash sets a bit, and the number of values is estimated from the
/// number of unset bits. The error is some percent up to a few thousand values.
#[derive(Debug)]
pub(super) struct DistinctCount([AtomicU64; WORDS]);

impl Default for DistinctCount {
    fn default() -> Self {
        DistinctCount([const { AtomicU64::new(0) }; WORDS])
    }
}

impl DistinctCount {
    /// Costs one load if the bit was set before.
    pub(super) fn insert(&self, hash: u64) {
        let (word, bit) = self.bit(hash);
        if word.load(Relaxed) & bit == 0 {
            word.fetch_or(bit, Relaxed);
        }
    }

    /// Whether this hash was inserted, or another one that sets the same bit.
    pub(super) fn may_have(&self, hash: u64) -> bool {
        let (word, bit) = self.bit(hash);
        word.load(Relaxed) & bit != 0
    }

    pub(super) fn estimate(&self) -> f64 {
        let set: u32 = self.0.iter().map(|word| word.load(Relaxed).count_ones()).sum();
        // If all bits are set, the estimate is that for one unset bit.
        let unset = (BITS as f64 - f64::from(set)).max(1.0);
        BITS as f64 * (BITS as f64 / unset).ln()
    }

    pub(super) fn clear(&self) {
        self.0.iter().for_each(|word| word.store(0, Relaxed));
    }

    fn bit(&self, hash: u64) -> (&AtomicU64, u64) {
        let index = hash as usize % BITS;
        (&self.0[index / 64], 1 << (index % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::hash;

    /// The key of the hash differs in each run: a hash that is too regular is so under some keys only.
    #[test]
    fn distinct_hashes_are_counted_once_and_within_ten_percent() {
        for count in [0_u32, 1, 3, 50, 1_000, 4_000] {
            let distinct_count = DistinctCount::default();
            (0..3).for_each(|_| (0..count).for_each(|number| distinct_count.insert(hash(number))));
            let (estimate, exact) = (distinct_count.estimate(), f64::from(count));
            assert!((estimate - exact).abs() <= exact * 0.1 + 1.0, "{estimate} of {count}");
            assert!((0..count).all(|number| distinct_count.may_have(hash(number))));
            distinct_count.clear();
            assert!(distinct_count.estimate() == 0.0 && !distinct_count.may_have(hash(1_u32)));
        }
    }
}
