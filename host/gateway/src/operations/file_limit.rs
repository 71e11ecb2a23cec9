//! How many files the process may have open: one for each connection, and some for all else.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tracing::warn;

/// Files that are no connections of charge points: those to the broker, from operators, of components, of the log.
pub const OTHER_FILES: usize = 128;

/// Raises the limit as far as the process may (RLIMIT_NOFILE's hard limit), and answers what it is now. The soft limit is
/// low on most systems for the sake of programs that use select(2). Warns where it is too low for `max_connections`.
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
    // Where it cannot be raised, the soft limit is what there is.
    let limit = if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    Ok(usize::try_from(limit).unwrap_or(usize::MAX))
}
