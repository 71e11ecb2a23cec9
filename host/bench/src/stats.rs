//! Counters and latencies as the charge points see them.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Errors from connecting until the last CALL is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Errors {
    /// CALLs that were not answered in time.
    pub(crate) timeouts: u64,
    /// CALLs answered with a CALLERROR.
    pub(crate) call_errors: u64,
    /// Messages that answer no open CALL.
    pub(crate) unexpected: u64,
    /// Connections that ended.
    pub(crate) disconnects: u64,
    /// Messages that the responder could not read or answer.
    pub(crate) responder: u64,
    /// Error reports that the gateway published.
    pub(crate) reports: u64,
}

impl Errors {
    pub(crate) fn total(self) -> u64 {
        self.timeouts + self.call_errors + self.unexpected + self.disconnects + self.responder + self.reports
    }
}

/// Shared by the charge points and the responder.
pub(crate) struct Stats(Mutex<Counts>);

struct Counts {
    measuring: bool,
    ending: bool,
    /// CALLs without an answer yet.
    open: u64,
    /// Connections that were refused, or ended before the charge point had booted.
    refused_connections: u64,
    /// Answered CALLs since the start.
    answered: u64,
    /// Microseconds from CALL to CALLRESULT, within the measured window.
    latency: Histogram<u64>,
    errors: Errors,
}

impl Stats {
    pub(crate) fn new() -> Self {
        let longest = Duration::from_secs(60).as_micros() as u64;
        let latency = Histogram::new_with_bounds(1, longest, 3).expect("the bounds are constant and valid");
        Stats(Mutex::new(Counts {
            measuring: false,
            ending: false,
            open: 0,
            refused_connections: 0,
            answered: 0,
            latency,
            errors: Errors::default(),
        }))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a sent CALL. It is open until it is answered or given up.
    pub(crate) fn sent(&self) {
        self.counts().open += 1;
    }

    /// Records that an open CALL gets no CALLRESULT any more.
    pub(crate) fn gave_up(&self) {
        let mut counts = self.counts();
        counts.open = counts.open.saturating_sub(1);
    }

    /// Number of open CALLs.
    pub(crate) fn open(&self) -> u64 {
        self.counts().open
    }

    /// Ends the sending of CALLs, so that the open ones can be waited for.
    pub(crate) fn end(&self) {
        self.counts().ending = true;
    }

    pub(crate) fn ending(&self) -> bool {
        self.counts().ending
    }

    pub(crate) fn was_refused(&self) {
        self.counts().refused_connections += 1;
    }

    pub(crate) fn refused_connections(&self) -> u64 {
        self.counts().refused_connections
    }

    /// Records the answer to a CALL that was sent, or due, at this time.
    pub(crate) fn answered(&self, sent: Instant) {
        self.answered_after(sent.elapsed());
    }

    pub(crate) fn answered_after(&self, latency: Duration) {
        let mut counts = self.counts();
        counts.answered += 1;
        counts.open = counts.open.saturating_sub(1);
        if counts.measuring {
            counts.latency.saturating_record(latency.as_micros() as u64);
        }
    }

    /// Number of answered CALLs since the start.
    pub(crate) fn total(&self) -> u64 {
        self.counts().answered
    }

    pub(crate) fn failed(&self, count: impl FnOnce(&mut Errors)) {
        count(&mut self.counts().errors);
    }

    /// Begins or ends the measured window.
    pub(crate) fn measure(&self, on: bool) {
        self.counts().measuring = on;
    }

    pub(crate) fn latency(&self) -> Histogram<u64> {
        self.counts().latency.clone()
    }

    pub(crate) fn errors(&self) -> Errors {
        self.counts().errors
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn call_is_open_until_it_is_answered_or_given_up() {
        let stats = Stats::new();
        (0..3).for_each(|_| stats.sent());
        stats.answered(Instant::now());
        stats.gave_up();
        assert_eq!(stats.open(), 1);
        assert!(!stats.ending());
        stats.end();
        assert!(stats.ending());
    }

    #[test]
    fn latencies_are_measured_in_the_window_and_errors_counted_always() {
        let stats = Stats::new();
        stats.answered(Instant::now());
        stats.failed(|errors| errors.timeouts += 1);
        stats.measure(true);
        stats.answered(Instant::now());
        stats.measure(false);
        stats.answered(Instant::now());
        assert_eq!(stats.latency().len(), 1);
        assert_eq!(stats.total(), 3);
        assert_eq!(stats.errors().total(), 1);
    }
}
