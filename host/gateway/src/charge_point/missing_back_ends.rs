//! Charge points whose CALLs find no subscriber: no back end serves them.
//!
//! A charge point that was served again reports it with its next CALL. Charge points mostly have one back end, so that
//! all are taken for served then; the next CALL of one that is not shows it again.

use ocpp_gateway_core::Identity;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// How long a CALL without a subscriber is remembered if no other CALL follows.
const MEMORY: Duration = Duration::from_secs(300);

/// The most charge points that are remembered.
const MAX_CHARGE_POINTS: usize = 1000;

/// Charge points without a back end. Locked for CALLs without a subscriber only, and where there were some lately.
#[derive(Debug, Default)]
pub struct MissingBackEnds {
    /// Whether there is a state.
    is_any: AtomicBool,
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    calls: u64,
    since: SystemTime,
    latest: Instant,
    charge_points: BTreeSet<Identity>,
}

/// CALLs that found no subscriber since the last one that did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnservedCalls {
    /// Each counts once, however often it was published.
    pub calls: u64,
    /// When the first of them found none.
    pub since: SystemTime,
    pub charge_points: usize,
    /// Some of these charge points.
    pub identities: Vec<Identity>,
}

impl MissingBackEnds {
    /// A CALL of this charge point has no subscriber. `is_new`: it was not published before.
    pub(super) fn missed(&self, identity: &Identity, is_new: bool, now: Instant) {
        let mut state = self.state.lock();
        state.take_if(|state| now.saturating_duration_since(state.latest) > MEMORY);
        let state = state.get_or_insert_with(|| State {
            calls: u64::from(!is_new),
            since: SystemTime::now(),
            latest: now,
            charge_points: BTreeSet::new(),
        });
        state.calls += u64::from(is_new);
        state.latest = now;
        if state.charge_points.len() < MAX_CHARGE_POINTS && !state.charge_points.contains(identity) {
            state.charge_points.insert(identity.clone());
        }
        self.is_any.store(true, Ordering::Relaxed);
    }

    /// A CALL of a charge point that had no back end has found a subscriber.
    pub(super) fn found(&self) {
        *self.state.lock() = None;
        self.is_any.store(false, Ordering::Relaxed);
    }

    /// Whether a CALL of this charge point found no subscriber, also one of an earlier connection.
    pub(super) fn includes(&self, identity: &Identity) -> bool {
        self.is_any.load(Ordering::Relaxed)
            && self.state.lock().as_ref().is_some_and(|state| state.charge_points.contains(identity))
    }

    /// `None`: all CALLs find subscribers, as far as is known. `names`: the most identities.
    pub fn current(&self, names: usize, now: Instant) -> Option<UnservedCalls> {
        let state = self.state.lock();
        let state = state.as_ref().filter(|state| now.saturating_duration_since(state.latest) <= MEMORY)?;
        let State { calls, since, charge_points, .. } = state;
        let identities = charge_points.iter().take(names).cloned().collect();
        Some(UnservedCalls { calls: *calls, since: *since, charge_points: charge_points.len(), identities })
    }
}

/// What one connection knows of the back end of its charge point.
#[derive(Debug)]
pub(super) struct BackEndState {
    /// The latest CALL with a known outcome had no subscriber.
    is_missing: bool,
    /// The highest number of a CALL that had none.
    latest: Option<u32>,
}

impl BackEndState {
    pub(super) fn new(is_missing: bool) -> Self {
        BackEndState { is_missing, latest: None }
    }

    /// Whether the success of the next CALL has to be reported.
    pub(super) fn is_missing(&self) -> bool {
        self.is_missing
    }

    /// The CALL of this number has no subscriber. Returns whether it is the first time: a CALL that waits for one is
    /// published again.
    pub(super) fn missed(&mut self, number: u32) -> bool {
        self.is_missing = true;
        let is_new = self.latest.is_none_or(|latest| latest < number);
        self.latest = self.latest.max(Some(number));
        is_new
    }

    /// A CALL has found a subscriber. Returns whether that is new.
    pub(super) fn found(&mut self) -> bool {
        std::mem::take(&mut self.is_missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(name: &str) -> Identity {
        Identity::new(name, 48).expect("an identity")
    }

    #[test]
    fn call_counts_once_however_often_it_is_published() {
        let mut state = BackEndState::new(false);
        assert!(!state.found());
        let counted = [1, 2, 1, 1, 2, 3, 3].map(|number| state.missed(number));
        assert_eq!(counted, [true, true, false, false, false, true, false]);
        assert!(state.is_missing() && state.found() && !state.is_missing() && !state.found());
        assert!(state.missed(4));
        assert!(BackEndState::new(true).found(), "known from an earlier connection");
    }

    #[test]
    fn calls_without_a_subscriber_are_counted_until_one_finds_a_subscriber() {
        let (missing, now) = (MissingBackEnds::default(), Instant::now());
        assert_eq!(missing.current(2, now), None);
        for (name, is_new) in [("CP2", true), ("CP2", false), ("CP1", true), ("CP3", true)] {
            missing.missed(&identity(name), is_new, now);
        }
        let current = missing.current(2, now).expect("some");
        assert_eq!((current.calls, current.charge_points), (3, 3));
        assert_eq!(current.identities, [identity("CP1"), identity("CP2")]);
        assert!(missing.includes(&identity("CP3")) && !missing.includes(&identity("CP4")));
        missing.found();
        assert!(missing.current(2, now).is_none() && !missing.includes(&identity("CP3")));
        // One that waits still is served by another back end.
        missing.missed(&identity("CP3"), false, now);
        assert_eq!(missing.current(2, now).map(|it| (it.calls, it.charge_points)), Some((1, 1)));
    }

    #[test]
    fn calls_without_a_subscriber_are_forgotten_if_none_follow() {
        let (missing, now) = (MissingBackEnds::default(), Instant::now());
        missing.missed(&identity("CP1"), true, now);
        assert!(missing.current(1, now + MEMORY).is_some());
        let later = now + MEMORY + Duration::from_secs(1);
        assert!(missing.current(1, later).is_none());
        missing.missed(&identity("CP2"), true, later);
        assert_eq!(missing.current(1, later).map(|it| (it.calls, it.charge_points)), Some((1, 1)));
    }

    #[test]
    fn number_of_charge_points_is_limited() {
        let (missing, now) = (MissingBackEnds::default(), Instant::now());
        (0..3000).for_each(|number| missing.missed(&identity(&number.to_string()), true, now));
        let current = missing.current(0, now).expect("some");
        assert_eq!((current.calls, current.charge_points), (3000, MAX_CHARGE_POINTS));
    }
}
