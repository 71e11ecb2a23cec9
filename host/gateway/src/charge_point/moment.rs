//! Moments that a message stores with one write, without reading a clock.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// What moments count from. Nothing is stored before it.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A moment since the start of the program, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl From<Instant> for Moment {
    fn from(instant: Instant) -> Self {
        let since = instant.saturating_duration_since(*START);
        Moment(u64::try_from(since.as_millis()).unwrap_or(u64::MAX - 1))
    }
}

impl Moment {
    /// For comparisons.
    pub fn milliseconds(self) -> u64 {
        self.0
    }
}

/// The latest of moments that one task stores and others read.
#[derive(Debug, Default)]
pub(super) struct AtomicMoment(AtomicU64);

impl AtomicMoment {
    pub(super) fn set(&self, moment: Moment) {
        self.0.store(moment.0 + 1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Option<Moment> {
        self.0.load(Ordering::Relaxed).checked_sub(1).map(Moment)
    }
}

/// Tells when a moment was. It follows the clock of the machine, which may be wrong until the network is there: made
/// anew for each answer.
#[derive(Debug, Clone, Copy)]
pub struct WallClock {
    start: SystemTime,
}

impl WallClock {
    pub fn now() -> Self {
        let now = SystemTime::now();
        WallClock { start: now.checked_sub(START.elapsed()).unwrap_or(now) }
    }

    pub fn time(self, Moment(milliseconds): Moment) -> SystemTime {
        self.start + Duration::from_millis(milliseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moment_is_read_as_it_was_stored() {
        let latest = AtomicMoment::default();
        assert_eq!(latest.get(), None);
        let now = Instant::now();
        latest.set(now.into());
        let stored = latest.get().expect("stored");
        assert!(stored == Moment::from(now) && stored < Moment::from(now + Duration::from_secs(1)));
        let shown = WallClock::now().time(stored);
        let difference = shown.elapsed().unwrap_or_else(|later| later.duration());
        assert!(difference < Duration::from_secs(5), "{difference:?}");
    }
}
