//! The results of the benchmark, row by row.

use super::machine::Machine;
use super::scenario::Scenario;
use crate::report::Report;
use crate::stand::Contestant;
use crate::statistics::{median, spread};
use serde::Serialize;

/// The results of one run of the benchmark.
#[derive(Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
}

/// One contestant at one point of a scenario.
#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) point: String,
    pub(crate) x: f64,
    pub(crate) contestant: Contestant,
    pub(crate) summary: Option<Summary>,
    /// Reasons for missing figures, with the round.
    pub(crate) remarks: Vec<String>,
    /// Reason why no figures are expected.
    pub(crate) skipped: Option<String>,
    pub(crate) rounds: Vec<Report>,
}

/// The medians of the rounds of a row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) calls_per_second: f64,
    pub(crate) cpu_us_per_call: Option<f64>,
    /// Spread of the CPU times: largest minus smallest, relative to the median.
    pub(crate) cpu_spread: Option<f64>,
    /// In percent of one core.
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) syscalls_per_call: Option<f64>,
    pub(crate) switches_per_call: Option<f64>,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) rss_mib: Option<f64>,
    pub(crate) rss_kib_per_charge_point: Option<f64>,
    /// In percent of one core: the CPU time of broker and generator.
    pub(crate) broker_percent: Option<f64>,
    pub(crate) generator_percent: Option<f64>,
    /// Sum over all rounds.
    pub(crate) errors: u64,
    /// Sum over all rounds.
    pub(crate) refused_connections: u64,
}

/// Minimum number of charge points for a figure of memory per charge point: with fewer, other memory of the process
/// dominates.
const MIN_FOR_MEMORY: usize = 100;

impl Row {
    pub(crate) fn add(&mut self, report: Report) {
        self.rounds.push(report);
        self.summary = Summary::of(&self.rounds);
    }

    pub(crate) fn remark(&mut self, round: usize, remark: &str) {
        self.remarks.push(format!("round {round}: {remark}"));
    }

    /// Records that the contestant has no figures here and need not have any.
    pub(crate) fn skip(&mut self, reason: &str) {
        self.skipped = Some(reason.to_owned());
    }

    /// Whether a window was too short for three CALLs per charge point, on average: then CALLs that cross its ends
    /// weigh too much.
    pub(crate) fn is_window_too_short(&self) -> bool {
        self.rounds.iter().any(|report| report.calls < 3 * report.charge_points as u64)
    }
}

impl Summary {
    pub(crate) fn of(rounds: &[Report]) -> Option<Self> {
        let values = |figure: fn(&Report) -> Option<f64>| rounds.iter().filter_map(figure).collect::<Vec<_>>();
        let median_of = |figure: fn(&Report) -> Option<f64>| median(&values(figure));
        Some(Summary {
            calls_per_second: median_of(|report| Some(report.calls_per_second))?,
            cpu_us_per_call: median_of(Report::cpu_us_per_call),
            cpu_spread: spread(&values(Report::cpu_us_per_call)).filter(|_| rounds.len() > 1),
            cpu_percent: median_of(|report| Some(report.gateway.as_ref()?.cpu_percent)),
            syscalls_per_call: median_of(Report::syscalls_per_call),
            switches_per_call: median_of(Report::switches_per_call),
            p50_us: median_of(|report| (report.calls > 0).then_some(report.latency_us.p50 as f64)),
            p99_us: median_of(|report| (report.calls > 0).then_some(report.latency_us.p99 as f64)),
            rss_mib: median_of(|report| Some(report.gateway.as_ref()?.memory.rss_kib as f64 / 1024.0)),
            rss_kib_per_charge_point: median_of(|report| {
                let gateway = report.gateway.as_ref().filter(|_| report.charge_points >= MIN_FOR_MEMORY)?;
                Some(gateway.rss_kib_per_charge_point)
            }),
            broker_percent: median_of(|report| report.broker_cpu_percent),
            generator_percent: median_of(|report| Some(report.generator_cpu_percent)),
            errors: rounds.iter().map(|report| report.errors.total()).sum(),
            refused_connections: rounds.iter().map(|report| report.refused_connections).sum(),
        })
    }
}

impl Results {
    /// The row of a contestant at a point; created if absent.
    pub(crate) fn row(&mut self, scenario: Scenario, point: &str, x: f64, contestant: Contestant) -> &mut Row {
        let found = self.rows.iter().position(|row| row.is(scenario, point, contestant));
        let place = found.unwrap_or_else(|| {
            self.rows.push(Row {
                scenario,
                point: point.to_owned(),
                x,
                contestant,
                summary: None,
                remarks: Vec::new(),
                skipped: None,
                rounds: Vec::new(),
            });
            self.rows.len() - 1
        });
        &mut self.rows[place]
    }

