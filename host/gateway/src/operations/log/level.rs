//! The level of the running log. It belongs to the process, as the log itself does.

use crate::config::LogLevel;
use parking_lot::Mutex;
use std::sync::OnceLock;
use tracing::info;
use tracing_subscriber::reload::{Handle, Layer};
use tracing_subscriber::{EnvFilter, Registry};

/// Set once, by `start`.
static RUNNING: OnceLock<RunningLevel> = OnceLock::new();

struct RunningLevel {
    filter: Handle<EnvFilter, Registry>,
    /// As it was set. `filter` has the rules for libraries in addition.
    level: Mutex<LogLevel>,
}

/// Why the level cannot be read or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogLevelError {
    #[error("this process has not started the gateway's log; the program that contains the gateway sets its level")]
    NotStarted,
    #[error("the log has ended; restart the gateway")]
    Ended,
}

/// A filter whose level [`set_level`] changes.
///
/// A line that is switched off costs what it costs without this layer: each place in the code remembers whether it is
/// switched on (`tracing`'s callsite cache), and a change renews these. A line that is written takes a read lock.
pub(super) fn reloadable(level: &LogLevel) -> Layer<EnvFilter, Registry> {
    let (layer, filter) = Layer::new(level.filter());
    // A second log of a process is refused later, by `init`.
    let _ = RUNNING.set(RunningLevel { filter, level: Mutex::new(level.clone()) });
    layer
}

/// The level in force.
pub fn level() -> Result<LogLevel, LogLevelError> {
    RUNNING.get().map(|running| running.level.lock().clone()).ok_or(LogLevelError::NotStarted)
}

/// Changes the level until the process ends.
pub fn set_level(level: LogLevel) -> Result<(), LogLevelError> {
    let running = RUNNING.get().ok_or(LogLevelError::NotStarted)?;
    let mut current = running.level.lock();
    // Before the change: afterwards, the line may be switched off.
    info!(before = %current, now = %level, "the log level is changed by the admin API");
    running.filter.reload(level.filter()).map_err(|_| LogLevelError::Ended)?;
    *current = level;
    Ok(())
}
