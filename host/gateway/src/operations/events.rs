//! Live events of the gateway.

use super::names;
use ocpp_gateway_pipeline::{SwapReport, TransformChange};
use serde::Serialize;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

/// The most events that wait for a slow watcher. It loses older ones, and learns how many.
const MAX_WAITING: usize = 1024;

/// The longest text in an event that comes from a charge point, a back end or a transform, in bytes. With
/// [`MAX_WAITING`], it limits the memory of events.
const MAX_TEXT_LENGTH: usize = 1024;

/// The most watchers at the same time.
const MAX_WATCHERS: usize = 32;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum GatewayEvent {
    /// A charge point has connected.
    Connected { charge_point: String, version: &'static str, address: String },
    /// A connection has ended.
    Disconnected {
        charge_point: String,
        /// As in the metric `closed`.
        reason: &'static str,
        text: String,
    },
    /// A message was dropped, was refused or failed.
    Incident {
        charge_point: String,
        /// The direction of the message: `uplink` or `downlink`.
        direction: &'static str,
        /// As in the metric `incidents`.
        cause: &'static str,
        message_id: String,
        action: String,
        /// The transform that was involved.
        #[serde(skip_serializing_if = "Option::is_none")]
        transform: Option<String>,
        /// The version that this transform gives itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        transform_version: Option<String>,
        text: String,
    },
    /// Transforms were replaced, or the attempt failed.
    Swap {
        /// As in the metric `transform_swaps`.
        outcome: &'static str,
        /// Why the swap failed, or why a version was rolled back automatically.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The transforms that changed; after a failure, those that were to change, as they run.
        transforms: Vec<TransformChange>,
    },
}

impl From<&SwapReport> for GatewayEvent {
    fn from(report: &SwapReport) -> Self {
        let SwapReport { outcome, transforms, reason } = report.clone();
        GatewayEvent::Swap { outcome: names::outcome(outcome), reason, transforms }
    }
}

/// An event with its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimedEvent {
    /// RFC 3339, in UTC, with milliseconds.
    pub time: String,
    #[serde(flatten)]
    pub event: GatewayEvent,
}

impl GatewayEvent {
    pub fn name(&self) -> &'static str {
        match self {
            GatewayEvent::Connected { .. } => "connected",
            GatewayEvent::Disconnected { .. } => "disconnected",
            GatewayEvent::Incident { .. } => "incident",
            GatewayEvent::Swap { .. } => "swap",
        }
    }

    /// Cuts texts that are too long.
    fn cut(&mut self) {
        match self {
            // An identity has a limit of its own.
            GatewayEvent::Connected { .. } => {}
            GatewayEvent::Disconnected { text, .. } => cut(text),
            GatewayEvent::Incident { message_id, action, text, .. } => {
                [message_id, action, text].into_iter().for_each(cut)
            }
            GatewayEvent::Swap { reason, .. } => reason.iter_mut().for_each(cut),
        }
    }
}

fn cut(text: &mut String) {
    if text.len() > MAX_TEXT_LENGTH {
        text.truncate(text.floor_char_boundary(MAX_TEXT_LENGTH));
        text.push('…');
        // Frees the memory of the rest.
        text.shrink_to_fit();
    }
}

/// Sends events to watchers. Without watchers, an event costs one comparison, and is not created.
#[derive(Debug)]
pub struct EventBus {
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
        EventBus { watchers: Arc::new(Semaphore::new(MAX_WATCHERS)), sender: broadcast::Sender::new(MAX_WAITING) }
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
        if self.watchers.available_permits() < MAX_WATCHERS {
            let mut event = TimedEvent { time: rfc3339(SystemTime::now()), event: event() };
            event.event.cut();
            // The last watcher may just have left.
            let _ = self.sender.send(Arc::new(event));
        }
    }
}

/// A moment as the API writes it.
pub fn rfc3339(moment: SystemTime) -> String {
    humantime::format_rfc3339_millis(moment).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
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
