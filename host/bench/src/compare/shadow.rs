//! The gateway without and with a shadow trial of its mapping, at the same rate.

use super::rows::{ComparisonRow, finish, progress};
use crate::load::Work;
use crate::report::Report;
use crate::stand::{Contestant, Run, Stand};
use crate::statistics::median;
use crate::transform_trial::{Candidate, ShadowCounts};
use anyhow::{Context as _, Result, ensure};
use std::fmt::Write as _;

/// Share of the rate of a closed loop.
const SHARE: f64 = 0.5;
/// Share of the rate that has to be reached.
const REACHED: f64 = 0.95;

/// The figures of one round, and the sums of all rounds.
#[derive(Default)]
struct Ratios {
    cpu: Vec<f64>,
    p99: Vec<f64>,
    /// What the shadow has seen, and the answered CALLs beside it.
    seen: ShadowCounts,
    calls: u64,
}

pub(super) struct ShadowComparison<'a> {
    pub(super) stand: &'a Stand<'a>,
    pub(super) candidate: Candidate,
    pub(super) charge_points: usize,
    pub(super) rounds: usize,
    /// CALLs per second; `None`: half of what a closed loop reaches.
    pub(super) rate: Option<f64>,
    pub(super) json: bool,
}

impl ShadowComparison<'_> {
    pub(super) async fn run(&self) -> Result<()> {
        let mut rows = Vec::new();
        let rate = match self.rate {
            Some(rate) => rate,
            None => {
                let closed_loop = Run::new(self.charge_points, Work::closed_loop());
                self.measure(&mut rows, "closed loop".to_owned(), &closed_loop).await?.calls_per_second * SHARE
            }
        };
        ensure!(rate > 0.0, "the rate is 0 CALLs a second: see --rate");
        let without = Run::new(self.charge_points, Work::at_rate(rate, self.charge_points));
        let with = Run { shadow: Some(self.candidate), ..without.clone() };
        let mut ratios = Ratios::default();
        for round in 1..=self.rounds {
            let mut runs = [("without", &without), ("with a shadow", &with)];
            // The order alternates, so that a drift of the machine affects both.
            if round % 2 == 0 {
                runs.reverse();
            }
            let mut reports = Vec::new();
            for (name, run) in runs {
                reports.push(self.measure(&mut rows, format!("{round} {name}"), run).await?);
            }
            if round % 2 == 0 {
                reports.reverse();
            }
            ratios.add(&reports[0], &reports[1]).with_context(|| format!("round {round}"))?;
        }
        let (figures, mut summary) = ratios.summary(rate, self.rounds)?;
        for row in rows.iter().filter(|row| row.report.calls_per_second < rate * REACHED) {
            let _ = write!(summary, "\n{}: only {:.0} CALLs a second", row.name, row.report.calls_per_second);
        }
        finish(self.json, &rows, &figures, &summary)
    }

    async fn measure(&self, rows: &mut Vec<ComparisonRow>, name: String, run: &Run) -> Result<Report> {
        let report = self.stand.report(Contestant::Gateway, run).await?;
        let row = ComparisonRow { name, report: report.clone() };
        progress(self.json, rows.is_empty(), &row);
        rows.push(row);
        Ok(report)
    }
}

impl Ratios {
    /// Adds a round. Fails if the shadow has seen no message.
    fn add(&mut self, without: &Report, with: &Report) -> Result<()> {
        let seen = with.shadow.context("there was no shadow")?;
        ensure!(seen.messages > 0, "the shadow has seen no message, and skipped {}", seen.skipped);
        self.seen = self.seen.plus(seen);
        self.calls += with.calls;
        let cost = |report: &Report| report.cpu_us_per_call().context("no CALL was answered");
        self.cpu.push(cost(with)? / cost(without)?);
        self.p99.push(with.latency_us.p99 as f64 / without.latency_us.p99 as f64);
        Ok(())
    }

    /// The figures with their names, and the same as text.
    fn summary(&self, rate: f64, rounds: usize) -> Result<(Vec<(&'static str, f64)>, String)> {
        let cpu = median(&self.cpu).context("no rounds")?;
        let p99 = median(&self.p99).context("no rounds")?;
        let ShadowCounts { messages, equal, different, failed, skipped } = self.seen;
        let counts = [
            ("shadow_messages", messages),
            ("shadow_equal", equal),
            ("shadow_different", different),
            ("shadow_failed", failed),
            ("shadow_skipped", skipped),
        ];
        let mut figures = vec![("rate", rate), ("cpu_ratio_shadow", cpu), ("p99_ratio_shadow", p99)];
        figures.extend(counts.map(|(name, count)| (name, count as f64)));
        let summary = format!(
            "with a shadow / without, at {rate:.0} CALLs a second, medians of {rounds}: CPU per answered CALL {cpu:.2}, p99 \
             {p99:.2}\nof {} CALLs in all rounds and their answers, the shadow saw {}",
            self.calls, self.seen
        );
        Ok((figures, summary))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::public::results::tests::report;

    fn with(shadow: ShadowCounts, report: Report) -> Report {
        Report { shadow: Some(shadow), ..report }
    }

    #[test]
    fn ratios_are_medians_of_the_rounds_and_counts_are_sums() {
        let seen = ShadowCounts { messages: 10, equal: 9, failed: 1, skipped: 2, ..ShadowCounts::default() };
        let mut ratios = Ratios::default();
        for cpu in [30, 10, 14] {
            ratios.add(&report(10, 1000), &with(seen, report(cpu, 2000))).expect("a round");
        }
        let (figures, summary) = ratios.summary(5000.0, 3).expect("rounds");
        let figure = |name| figures.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
        assert_eq!(figure("cpu_ratio_shadow"), Some(1.4));
        assert_eq!(figure("shadow_skipped"), Some(6.0));
        assert!(summary.contains("of 300 CALLs"), "{summary}");
        assert!(summary.contains("30 messages: 27 equal, 0 different, 3 failed; 6 skipped"), "{summary}");
        let p99 = figure("p99_ratio_shadow").expect("a p99");
        assert!((p99 - 2.0).abs() < 0.01, "{p99}");
    }

    #[test]
    fn shadow_that_has_seen_nothing_is_an_error() {
        let skipped = ShadowCounts { skipped: 7, ..ShadowCounts::default() };
        let added = Ratios::default().add(&report(10, 1000), &with(skipped, report(10, 1000)));
        assert!(added.expect_err("nothing seen").to_string().ends_with("skipped 7"));
        assert!(Ratios::default().add(&report(10, 1000), &report(10, 1000)).is_err());
    }
}
