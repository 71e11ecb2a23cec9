//! Stops calling a hook that fails every time.

use crate::hook::Function;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// So many failures in a row, over all threads, and it opens.
const FAILURES: u32 = 10;
/// For so long nobody calls; then one call after the other may try.
const REST: Duration = Duration::from_secs(10);

/// One for each function of a transform: one that works says nothing of another that never does.
#[derive(Debug, Default)]
pub(crate) struct Breakers {
    each: [Breaker; Function::COUNT],
    /// Somebody has decided to do without the transform.
    given_up: AtomicBool,
}

impl Breakers {
    pub(crate) fn of(&self, function: Function) -> &Breaker {
        &self.each[function as usize]
    }

    pub(crate) fn is_any_open(&self) -> bool {
        self.each.iter().any(|breaker| breaker.is_open().is_some())
    }

    /// A function whose breaker has opened since this was last asked.
    pub(crate) fn take_trip(&self) -> Option<Function> {
        Function::ALL.iter().copied().find(|&function| self.of(function).take_trip())
    }

    /// True for the first who decides to do without the transform: one is enough to see to it.
    pub(crate) fn give_up(&self) -> bool {
        !self.given_up.swap(true, Relaxed)
    }

    /// Gives every function another chance.
    pub(crate) fn close(&self) {
        self.given_up.store(false, Relaxed);
        for breaker in &self.each {
            breaker.note_success();
            breaker.take_trip();
        }
    }
}

/// Costs a call that succeeds one load.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: AtomicU32,
    /// When it may be tried again, in milliseconds since [`start`].
    open_until: AtomicU64,
    /// It has opened, and nobody has asked since.
    tripped: AtomicBool,
}

fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

impl Breaker {
    /// How much longer the function is not to be called.
    pub(crate) fn is_open(&self) -> Option<Duration> {
        if self.failures.load(Relaxed) < FAILURES {
            return None;
        }
        Duration::from_millis(self.open_until.load(Relaxed)).checked_sub(start().elapsed())
    }

    pub(crate) fn note_success(&self) {
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    pub(crate) fn note_failure(&self) {
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        if failures >= FAILURES {
            let until = start().elapsed() + REST;
            self.open_until.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Relaxed);
        }
        if failures == FAILURES {
            self.tripped.store(true, Relaxed);
        }
    }

    /// Whether it has opened since this was last asked.
    pub(crate) fn take_trip(&self) -> bool {
        self.tripped.load(Relaxed) && self.tripped.swap(false, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_says_so_once() {
        let breaker = Breaker::default();
        (1..FAILURES).for_each(|_| breaker.note_failure());
        breaker.note_success();
        (1..FAILURES).for_each(|_| breaker.note_failure());
        assert_eq!(breaker.is_open(), None);
        assert!(!breaker.take_trip());
        breaker.note_failure();
        assert!(breaker.is_open().is_some_and(|rest| rest <= REST));
        assert!(breaker.take_trip());
        assert!(!breaker.take_trip());
        breaker.note_success();
        assert_eq!(breaker.is_open(), None);
    }
}
