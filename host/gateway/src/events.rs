//! What happens, for whoever watches it live.

use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::broadcast;

/// So many events wait for a slow watcher; it loses older ones, and is told how many.
const KEPT: usize = 1024;

/// So many may watch at the same time.
const WATCHERS: usize = 32;

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A charge point has connected.
    Connected { charge_point: String, version: &'static str, address: String },
    /// A connection is over.
    Disconnected {
        charge_point: String,
        /// As in the metric `closed`.
        reason: &'static str,
        text: String,
    },
    /// A message did not take its ordinary road.
    Incident {
        charge_point: String,
        /// The way that the message was going: `uplink` or `downlink`.
        direction: &'static str,
        /// As in the metric `incidents`.
        cause: &'static str,
        message_id: String,
        action: String,
        /// The transform that had a part in it.
        #[serde(skip_serializing_if = "Option::is_none")]
        transform: Option<String>,
        text: String,
    },
    /// A transform was put in the place of another, or was not.
    Exchange {
        /// As in the metric `transform_exchanges`.
        outcome: &'static str,
    },
}

impl Event {
    pub fn name(&self) -> &'static str {
        match self {
            Event::Connected { .. } => "connected",
            Event::Disconnected { .. } => "disconnected",
            Event::Incident { .. } => "incident",
            Event::Exchange { .. } => "exchange",
        }
    }
}

/// Carries events to watchers. While nobody watches, an event costs a look at one number, and is not even made.
#[derive(Debug)]
pub struct Events {
    watchers: Arc<AtomicUsize>,
    sender: broadcast::Sender<Arc<Event>>,
}

/// Somebody who watches. Counts until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    watchers: Arc<AtomicUsize>,
    receiver: broadcast::Receiver<Arc<Event>>,
}

/// What a watcher sees next.
#[derive(Debug)]
pub enum Seen {
    Event(Arc<Event>),
    /// It was too slow: so many are gone.
    Missed(u64),
}

impl Default for Events {
    fn default() -> Self {
        Events { watchers: Arc::default(), sender: broadcast::Sender::new(KEPT) }
    }
}

impl Events {
    /// `None`: too many watch already.
    pub fn watch(&self) -> Option<Watcher> {
        let more = |watching| (watching < WATCHERS).then_some(watching + 1);
        self.watchers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Watcher { watchers: Arc::clone(&self.watchers), receiver: self.sender.subscribe() })
    }

    /// Tells watchers what `event` makes, if there are any.
    pub fn tell(&self, event: impl FnOnce() -> Event) {
        if self.watchers.load(Ordering::Relaxed) > 0 {
            // The last watcher may just have left.
            let _ = self.sender.send(Arc::new(event()));
        }
    }
}

impl Watcher {
    /// `None` once the gateway has ended.
    pub async fn next(&mut self) -> Option<Seen> {
        match self.receiver.recv().await {
            Ok(event) => Some(Seen::Event(event)),
            Err(broadcast::error::RecvError::Lagged(missed)) => Some(Seen::Missed(missed)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(outcome: &'static str) -> Event {
        Event::Exchange { outcome }
    }

    #[tokio::test]
    async fn without_a_watcher_no_event_is_made() {
        let events = Events::default();
        events.tell(|| panic!("nobody watches"));
        drop(events.watch().expect("room"));
        events.tell(|| panic!("nobody watches any more"));
    }

    #[tokio::test]
    async fn a_slow_watcher_is_told_how_many_it_has_missed() {
        let events = Events::default();
        let mut watcher = events.watch().expect("room");
        for _ in 0..KEPT + 5 {
            events.tell(|| exchange("exchanged"));
        }
        events.tell(|| exchange("failed"));
        assert!(matches!(watcher.next().await, Some(Seen::Missed(6))));
        for _ in 1..KEPT {
            assert!(matches!(watcher.next().await, Some(Seen::Event(event)) if *event == exchange("exchanged")));
        }
        assert!(matches!(watcher.next().await, Some(Seen::Event(event)) if *event == exchange("failed")));
    }

    #[test]
    fn so_many_may_watch_and_no_more() {
        let events = Events::default();
        let mut watchers: Vec<Watcher> = (0..WATCHERS).map(|_| events.watch().expect("room")).collect();
        assert!(events.watch().is_none());
        watchers.pop();
        assert!(events.watch().is_some());
    }
}
