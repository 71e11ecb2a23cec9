//! How often transforms were called, and what it took.

use ocpp_gateway_core::Attributes;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// One transform, for people and for `/metrics`. All counts are since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `builtin:NAME` or a path.
    pub component: String,
    /// Name and version that the component gives itself.
    pub built_as: String,
    pub version: String,
    /// What else it says of itself.
    pub attributes: Attributes,
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
    pub log_lines_suppressed: u64,
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

/// The counters of one transform on every thread that has called it.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Vec<Arc<Counters>>>);

impl Ledger {
    /// Counters for a thread that calls the transform for the first time.
    pub(crate) fn open(&self) -> Arc<Counters> {
        let counters = Arc::<Counters>::default();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(counters.clone());
        counters
    }

    pub(crate) fn sum(&self, count: impl Fn(&Counters) -> &Counter) -> u64 {
        let ledger = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.iter().map(|counters| count(counters).get()).sum()
    }
}