    pub(crate) fn summary(&self, scenario: Scenario, point: &str, contestant: Contestant) -> Option<&Summary> {
        self.rows.iter().find(|row| row.is(scenario, point, contestant))?.summary.as_ref()
    }

    /// The faults, one per line. A scenario that a gateway refuses is not a fault.
    pub(crate) fn faults(&self) -> Vec<String> {
        let failed =
            |row: &&Row| row.summary.as_ref().is_some_and(|summary| summary.errors > 0) || !row.remarks.is_empty();
        let line = |row: &Row| {
            format!("{} {}, {}: {}", row.scenario.title(), row.point, row.contestant.name(), row.remarks.join("; "))
        };
        self.rows.iter().filter(failed).map(line).collect()
    }

    pub(crate) fn of(&self, scenario: Scenario) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.scenario == scenario)
    }
}

impl Row {
    fn is(&self, scenario: Scenario, point: &str, contestant: Contestant) -> bool {
        self.scenario == scenario && self.point == point && self.contestant == contestant
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::report::{Cost, TestbedUsage};
    use crate::stats::Stats;
    use crate::usage::{Memory, Usage};
    use std::time::Duration;

    /// A report of 100 CALLs in a second, each with this CPU time and latency.
    pub(crate) fn report(cpu_us: u64, latency_us: u64) -> Report {
        let stats = Stats::new();
        stats.measure(true);
        (0..100).for_each(|_| stats.answered_after(Duration::from_micros(latency_us)));
        let cost = Cost {
            usage: Usage { cpu_ns: cpu_us * 100_000, voluntary_switches: 50, involuntary_switches: 0 },
            empty: Memory { rss_kib: 1000, pss_kib: None },
            memory: Memory { rss_kib: 1100, pss_kib: None },
            syscalls: None,
        };
        stats.failed(|errors| errors.timeouts += 1);
        let testbed = TestbedUsage { broker: Some(Usage::default()), ..TestbedUsage::default() };
        Report::new(MIN_FOR_MEMORY, 1.0, &stats, testbed, Some(cost))
    }

    pub(crate) fn results() -> Results {
        let mut results = Results { machine: Machine::unknown(), rows: Vec::new() };
        for (point, x) in [("1", 1.0), ("100", 100.0)] {
            for (contestant, cpu) in [(Contestant::Floor, 20), (Contestant::Gateway, 22)] {
                let row = results.row(Scenario::Closed, point, x, contestant);
                row.add(report(cpu, 500));
                row.add(report(cpu + 2, 700));
                row.add(report(cpu + 1, 600));
            }
        }
        results
    }

    #[test]
    fn summary_has_the_medians() {
        let results = results();
        let summary = results.summary(Scenario::Closed, "100", Contestant::Gateway).expect("a summary");
        assert_eq!(summary.cpu_us_per_call, Some(23.0));
        assert_eq!(summary.cpu_spread, Some(2.0 / 23.0));
        assert_eq!(summary.p50_us, Some(600.0));
        assert_eq!(summary.switches_per_call, Some(0.5));
        assert_eq!(summary.rss_kib_per_charge_point, Some(1.0));
        assert_eq!(summary.errors, 3);
        assert_eq!(Summary::of(&[]), None);
    }

    #[test]
    fn failures_are_faults_and_skipped_rows_are_not() {
        let mut results = Results { machine: Machine::unknown(), rows: Vec::new() };
        results.row(Scenario::Tls, "wss", 0.0, Contestant::Gateway).skip("no such key");
        assert_eq!(results.faults(), [""; 0]);
        results.row(Scenario::Closed, "1", 1.0, Contestant::Node).remark(2, "failed: no answer");
        assert_eq!(results.faults(), ["Closed loop 1, node: round 2: failed: no answer"]);
        let row = results.row(Scenario::Mix, "1", 1.0, Contestant::Floor);
        row.add(report(1, 1));
        row.remark(1, "1 timeouts");
        assert_eq!(results.faults().len(), 2);
    }

    #[test]
    fn window_with_fewer_than_three_calls_per_charge_point_is_too_short() {
        let mut results = results();
        assert!(results.rows.iter().all(Row::is_window_too_short));
        let row = results.row(Scenario::Closed, "1", 1.0, Contestant::Floor);
        row.rounds.iter_mut().for_each(|report| report.calls = 300);
        assert!(!row.is_window_too_short());
        row.rounds[1].calls = 299;
        assert!(row.is_window_too_short());
    }
}
