//! Sends events to those who watch.

use super::events::{GatewayEvent, TimedEvent, rfc3339};
use super::tap::TapHub;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

/// The most events that wait for a slow watcher. It loses older ones, and learns how many.
const MAX_WAITING: usize = 1024;

/// The most watchers at the same time.
const MAX_WATCHERS: usize = 32;

/// Sends events to watchers. Without watchers, an event costs one comparison, and is not created.
#[derive(Debug)]
pub struct EventBus {
    /// Who watches messages, and events among them.
    pub tap: Arc<TapHub>,
    /// A permit for each possible watcher.
    watchers: Arc<Semaphore>,
    sender: broadcast::Sender<Arc<TimedEvent>>,
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
            tap: Arc::default(),
            watchers: Arc::new(Semaphore::new(MAX_WATCHERS)),
            sender: broadcast::Sender::new(MAX_WAITING),
        }
    }
}

impl EventBus {
    /// `None`: there are too many watchers already.
    pub fn watch(&self) -> Option<Watcher> {
        let permit = Arc::clone(&self.watchers).try_acquire_owned().ok()?;
        Some(Watcher { receiver: self.sender.subscribe(), _permit: permit })
    }

    /// Creates the event and sends it to watchers, if there are any.
    pub fn publish(&self, event: impl FnOnce() -> GatewayEvent) {
        if self.watchers.available_permits() == MAX_WATCHERS && !self.tap.has_watchers() {
            return;
        }
        let mut event = TimedEvent { time: rfc3339(SystemTime::now()), event: event() };
        event.event.cut();
        self.tap.event(&event);
        // The last watcher may just have left.
        let _ = self.sender.send(Arc::new(event));
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

    #[tokio::test]
    async fn events_are_not_created_without_a_watcher() {
        let events = EventBus::default();
        events.publish(|| panic!("there is no watcher"));
        drop(events.watch().expect("room"));
        events.publish(|| panic!("there is no watcher any more"));
    }

    #[tokio::test]
    async fn long_texts_are_cut() {
        let events = EventBus::default();
        let mut watcher = events.watch().expect("room");
        events.publish(|| GatewayEvent::Incident {
            charge_point: "CP1".into(),
            direction: "uplink",
            cause: "dropped",
            message_id: "1".into(),
            action: "é".repeat(1000),
            transform: None,
            transform_version: None,
            text: "x".repeat(1 << 20),
        });
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
            events.publish(|| swap("swapped"));
        }
        events.publish(|| swap("failed"));
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
