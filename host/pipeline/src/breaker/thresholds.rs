//! When a hook is stopped, and for how long.

use std::time::Duration;

/// How long a stopped hook is not called.
pub(super) const PAUSE: Duration = Duration::from_secs(10);
/// The least number of failures before a hook is stopped.
pub(super) const MIN_FAILURES: u32 = 10;
