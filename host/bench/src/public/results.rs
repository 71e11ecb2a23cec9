//! What was found, row by row.

use super::machine::Machine;
use super::scenario::Scenario;
use crate::report::Report;
use crate::stand::Contestant;
use crate::statistics::{median, spread};
use serde::Serialize;

/// Everything that one run of the benchmark found.
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
    /// Why there are no figures, or fewer, with the round.
    pub(crate) remarks: Vec<String>,
    /// Why there need not be any.
    pub(crate) skipped: Option<String>,
    pub(crate) rounds: Vec<Report>,
}

/// The medians of its rounds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    pub(crate) calls_per_second: f64,
    pub(crate) cpu_us_per_call: Option<f64>,
    /// Of the CPU times: how far the rounds are apart, in parts of the median.
    pub(crate) cpu_spread: Option<f64>,
    /// Of one core.
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) syscalls_per_call: Option<f64>,
    pub(crate) switches_per_call: Option<f64>,
    pub(crate) p50_us: Option<f64>,
    pub(crate) p99_us: Option<f64>,
    pub(crate) rss_mib: Option<f64>,
    pub(crate) rss_kib_per_charge_point: Option<f64>,
    /// Of one core: the programs around it.
    pub(crate) broker_percent: Option<f64>,
    pub(crate) generator_percent: Option<f64>,
    /// Of all rounds.
    pub(crate) errors: u64,
    pub(crate) turned_away: u64,
}

/// With fewer charge points, what a process takes for itself once it is busy hides what they take.
const CROWD: usize = 100;

impl Row {
    pub(crate) fn add(&mut self, report: Report) {
        self.rounds.push(report);
        self.summary = Summary::of(&self.rounds);
    }

    pub(crate) fn remark(&mut self, round: usize, remark: &str) {
        self.remarks.push(format!("round {round}: {remark}"));
    }

    /// The contestant has no figures here, and need not have any.
    pub(crate) fn skip(&mut self, reason: &str) {
        self.skipped = Some(reason.to_owned());
    }

    /// Whether a window was too short for three CALLs of each charge point, on average: then what was begun before it, or
    /// not ended in it, weighs too much.
    pub(crate) fn is_hasty(&self) -> bool {
        self.rounds.iter().any(|report| report.calls < 3 * report.charge_points as u64)
    }
}

impl Summary {
    pub(crate) fn of(rounds: &[Report]) -> Option<Self> {
        let values = |figure: fn(&Report) -> Option<f64>| rounds.iter().filter_map(figure).collect::<Vec<_>>();
        let middle = |figure: fn(&Report) -> Option<f64>| median(&values(figure));
        Some(Summary {
            calls_per_second: middle(|report| Some(report.calls_per_second))?,
            cpu_us_per_call: middle(Report::cpu_us_per_call),
            cpu_spread: spread(&values(Report::cpu_us_per_call)).filter(|_| rounds.len() > 1),
            cpu_percent: middle(|report| Some(report.gateway.as_ref()?.cpu_percent)),
            syscalls_per_call: middle(Report::syscalls_per_call),
            switches_per_call: middle(Report::switches_per_call),
            p50_us: middle(|report| (report.calls > 0).then_some(report.latency_us.p50 as f64)),
            p99_us: middle(|report| (report.calls > 0).then_some(report.latency_us.p99 as f64)),
            rss_mib: middle(|report| Some(report.gateway.as_ref()?.memory.rss_kib as f64 / 1024.0)),
            rss_kib_per_charge_point: middle(|report| {
                let gateway = report.gateway.as_ref().filter(|_| report.charge_points >= CROWD)?;
                Some(gateway.rss_kib_per_charge_point)
            }),
            broker_percent: middle(|report| report.broker_cpu_percent),
            generator_percent: middle(|report| Some(report.generator_cpu_percent)),
            errors: rounds.iter().map(|report| report.errors.total()).sum(),
            turned_away: rounds.iter().map(|report| report.turned_away).sum(),
        })
    }
}

impl Results {
    /// The row of a contestant at a point, new if there is none.
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

    /// What went wrong, line by line. That a gateway refuses a scenario is no fault.
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
    use crate::report::{Around, Cost};
    use crate::stats::Stats;
    use crate::usage::{Memory, Usage};
    use std::time::Duration;

    /// 100 CALLs in a second, each of which took `cpu_us` and `latency_us`.
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
        let around = Around { broker: Some(Usage::default()), ..Around::default() };
        Report::new(CROWD, 1.0, &stats, around, Some(cost))
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
    fn a_summary_is_of_the_medians() {
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
    fn what_was_skipped_is_no_fault_and_what_failed_is() {
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
    fn a_window_with_less_than_three_calls_of_each_charge_point_is_hasty() {
        let mut results = results();
        assert!(results.rows.iter().all(Row::is_hasty));
        let row = results.row(Scenario::Closed, "1", 1.0, Contestant::Floor);
        row.rounds.iter_mut().for_each(|report| report.calls = 300);
        assert!(!row.is_hasty());
        row.rounds[1].calls = 299;
        assert!(row.is_hasty());
    }
}
