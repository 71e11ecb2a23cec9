//! The results of a run of the load generator, as a table and as JSON.

use crate::stats::{Errors, Stats};
use crate::syscalls::{Count, Counter};
use crate::transform_trial::ShadowCounts;
use crate::usage::{Memory, Usage};
use serde::Serialize;
use std::fmt;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) charge_points: usize,
    pub(crate) seconds: f64,
    pub(crate) calls: u64,
    pub(crate) calls_per_second: f64,
    /// From CALL to CALLRESULT, as the charge point sees it.
    pub(crate) latency_us: Latency,
    pub(crate) errors: Errors,
    /// Number of connections that were refused, or ended before the charge point had booted, and were tried again.
    pub(crate) refused_connections: u64,
    pub(crate) generator_cpu_us_per_call: Option<f64>,
    /// In percent of one core; the generator is also the back end.
    pub(crate) generator_cpu_percent: f64,
    pub(crate) broker_cpu_percent: Option<f64>,
    pub(crate) gateway: Option<GatewayReport>,
    /// What the candidate of a shadow trial has seen within the measured window. Absent if there was no trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shadow: Option<ShadowCounts>,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

/// Resource usage of the gateway, read from the operating system.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GatewayReport {
    /// In percent of one core.
    pub(crate) cpu_percent: f64,
    pub(crate) cpu_us_per_call: Option<f64>,
    pub(crate) voluntary_switches_per_call: Option<f64>,
    pub(crate) involuntary_switches_per_call: Option<f64>,
    /// Absent if they are not counted.
    pub(crate) syscalls: Option<Syscalls>,
    pub(crate) memory: Memory,
    /// Growth since before the first charge point connected.
    pub(crate) rss_kib_per_charge_point: f64,
}

/// System calls, counted in a separate window after the one in which everything else is measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Syscalls {
    pub(crate) counted_by: Counter,
    pub(crate) per_second: f64,
    pub(crate) per_call: Option<f64>,
}

impl Syscalls {
    /// Divides rates, since the counter begins a little later than its window.
    pub(crate) fn new(counted_by: Counter, count: Count, calls_per_second: f64) -> Self {
        let per_second = count.syscalls as f64 / count.seconds;
        let per_call = (calls_per_second > 0.0).then(|| per_second / calls_per_second);
        Syscalls { counted_by, per_second, per_call }
    }
}

/// Resource usage of generator and broker within the measured window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TestbedUsage {
    pub(crate) generator: Usage,
    pub(crate) broker: Option<Usage>,
}

/// Raw figures of the gateway process.
pub(crate) struct Cost {
    /// Within the measured window.
    pub(crate) usage: Usage,
    /// Before any charge point connected.
    pub(crate) empty: Memory,
    /// At the end of the window.
    pub(crate) memory: Memory,
    pub(crate) syscalls: Option<Syscalls>,
}

impl GatewayReport {
    fn new(cost: &Cost, calls: u64, seconds: f64, charge_points: usize) -> Self {
        let grown = cost.memory.rss_kib as f64 - cost.empty.rss_kib as f64;
        GatewayReport {
            cpu_percent: cpu_percent(cost.usage, seconds),
            cpu_us_per_call: cpu_us_per_call(cost.usage, calls),
            voluntary_switches_per_call: per_call(cost.usage.voluntary_switches as f64, calls),
            involuntary_switches_per_call: per_call(cost.usage.involuntary_switches as f64, calls),
            syscalls: cost.syscalls,
            memory: cost.memory,
            rss_kib_per_charge_point: grown / charge_points as f64,
        }
    }
}

impl Report {
    pub(crate) fn new(
        charge_points: usize,
        seconds: f64,
        stats: &Stats,
        testbed: TestbedUsage,
        cost: Option<Cost>,
    ) -> Self {
        let latency = stats.latency();
        let calls = latency.len();
        Report {
            charge_points,
            seconds,
            calls,
            calls_per_second: calls as f64 / seconds,
            latency_us: Latency {
                p50: latency.value_at_quantile(0.5),
                p90: latency.value_at_quantile(0.9),
                p99: latency.value_at_quantile(0.99),
                max: latency.max(),
            },
            errors: stats.errors(),
            refused_connections: stats.refused_connections(),
            generator_cpu_us_per_call: cpu_us_per_call(testbed.generator, calls),
            generator_cpu_percent: cpu_percent(testbed.generator, seconds),
            broker_cpu_percent: testbed.broker.map(|broker| cpu_percent(broker, seconds)),
            gateway: cost.map(|cost| GatewayReport::new(&cost, calls, seconds, charge_points)),
            shadow: None,
        }
    }

