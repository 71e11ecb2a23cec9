//! Values that the gateway keeps for a transform: they outlive its instances and its versions.

pub use crate::bindings::ocpp_gateway::transform::state::StateError;

/// The value of `key`, if it is there and not expired.
///
/// ```
/// assert_eq!(ocpp_transform::state::get("never set"), None);
/// ```
pub fn get(key: &str) -> Option<Vec<u8>> {
    host::get(key)
}

/// Stores a value, without expiry or for a number of seconds. Errors: the gateway's limits on number and size.
///
/// ```
/// use ocpp_transform::state;
/// state::set("boots/CP1", b"1", Some(3600)).expect("room for a key");
/// assert_eq!(state::get("boots/CP1").as_deref(), Some(&b"1"[..]));
/// ```
pub fn set(key: &str, value: &[u8], ttl_s: Option<u32>) -> Result<(), StateError> {
    host::set(key, value, ttl_s)
}

/// Deletes a value; returns whether there was one.
///
/// ```
/// assert!(!ocpp_transform::state::delete("never set"));
/// ```
pub fn delete(key: &str) -> bool {
    host::delete(key)
}

/// Sets `key` if its value is `expected` (`None`: if it is absent); returns whether it did.
///
/// ```
/// use ocpp_transform::state;
/// assert_eq!(state::compare_and_set("owner", None, b"me", None), Ok(true));
/// assert_eq!(state::compare_and_set("owner", None, b"you", None), Ok(false));
/// ```
pub fn compare_and_set(
    key: &str,
    expected: Option<&[u8]>,
    value: &[u8],
    ttl_s: Option<u32>,
) -> Result<bool, StateError> {
    host::compare_and_set(key, expected, value, ttl_s)
}

#[cfg(target_family = "wasm")]
use crate::bindings::ocpp_gateway::transform::state as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::host;
