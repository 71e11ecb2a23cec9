//! Numbers for the gateway's `/metrics` page.

use crate::types::Attributes;

/// Adds to a counter.
///
/// ```
/// use ocpp_transform::metrics;
/// metrics::count("frames_mended", 1, &vec![("vendor".into(), "acme".into())]);
/// # #[cfg(not(target_family = "wasm"))]
/// assert_eq!(ocpp_transform::testing::counter("frames_mended"), 1);
/// ```
pub fn count(name: &str, by: u32, labels: &Attributes) {
    host::count(name, by, labels);
}

/// Adds one reading to a distribution.
///
/// ```
/// ocpp_transform::metrics::observe("meter_wh", 1730.5, &vec![]);
/// ```
pub fn observe(name: &str, value: f64, labels: &Attributes) {
    host::observe(name, value, labels);
}

#[cfg(target_family = "wasm")]
use crate::bindings::ocpp_gateway::transform::metrics as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::host;
