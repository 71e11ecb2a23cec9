//! When a hook is stopped, and for how long.

use std::time::Duration;

/// A hook that is stopped is not called for so long.
pub(super) const REST: Duration = Duration::from_secs(10);
/// So many failures at least before anything is stopped.
pub(super) const FAILURES: u32 = 10;
