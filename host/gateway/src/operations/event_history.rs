//! The latest events, for readers that did not watch. Each kind has room of its own, so that a flood of one kind does
//! not push out the others.

use super::events::{EventKind, GatewayEvent, TimedEvent};
use nix::time::{ClockId, clock_gettime};
use parking_lot::Mutex;
use std::array::from_fn;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strum::EnumCount as _;

/// Events that are kept of each kind. With the longest text of an event, it limits their memory to some MB.
const KEPT: usize = 200;

/// Events a second that are kept of a kind that others can cause at any rate.
const KEPT_PER_SECOND: u64 = 10;

/// The latest events.
#[derive(Debug)]
pub struct EventHistory(Mutex<Latest>);

#[derive(Debug)]
struct Latest {
    /// Numbers the events, as several may have one time.
    next: u64,
    /// The oldest first, by kind.
    kinds: [VecDeque<(u64, Arc<TimedEvent>)>; EventKind::COUNT],
}

impl Default for EventHistory {
    fn default() -> Self {
        EventHistory(Mutex::new(Latest { next: 0, kinds: from_fn(|_| VecDeque::new()) }))
    }
}

impl EventHistory {
    pub(super) fn add(&self, event: Arc<TimedEvent>) {
        let latest = &mut *self.0.lock();
        let kind = &mut latest.kinds[event.event.kind() as usize];
        if kind.len() == KEPT {
            kind.pop_front();
        }
        kind.push_back((latest.next, event));
        latest.next += 1;
    }

    /// The latest `limit` events that match, the latest first. `kind`: only this one.
    pub fn latest(
        &self,
        limit: usize,
        kind: Option<EventKind>,
        matches: impl Fn(&GatewayEvent) -> bool,
    ) -> Vec<Arc<TimedEvent>> {
        let mut found: Vec<(u64, Arc<TimedEvent>)> = {
            let latest = self.0.lock();
            let kinds =
                latest.kinds.iter().enumerate().filter(|(place, _)| kind.is_none_or(|it| it as usize == *place));
            kinds.flat_map(|(_, events)| events).filter(|(_, event)| matches(&event.event)).cloned().collect()
        };
        found.sort_unstable_by_key(|(number, _)| std::cmp::Reverse(*number));
        found.into_iter().take(limit).map(|(_, event)| event).collect()
    }
}

/// Lets [`KEPT_PER_SECOND`] events a second into the history. One over the limit costs a comparison, and writes
/// nothing.
#[derive(Debug, Default)]
pub(super) struct KeptRate {
    /// A second, and in the last byte how many events it had.
    state: AtomicU64,
}

impl KeptRate {
    /// `second`: since any moment.
    pub(super) fn admits(&self, second: u64) -> bool {
        // A thread may be behind another one that has begun the next second.
        let next = |state: u64| match (state >> 8 < second, state & 0xff) {
            (true, _) => Some(second << 8 | 1),
            (false, count) => (count < KEPT_PER_SECOND).then(|| state + 1),
        };
        self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// One whose second lasts longer than any test.
    #[cfg(test)]
    pub(super) fn full_for_ever() -> Self {
        KeptRate { state: AtomicU64::new(u64::MAX) }
    }
}

/// The second of a clock that takes a fifth of the time of the exact one, as its value is that of the last tick of the
/// kernel.
pub(super) fn second() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE);
    now.ok().and_then(|now| now.tv_sec().try_into().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disconnected(charge_point: &str) -> Arc<TimedEvent> {
        timed(GatewayEvent::Disconnected { charge_point: charge_point.into(), reason: "gone", text: String::new() })
    }

    fn swap(outcome: &'static str) -> Arc<TimedEvent> {
        timed(GatewayEvent::Swap { outcome, reason: None, transforms: Vec::new() })
    }

    fn timed(event: GatewayEvent) -> Arc<TimedEvent> {
        Arc::new(TimedEvent { time: String::new(), event })
    }

    #[test]
    fn flood_of_one_kind_leaves_the_events_of_others() {
        let history = EventHistory::default();
        history.add(swap("swapped"));
        for number in 0..10_000 {
            history.add(disconnected(&format!("CP{number}")));
        }
        let all = history.latest(10_000, None, |_| true);
        assert_eq!(all.len(), KEPT + 1);
        assert_eq!((&all[0], &all[KEPT - 1]), (&disconnected("CP9999"), &disconnected("CP9800")));
        assert_eq!(all[KEPT], swap("swapped"));
    }

    #[test]
    fn latest_events_come_first_whatever_their_kind() {
        let history = EventHistory::default();
        for event in [disconnected("CP1"), swap("failed"), disconnected("CP2"), swap("swapped")] {
            history.add(event);
        }
        let two = history.latest(2, None, |_| true);
        assert_eq!(two, [swap("swapped"), disconnected("CP2")]);
        assert_eq!(history.latest(9, Some(EventKind::Swap), |_| true), [swap("swapped"), swap("failed")]);
        let of_one = history.latest(9, None, |event| event.identity() == Some("CP1"));
        assert_eq!(of_one, [disconnected("CP1")]);
    }

    #[test]
    fn ten_events_a_second_are_admitted() {
        let rate = KeptRate::default();
        for second in [0, 1, 7] {
            assert_eq!((0..1000).filter(|_| rate.admits(second)).count(), 10, "second {second}");
        }
    }
}
