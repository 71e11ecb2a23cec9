//! What the operating system knows of this process, read when somebody asks.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

#[derive(Debug)]
pub(super) struct ProcessMetrics;

impl Collector for ProcessMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        // Where there is no /proc, there is no number either.
        let Some(bytes) = resident() else { return Ok(()) };
        encoder
            .encode_descriptor("resident_memory_bytes", "Memory in use by the process", None, MetricType::Gauge)?
            .encode_gauge(&bytes)
    }
}

/// Resident memory in bytes (proc(5): `VmRSS` of /proc/self/status, in kB).
fn resident() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_takes_some_memory() {
        assert!(resident().expect("read") > 1 << 20);
    }
}
