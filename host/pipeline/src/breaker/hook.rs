//! Whether a hook fails for most of those that it is called for.

use super::distinct::Distinct;
use super::thresholds::{FAILURES, REST};
use crate::hook::Function;
use parking_lot::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Calls and failures are counted for so long, or longer where calls are few. An ordinary heartbeat interval.
const WINDOW: Duration = Duration::from_secs(300);
/// Where so many charge points are connected, or more, one or two are never most of them.
const SOME: usize = 5;
/// Admission fails for so many addresses at least before it is stopped for all: behind a balancer there is only one.
const ADDRESSES: f64 = 3.0;

/// One hook of one version of a transform, for all charge points.
#[derive(Debug)]
pub(super) struct HookBreaker {
    /// In milliseconds since [`start`]; 0: it is not stopped.
    open_until: AtomicU64,
    /// The same.
    window_ends: AtomicU64,
    called: Distinct,
    failed: Distinct,
    tally: Mutex<Tally>,
    /// It was stopped, and nobody has asked since.
    tripped: AtomicBool,
}

#[derive(Debug)]
struct Tally {
    /// In this window.
    failures: u32,
    /// How many were called in the window before.
    before: Option<f64>,
}

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Never 0.
fn milliseconds(now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(start()).as_millis()).unwrap_or(u64::MAX - 1) + 1
}

impl HookBreaker {
    /// `before`: how many charge points it is usually called for, if that is known.
    pub(super) fn new(now: Instant, before: Option<f64>) -> Self {
        HookBreaker {
            open_until: AtomicU64::new(0),
            window_ends: AtomicU64::new(milliseconds(now + WINDOW)),
            called: Distinct::default(),
            failed: Distinct::default(),
            tally: Mutex::new(Tally { failures: 0, before }),
            tripped: AtomicBool::new(false),
        }
    }

    pub(super) fn usually_called(&self) -> Option<f64> {
        let called = self.called.estimate().max(self.tally.lock().before.unwrap_or_default());
        (called > 0.0).then_some(called)
    }

    /// How much longer it is not to be called.
    pub(super) fn is_open(&self) -> Option<Duration> {
        let until = self.open_until.load(Relaxed);
        if until == 0 {
            return None;
        }
        match until.checked_sub(milliseconds(Instant::now())) {
            Some(rest @ 1..) => Some(Duration::from_millis(rest)),
            // Everybody may try again. Those for whom it failed have breakers of their own.
            _ => {
                let _ = self.open_until.compare_exchange(until, 0, Relaxed, Relaxed);
                None
            }
        }
    }

    pub(super) fn note_call(&self, party: u64) {
        self.called.insert(party);
    }

    pub(super) fn note_time(&self, now: Instant) {
        if milliseconds(now) >= self.window_ends.load(Relaxed) {
            self.begin_window(&mut self.tally.lock(), now);
        }
    }

    #[cold]
    fn begin_window(&self, tally: &mut Tally, now: Instant) {
        let now_ms = milliseconds(now);
        // Another thread may have been quicker.
        if now_ms < self.window_ends.load(Relaxed) {
            return;
        }
        *tally = Tally { failures: 0, before: Some(self.called.estimate()) };
        self.called.clear();
        self.failed.clear();
        self.window_ends.store(milliseconds(now + WINDOW), Relaxed);
    }

    pub(super) fn note_failure(&self, function: Function, party: u64, connected: usize, now: Instant) {
        let mut tally = self.tally.lock();
        self.begin_window(&mut tally, now);
        self.called.insert(party);
        self.failed.insert(party);
        tally.failures = tally.failures.saturating_add(1);
        if self.fails_for_most(function, &tally, connected) {
            tally.failures = 0;
            self.failed.clear();
            self.open_until.store(milliseconds(now + REST), Relaxed);
            self.tripped.store(true, Relaxed);
        }
    }

    fn fails_for_most(&self, function: Function, tally: &Tally, connected: usize) -> bool {
        // After a hot swap each charge point asks for its topics once.
        let each_calls_once = function == Function::Subscriptions && connected > 0;
        let failed = self.failed.estimate();
        let enough = match function {
            Function::Admit => tally.failures >= FAILURES && failed.round() >= ADDRESSES,
            _ => tally.failures >= FAILURES || each_calls_once,
        };
        // How many have a part in this is not seen from the first calls: who sends most comes first.
        let known = match tally.before {
            before if function == Function::Admit => before.unwrap_or_default(),
            Some(before) if !each_calls_once => before.max(connected.min(SOME) as f64),
            before => before.unwrap_or_default().max(connected as f64),
        };
        enough && 2.0 * failed > self.called.estimate().max(known)
    }

    /// Whether it was stopped since this was last asked.
    pub(super) fn take_trip(&self) -> bool {
        self.tripped.load(Relaxed) && self.tripped.swap(false, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::hash;

    const HOOK: Function = Function::ToMqtt;

    fn fail(breaker: &HookBreaker, who: u32, connected: usize, now: Instant) {
        breaker.note_call(hash(who));
        breaker.note_failure(HOOK, hash(who), connected, now);
    }

    #[test]
    fn one_of_many_never_is_most_however_quick_it_is() {
        let now = Instant::now();
        // With others that were called before, or are only connected; at the start of a window too.
        for before in [None, Some(1.0), Some(50.0)] {
            let breaker = HookBreaker::new(now, before);
            (0..100).for_each(|_| fail(&breaker, 1, 50, now));
            let later = now + WINDOW;
            (0..100).for_each(|_| fail(&breaker, 1, 50, later));
            assert!(breaker.is_open().is_none() && !breaker.take_trip(), "{before:?}");
        }
    }

    #[test]
    fn the_only_one_is_most() {
        let now = Instant::now();
        let breaker = HookBreaker::new(now, None);
        (1..FAILURES).for_each(|_| fail(&breaker, 1, 1, now));
        assert!(!breaker.take_trip());
        fail(&breaker, 1, 1, now);
        assert!(breaker.is_open().is_some_and(|rest| rest <= REST) && breaker.take_trip());
    }

    #[test]
    fn failures_of_an_earlier_window_do_not_count() {
        let now = Instant::now();
        // Nearly right is what is counted: so there is some distance to what decides.
        let breaker = HookBreaker::new(now, Some(40.0));
        (0..15).for_each(|who| fail(&breaker, who, 40, now));
        (15..40).for_each(|who| breaker.note_call(hash(who)));
        (15..30).for_each(|who| fail(&breaker, who, 40, now + WINDOW));
        assert!(breaker.usually_called().is_some_and(|called| (38.0..42.0).contains(&called)));
        assert!(!breaker.take_trip());
        (30..40).for_each(|who| fail(&breaker, who, 40, now + WINDOW));
        assert!(breaker.take_trip());
    }

    #[test]
    fn the_topics_of_a_mapping_are_judged_by_all_that_are_connected() {
        let now = Instant::now();
        for (connected, failing, trips) in [(1, 1, true), (3, 1, false), (3, 2, true), (50, 20, false), (50, 30, true)]
        {
            let breaker = HookBreaker::new(now, None);
            (0..failing).for_each(|who| breaker.note_failure(Function::Subscriptions, hash(who), connected, now));
            assert_eq!(breaker.take_trip(), trips, "{failing} of {connected}");
        }
    }
}
