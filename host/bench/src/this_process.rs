//! Limits and signals of this process.

use crate::usage::value;
use anyhow::{Context as _, Result};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs;

/// The limit of open files of this process.
pub(crate) fn open_file_limit() -> Result<u64> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

/// Raises the limit of open files to the hard limit, for this process and its children: many shells set 1,024, which is
/// too few for a thousand charge points.
pub(crate) fn allow_open_files() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).with_context(|| format!("cannot allow {most} open files"))
}

/// Whether the process was started with SIGHUP ignored (nohup). A signal handler would undo that.
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
    fn open_file_limit_is_positive() {
        assert!(open_file_limit().expect("own limit") > 0);
    }

    #[test]
    fn ignored_signals_are_read_as_a_mask() {
        assert_eq!(ignored_signals("SigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n").expect("a mask"), 0x1001);
        assert!(ignored_signals("SigBlk:\t0\n").is_err());
    }
}
