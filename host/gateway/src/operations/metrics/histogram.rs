//! A histogram of durations, without locks and allocations.

use prometheus_client::encoding::{MetricEncoder, NoLabelSet};
use std::array::from_fn;
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

    pub(super) fn counts(&self) -> HistogramCounts {
        HistogramCounts(from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed)))
    }

    pub(super) fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bounds = (0..BOUNDS).map(bound).chain([f64::INFINITY]);
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let seconds = self.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9;
        encoder.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
    }
}

/// How many durations each bucket has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HistogramCounts([u64; BOUNDS + 1]);

impl HistogramCounts {
    /// Those that are not in `earlier`, which is an earlier state of the same histogram.
    pub fn since(&self, earlier: &HistogramCounts) -> HistogramCounts {
        HistogramCounts(from_fn(|bucket| self.0[bucket].saturating_sub(earlier.0[bucket])))
    }

    /// The duration in seconds that a part of all durations, such as 0.99, do not exceed. `None`: there are no
    /// durations.
    ///
    /// Only the bucket is certain, whose upper bound is twice its lower one. Within it, durations count as evenly
    /// spread. Durations over the last bound count as this bound.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let total: u64 = self.0.iter().sum();
        let wanted = part * total as f64;
        let mut below = 0;
        for (bucket, &count) in self.0.iter().enumerate().filter(|(_, count)| **count > 0) {
            if wanted <= (below + count) as f64 {
                let lower = if bucket == 0 { 0.0 } else { bound(bucket - 1) };
                let upper = bound(bucket.min(BOUNDS - 1));
                return Some(lower + (upper - lower) * (wanted - below as f64) / count as f64);
            }
            below += count;
        }
        None
    }

    #[cfg(test)]
    pub(crate) fn of(durations: &[Duration]) -> Self {
        let histogram = Histogram::default();
        durations.iter().for_each(|duration| histogram.observe(*duration));
        histogram.counts()
    }

    #[cfg(test)]
    pub(crate) fn plus(&self, more: &HistogramCounts) -> HistogramCounts {
        HistogramCounts(from_fn(|bucket| self.0[bucket] + more.0[bucket]))
    }
}

/// The upper bound of a bucket, in seconds.
fn bound(bucket: usize) -> f64 {
    (1_u64 << (FIRST as usize + bucket)) as f64 / 1e6
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
    fn quantiles_are_within_their_bucket() {
        let milliseconds = |times: &[u64]| {
            HistogramCounts::of(&times.iter().map(|time| Duration::from_millis(*time)).collect::<Vec<_>>())
        };
        assert_eq!(HistogramCounts::default().quantile(0.5), None);
        // Buckets end at 2.048, 4.096, 8.192 … ms.
        let times = milliseconds(&[3, 3, 3, 3, 3, 3, 3, 3, 7, 100]);
        for (part, lower, upper) in [(0.0, 0.002048, 0.002048), (0.5, 0.002048, 0.004096), (0.9, 0.008, 0.008192)] {
            let time = times.quantile(part).expect("a time");
            assert!((lower..=upper).contains(&time), "{part}: {time}");
        }
        assert!(times.quantile(0.99).is_some_and(|time| (0.065..=0.131).contains(&time)));
        assert_eq!(milliseconds(&[3_600_000]).quantile(0.5), Some(bound(BOUNDS - 1)), "over the last bound");
        let later = times.plus(&milliseconds(&[1]));
        assert!(later.since(&times).quantile(1.0).is_some_and(|time| (time - 0.001024).abs() < 1e-9));
    }

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
