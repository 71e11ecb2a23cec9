//! Whether a hook fails for most of its callers.

use super::distinct_count::DistinctCount;
use super::thresholds::{MIN_FAILURES, PAUSE};
use crate::hook::Function;
use parking_lot::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Calls and failures are counted for this time, or longer where calls are few. It is a common heartbeat interval.
const WINDOW: Duration = Duration::from_secs(300);
/// With at least this many connected charge points, one or two never count as most of them.
const MIN_CONNECTED: usize = 5;
/// Admission is stopped for all only if it fails for at least this many addresses: behind a load balancer there is only
/// one.
const MIN_ADDRESSES: f64 = 3.0;

/// The breaker of one hook of one version of a transform, for all charge points.
#[derive(Debug)]
pub(super) struct HookBreaker {
    /// In milliseconds since [`start`]; 0: the hook is not stopped.
    open_until: AtomicU64,
    /// In milliseconds since [`start`].
    window_ends: AtomicU64,
    called: DistinctCount,
    failed: DistinctCount,
    counts: Mutex<WindowCounts>,
    /// Whether the hook was stopped since the last `take_trip`.
    tripped: AtomicBool,
}

#[derive(Debug)]
struct WindowCounts {
    /// Failures in this window.
    failures: u32,
    /// The estimated number of callers in the window before.
    before: Option<f64>,
}

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Milliseconds since [`start`], never 0.
fn milliseconds(now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(start()).as_millis()).unwrap_or(u64::MAX - 1) + 1
}

impl HookBreaker {
    /// `before`: the usual number of its callers, if known.
    pub(super) fn new(now: Instant, before: Option<f64>) -> Self {
        HookBreaker {
            open_until: AtomicU64::new(0),
            window_ends: AtomicU64::new(milliseconds(now + WINDOW)),
            called: DistinctCount::default(),
            failed: DistinctCount::default(),
            counts: Mutex::new(WindowCounts { failures: 0, before }),
            tripped: AtomicBool::new(false),
        }
    }

    /// The estimated number of callers; `None`: there was no call.
    pub(super) fn usually_called(&self) -> Option<f64> {
        let called = self.called.estimate().max(self.counts.lock().before.unwrap_or_default());
        (called > 0.0).then_some(called)
    }

    /// For how much longer the hook is stopped; `None`: it is not stopped.
    pub(super) fn is_open(&self) -> Option<Duration> {
        let until = self.open_until.load(Relaxed);
        if until == 0 {
            return None;
        }
        match until.checked_sub(milliseconds(Instant::now())) {
            Some(rest @ 1..) => Some(Duration::from_millis(rest)),
            // All callers may try again. Those for which it failed have their own breakers.
            _ => {
                let _ = self.open_until.compare_exchange(until, 0, Relaxed, Relaxed);
                None
            }
        }
    }

    pub(super) fn note_call(&self, group: u64) {
        self.called.insert(group);
    }

    pub(super) fn note_time(&self, now: Instant) {
        if milliseconds(now) >= self.window_ends.load(Relaxed) {
            self.begin_window(&mut self.counts.lock(), now);
        }
    }

    #[cold]
    fn begin_window(&self, counts: &mut WindowCounts, now: Instant) {
        let now_ms = milliseconds(now);
        // Another thread may have begun the window already.
        if now_ms < self.window_ends.load(Relaxed) {
            return;
        }
        *counts = WindowCounts { failures: 0, before: Some(self.called.estimate()) };
        self.called.clear();
        self.failed.clear();
        self.window_ends.store(milliseconds(now + WINDOW), Relaxed);
    }

    pub(super) fn note_failure(&self, function: Function, group: u64, connected: usize, now: Instant) {
        let mut counts = self.counts.lock();
        self.begin_window(&mut counts, now);
        self.called.insert(group);
        self.failed.insert(group);
        counts.failures = counts.failures.saturating_add(1);
        if self.fails_for_most(function, &counts, connected) {
            counts.failures = 0;
            self.failed.clear();
            self.open_until.store(milliseconds(now + PAUSE), Relaxed);
            self.tripped.store(true, Relaxed);
        }
    }

