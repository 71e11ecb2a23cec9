//! Hooks that fail for single charge points.

use super::distinct_count::DistinctCount;
use super::thresholds::{MIN_FAILURES, PAUSE};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The most failure records; beyond them, those with the oldest failures are removed.
const MAX_RECORDS: usize = 1024;
/// A record expires this long after its last failure.
const EXPIRY: Duration = Duration::from_secs(60);
/// Failures are counted over about this many calls; earlier ones weigh less.
const CALLS_COUNTED: u32 = 32;

/// Recent failures by charge point and hook. A call without a record costs one load.
#[derive(Debug, Default)]
pub(super) struct ChargePointBreakers {
    /// Contains all keys of `failing`, and some others.
    suspects: DistinctCount,
    failing: Mutex<HashMap<u64, FailureRecord>>,
}

#[derive(Debug)]
struct FailureRecord {
    failures: u32,
    successes: u32,
    last_failure: Instant,
    /// After this time, one call may try.
    stopped_until: Option<Instant>,
}

impl ChargePointBreakers {
    /// For how much longer there must be no call with this key. When the time is over, the caller that gets `None` may
    /// try, and the others remain stopped.
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
        record.stopped_until = Some(now + PAUSE);
        None
    }

    pub(super) fn note_success(&self, key: u64, now: impl FnOnce() -> Instant) {
        if !self.suspects.may_have(key) {
            return;
        }
        let mut failing = self.failing.lock();
        let Some(record) = failing.get_mut(&key) else { return };
        record.count(0, 1);
        if record.stopped_until.is_some() || record.is_expired(now()) {
            failing.remove(&key);
            self.rebuild_suspects(&failing);
        }
    }

    /// Returns whether this failure stops the calls with this key.
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
        if record.failures < MIN_FAILURES || record.failures <= record.successes {
            return false;
        }
        record.stopped_until.replace(now + PAUSE).is_none()
    }

    /// The number of stopped keys.
    pub(super) fn stopped(&self, now: Instant) -> usize {
        let stopped = |record: &&FailureRecord| record.stopped_until.is_some_and(|until| now < until);
        self.failing.lock().values().filter(stopped).count()
    }

    fn make_room(&self, failing: &mut HashMap<u64, FailureRecord>, now: Instant) {
        let known = failing.len();
        failing.retain(|_, record| !record.is_expired(now));
        if failing.len() >= MAX_RECORDS {
            let oldest = failing.iter().min_by_key(|(_, record)| record.last_failure).map(|(key, _)| *key);
            oldest.and_then(|key| failing.remove(&key));
        }
        if failing.len() < known {
            self.rebuild_suspects(failing);
        }
    }

    fn rebuild_suspects(&self, failing: &HashMap<u64, FailureRecord>) {
        self.suspects.clear();
        failing.keys().for_each(|key| self.suspects.insert(*key));
    }
}

impl FailureRecord {
    fn count(&mut self, failures: u32, successes: u32) {
        self.failures += failures;
        self.successes += successes;
        if self.failures + self.successes >= CALLS_COUNTED {
            self.failures /= 2;
            self.successes /= 2;
        }
    }

    fn is_expired(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_failure) >= EXPIRY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::hash;

    fn stop(charge_points: &ChargePointBreakers, key: u64, now: Instant) {
        assert_eq!((0..MIN_FAILURES).filter(|_| charge_points.note_failure(key, now)).count(), 1);
    }

    #[test]
    fn one_trial_call_after_the_pause_decides() {
        let (charge_points, now) = (ChargePointBreakers::default(), Instant::now());
        stop(&charge_points, 1, now);
        let at = |seconds| now + Duration::from_secs(seconds);
        let stopped_for = |seconds| charge_points.stopped_for(1, || at(seconds));
        assert_eq!(stopped_for(4), Some(Duration::from_secs(6)));
        // One call tries, and others are stopped.
        assert_eq!((stopped_for(10), stopped_for(10).is_some()), (None, true));
        assert!(!charge_points.note_failure(1, at(11)));
        assert_eq!(stopped_for(20), Some(Duration::from_secs(1)));
        assert_eq!((stopped_for(21), charge_points.stopped(at(21))), (None, 1));
        charge_points.note_success(1, || at(21));
        assert_eq!((stopped_for(21), charge_points.stopped(at(21))), (None, 0));
    }

    #[test]
    fn failure_records_expire_and_are_limited_in_number() {
        let (charge_points, now) = (ChargePointBreakers::default(), Instant::now());
        (1..MIN_FAILURES).for_each(|_| assert!(!charge_points.note_failure(1, now)));
        charge_points.note_success(1, || now + EXPIRY);
        assert!(!charge_points.note_failure(1, now + EXPIRY));

        let many = 3 * MAX_RECORDS;
        (0..many).for_each(|number| {
            charge_points.note_failure(hash(number), now + EXPIRY);
        });
        assert_eq!(charge_points.failing.lock().len(), MAX_RECORDS);
        assert!(charge_points.suspects.estimate() < 1.1 * MAX_RECORDS as f64);
    }
}
