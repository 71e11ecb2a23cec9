//! What this process may do, and what is done about it.

use crate::usage::value;
use anyhow::{Context as _, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;

/// How many files it may have open.
pub(crate) fn open_file_limit() -> Result<u64> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

/// Lets it, and those that it starts, have as many files open as they may: many a shell allows 1,024 unless it is asked,
/// which is less than a thousand charge points need.
pub(crate) fn allow_open_files() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).with_context(|| format!("cannot allow {most} open files"))
}

/// Whether it was started so that SIGHUP does nothing to it. To listen for it would undo that.
pub(crate) fn ignores_hangup() -> Result<bool> {
    const HANGUP: u64 = 1; // bit 0 is signal 1
    Ok(ignored_signals(&fs::read_to_string("/proc/self/status")?)? & HANGUP != 0)
}

fn ignored_signals(status: &str) -> Result<u64> {
    Ok(u64::from_str_radix(value(status, "SigIgn")?, 16)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_may_have_files_open() {
        assert!(open_file_limit().expect("own limit") > 0);
    }

    #[test]
    fn signals_that_are_ignored_are_a_mask() {
        assert_eq!(ignored_signals("SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n").expect("a mask"), 0x1001);
        assert!(ignored_signals("SigBlk:\t0\n").is_err());
    }
}