    /// CPU microseconds of the gateway per answered CALL.
    pub(crate) fn cpu_us_per_call(&self) -> Option<f64> {
        self.gateway.as_ref()?.cpu_us_per_call
    }

    /// System calls of the gateway per answered CALL.
    pub(crate) fn syscalls_per_call(&self) -> Option<f64> {
        self.gateway.as_ref()?.syscalls?.per_call
    }

    /// Context switches of the gateway per answered CALL, of both kinds.
    pub(crate) fn switches_per_call(&self) -> Option<f64> {
        let gateway = self.gateway.as_ref()?;
        Some(gateway.voluntary_switches_per_call? + gateway.involuntary_switches_per_call?)
    }
}

fn per_call(amount: f64, calls: u64) -> Option<f64> {
    (calls > 0).then(|| amount / calls as f64)
}

/// CPU time in percent of one core.
fn cpu_percent(usage: Usage, seconds: f64) -> f64 {
    usage.cpu_ns as f64 / 1e7 / seconds
}

fn cpu_us_per_call(usage: Usage, calls: u64) -> Option<f64> {
    per_call(usage.cpu_ns as f64 / 1e3, calls)
}

/// A figure, or a dash where there is none.
pub(crate) fn figure(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p90, p99, max } = self.latency_us;
        writeln!(out, "charge points     {:>12}", self.charge_points)?;
        writeln!(out, "answered CALLs    {:>12}  in {:.1} s", self.calls, self.seconds)?;
        writeln!(out, "CALLs per second  {:>12.0}", self.calls_per_second)?;
        writeln!(out, "latency           {p50:>12}  µs p50   {p90} p90   {p99} p99   {max} max")?;
        writeln!(out, "errors            {:>12}  {}", self.errors.total(), self.errors)?;
        writeln!(
            out,
            "generator CPU     {:>12}  µs per CALL   {:.1} % of a core",
            figure(self.generator_cpu_us_per_call, 1),
            self.generator_cpu_percent
        )?;
        match &self.gateway {
            Some(gateway) => gateway.fmt(out),
            None => Ok(()),
        }
    }
}

impl fmt::Display for GatewayReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (voluntary, involuntary) = (self.voluntary_switches_per_call, self.involuntary_switches_per_call);
        writeln!(
            out,
            "gateway CPU       {:>12}  µs per CALL   {:.1} % of a core",
            figure(self.cpu_us_per_call, 1),
            self.cpu_percent
        )?;
        writeln!(
            out,
            "context switches  {:>12}  voluntary per CALL   {} involuntary",
            figure(voluntary, 2),
            figure(involuntary, 2)
        )?;
        writeln!(
            out,
            "gateway memory    {:>12}  KiB resident   {} KiB proportional",
            self.memory.rss_kib,
            figure(self.memory.pss_kib.map(|kib| kib as f64), 0)
        )?;
        writeln!(out, "per charge point  {:>12.1}  KiB resident", self.rss_kib_per_charge_point)
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("timeouts", self.timeouts),
            ("CALLERRORs", self.call_errors),
            ("unexpected messages", self.unexpected),
            ("disconnects", self.disconnects),
            ("responder", self.responder),
            ("reports on Reply topics", self.reports),
        ];
        let seen: Vec<_> =
            kinds.iter().filter(|(_, count)| *count > 0).map(|(kind, n)| format!("{n} {kind}")).collect();
        out.write_str(&seen.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_per_call_and_per_charge_point() {
        let memory = |rss_kib| Memory { rss_kib, pss_kib: None };
        let usage = Usage { cpu_ns: 2_000_000, voluntary_switches: 50, involuntary_switches: 10 };
        let count = Count { syscalls: 900, seconds: 2.0 };
        let syscalls = Some(Syscalls::new(Counter::Perf, count, 100.0));
        let cost = Cost { usage, empty: memory(1000), memory: memory(1100), syscalls };
        let gateway = GatewayReport::new(&cost, 100, 1.0, 10);
        assert_eq!(gateway.cpu_us_per_call, Some(20.0));
        assert_eq!(gateway.voluntary_switches_per_call, Some(0.5));
        assert_eq!(gateway.rss_kib_per_charge_point, 10.0);
        assert_eq!(gateway.syscalls.and_then(|syscalls| syscalls.per_call), Some(4.5));
    }

    #[test]
    fn cost_per_call_is_absent_without_calls() {
        let report = Report::new(5, 1.0, &Stats::new(), TestbedUsage::default(), None);
        assert_eq!(report.generator_cpu_us_per_call, None);
        assert!(report.to_string().contains("generator CPU                -"));
    }
}
