//! The time of CALLs of the charge point while no back end can be reached.

use std::time::{Duration, Instant};

/// While the clock stands still nothing becomes overdue: a deadline is looked at so long after it would have been.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The clock by which CALLs of the charge point time out: it stands still while no back end can be reached. There is
/// one in each session, so it is small.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct BackEndClock {
    /// In nanoseconds, of which 584 years fit in.
    behind: u64,
    stands_still: bool,
}

impl BackEndClock {
    pub(super) fn new(behind: Duration, stands_still: bool) -> Self {
        BackEndClock { behind: u64::try_from(behind.as_nanos()).unwrap_or(u64::MAX), stands_still }
    }

    /// What it shows.
    pub(super) fn time(self, now: Instant) -> Instant {
        now.checked_sub(Duration::from_nanos(self.behind)).unwrap_or(now)
    }

    /// When a deadline by this clock is to be looked at.
    pub(super) fn due(self, deadline: Instant) -> Instant {
        let due = deadline + Duration::from_nanos(self.behind);
        if self.stands_still { due + LOOK_AGAIN } else { due }
    }
}
