//! The clock by which the charge point's CALLs time out.

use std::time::{Duration, Instant};

/// While the clock stands still no deadline passes, so deadlines are checked this much later.
const RECHECK_DELAY: Duration = Duration::from_secs(1);

/// The clock by which CALLs of the charge point time out. It stands still while no back end can be reached. Each
/// session has one, so it is small.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct BackEndClock {
    /// How far the clock is behind, in nanoseconds (up to 584 years).
    behind: u64,
    stands_still: bool,
}

impl BackEndClock {
    pub(super) fn new(behind: Duration, stands_still: bool) -> Self {
        BackEndClock { behind: u64::try_from(behind.as_nanos()).unwrap_or(u64::MAX), stands_still }
    }

    /// The time of this clock.
    pub(super) fn time(self, now: Instant) -> Instant {
        now.checked_sub(Duration::from_nanos(self.behind)).unwrap_or(now)
    }

    /// When a deadline of this clock is to be checked.
    pub(super) fn due(self, deadline: Instant) -> Instant {
        let due = deadline + Duration::from_nanos(self.behind);
        if self.stands_still { due + RECHECK_DELAY } else { due }
    }
}
