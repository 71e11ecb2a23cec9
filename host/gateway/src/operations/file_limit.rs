//! The limit of open files: one for each connection, and some for other uses.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Files other than connections of charge points: the broker, operators, components and the log.
pub const OTHER_FILES: usize = 128;

/// Raises the soft limit to the hard limit (RLIMIT_NOFILE), and returns the limit. Warns if it is too low for
/// `max_connections`. The soft limit is low on most systems for programs that use select(2).
pub fn raise(max_connections: usize) -> usize {
    let limit = try_raise().unwrap_or_else(|error| {
        warn!("the limit of open files is not known: {error}");
        usize::MAX
    });
    if limit.saturating_sub(OTHER_FILES) < max_connections {
        warn!(
            "the limit of open files, {limit}, is too low for ocpp.max_connections = {max_connections} and {OTHER_FILES} \
             others: fewer charge points can be connected (ulimit -Hn, or LimitNOFILE of systemd)"
        );
    }
    limit
}

fn try_raise() -> nix::Result<usize> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // If it cannot be raised, the soft limit applies.
    let limit = if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}
