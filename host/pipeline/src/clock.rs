//! The clock of transforms.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clock of the machine or, for tests and replays, another time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Clock {
    #[default]
    Machine,
    /// The fixed time, since 1970.
    Fixed(Duration),
    /// The time that is set.
    Set(SetClock),
}

/// A clock that stands still until it is set. Its clones show the same time. Two clocks are equal if one is a clone of
/// the other.
#[derive(Debug, Clone, Default)]
pub struct SetClock(Arc<SetTime>);

/// In nanoseconds since 1970, which last until 2554.
#[derive(Debug, Default)]
struct SetTime {
    now: AtomicU64,
    /// The latest time so far.
    latest: AtomicU64,
}

impl SetClock {
    /// Sets the time since 1970. It may go back; values in the state of transforms expire by the latest time so far.
    pub fn set(&self, now: Duration) {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.0.now.store(now, Relaxed);
        self.0.latest.fetch_max(now, Relaxed);
    }
}

impl PartialEq for SetClock {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SetClock {}

impl Clock {
    /// The time since 1970.
    pub(crate) fn since_epoch(&self) -> Duration {
        match self {
            Clock::Machine => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Clock::Fixed(time) => *time,
            Clock::Set(SetClock(time)) => Duration::from_nanos(time.now.load(Relaxed)),
        }
    }

    /// The time since some moment in the past; it never goes back.
    pub(crate) fn monotonic(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        match self {
            Clock::Machine => START.get_or_init(Instant::now).elapsed(),
            Clock::Fixed(time) => *time,
            Clock::Set(SetClock(time)) => Duration::from_nanos(time.latest.load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_time_may_go_back_but_the_monotonic_one_does_not() {
        let set = SetClock::default();
        let clock = Clock::Set(set.clone());
        let mut seen = Vec::new();
        for seconds in [5, 9, 7] {
            set.set(Duration::from_secs(seconds));
            seen.push((clock.since_epoch().as_secs(), clock.monotonic().as_secs()));
        }
        assert_eq!(seen, [(5, 5), (9, 9), (7, 9)]);
        assert_ne!(clock, Clock::Set(SetClock::default()));
    }
}
