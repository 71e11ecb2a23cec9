//! The clock of transforms.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clock of the machine or, for tests, a fixed time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Clock {
    #[default]
    Machine,
    /// The fixed time, since 1970.
    Fixed(Duration),
}

impl Clock {
    /// The time since 1970.
    pub(crate) fn since_epoch(self) -> Duration {
        match self {
            Clock::Machine => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Clock::Fixed(time) => time,
        }
    }

    /// The time since some moment in the past; it never goes back.
    pub(crate) fn monotonic(self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        match self {
            Clock::Machine => START.get_or_init(Instant::now).elapsed(),
            Clock::Fixed(time) => time,
        }
    }
}
