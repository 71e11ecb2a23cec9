//! Call counts and call times of transforms.

use crate::custom_metrics::Reading;
use crate::swap_report::{TransformFault, TransformVersion};
use ocpp_gateway_core::Attributes;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use thread_local::ThreadLocal;

/// The status of one transform, for the admin API and `/metrics`. Counts cover all its versions since the process
/// started.
#[derive(Debug, Clone, PartialEq)]
pub struct TransformStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `builtin:NAME`, a path, `upload of N bytes`, or another origin.
    pub component: String,
    /// That of its specification: see [`TransformSpec::revision`](crate::TransformSpec::revision).
    pub revision: u64,
    /// The name that the component reports for itself.
    pub built_as: String,
    /// The version that the component reports for itself.
    pub version: String,
    /// Further attributes that the component reports for itself.
    pub attributes: Attributes,
    /// SHA-256 of the component: 64 hex digits.
    pub sha256: String,
    /// SHA-256 of the file of its program, if there is one: 64 hex digits.
    pub program_sha256: Option<String>,
    /// Size of the component in bytes.
    pub size: usize,
    pub calls: u64,
    /// Calls that the transform answered with a refusal.
    pub refusals: u64,
    /// Calls that failed because of a fault of the transform or the gateway.
    pub failures: u64,
    /// Why the latest of them failed, in one line.
    pub last_failure: Option<String>,
    /// One call in 16 is timed, as reading the clock takes a tenth of a call; `timed / timed_calls` is the mean.
    pub timed_calls: u64,
    pub timed: Duration,
    /// The version that a rollback would restore.
    pub previous: Option<TransformVersion>,
    /// Why the latest swap of the transform failed or was rolled back, if so.
    pub last_fault: Option<TransformFault>,
    /// The number of its instances, of all its versions.
    pub instances: usize,
    /// The hooks that it uses, in the order of the WIT package: `to-mqtt`, `uplink`.
    pub hooks: Vec<&'static str>,
    /// Those of them that are stopped for all charge points because they fail for most of them.
    pub stopped_hooks: Vec<&'static str>,
    /// Whether a hook is stopped for all charge points because it fails for most of them.
    pub stopped: bool,
    /// The number of charge points for which a hook is stopped because it fails for them.
    pub stopped_charge_points: usize,
    pub log_lines_suppressed: u64,
    /// The metrics that it reports, by name and labels, over all its versions.
    pub readings: Vec<(String, Attributes, Reading)>,
    /// Refused reports: too many series or labels, or names that Prometheus does not allow.
    pub readings_refused: u64,
}

impl TransformStatus {
    /// With the counts of another version that serves beside it.
    pub(crate) fn with_counts_of(mut self, other: Option<TransformStatus>) -> Self {
        if let Some(other) = other {
            self.calls += other.calls;
            self.refusals += other.refusals;
            self.failures += other.failures;
            self.last_failure = self.last_failure.or(other.last_failure);
            self.timed_calls += other.timed_calls;
            self.timed += other.timed;
            self.instances += other.instances;
        }
        self
    }
}

/// The counts of one transform on one thread. Only that thread writes them, so threads do not contend.
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
    /// The counters of this thread, which may have belonged to a thread that has ended.
    pub(crate) fn own(&self) -> &Counters {
        self.0.get_or_default()
    }

    /// Adds the counts of another version, which is not called any more.
    pub(crate) fn absorb(&self, other: &CallStats) {
        let own = self.own();
        for (own, count) in [
            (&own.calls, other.sum(|it| &it.calls)),
            (&own.refusals, other.sum(|it| &it.refusals)),
            (&own.failures, other.sum(|it| &it.failures)),
            (&own.timed_calls, other.sum(|it| &it.timed_calls)),
            (&own.timed_ns, other.sum(|it| &it.timed_ns)),
        ] {
            own.add(count);
        }
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
    fn counts_remain_after_their_thread_has_ended() {
        let call_stats = CallStats::default();
        thread::scope(|scope| {
            scope.spawn(|| call_stats.own().calls.add(3));
        });
        call_stats.own().calls.add(2);
        assert_eq!(call_stats.sum(|counters| &counters.calls), 5);
    }
}
