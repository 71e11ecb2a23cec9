//! The results as Markdown.

use super::results::{Results, Row, Summary};
use super::scenario::Scenario;
use crate::report::figure;
use crate::stand::Contestant;
use crate::syscalls::Counter;
use std::fmt::Write as _;

/// A page with a table for each scenario.
pub(crate) fn page(results: &Results) -> String {
    let mut page = String::from("# Results\n\n");
    heading(&mut page, results);
    for &scenario in Scenario::ALL {
        if results.of(scenario).next().is_some() {
            table(&mut page, results, scenario);
        }
    }
    page
}

fn heading(page: &mut String, results: &Results) {
    let machine = &results.machine;
    let programs: Vec<_> = machine.programs.iter().map(|(name, version)| format!("{name}: {version}")).collect();
    let pinned = match &machine.pinned {
        Some(cores) => format!(
            "contestant on core {}, broker on {}, generator and responder on {}",
            cores.contestant, cores.broker, cores.generator
        ),
        None => "programs not pinned to cores".to_owned(),
    };
    let syscalls = match machine.syscalls_counted_by {
        Counter::Perf => "counted by perf (`raw_syscalls:sys_enter`)",
        Counter::Strace => "counted by strace, which slows down the counted program",
        Counter::None => "not counted: neither perf nor strace is available",
    };
    let _ = write!(
        page,
        "{}, {} cores, {} GiB, Linux {}; {}. {}. QoS {}; medians of {} rounds of {} s each, contestants alternating; \
         {pinned}; system calls {syscalls}.\n\n    {}\n\n",
        machine.processor,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        machine.date,
        programs.join("; "),
        machine.qos,
        machine.rounds,
        machine.seconds_per_round,
        machine.command,
    );
}

fn table(page: &mut String, results: &Results, scenario: Scenario) {
    let _ = write!(
        page,
        "## {}\n\n{}\n\n\
         | {} | contestant | CALLs/s | µs CPU per CALL | ± % | against the {} | system calls per CALL | switches per CALL \
         | p50 ms | p99 ms | RSS MiB | KiB per charge point | broker, generator % | errors |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        scenario.title(),
        explanation(scenario),
        match scenario {
            Scenario::Open => "load",
            Scenario::Chain => "chain",
            Scenario::Validation => "validation",
            Scenario::Tls => "what",
            _ => "charge points",
        },
        if compares_points(scenario) { "first line" } else { "floor" },
    );
    for row in results.of(scenario) {
        match &row.summary {
            Some(summary) => line(page, results, row, summary),
            None => {
                let remark = row.skipped.clone().unwrap_or_else(|| row.remarks.join("; "));
                let _ = writeln!(
                    page,
                    "| {} | {} | {} | | | | | | | | | | | |",
                    row.point,
                    row.contestant.name(),
                    cell(&remark)
                );
            }
        }
    }
    for row in results.of(scenario).filter(|row| row.summary.is_some()) {
        for remark in remarks(row) {
            let _ = writeln!(page, "\n{}, {}: {}", row.point, row.contestant.name(), cell(&remark));
        }
    }
    page.push('\n');
}

fn line(page: &mut String, results: &Results, row: &Row, summary: &Summary) {
    let against = against(results, row, summary);
    let _ = writeln!(
        page,
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {}, {} | {} |",
        row.point,
        row.contestant.name(),
        figure(Some(summary.calls_per_second).filter(|calls| *calls > 0.0), 0),
        figure(summary.cpu_us_per_call, 1),
        figure(summary.cpu_spread.map(|spread| spread * 50.0), 0),
        figure(against, 2),
        figure(summary.syscalls_per_call, 2),
        figure(summary.switches_per_call, 2),
        figure(summary.p50_us.map(|us| us / 1e3), 2),
        figure(summary.p99_us.map(|us| us / 1e3), 2),
        figure(summary.rss_mib, 1),
        figure(summary.rss_kib_per_charge_point, 1),
        figure(summary.broker_percent, 0),
        figure(summary.generator_percent, 0),
        summary.errors,
    );
}

