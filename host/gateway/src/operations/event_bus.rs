//! Keeps the latest events, and sends events to those who watch.

use super::event_history::{self, EventHistory, KeptRate};
use super::events::{GatewayEvent, TimedEvent, rfc3339};
use super::refusals::{Refusal, Refusals};
use super::tap::TapHub;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

/// The most events that wait for a slow watcher. It loses older ones, and learns how many.
const MAX_WAITING: usize = 1024;

/// The most watchers at the same time.
const MAX_WATCHERS: usize = 32;

/// Keeps events and sends them to watchers.
///
/// Others can cause incidents and refusals at any rate. Without watchers, one that is over the rate of the history
/// costs a look at the clock and a comparison, and its event is not created.
#[derive(Debug)]
pub struct EventBus {
    /// The latest events.
    pub history: EventHistory,
    /// Refused connections.
    pub refusals: Refusals,
    /// Who watches messages, and events among them.
    pub tap: Arc<TapHub>,
    /// A permit for each possible watcher.
    watchers: Arc<Semaphore>,
    sender: broadcast::Sender<Arc<TimedEvent>>,
    incident_rate: KeptRate,
    refusal_rate: KeptRate,
}

/// A watcher of events. It counts until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    /// `Lagged`: the watcher was too slow and lost this many events. `Closed`: the gateway has ended.
    pub receiver: broadcast::Receiver<Arc<TimedEvent>>,
    _permit: OwnedSemaphorePermit,
}

impl Default for EventBus {
    fn default() -> Self {
        EventBus {
            history: EventHistory::default(),
            refusals: Refusals::default(),
            tap: Arc::default(),
            watchers: Arc::new(Semaphore::new(MAX_WATCHERS)),
            sender: broadcast::Sender::new(MAX_WAITING),
            incident_rate: KeptRate::default(),
            refusal_rate: KeptRate::default(),
        }
    }
}

impl EventBus {
    /// `None`: there are too many watchers already.
    pub fn watch(&self) -> Option<Watcher> {
        let permit = Arc::clone(&self.watchers).try_acquire_owned().ok()?;
        Some(Watcher { receiver: self.sender.subscribe(), _permit: permit })
    }

    /// Keeps an event, and sends it to watchers.
    pub fn publish(&self, event: GatewayEvent) {
        self.publish_within(None, || event);
    }

    /// A message was dropped, was refused or failed. Creates the event if it is kept or watched.
    pub fn incident(&self, event: impl FnOnce() -> GatewayEvent) {
        self.publish_within(Some(&self.incident_rate), event);
    }

    /// A connection was refused.
    pub fn refused(&self, refusal: &Refusal<'_>) {
        self.refusals.count(refusal);
        self.publish_within(Some(&self.refusal_rate), || refusal.event());
    }

    /// `rate`: how many of these events are kept a second; `None`: all.
    fn publish_within(&self, rate: Option<&KeptRate>, event: impl FnOnce() -> GatewayEvent) {
        let is_kept = rate.is_none_or(|rate| rate.admits(event_history::second()));
        let is_watched = self.watchers.available_permits() < MAX_WATCHERS || self.tap.has_watchers();
        if !is_kept && !is_watched {
            return;
        }
        let mut event = TimedEvent { time: rfc3339(SystemTime::now()), event: event() };
        event.event.cut();
        if is_watched {
            self.tap.event(&event);
        }
        let event = Arc::new(event);
        if is_kept {
            self.history.add(Arc::clone(&event));
        }
        // Without a receiver, nothing is kept in the channel.
        let _ = self.sender.send(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::events::MAX_TEXT_LENGTH;
    use tokio::sync::broadcast::error::RecvError;

    fn swap(outcome: &'static str) -> GatewayEvent {
        GatewayEvent::Swap { outcome, reason: None, transforms: Vec::new() }
    }

    fn incident(text: &str) -> GatewayEvent {
        GatewayEvent::Incident {
            charge_point: "CP1".into(),
            direction: "uplink",
            cause: "dropped",
            message_id: "1".into(),
            action: "é".repeat(1000),
            transform: None,
            transform_version: None,
            text: text.into(),
        }
    }

    #[test]
    fn incidents_over_the_rate_of_the_history_are_created_for_watchers_only() {
        let events = EventBus { incident_rate: KeptRate::full_for_ever(), ..EventBus::default() };
        events.incident(|| panic!("there is no watcher"));
        let mut watcher = events.watch().expect("room");
        events.incident(|| incident("seen"));
        assert!(watcher.receiver.try_recv().is_ok_and(|event| event.event.name() == "incident"));
        drop(watcher);
        events.incident(|| panic!("there is no watcher any more"));
        assert_eq!(events.history.latest(10, None, |_| true), []);
        // Other kinds have their own room.
        events.publish(swap("swapped"));
        assert_eq!(events.history.latest(10, None, |_| true).len(), 1);
    }

    #[test]
    fn events_are_kept_without_a_watcher() {
        let events = EventBus::default();
        events.incident(|| incident("kept"));
        events.publish(swap("failed"));
        let names: Vec<&str> = events.history.latest(10, None, |_| true).iter().map(|it| it.event.name()).collect();
        assert_eq!(names, ["swap", "incident"]);
    }

    #[tokio::test]
    async fn long_texts_are_cut() {
        let events = EventBus::default();
        let mut watcher = events.watch().expect("room");
        events.incident(|| incident(&"x".repeat(1 << 20)));
        let event = watcher.receiver.recv().await.expect("an event");
        let GatewayEvent::Incident { message_id, action, text, .. } = &event.event else { panic!("another event") };
        assert_eq!((message_id.as_str(), action), ("1", &("é".repeat(512) + "…")));
        assert!(text.len() == MAX_TEXT_LENGTH + '…'.len_utf8() && text.capacity() < 2 * MAX_TEXT_LENGTH);
    }

    #[tokio::test]
    async fn slow_watcher_learns_how_many_events_it_missed() {
        let events = EventBus::default();
        let mut watcher = events.watch().expect("room");
        for _ in 0..MAX_WAITING + 5 {
            events.publish(swap("swapped"));
        }
        events.publish(swap("failed"));
        assert_eq!(watcher.receiver.recv().await, Err(RecvError::Lagged(6)));
        for _ in 1..MAX_WAITING {
            assert!(watcher.receiver.recv().await.is_ok_and(|event| event.event == swap("swapped")));
        }
        assert!(watcher.receiver.recv().await.is_ok_and(|event| event.event == swap("failed")));
    }

    #[test]
    fn number_of_watchers_is_limited() {
        let events = EventBus::default();
        let mut watchers: Vec<Watcher> = (0..MAX_WATCHERS).map(|_| events.watch().expect("room")).collect();
        assert!(events.watch().is_none());
        watchers.pop();
        assert!(events.watch().is_some());
    }
}
