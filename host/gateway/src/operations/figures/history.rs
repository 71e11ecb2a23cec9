//! The steps of the last hour.

use super::snapshot::{Counts, Snapshot};
use super::step::{STEP, Step};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Steps that are kept: an hour.
const MAX_STEPS: usize = 360;

/// What [`RecentCounts`] covers: long enough that an engineer who has been called still sees it.
const RECENT: Duration = Duration::from_secs(300);

/// The steps of the last hour, the oldest first.
#[derive(Debug)]
pub struct FigureHistory {
    steps: VecDeque<Step>,
    /// The end of the latest step.
    latest: Snapshot,
    at: Instant,
}

/// What has happened in the last minutes, up to now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecentCounts {
    pub counts: Counts,
    /// Failures by the name of the transform.
    pub transform_failures: HashMap<String, u64>,
}

impl FigureHistory {
    /// `start`: the counters at `at`, where the first step begins.
    pub fn new(start: Snapshot, at: Instant) -> Self {
        FigureHistory { steps: VecDeque::new(), latest: start, at }
    }

    /// Ends a step with the counters of `now`, which the clock on the wall shows as `time`.
    pub fn add(&mut self, snapshot: Snapshot, now: Instant, time: SystemTime) {
        let length = now.saturating_duration_since(self.at);
        if length.is_zero() {
            return;
        }
        let step = Step::between(&self.latest, &snapshot, time, length);
        // After the clock was set back, the times of later steps are wrong.
        while self.steps.back().is_some_and(|latest| latest.end >= step.end) {
            self.steps.pop_back();
        }
        if self.steps.len() == MAX_STEPS {
            self.steps.pop_front();
        }
        self.steps.push_back(step);
        (self.latest, self.at) = (snapshot, now);
    }

    /// Steps that end later than `after`, in seconds since 1970, the oldest first.
    pub fn after(&self, after: u64) -> Vec<Step> {
        self.steps.iter().filter(|step| step.end > after).cloned().collect()
    }

    /// What has happened in the last five minutes, and until `now`.
    pub fn recent(&self, now: &Snapshot, time: SystemTime) -> RecentCounts {
        let end = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let from = end.saturating_sub(RECENT.as_secs());
        let steps = self.steps.iter().rev().take((RECENT.as_secs() / STEP.as_secs()) as usize);
        let mut recent = RecentCounts { counts: now.counts.since(&self.latest.counts), ..RecentCounts::default() };
        let mut failures = now.failures_since(&self.latest);
        for step in steps.filter(|step| step.end > from) {
            recent.counts = recent.counts.plus(&step.counts);
            failures.extend_from_slice(&step.transform_failures);
        }
        for (name, count) in failures {
            *recent.transform_failures.entry(name).or_default() += count;
        }
        recent
    }
}

#[cfg(test)]
mod tests {
    use super::super::SERIES;
    use super::*;
    use crate::operations::metrics::{HistogramCounts, Limit};

    const SECOND: Duration = Duration::from_secs(1);

    /// A history, and the moments of its clock.
    struct Clock {
        history: FigureHistory,
        start: Instant,
    }

    impl Clock {
        fn new(start: Snapshot) -> Self {
            let at = Instant::now();
            Clock { history: FigureHistory::new(start, at), start: at }
        }

        /// `seconds` after the start, which is at second 1000 of 1970.
        fn add(&mut self, snapshot: Snapshot, seconds: u32) {
            self.history.add(snapshot, self.start + seconds * SECOND, time(seconds));
        }

        fn figure(&self, name: &str) -> Vec<Option<f64>> {
            let (_, figure) = SERIES.iter().find(|(known, _)| *known == name).expect("a figure");
            self.history.after(0).iter().map(figure).collect()
        }

        fn ends(&self, after: u64) -> Vec<u64> {
            self.history.after(after).iter().map(|step| step.end).collect()
        }
    }

    fn time(seconds: u32) -> SystemTime {
        UNIX_EPOCH + (1000 + seconds) * SECOND
    }

    fn snapshot(change: impl FnOnce(&mut Snapshot)) -> Snapshot {
        let mut snapshot = Snapshot::default();
        change(&mut snapshot);
        snapshot
    }

