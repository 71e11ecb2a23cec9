//! The charge points of a trial, or those beside it, with the figures of their CALLs.

use hdrhistogram::Histogram;
use ocpp_gateway_core::session::{CallEnd, Outcome};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Digits of a time until an answer that are kept.
const DIGITS: u8 = 2;

/// Charge points that are treated alike in a trial.
#[derive(Debug, Default)]
pub struct TrialGroup {
    /// How many belonged to it when the trial began.
    expected: usize,
    charge_points: AtomicUsize,
    answered: AtomicU64,
    errors: AtomicU64,
    unanswered: AtomicU64,
    incidents: AtomicU64,
    /// In microseconds; `None` before the first answer.
    answers: Mutex<Option<Histogram<u32>>>,
}

/// What became of the CALLs of a group, in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupFigures {
    /// Those that belong to it now.
    pub charge_points: usize,
    /// CALLs that ended with a CALLRESULT.
    pub answered: u64,
    /// CALLs that ended with a CALLERROR of the other side.
    pub errors: u64,
    /// CALLs that ended in another way.
    pub unanswered: u64,
    /// The time until the other side's answer, which half of the CALLs did not exceed, and 99 %. `None`: no answer.
    pub answer_times: Option<(Duration, Duration)>,
    /// Messages that were dropped, were refused or failed.
    pub incidents: u64,
}

impl TrialGroup {
    pub(crate) fn new(expected: usize) -> Arc<Self> {
        Arc::new(TrialGroup { expected, ..TrialGroup::default() })
    }

    /// How many charge points use it or are about to: after the start of a trial they join one by one.
    pub(crate) fn expected(&self) -> usize {
        self.expected.max(self.charge_points.load(Relaxed))
    }

    pub fn figures(&self) -> GroupFigures {
        let answer_times = self.answers.lock().as_ref().map(|answers| {
            let at = |quantile| Duration::from_micros(answers.value_at_quantile(quantile));
            (at(0.5), at(0.99))
        });
        GroupFigures {
            charge_points: self.charge_points.load(Relaxed),
            answered: self.answered.load(Relaxed),
            errors: self.errors.load(Relaxed),
            unanswered: self.unanswered.load(Relaxed),
            answer_times,
            incidents: self.incidents.load(Relaxed),
        }
    }

    pub(crate) fn count_call(&self, end: &CallEnd) {
        let count = match end.outcome {
            Outcome::Result => &self.answered,
            Outcome::Error => &self.errors,
            Outcome::Failed(_) => &self.unanswered,
        };
        count.fetch_add(1, Relaxed);
        if let Some(after) = end.answered_after {
            self.record_answer(after);
        }
    }

    pub(crate) fn count_incidents(&self, count: usize) {
        self.incidents.fetch_add(count as u64, Relaxed);
    }

    fn record_answer(&self, after: Duration) {
        let mut answers = self.answers.lock();
        if answers.is_none() {
            *answers = Histogram::new(DIGITS).ok();
        }
        if let Some(answers) = &mut *answers {
            // It grows with the values. One that is out of its range is a time that no answer takes.
            let _ = answers.record(u64::try_from(after.as_micros()).unwrap_or(u64::MAX));
        }
    }
}

/// Counts a charge point as one of its groups, as long as it exists: of none while nothing is on trial.
#[derive(Debug, Default)]
pub struct Membership(Box<[Arc<TrialGroup>]>);

impl Membership {
    pub(crate) fn of(groups: &[Arc<TrialGroup>]) -> Self {
        for group in groups {
            group.charge_points.fetch_add(1, Relaxed);
        }
        Membership(groups.into())
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        for group in &self.0 {
            group.charge_points.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_gateway_core::{Action, Direction, Fault};

    fn end(outcome: Outcome, answered_after: Option<Duration>) -> CallEnd {
        let action = Action::of("Heartbeat");
        CallEnd { direction: Direction::Uplink, action, outcome, answered_after, generation: 0 }
    }

    #[test]
    fn calls_are_counted_by_their_end() {
        let group = TrialGroup::new(0);
        for milliseconds in 1..=100 {
            group.count_call(&end(Outcome::Result, Some(Duration::from_millis(milliseconds))));
        }
        group.count_call(&end(Outcome::Error, None));
        group.count_call(&end(Outcome::Failed(Fault::TimedOut), None));
        group.count_incidents(2);
        let figures = group.figures();
        assert_eq!((figures.answered, figures.errors, figures.unanswered, figures.incidents), (100, 1, 1, 2));
        let (median, most) = figures.answer_times.expect("answers");
        assert!(median.abs_diff(Duration::from_millis(50)) < Duration::from_millis(2), "{median:?}");
        assert!(most.abs_diff(Duration::from_millis(99)) < Duration::from_millis(2), "{most:?}");
    }

    #[test]
    fn group_counts_its_charge_points_and_expects_those_of_the_start() {
        let group = TrialGroup::new(2);
        assert_eq!((group.figures().charge_points, group.expected()), (0, 2));
        let members: Vec<_> = (0..3).map(|_| Membership::of(std::slice::from_ref(&group))).collect();
        assert_eq!((group.figures().charge_points, group.expected()), (3, 3));
        drop(members);
        assert_eq!((group.figures().charge_points, group.expected()), (0, 2));
    }
}
