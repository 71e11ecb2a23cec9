//! Metrics of the trials that run.

use super::figures::ShadowReport;
use super::trials::Trials;
use crate::operations::metrics::collect::{collector, write_family};
use crate::operations::names::trial_mode;
use ocpp_gateway_pipeline::TrialStatus;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::sync::Arc;

#[derive(Debug, Clone, EncodeLabelSet)]
struct TrialLabels {
    transform: String,
    mode: &'static str,
}

#[derive(Debug, Clone, EncodeLabelSet)]
struct OutcomeLabels {
    transform: String,
    outcome: &'static str,
}

/// Metrics of trials, read when the page is requested. They are there as long as a trial runs.
pub fn trial_metrics(trials: Arc<Trials>) -> Box<dyn Collector> {
    collector(move |encoder| {
        let running = trials.running();
        let taking_part = running.iter().map(|(trial, _)| {
            let labels = TrialLabels { transform: trial.name.clone(), mode: trial_mode(trial.mode) };
            (labels, ConstGauge::new(i64::try_from(trial.group.charge_points).unwrap_or(i64::MAX)))
        });
        let help = "Charge points that take part in a trial, by transform and mode";
        write_family(encoder, "trial_charge_points", help, taking_part)?;
        let help = "Calls of a transform that its shadow has repeated, by outcome";
        write_family(encoder, "trial_calls", help, running.iter().flat_map(outcomes))
    })
}

/// Of a shadow.
fn outcomes((trial, shadow): &(TrialStatus, Option<ShadowReport>)) -> Vec<(OutcomeLabels, ConstCounter<u64>)> {
    let Some(shadow) = shadow else { return Vec::new() };
    let counts = [
        ("equal", shadow.equal),
        ("different", shadow.different),
        ("failed", shadow.failed),
        ("skipped", shadow.skipped),
    ];
    let labels = |outcome| OutcomeLabels { transform: trial.name.clone(), outcome };
    counts.into_iter().map(|(outcome, count)| (labels(outcome), ConstCounter::new(count))).collect()
}
