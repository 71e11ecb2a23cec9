//! Resource usage of a process, from its CPU clock and `/proc/PID` (Linux).

use anyhow::{Context as _, Result};
use nix::time::ClockId;
use nix::unistd::Pid;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Counters that only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU time, user and system, of all threads including ended ones, in nanoseconds.
    pub(crate) cpu_ns: u64,
    /// Context switches of the living threads.
    pub(crate) voluntary_switches: u64,
    pub(crate) involuntary_switches: u64,
}

impl Usage {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let tasks = PathBuf::from(format!("/proc/{pid}/task"));
        let mut total = Usage { cpu_ns: cpu_ns(pid)?, ..Usage::default() };
        for task in fs::read_dir(&tasks).with_context(|| format!("no process {pid}"))? {
            // A thread may end between listing and reading. Its few switches are lost.
            if let Ok(usage) = Usage::of_task(&task?.path()) {
                total.voluntary_switches += usage.voluntary_switches;
                total.involuntary_switches += usage.involuntary_switches;
            }
        }
        Ok(total)
    }

    fn of_task(task: &Path) -> Result<Self> {
        let status = fs::read_to_string(task.join("status"))?;
        Ok(Usage {
            cpu_ns: 0,
            voluntary_switches: field(&status, "voluntary_ctxt_switches")?,
            involuntary_switches: field(&status, "nonvoluntary_ctxt_switches")?,
        })
    }

    /// The usage since `earlier`.
    pub(crate) fn since(self, earlier: Usage) -> Usage {
        Usage {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            voluntary_switches: self.voluntary_switches.saturating_sub(earlier.voluntary_switches),
            involuntary_switches: self.involuntary_switches.saturating_sub(earlier.involuntary_switches),
        }
    }
}

/// Resident memory in KiB.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Memory {
    pub(crate) rss_kib: u64,
    /// Proportional set size: shared pages count in part. Absent if the kernel does not provide it.
    pub(crate) pss_kib: Option<u64>,
}

impl Memory {
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("no process {pid}"))?;
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        Ok(Memory { rss_kib: field(&status, "VmRSS")?, pss_kib: field(&rollup, "Pss").ok() })
    }
}

/// The process's CPU clock in nanoseconds. `utime` and `stime` of `/proc/PID/stat` have steps of 10 ms, as much as a
/// gateway uses in a second with few messages.
fn cpu_ns(pid: u32) -> Result<u64> {
    let pid = Pid::from_raw(i32::try_from(pid).context("not a process id")?);
    let clock = ClockId::pid_cpu_clock_id(pid).with_context(|| format!("no process {pid}"))?;
    let used = Duration::from(clock.now().with_context(|| format!("no clock of the process {pid}"))?);
    Ok(u64::try_from(used.as_nanos())?)
}

/// The number in a line such as `VmRSS:   1234 kB`.
fn field(text: &str, name: &str) -> Result<u64> {
    let value = value(text, name)?;
    Ok(value.split_whitespace().next().with_context(|| format!("{name} is empty"))?.parse()?)
}

/// The value of the line with this name.
pub(crate) fn value<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    Ok(value.with_context(|| format!("no {name}"))?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_is_found_by_its_whole_name() {
        let status = "VmRSS:\t    6124 kB\nnonvoluntary_ctxt_switches:\t7\nvoluntary_ctxt_switches:\t12\n";
        assert_eq!(field(status, "VmRSS").expect("there"), 6124);
        assert_eq!(field(status, "voluntary_ctxt_switches").expect("there"), 12);
        assert!(field(status, "Vm").is_err());
    }

    #[test]
    fn usage_of_this_process_is_positive() {
        let pid = std::process::id();
        let earlier = Usage::of(pid).expect("own usage");
        std::hint::black_box(vec![1_u8; 1 << 20]);
        assert!(Usage::of(pid).expect("own usage").since(earlier).cpu_ns > 0);
        assert!(Memory::of(pid).expect("own memory").rss_kib > 0);
    }
}