    #[test]
    fn counts_are_shown_per_second_and_gauges_as_they_are() {
        let mut clock = Clock::new(snapshot(|it| it.counts.connected = 100));
        let first = snapshot(|it| {
            (it.counts.connected, it.counts.errors, it.gauges.charge_points) = (130, 5, 77);
            (it.gauges.memory, it.gauges.is_broker_connected) = (Some(1 << 30), true);
            it.cpu = Some(3 * SECOND);
            it.transform_failures = [("a".to_owned(), 10), ("b".to_owned(), 20)].into();
        });
        // It comes late: the rate is that of the time that has passed.
        let second = Snapshot { cpu: Some(8 * SECOND), ..first.clone() };
        clock.add(first, 10);
        clock.add(second, 30);
        assert_eq!(clock.figure("connected"), [Some(3.0), Some(0.0)]);
        assert_eq!(clock.figure("errors"), [Some(0.5), Some(0.0)]);
        assert_eq!(clock.figure("charge_points"), [Some(77.0); 2]);
        assert_eq!(clock.figure("memory"), [Some((1_u64 << 30) as f64); 2]);
        assert_eq!(clock.figure("broker_connected"), [Some(1.0); 2]);
        assert_eq!(clock.figure("cpu"), [None, Some(0.25)]);
        assert_eq!(clock.figure("transform_failures"), [Some(3.0), Some(0.0)]);
        assert_eq!((clock.ends(0), clock.ends(1010)), (vec![1010, 1030], vec![1030]));
    }

    #[test]
    fn answer_times_are_those_of_the_step() {
        let slow = HistogramCounts::of(&[SECOND; 100]);
        let mut clock = Clock::new(snapshot(|it| it.answers_from_charge_points = slow.clone()));
        let both = slow.plus(&HistogramCounts::of(&[Duration::from_micros(1500); 100]));
        clock.add(snapshot(|it| it.answers_from_charge_points = both.clone()), 10);
        clock.add(snapshot(|it| it.answers_from_charge_points = both), 20);
        // In the middle of the bucket from 1.024 to 2.048 ms, and at its end.
        assert_eq!(clock.figure("answer_p50_from_charge_points"), [Some(0.001536), None]);
        assert_eq!(clock.figure("answer_p99_from_charge_points"), [Some(0.002038), None]);
        assert_eq!(clock.figure("answer_p50_to_charge_points"), [None, None]);
    }

    #[test]
    fn history_has_an_hour() {
        let mut clock = Clock::new(Snapshot::default());
        for step in 1..=500 {
            clock.add(Snapshot::default(), 10 * step);
        }
        let ends = clock.ends(0);
        assert_eq!((ends.len(), ends[0], ends[359]), (360, 1000 + 1410, 1000 + 5000));
    }

    #[test]
    fn steps_whose_time_has_not_come_yet_are_dropped_when_the_clock_is_set_back() {
        let mut clock = Clock::new(Snapshot::default());
        for step in 1..=5 {
            clock.add(Snapshot::default(), 10 * step);
        }
        clock.history.add(Snapshot::default(), clock.start + 60 * SECOND, time(25));
        assert_eq!(clock.ends(0), [1010, 1020, 1025]);
        clock.history.add(Snapshot::default(), clock.start + 60 * SECOND, time(35));
        assert_eq!(clock.ends(0), [1010, 1020, 1025], "no time has passed");
    }

    #[test]
    fn recent_counts_are_those_of_five_minutes_and_of_the_step_that_has_begun() {
        let limit = Limit::OpenCalls as usize;
        let limited = |count| {
            snapshot(|it| {
                it.counts.limited[limit] = count;
                it.transform_failures = [("quirk".to_owned(), 10 * count)].into();
            })
        };
        let mut clock = Clock::new(Snapshot::default());
        for step in 1..=40 {
            clock.add(limited(u64::from(step)), 10 * step);
        }
        let recent = clock.history.recent(&limited(42), time(405));
        assert_eq!(recent.counts.limited[limit], 2 + 30);
        assert_eq!(recent.transform_failures, [("quirk".to_owned(), 10 * 32)].into());
        // A transform that was removed, and one that has not failed.
        let recent = clock.history.recent(&snapshot(|it| it.counts.limited[limit] = 40), time(4000));
        assert_eq!(recent, RecentCounts::default());
    }

    #[test]
    fn figures_have_different_names() {
        let mut names: Vec<&str> = SERIES.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SERIES.len());
    }
}
