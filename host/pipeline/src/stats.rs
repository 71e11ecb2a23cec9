//! How often transforms were called, and what it took.

use crate::custom_metrics::Reading;
use crate::swap_report::{TransformFault, TransformVersion};
use ocpp_gateway_core::Attributes;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use thread_local::ThreadLocal;

/// One transform, for people and for `/metrics`. All counts are of all its versions, since the process started.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `builtin:NAME`, a path, or that it was uploaded.
    pub component: String,
    /// Name and version that the component gives itself.
    pub built_as: String,
    pub version: String,
    /// What else it says of itself.
    pub attributes: Attributes,
    /// Of the component: 64 hex digits.
    pub sha256: String,
    /// Of the component, in bytes.
    pub size: usize,
    pub calls: u64,
    /// Calls that the transform answered with a refusal.
    pub refusals: u64,
    /// Calls that came to nothing because the transform or the gateway broke.
    pub failures: u64,
    /// One call in 16 is timed, as reading the clock takes a tenth of a call; `timed / timed_calls` is the mean.
    pub timed_calls: u64,
    pub timed: Duration,
    /// What a rollback would bring back.
    pub previous: Option<TransformVersion>,
    /// Why the latest attempt to put another version in its place failed, or was taken back, if it was.
    pub last_fault: Option<TransformFault>,
    /// How many instances of it there are, of all its versions.
    pub instances: usize,
    /// A hook of it fails for most charge points, so that it is not called for a while.
    pub stopped: bool,
    /// For how many charge points a hook is not called for a while, because it fails for them.
    pub stopped_charge_points: usize,
    pub log_lines_suppressed: u64,
    /// What it reports itself, by name and labels, over all of its versions.
    pub readings: Vec<(String, Attributes, Reading)>,
    /// Reports that were not taken: too many series or labels, or names that Prometheus does not allow.
    pub readings_refused: u64,
}

/// The counts of one transform on one thread. Only that thread writes, so no two ever wait for each other.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) calls: Counter,
    pub(crate) refusals: Counter,
    pub(crate) failures: Counter,
    pub(crate) timed_calls: Counter,
    pub(crate) timed_ns: Counter,
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, amount: u64) {
        self.0.store(self.get().wrapping_add(amount), Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters of one transform on every thread, over all of its versions.
#[derive(Debug, Default)]
pub(crate) struct CallStats(ThreadLocal<Counters>);

impl CallStats {
    /// Those of this thread. It may go on with those of a thread that has ended.
    pub(crate) fn own(&self) -> &Counters {
        self.0.get_or_default()
    }

    pub(crate) fn sum(&self, count: impl Fn(&Counters) -> &Counter) -> u64 {
        self.0.iter().map(|counters| count(counters).get()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn counts_outlive_the_threads_that_made_them() {
        let call_stats = CallStats::default();
        thread::scope(|scope| {
            scope.spawn(|| call_stats.own().calls.add(3));
        });
        call_stats.own().calls.add(2);
        assert_eq!(call_stats.sum(|counters| &counters.calls), 5);
    }
}
