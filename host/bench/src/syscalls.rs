//! Number of system calls of a process, counted by the kernel through perf, or by strace.

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

const EVENT: &str = "raw_syscalls:sys_enter";

/// The program that counts system calls on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Counter {
    /// Costs 0.1 µs per system call.
    Perf,
    /// Stops the process at each system call: the count is correct, but the slower process batches more.
    Strace,
    /// Neither can be used on this machine.
    None,
}

/// The count of one time window, separate from the window in which CPU time is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Count {
    pub(crate) syscalls: u64,
    pub(crate) seconds: f64,
}

impl Counter {
    /// Finds a counter by trying each on another process: a user who may trace child processes may not always attach to
    /// other processes.
    pub(crate) async fn find(dir: &Path) -> Result<Self> {
        let busy = ["-c", "while sleep 0.01; do :; done"];
        let mut other = tokio::process::Command::new("sh").args(busy).kill_on_drop(true).spawn()?;
        let pid = other.id().context("sh has ended")?;
        let mut found = Counter::None;
        for counter in [Counter::Perf, Counter::Strace] {
            let counted = counter.count(pid, Duration::from_millis(100), dir).await;
            if counted.is_ok_and(|count| count.is_some_and(|count| count.syscalls > 0)) {
                found = counter;
                break;
            }
        }
        other.kill().await?;
        Ok(found)
    }

    /// Counts for `window`; the report is a file in `dir`.
    pub(crate) async fn count(self, pid: u32, window: Duration, dir: &Path) -> Result<Option<Count>> {
        let (report, seconds) = (dir.join("syscalls.txt"), window.as_secs_f64().to_string());
        let mut command = match self {
            Counter::None => return Ok(None),
            Counter::Perf => {
                let mut perf = tokio::process::Command::new("perf");
                perf.args(["stat", "-e", EVENT, "-p", &pid.to_string(), "-o"]).arg(&report);
                perf.args(["--", "sleep", &seconds]);
                perf
            }
            Counter::Strace => {
                let mut strace = tokio::process::Command::new("timeout");
                strace.args(["-s", "INT", &seconds, "strace", "-c", "-f", "-p", &pid.to_string(), "-o"]).arg(&report);
                strace
            }
        };
        let ended =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).status();
        // The exit status is ignored: it only says that the counter was interrupted.
        ended.await.with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        let text = fs::read_to_string(&report).context("no report on system calls")?;
        let count = match self {
            Counter::Perf => read_perf(&text),
            Counter::Strace => read_strace(&text).map(|syscalls| Count { syscalls, seconds: window.as_secs_f64() }),
            Counter::None => return Ok(None),
        };
        match count {
            Some(count) => Ok(Some(count)),
            None => bail!("unreadable report on system calls:\n{text}"),
        }
    }
}

/// `     12345      raw_syscalls:sys_enter` and `  1.002 seconds time elapsed`, numbers with or without separators. A
/// process without system calls is reported as not counted.
fn read_perf(text: &str) -> Option<Count> {
    let line = |end: &str| text.lines().find_map(|line| line.split_once(end).map(|(number, _)| number.trim()));
    let number = line(EVENT)?;
    let syscalls =
        if number == "<not counted>" { 0 } else { number.replace([',', '.', '\u{202f}'], "").parse().ok()? };
    Some(Count { syscalls, seconds: line("seconds time elapsed")?.replace(',', ".").parse().ok()? })
}

/// The last line, `100.00    0.034288          21      1592           total`, whose columns before `total` vary.
fn read_strace(text: &str) -> Option<u64> {
    let total = text.lines().rev().find(|line| line.trim_end().ends_with("total"))?;
    let columns: Vec<_> = total.split_whitespace().collect();
    columns.get(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_perf_are_read() {
        let text = "# started on Wed\n\n Performance counter stats for process id '7':\n\n            12,850      raw_syscalls:sys_enter   \n\n       1.002109796 seconds time elapsed\n\n";
        assert_eq!(read_perf(text), Some(Count { syscalls: 12_850, seconds: 1.002_109_796 }));
        assert_eq!(
            read_perf("     <not counted>      raw_syscalls:sys_enter\n 1.0 seconds time elapsed"),
            Some(Count { syscalls: 0, seconds: 1.0 })
        );
        assert_eq!(read_perf("event syntax error"), None);
    }

    #[test]
    fn reports_of_strace_are_read() {
        let text = "% time     seconds  usecs/call     calls    errors syscall\n------ ----------- ----------- --------- --------- ----------------\n 60.00    0.034288          21      1592         3 recvfrom\n------ ----------- ----------- --------- --------- ----------------\n100.00    0.034288          21      1600         3 total\n";
        assert_eq!(read_strace(text), Some(1600));
        assert_eq!(read_strace("strace: attach: Operation not permitted"), None);
    }

    #[tokio::test]
    async fn counter_found_counts_this_process() {
        let dir = tempfile::tempdir().expect("a directory");
        let counter = Counter::find(dir.path()).await.expect("searched");
        // In a debugger, or where tracing is not permitted, no counter is found.
        let busy = async {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let count = tokio::select! {
            count = counter.count(std::process::id(), Duration::from_millis(200), dir.path()) => count,
            () = busy => unreachable!(),
        };
        if counter == Counter::Perf {
            assert!(count.expect("counted").expect("a count").syscalls > 0);
        }
    }
}
