//! One step: what has happened between two snapshots.

use super::snapshot::{Counts, Gauges, Snapshot};
use crate::operations::metrics::HistogramCounts;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time from one step to the next.
pub const STEP: Duration = Duration::from_secs(10);

/// What has happened between two snapshots, and how things stood at the second.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its end, in seconds since 1970.
    pub end: u64,
    /// How long it was.
    seconds: f64,
    pub(super) counts: Counts,
    gauges: Gauges,
    pub(super) transform_failures: Vec<(String, u64)>,
    answers_from_charge_points: AnswerTimes,
    answers_to_charge_points: AnswerTimes,
    /// Seconds of CPU time per second.
    cpu: Option<f64>,
}

/// Times until answers, in seconds. `None`: there were no answers.
#[derive(Debug, Clone, Copy, PartialEq)]
struct AnswerTimes {
    p50: Option<f64>,
    p99: Option<f64>,
}

/// A number of a step.
type Figure = fn(&Step) -> Option<f64>;

/// All figures by their names in the admin API.
pub const SERIES: [(&str, Figure); 19] = [
    ("charge_points", |step| count(step.gauges.charge_points)),
    ("connected", |step| step.per_second(step.counts.connected)),
    ("disconnected", |step| step.per_second(step.counts.disconnected)),
    ("refused", |step| step.per_second(step.counts.refused)),
    ("messages_from_charge_points", |step| step.per_second(step.counts.messages_from_charge_points)),
    ("messages_to_charge_points", |step| step.per_second(step.counts.messages_to_charge_points)),
    ("calls_answered", |step| step.per_second(step.counts.calls_answered)),
    ("errors", |step| step.per_second(step.counts.errors)),
    ("incidents", |step| step.per_second(step.counts.incidents)),
    ("answer_p50_from_charge_points", |step| step.answers_from_charge_points.p50.map(rounded)),
    ("answer_p99_from_charge_points", |step| step.answers_from_charge_points.p99.map(rounded)),
    ("answer_p50_to_charge_points", |step| step.answers_to_charge_points.p50.map(rounded)),
    ("answer_p99_to_charge_points", |step| step.answers_to_charge_points.p99.map(rounded)),
    ("broker_connected", |step| count(step.gauges.is_broker_connected.into())),
    ("in_flight", |step| count(step.gauges.in_flight)),
    ("backlog", |step| count(step.gauges.backlog)),
    ("memory", |step| step.gauges.memory.and_then(count)),
    ("cpu", |step| step.cpu.map(rounded)),
    ("transform_failures", |step| step.per_second(step.transform_failures.iter().map(|(_, count)| count).sum())),
];

impl Step {
    /// `length`: the time between the snapshots.
    pub(super) fn between(earlier: &Snapshot, later: &Snapshot, end: SystemTime, length: Duration) -> Self {
        let cpu = later.cpu.zip(earlier.cpu).map(|(later, earlier)| later.saturating_sub(earlier));
        Step {
            end: end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            seconds: length.as_secs_f64(),
            counts: later.counts.since(&earlier.counts),
            gauges: later.gauges,
            transform_failures: later.failures_since(earlier),
            answers_from_charge_points: AnswerTimes::between(
                &earlier.answers_from_charge_points,
                &later.answers_from_charge_points,
            ),
            answers_to_charge_points: AnswerTimes::between(
                &earlier.answers_to_charge_points,
                &later.answers_to_charge_points,
            ),
            cpu: cpu.map(|cpu| cpu.as_secs_f64() / length.as_secs_f64()),
        }
    }

    fn per_second(&self, count: u64) -> Option<f64> {
        Some(rounded(count as f64 / self.seconds))
    }
}

impl AnswerTimes {
    fn between(earlier: &HistogramCounts, later: &HistogramCounts) -> Self {
        let answers = later.since(earlier);
        AnswerTimes { p50: answers.quantile(0.5), p99: answers.quantile(0.99) }
    }
}

fn count(number: u64) -> Option<f64> {
    Some(number as f64)
}

/// To a millionth: more digits only make the page longer.
fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}
