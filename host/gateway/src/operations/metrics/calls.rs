//! Outcomes of CALLs, and durations of messages and answers.

use super::collect::write_family;
use super::histogram::{Histogram, HistogramCounts};
use crate::operations::names::{self, DIRECTIONS};
use ocpp_gateway_core::session::{CallEnd, Direction, Outcome};
use ocpp_gateway_core::{Action, Fault};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Result, error, and each fault.
const OUTCOMES: usize = 2 + Fault::ALL.len();

/// One counter for each direction, action and outcome. All of them are allocated in advance, so that a message needs
/// neither a lookup nor an allocation, and no charge point can add a counter.
#[derive(Debug)]
pub struct CallMetrics {
    ended: Box<[AtomicU64]>,
    /// By the direction of the message: from its arrival until it is handed over, with session and transforms.
    handed_over: [Histogram; 2],
    /// By the direction of the CALL: until the answer of the other side.
    answers: [Histogram; 2],
}

impl CallMetrics {
    pub fn new() -> Arc<Self> {
        let ended = std::iter::repeat_with(AtomicU64::default).take(2 * Action::COUNT * OUTCOMES).collect();
        Arc::new(CallMetrics { ended, handed_over: Default::default(), answers: Default::default() })
    }

    pub fn ended(&self, end: &CallEnd) {
        let CallEnd { direction, action, outcome, answered_after, .. } = *end;
        self.ended[place(direction, action, outcome)].fetch_add(1, Ordering::Relaxed);
        if let Some(after) = answered_after {
            self.answers[direction as usize].observe(after);
        }
    }

    /// CALLs that ended with a CALLRESULT, and those that ended in another way.
    pub fn answered_and_not(&self) -> (u64, u64) {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let calls = self.ended.chunks_exact(OUTCOMES).map(|outcomes| {
            let all: u64 = outcomes.iter().map(load).sum();
            let answered = outcomes.first().map(load).unwrap_or_default();
            (answered, all - answered)
        });
        calls.fold((0, 0), |(answered, not), (more, others)| (answered + more, not + others))
    }

    /// Times until the answers of CALLs in this direction.
    pub fn answer_times(&self, direction: Direction) -> HistogramCounts {
        self.answers[direction as usize].counts()
    }

    /// A message was handed over, `after` its arrival.
    pub fn record_message_duration(&self, direction: Direction, after: Duration) {
        self.handed_over[direction as usize].observe(after);
    }
}

fn place(direction: Direction, action: Action, outcome: Outcome) -> usize {
    let outcome = match outcome {
        Outcome::Result => 0,
        Outcome::Error => 1,
        Outcome::Failed(fault) => 2 + fault as usize,
    };
    (direction as usize * Action::COUNT + action.index()) * OUTCOMES + outcome
}

/// All combinations of labels.
fn combinations() -> impl Iterator<Item = (Direction, Action, Outcome)> {
    let outcomes = || [Outcome::Result, Outcome::Error].into_iter().chain(Fault::ALL.map(Outcome::Failed));
    let actions = DIRECTIONS.into_iter().flat_map(|direction| Action::all().map(move |action| (direction, action)));
    actions.flat_map(move |(direction, action)| outcomes().map(move |outcome| (direction, action, outcome)))
}

/// Writes the combinations that have occurred, when the page is read.
impl Collector for CallMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let count = |(direction, action, outcome): (Direction, Action, Outcome)| {
            let count = self.ended[place(direction, action, outcome)].load(Ordering::Relaxed);
            let labels =
                [("direction", names::direction(direction)), ("action", action.name()), ("outcome", outcome.name())];
            (count > 0).then(|| (labels, ConstCounter::new(count)))
        };
        let help = "CALLs that have ended, by direction, action and outcome";
        write_family(&mut encoder, "calls", help, combinations().filter_map(count))?;
        let answers = "From a CALL until the other side's answer, by direction of the CALL";
        for (title, help, histograms) in [
            (
                "message_duration_seconds",
                "From a message's arrival until it is handed over to the other side",
                &self.handed_over,
            ),
            ("answer_duration_seconds", answers, &self.answers),
        ] {
            let mut family = encoder.encode_descriptor(title, help, None, MetricType::Histogram)?;
            for direction in DIRECTIONS {
                let labels = [("direction", names::direction(direction))];
                histograms[direction as usize].encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    fn end(action: &str, outcome: Outcome) -> CallEnd {
        let answered_after = Some(Duration::from_millis(3));
        CallEnd { direction: Direction::Downlink, action: Action::of(action), outcome, answered_after, generation: 0 }
    }

    fn shown(metrics: &Arc<CallMetrics>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Arc::clone(metrics)));
        let mut text = String::new();
        encode(&mut text, &registry).expect("encoded");
        text
    }

    #[test]
    fn each_combination_has_a_counter_of_its_own() {
        let mut places: Vec<usize> =
            combinations().map(|(direction, action, outcome)| place(direction, action, outcome)).collect();
        places.sort();
        assert!(places.iter().copied().eq(0..2 * Action::COUNT * OUTCOMES));
    }

    #[test]
    fn unknown_actions_share_one_counter() {
        let metrics = CallMetrics::new();
        metrics.ended(&end("Reset", Outcome::Failed(Fault::TimedOut)));
        for number in 0..10_000 {
            metrics.ended(&end(&format!("Made{number}\"}} 1\nup"), Outcome::Result));
        }
        let text = shown(&metrics);
        assert!(text.contains(r#"calls_total{direction="downlink",action="Reset",outcome="timed_out"} 1"#), "{text}");
        assert!(text.contains(r#"calls_total{direction="downlink",action="other",outcome="result"} 10000"#), "{text}");
        assert_eq!(text.matches("calls_total{").count(), 2, "{text}");
    }

    #[test]
    fn calls_without_a_callresult_are_summed_over_all_actions_and_outcomes() {
        let metrics = CallMetrics::new();
        for (action, outcome) in [
            ("Reset", Outcome::Result),
            ("Heartbeat", Outcome::Result),
            ("Made", Outcome::Result),
            ("Reset", Outcome::Error),
            ("Heartbeat", Outcome::Failed(Fault::TimedOut)),
        ] {
            metrics.ended(&end(action, outcome));
        }
        assert_eq!(metrics.answered_and_not(), (3, 2));
        let times = metrics.answer_times(Direction::Downlink);
        assert!(times.quantile(0.5).is_some_and(|time| (0.002048..=0.004096).contains(&time)), "{times:?}");
        assert_eq!(metrics.answer_times(Direction::Uplink).quantile(0.5), None);
    }

    #[test]
    fn times_are_shown_as_histograms() {
        let metrics = CallMetrics::new();
        metrics.ended(&end("Reset", Outcome::Result));
        metrics.record_message_duration(Direction::Uplink, Duration::from_micros(20));
        let text = shown(&metrics);
        for line in [
            r#"answer_duration_seconds_bucket{le="0.002048",direction="downlink"} 0"#,
            r#"answer_duration_seconds_bucket{le="0.004096",direction="downlink"} 1"#,
            r#"answer_duration_seconds_bucket{le="+Inf",direction="downlink"} 1"#,
            r#"message_duration_seconds_count{direction="uplink"} 1"#,
            r#"message_duration_seconds_sum{direction="uplink"} 0.00002"#,
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