    fn fails_for_most(&self, function: Function, counts: &WindowCounts, connected: usize) -> bool {
        // After a hot swap each charge point calls this hook only once.
        let each_calls_once = function == Function::Subscriptions && connected > 0;
        let failed = self.failed.estimate();
        let enough = match function {
            Function::Admit => counts.failures >= MIN_FAILURES && failed.round() >= MIN_ADDRESSES,
            _ => counts.failures >= MIN_FAILURES || each_calls_once,
        };
        // The first calls do not show the number of callers, as the most active ones come first.
        let known = match counts.before {
            before if function == Function::Admit => before.unwrap_or_default(),
            Some(before) if !each_calls_once => before.max(connected.min(MIN_CONNECTED) as f64),
            before => before.unwrap_or_default().max(connected as f64),
        };
        enough && 2.0 * failed > self.called.estimate().max(known)
    }

    /// Whether the hook was stopped since the last call of this function.
    pub(super) fn take_trip(&self) -> bool {
        self.tripped.load(Relaxed) && self.tripped.swap(false, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::hash;

    const HOOK: Function = Function::ToMqtt;

    fn fail(breaker: &HookBreaker, caller: u32, connected: usize, now: Instant) {
        breaker.note_call(hash(caller));
        breaker.note_failure(HOOK, hash(caller), connected, now);
    }

    #[test]
    fn failures_of_one_charge_point_of_many_never_stop_the_hook_for_all() {
        let now = Instant::now();
        // The others were called before, or are only connected; also at the start of a window.
        for before in [None, Some(1.0), Some(50.0)] {
            let breaker = HookBreaker::new(now, before);
            (0..100).for_each(|_| fail(&breaker, 1, 50, now));
            let later = now + WINDOW;
            (0..100).for_each(|_| fail(&breaker, 1, 50, later));
            assert!(breaker.is_open().is_none() && !breaker.take_trip(), "{before:?}");
        }
    }

    #[test]
    fn failures_of_the_only_charge_point_stop_the_hook_for_all() {
        let now = Instant::now();
        let breaker = HookBreaker::new(now, None);
        (1..MIN_FAILURES).for_each(|_| fail(&breaker, 1, 1, now));
        assert!(!breaker.take_trip());
        fail(&breaker, 1, 1, now);
        assert!(breaker.is_open().is_some_and(|rest| rest <= PAUSE) && breaker.take_trip());
    }

    #[test]
    fn failures_of_an_earlier_window_do_not_count() {
        let now = Instant::now();
        // Counts are estimates, so the numbers keep some distance from the threshold.
        let breaker = HookBreaker::new(now, Some(40.0));
        (0..15).for_each(|caller| fail(&breaker, caller, 40, now));
        (15..40).for_each(|caller| breaker.note_call(hash(caller)));
        (15..30).for_each(|caller| fail(&breaker, caller, 40, now + WINDOW));
        assert!(breaker.usually_called().is_some_and(|called| (38.0..42.0).contains(&called)));
        assert!(!breaker.take_trip());
        (30..40).for_each(|caller| fail(&breaker, caller, 40, now + WINDOW));
        assert!(breaker.take_trip());
    }

    #[test]
    fn failures_of_subscriptions_are_compared_with_all_connected_charge_points() {
        let now = Instant::now();
        for (connected, failing, trips) in [(1, 1, true), (3, 1, false), (3, 2, true), (50, 20, false), (50, 30, true)]
        {
            let breaker = HookBreaker::new(now, None);
            (0..failing).for_each(|caller| breaker.note_failure(Function::Subscriptions, hash(caller), connected, now));
            assert_eq!(breaker.take_trip(), trips, "{failing} of {connected}");
        }
    }
}
