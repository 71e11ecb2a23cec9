//! The time of day, and a monotonic clock.

/// Milliseconds since 1970-01-01T00:00:00Z.
///
/// ```
/// # #[cfg(not(target_family = "wasm"))]
/// # {
/// ocpp_transform::testing::set_clock(1_701_440_439_000);
/// assert_eq!(ocpp_transform::clock::unix_ms(), 1_701_440_439_000);
/// # }
/// ```
pub fn unix_ms() -> u64 {
    host::unix_ms()
}

/// Nanoseconds since an arbitrary moment in the past; never goes back.
///
/// ```
/// let started = ocpp_transform::clock::monotonic_ns();
/// assert!(ocpp_transform::clock::monotonic_ns() >= started);
/// ```
pub fn monotonic_ns() -> u64 {
    host::monotonic_ns()
}

#[cfg(target_family = "wasm")]
use crate::bindings::ocpp_gateway::transform::clock as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::host;
