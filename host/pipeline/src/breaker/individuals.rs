//! Hooks that fail for single charge points.

use super::distinct::Distinct;
use super::thresholds::{FAILURES, REST};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// So many are remembered; of more, those that failed last.
const REMEMBERED: usize = 1024;
/// What has not failed for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);
/// Of about so many calls the failures are counted; earlier ones weigh less.
const CALLS: u32 = 32;

/// By charge point and hook, those that have failed lately. A call of any other costs a load.
#[derive(Debug, Default)]
pub(super) struct Individuals {
    /// Has all that are in `failing`, and some others.
    suspects: Distinct,
    failing: Mutex<HashMap<u64, FailureRecord>>,
}

#[derive(Debug)]
struct FailureRecord {
    failures: u32,
    successes: u32,
    last_failure: Instant,
    /// Once this has passed, one call may try.
    stopped_until: Option<Instant>,
}

impl Individuals {
    /// How much longer there must be no call of this one. Where the time is over, the call that asks is the one that may
    /// try, and others are stopped meanwhile.
    pub(super) fn stopped_for(&self, key: u64, now: impl FnOnce() -> Instant) -> Option<Duration> {
        if !self.suspects.may_have(key) {
            return None;
        }
        let mut failing = self.failing.lock();
        let record = failing.get_mut(&key)?;
        let (until, now) = (record.stopped_until?, now());
        if now < until {
            return Some(until - now);
        }
        record.stopped_until = Some(now + REST);
        None
    }

    pub(super) fn note_success(&self, key: u64, now: impl FnOnce() -> Instant) {
        if !self.suspects.may_have(key) {
            return;
        }
        let mut failing = self.failing.lock();
        let Some(record) = failing.get_mut(&key) else { return };
        record.count(0, 1);
        if record.stopped_until.is_some() || record.is_forgotten(now()) {
            failing.remove(&key);
            self.look_up(&failing);
        }
    }

    /// Answers whether there are no more calls for a while, where there were before.
    pub(super) fn note_failure(&self, key: u64, now: Instant) -> bool {
        let mut failing = self.failing.lock();
        if !failing.contains_key(&key) {
            self.make_room(&mut failing, now);
        }
        let new = FailureRecord { failures: 0, successes: 0, last_failure: now, stopped_until: None };
        let record = failing.entry(key).or_insert(new);
        self.suspects.insert(key);
        record.last_failure = now;
        record.count(1, 0);
        if record.failures < FAILURES || record.failures <= record.successes {
            return false;
        }
        record.stopped_until.replace(now + REST).is_none()
    }

    /// How many are stopped.
    pub(super) fn stopped(&self, now: Instant) -> usize {
        let stopped = |record: &&FailureRecord| record.stopped_until.is_some_and(|until| now < until);
        self.failing.lock().values().filter(stopped).count()
    }

    fn make_room(&self, failing: &mut HashMap<u64, FailureRecord>, now: Instant) {
        let known = failing.len();
        failing.retain(|_, record| !record.is_forgotten(now));
        if failing.len() >= REMEMBERED {
            let longest = failing.iter().min_by_key(|(_, record)| record.last_failure).map(|(key, _)| *key);
            longest.and_then(|key| failing.remove(&key));
        }
        if failing.len() < known {
            self.look_up(failing);
        }
    }

    fn look_up(&self, failing: &HashMap<u64, FailureRecord>) {
        self.suspects.clear();
        failing.keys().for_each(|key| self.suspects.insert(*key));
    }
}

impl FailureRecord {
    fn count(&mut self, failures: u32, successes: u32) {
        self.failures += failures;
        self.successes += successes;
        if self.failures + self.successes >= CALLS {
            self.failures /= 2;
            self.successes /= 2;
        }
    }

    fn is_forgotten(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_failure) >= FORGOTTEN_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::hash;

    fn stop(individuals: &Individuals, key: u64, now: Instant) {
        assert_eq!((0..FAILURES).filter(|_| individuals.note_failure(key, now)).count(), 1);
    }

    #[test]
    fn one_call_tries_after_a_rest_and_decides() {
        let (individuals, now) = (Individuals::default(), Instant::now());
        stop(&individuals, 1, now);
        let at = |seconds| now + Duration::from_secs(seconds);
        let stopped_for = |seconds| individuals.stopped_for(1, || at(seconds));
        assert_eq!(stopped_for(4), Some(Duration::from_secs(6)));
        // One tries, others do not.
        assert_eq!((stopped_for(10), stopped_for(10).is_some()), (None, true));
        assert!(!individuals.note_failure(1, at(11)));
        assert_eq!(stopped_for(20), Some(Duration::from_secs(1)));
        assert_eq!((stopped_for(21), individuals.stopped(at(21))), (None, 1));
        individuals.note_success(1, || at(21));
        assert_eq!((stopped_for(21), individuals.stopped(at(21))), (None, 0));
    }

    #[test]
    fn failures_are_forgotten_with_time_and_number() {
        let (individuals, now) = (Individuals::default(), Instant::now());
        (1..FAILURES).for_each(|_| assert!(!individuals.note_failure(1, now)));
        individuals.note_success(1, || now + FORGOTTEN_AFTER);
        assert!(!individuals.note_failure(1, now + FORGOTTEN_AFTER));

        let crowd = 3 * REMEMBERED;
        (0..crowd).for_each(|number| {
            individuals.note_failure(hash(number), now + FORGOTTEN_AFTER);
        });
        assert_eq!(individuals.failing.lock().len(), REMEMBERED);
        assert!(individuals.suspects.estimate() < 1.1 * REMEMBERED as f64);
    }
}
