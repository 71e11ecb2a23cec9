//! What time transforms are told.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clock of the machine, or for tests one that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    #[default]
    Machine,
    /// At this time since 1970.
    StandsAt(Duration),
}

impl Clock {
    /// Since 1970.
    pub(crate) fn since_epoch(self) -> Duration {
        match self {
            Clock::Machine => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Clock::StandsAt(time) => time,
        }
    }

    /// Since some moment in the past; never goes back.
    pub(crate) fn monotonic(self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        match self {
            Clock::Machine => START.get_or_init(Instant::now).elapsed(),
            Clock::StandsAt(time) => time,
        }
    }
}