/// Remarks on failures and on the limits of its figures.
fn remarks(row: &Row) -> Vec<String> {
    let mut remarks = row.remarks.clone();
    if row.scenario.is_closed_loop() && row.is_window_too_short() {
        remarks.push("fewer than three CALLs of each charge point in a window, on average".into());
    }
    let refused = row.summary.as_ref().map_or(0, |summary| summary.refused_connections);
    if refused > 0 {
        remarks.push(format!("{refused} connections were refused and tried again"));
    }
    remarks
}

/// The ratio of CPU per CALL, or of memory for idle charge points, to the floor at the same point or to the first line.
fn against(results: &Results, row: &Row, summary: &Summary) -> Option<f64> {
    let other = if compares_points(row.scenario) {
        let kind = row.point.split(", ").nth(1);
        let first = results.of(row.scenario).find(|first| first.point.split(", ").nth(1) == kind)?;
        first.summary.as_ref()?
    } else {
        results.summary(row.scenario, &row.point, Contestant::Floor)?
    };
    match (summary.cpu_us_per_call, other.cpu_us_per_call) {
        (Some(own), Some(other)) => Some(own / other),
        (Some(_), None) | (None, Some(_)) => None,
        (None, None) => Some(summary.rss_kib_per_charge_point? / other.rss_kib_per_charge_point?),
    }
}

fn compares_points(scenario: Scenario) -> bool {
    matches!(scenario, Scenario::Chain | Scenario::Validation | Scenario::Tls)
}

/// Escapes text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn explanation(scenario: Scenario) -> &'static str {
    match scenario {
        Scenario::Closed => "Each charge point sends a Heartbeat as soon as the previous one is answered.",
        Scenario::Qos => "The same with QoS 0 and 1 for all publications and subscriptions.",
        Scenario::Open => {
            "400 charge points send Heartbeats at a fixed rate. Latencies count from when a CALL was due."
        }
        Scenario::Mix => {
            "The CALLs of a day (287 Heartbeats, 236 MeterValues of 1.5 KB, 18 StatusNotifications, 4 transactions, a \
             BootNotification), each as soon as the previous one is answered."
        }
        Scenario::Storm => {
            "All charge points connect at the same moment and boot. A CALL is a connection and its BootNotification; \
             latencies count from that moment to the answer."
        }
        Scenario::Idle => "Charge points that have booted and are silent. Against the floor: memory per charge point.",
        Scenario::FanOut => "A back end sends each charge point a CALL as soon as it has answered the previous one.",
        Scenario::Chain => "The mapping alone, and after two and four transforms that pass every uplink frame on.",
        Scenario::Validation => "StatusNotifications of 110 bytes, with and without validation of each payload.",
        Scenario::Tls => {
            "The same with and without TLS. Against the first line of its kind; where all are idle: memory."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::results::tests::{report, results};
    use super::*;

    #[test]
    fn line_has_the_medians_and_the_ratio() {
        let page = page(&results());
        assert!(
            page.contains(
                "| 100 | gateway | 100 | 23.0 | 4 | 1.10 | - | 0.50 | 0.60 | 0.60 | 1.1 | 1.0 | 0, 0 | 3 |\n"
            ),
            "{page}"
        );
        assert!(page.contains("| 100 | floor | 100 | 21.0 | 5 | 1.00 |"), "{page}");
        assert!(page.contains("a processor, 2 cores, 24 GiB"), "{page}");
    }

    #[test]
    fn skipped_row_shows_the_reason() {
        let mut results = results();
        results.row(Scenario::Tls, "wss, closed loop", 0.0, Contestant::Gateway).skip("no | such key");
        let page = page(&results);
        assert!(page.contains("| wss, closed loop | gateway | no \\| such key |"), "{page}");
    }

    #[test]
    fn chains_are_compared_with_their_first_line() {
        let mut results = results();
        for (point, cpu) in [("standard alone", 20), ("3 transforms", 25)] {
            results.row(Scenario::Chain, point, 0.0, Contestant::Gateway).add(report(cpu, 500));
        }
        let page = page(&results);
        assert!(page.contains("| 3 transforms | gateway | 100 | 25.0 | - | 1.25 |"), "{page}");
        assert!(page.contains("against the first line"), "{page}");
    }
}
