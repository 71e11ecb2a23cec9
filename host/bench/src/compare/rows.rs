//! The runs of a comparison, as a table and as JSON.

use crate::report::{Report, figure};
use anyhow::{Result, ensure};
use serde::Serialize;

/// A named run.
#[derive(Serialize)]
pub(super) struct ComparisonRow {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) report: Report,
}

/// Prints a row when it is measured, after a heading if it is the first.
pub(super) fn progress(json: bool, first: bool, row: &ComparisonRow) {
    if json {
        return;
    }
    if first {
        println!(
            "{:<18} {:>8} {:>9} {:>11} {:>13} {:>13} {:>8} {:>8} {:>7} {:>9} {:>8}",
            "run",
            "points",
            "CALLs/s",
            "µs CPU/CALL",
            "syscalls/CALL",
            "switches/CALL",
            "p50 µs",
            "p99 µs",
            "errors",
            "RSS MiB",
            "KiB/cp"
        );
    }
    let report = &row.report;
    let gateway = report.gateway.as_ref();
    println!(
        "{:<18} {:>8} {:>9.0} {:>11} {:>13} {:>13} {:>8} {:>8} {:>7} {:>9} {:>8}",
        row.name,
        report.charge_points,
        report.calls_per_second,
        figure(report.cpu_us_per_call(), 2),
        figure(report.syscalls_per_call(), 2),
        figure(report.switches_per_call(), 2),
        report.latency_us.p50,
        report.latency_us.p99,
        report.errors.total(),
        figure(gateway.map(|gateway| gateway.memory.rss_kib as f64 / 1024.0), 1),
        figure(gateway.map(|gateway| gateway.rss_kib_per_charge_point), 1),
    );
}

pub(super) fn finish(json: bool, rows: &[ComparisonRow], figures: &[(&str, f64)], summary: &str) -> Result<()> {
    if json {
        let figures: serde_json::Map<_, _> =
            figures.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "runs": rows, "figures": figures }))?);
    } else {
        println!("{summary}");
    }
    for row in rows {
        let errors = row.report.errors;
        ensure!(errors.total() == 0, "{}: {} errors: {errors}", row.name, errors.total());
    }
    Ok(())
}
