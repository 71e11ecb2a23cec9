//! Lines in the gateway's log. The gateway adds the transform and the charge point, and limits the lines per second.

pub use crate::bindings::ocpp_gateway::transform::log::Level;

/// Writes one line, with fields as name and value.
///
/// ```
/// use ocpp_transform::log::{Level, log};
/// log(Level::Debug, "read", &[("bytes", "17")]);
/// ```
pub fn log(level: Level, message: &str, fields: &[(&str, &str)]) {
    let fields: Vec<_> = fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    host::log(level, message, &fields);
}

/// Writes one line of level info, without fields.
///
/// ```
/// ocpp_transform::log::info("ready");
/// # #[cfg(not(target_family = "wasm"))]
/// assert_eq!(ocpp_transform::testing::take_log()[0].message, "ready");
/// ```
pub fn info(message: &str) {
    host::log(Level::Info, message, &Vec::new());
}

/// Writes one line of level warn, without fields.
///
/// ```
/// ocpp_transform::log::warn("unknown vendor: nothing to mend");
/// ```
pub fn warn(message: &str) {
    host::log(Level::Warn, message, &Vec::new());
}

/// Sends the message of a panic to the log, in one line: the trap that follows does not include it.
pub(crate) fn report_panics() {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|location| format!(" at {location}")).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("a panic without a message");
        host::log(Level::Error, &format!("panicked{place}: {message}"), &Vec::new());
    }));
}

#[cfg(target_family = "wasm")]
use crate::bindings::ocpp_gateway::transform::log as host;
#[cfg(not(target_family = "wasm"))]
use crate::testing::host;
