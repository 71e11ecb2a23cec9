//! What happens, for whoever watches it live.

use super::names;
use ocpp_gateway_pipeline::{SwapReport, TransformChange};
use serde::Serialize;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

/// So many events wait for a slow watcher; it loses older ones, and is told how many.
const KEPT: usize = 1024;

/// Bytes of each text in an event that a charge point, a back end or a transform can make as long as it likes: with [`KEPT`], this
/// bounds what events take.
const LONGEST_TEXT: usize = 1024;

/// So many may watch at the same time.
const WATCHERS: usize = 32;

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum GatewayEvent {
    /// A charge point has connected.
    Connected { charge_point: String, version: &'static str, address: String },
    /// A connection is over.
    Disconnected {
        charge_point: String,
        /// As in the metric `closed`.
        reason: &'static str,
        text: String,
    },
    /// A message was dropped, was refused or failed.
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
        /// The version that this transform gives itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        transform_version: Option<String>,
        text: String,
    },
    /// Transforms were put in the place of others, or were not.
    Swap {
        /// As in the metric `transform_swaps`.
        outcome: &'static str,
        /// Why it failed, or why a version was taken back although nobody asked for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Those that have changed; after a failure those that were to change, as they run.
        transforms: Vec<TransformChange>,
    },
}

impl From<&SwapReport> for GatewayEvent {
    fn from(report: &SwapReport) -> Self {
        let SwapReport { outcome, transforms, reason } = report.clone();
        GatewayEvent::Swap { outcome: names::outcome(outcome), reason, transforms }
    }
}

/// An event, and when it was.
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
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.push('…');
        // What was cut off is given back.
        text.shrink_to_fit();
    }
}

/// Carries events to watchers. While nobody watches, an event costs a look at one number, and is not even made.
#[derive(Debug)]
pub struct EventBus {
    /// A permit for each that may watch.
    watchers: Arc<Semaphore>,
    sender: broadcast::Sender<Arc<TimedEvent>>,
}

/// Somebody who watches. Counts until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    /// `Lagged`: it was too slow, and so many are gone. `Closed`: the gateway has ended.
    pub receiver: broadcast::Receiver<Arc<TimedEvent>>,
    _permit: OwnedSemaphorePermit,
}

impl Default for EventBus {
    fn default() -> Self {
        EventBus { watchers: Arc::new(Semaphore::new(WATCHERS)), sender: broadcast::Sender::new(KEPT) }
    }
}

impl EventBus {
    /// `None`: too many watch already.
    pub fn watch(&self) -> Option<Watcher> {
        let permit = Arc::clone(&self.watchers).try_acquire_owned().ok()?;
        Some(Watcher { receiver: self.sender.subscribe(), _permit: permit })
    }

    /// Tells watchers what `event` makes, if there are any.
    pub fn tell(&self, event: impl FnOnce() -> GatewayEvent) {
        if self.watchers.available_permits() < WATCHERS {
            // The last watcher may just have left.
            let mut event = TimedEvent { time: rfc3339(SystemTime::now()), event: event() };
            event.event.cut();
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
    async fn without_a_watcher_no_event_is_made() {
        let events = EventBus::default();
        events.tell(|| panic!("nobody watches"));
        drop(events.watch().expect("room"));
        events.tell(|| panic!("nobody watches any more"));
    }

    #[tokio::test]
    async fn texts_are_cut() {
        let events = EventBus::default();
        let mut watcher = events.watch().expect("room");
        events.tell(|| GatewayEvent::Incident {
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
        assert!(text.len() == LONGEST_TEXT + '…'.len_utf8() && text.capacity() < 2 * LONGEST_TEXT);
    }

    #[tokio::test]
    async fn a_slow_watcher_is_told_how_many_it_has_missed() {
        let events = EventBus::default();
        let mut watcher = events.watch().expect("room");
        for _ in 0..KEPT + 5 {
            events.tell(|| swap("swapped"));
        }
        events.tell(|| swap("failed"));
        assert_eq!(watcher.receiver.recv().await, Err(RecvError::Lagged(6)));
        for _ in 1..KEPT {
            assert!(watcher.receiver.recv().await.is_ok_and(|event| event.event == swap("swapped")));
        }
        assert!(watcher.receiver.recv().await.is_ok_and(|event| event.event == swap("failed")));
    }

    #[test]
    fn so_many_may_watch_and_no_more() {
        let events = EventBus::default();
        let mut watchers: Vec<Watcher> = (0..WATCHERS).map(|_| events.watch().expect("room")).collect();
        assert!(events.watch().is_none());
        watchers.pop();
        assert!(events.watch().is_some());
    }
}
