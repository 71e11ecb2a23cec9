//! A histogram of durations, without locks and allocations.

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bound of the first bucket is 2^FIRST microseconds; each further one is twice as wide.
const FIRST: u32 = 3;
/// From 8 µs to 67 s.
const BOUNDS: usize = 24;

/// Durations in buckets whose bounds double.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// The last one is for longer durations.
    buckets: [AtomicU64; BOUNDS + 1],
    nanoseconds: AtomicU64,
}

impl Histogram {
    pub(super) fn observe(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(nanoseconds)].fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bounds = (FIRST..).map(|power| (1_u64 << power) as f64 / 1e6).take(BOUNDS).chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let seconds = self.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9;
        encoder.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
    }
}

/// The bucket of a duration: its bound is the smallest power of two, in microseconds, that is not shorter.
fn bucket_of(nanoseconds: u64) -> usize {
    let microseconds = nanoseconds.div_ceil(1000).max(1);
    let power = u64::BITS - (microseconds - 1).leading_zeros();
    (power.saturating_sub(FIRST) as usize).min(BOUNDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_is_in_the_first_bucket_whose_bound_it_does_not_exceed() {
        for (nanoseconds, bucket) in
            [(0, 0), (8_000, 0), (8_001, 1), (16_000, 1), (16_001, 2), (1_000_000, 7), (1_024_001, 8)]
        {
            assert_eq!(bucket_of(nanoseconds), bucket, "{nanoseconds} ns");
        }
        let last_bound = 1_000 << (FIRST as usize + BOUNDS - 1);
        assert_eq!((bucket_of(last_bound), bucket_of(last_bound + 1)), (BOUNDS - 1, BOUNDS));
        assert_eq!(bucket_of(u64::MAX), BOUNDS);
    }
}
