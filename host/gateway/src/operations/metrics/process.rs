//! Metrics of this process from the operating system, read when the page is requested.
//!
//! The crate `procfs` is not used: its parser fails if the /proc of a container lacks any line, its CPU time has steps
//! of 10 ms, and its start time changes when the clock is set.

use super::collect::{collector, write};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};
use prometheus_client::collector::Collector;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The gateway's own gauge, which is older than the metrics with the names that all programs use.
pub(super) fn resident_memory() -> Box<dyn Collector> {
    // Without /proc, the metric is absent.
    let help = "Memory in use by the process";
    collector(move |encoder| match memory("VmRSS:") {
        Some(bytes) => write(encoder, "resident_memory_bytes", help, ConstGauge::new(bytes)),
        None => Ok(()),
    })
}

/// Metrics under the names that Prometheus' client libraries give them, `process_…`.
pub fn process_registry() -> Registry {
    let mut registry = Registry::with_prefix("process");
    // Seconds since 1970. Slightly later than the time of the system, which does not matter for detecting restarts.
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    registry.register_collector(collector(move |encoder| {
        if let Some(spent) = process_cpu() {
            write(encoder, "cpu_seconds", "CPU time of the process", ConstCounter::new(spent.as_secs_f64()))?;
        }
        let max_files = getrlimit(Resource::RLIMIT_NOFILE).ok().and_then(|(soft, _)| i64::try_from(soft).ok());
        for (name, help, value) in [
            ("resident_memory_bytes", "Memory in use by the process", memory("VmRSS:")),
            ("virtual_memory_bytes", "Address space of the process", memory("VmSize:")),
            ("open_fds", "Files and sockets that are open", open_files()),
            ("max_fds", "Files and sockets that may be open", max_files),
        ] {
            if let Some(value) = value {
                write(encoder, name, help, ConstGauge::new(value))?;
            }
        }
        write(encoder, "start_time_seconds", "When it started, since 1970", ConstGauge::new(started))
    }));
    registry
}

/// CPU time of the process.
pub fn process_cpu() -> Option<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let microseconds = [usage.user_time(), usage.system_time()].iter().map(TimeVal::num_microseconds).sum::<i64>();
    Some(Duration::from_micros(microseconds.try_into().ok()?))
}

/// Resident memory of the process, in bytes. `None`: there is no /proc.
pub fn process_memory() -> Option<u64> {
    memory("VmRSS:")?.try_into().ok()
}

/// A field of /proc/self/status, converted from kB to bytes (proc(5)).
fn memory(field: &str) -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?.checked_mul(1024)
}

/// The number of open files, without the one that is opened to count them.
fn open_files() -> Option<i64> {
    i64::try_from(std::fs::read_dir("/proc/self/fd").ok()?.count()).ok().map(|count| count - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_metrics_have_plausible_values() {
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &process_registry()).expect("encoded");
        let value = |name: &str| {
            let line = page.lines().find_map(|line| line.strip_prefix(&format!("process_{name} ")));
            line.unwrap_or_else(|| panic!("{name} in {page}")).parse::<f64>().expect("a number")
        };
        assert!(value("resident_memory_bytes") > 1e6, "{page}");
        assert!(value("cpu_seconds_total") > 0.0, "{page}");
        assert!(value("virtual_memory_bytes") > value("resident_memory_bytes"), "{page}");
        assert!((3.0..value("max_fds")).contains(&value("open_fds")), "{page}");
        assert!(value("start_time_seconds") > 1.7e9, "{page}");
    }
}
