//! What happens, for whoever watches it live.

use super::names;
use ocpp_gateway_pipeline::{Change, SwapReport, TransformChange, TransformVersion};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;
use tokio::sync::broadcast;

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
        /// The version that this transform gives itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        transform_version: Option<String>,
        text: String,
    },
    /// Transforms were put in the place of others, or were not.
    Exchange {
        /// As in the metric `transform_exchanges`.
        outcome: &'static str,
        /// Why it failed, or why a version was taken back although nobody asked for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Those that have changed; after a failure those that were to change, as they run.
        transforms: Vec<SwappedTransform>,
    },
}

/// What has become of a transform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SwappedTransform {
    pub name: String,
    /// `added`, `replaced`, `removed` or `kept`.
    pub change: &'static str,
    /// What runs; absent: nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<SwappedVersion>,
    /// What ran before, if that was another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<SwappedVersion>,
}

/// One version of a transform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SwappedVersion {
    pub component: String,
    pub version: String,
    pub sha256: String,
}

impl From<&SwapReport> for Event {
    fn from(report: &SwapReport) -> Self {
        let SwapReport { outcome, transforms, reason } = report;
        Event::Exchange {
            outcome: names::outcome(*outcome),
            reason: reason.clone(),
            transforms: transforms.iter().map(SwappedTransform::from).collect(),
        }
    }
}

impl From<&TransformChange> for SwappedTransform {
    fn from(change: &TransformChange) -> Self {
        let version = |version: &TransformVersion| SwappedVersion {
            component: version.component.clone(),
            version: version.version.clone(),
            sha256: version.sha256.clone(),
        };
        SwappedTransform {
            name: change.name.clone(),
            change: match change.what {
                Change::Added => "added",
                Change::Replaced => "replaced",
                Change::Removed => "removed",
                Change::Kept => "kept",
            },
            now: change.now.as_ref().map(version),
            before: change.before.as_ref().map(version),
        }
    }
}

/// An event, and when it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimedEvent {
    /// RFC 3339, in UTC, with milliseconds.
    pub time: String,
    #[serde(flatten)]
    pub event: Event,
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

    /// Cuts texts that are too long.
    fn cut(&mut self) {
        match self {
            // An identity has a limit of its own.
            Event::Connected { .. } => {}
            Event::Disconnected { text, .. } => cut(text),
            Event::Incident { message_id, action, text, .. } => [message_id, action, text].into_iter().for_each(cut),
            Event::Exchange { reason, .. } => reason.iter_mut().for_each(cut),
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
pub struct Events {
    watchers: Arc<AtomicUsize>,
    sender: broadcast::Sender<Arc<TimedEvent>>,
}

/// Somebody who watches. Counts until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    watchers: Arc<AtomicUsize>,
    receiver: broadcast::Receiver<Arc<TimedEvent>>,
}

/// What a watcher sees next.
#[derive(Debug)]
pub enum Seen {
    Event(Arc<TimedEvent>),
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
        Event::Exchange { outcome, reason: None, transforms: Vec::new() }
    }

    #[tokio::test]
    async fn without_a_watcher_no_event_is_made() {
        let events = Events::default();
        events.tell(|| panic!("nobody watches"));
        drop(events.watch().expect("room"));
        events.tell(|| panic!("nobody watches any more"));
    }

    #[tokio::test]
    async fn texts_are_cut() {
        let events = Events::default();
        let mut watcher = events.watch().expect("room");
        events.tell(|| Event::Incident {
            charge_point: "CP1".into(),
            direction: "uplink",
            cause: "dropped",
            message_id: "1".into(),
            action: "é".repeat(1000),
            transform: None,
            transform_version: None,
            text: "x".repeat(1 << 20),
        });
        let Some(Seen::Event(event)) = watcher.next().await else { panic!("no event") };
        let Event::Incident { message_id, action, text, .. } = &event.event else { panic!("another event") };
        assert_eq!((message_id.as_str(), action), ("1", &("é".repeat(512) + "…")));
        assert!(text.len() == LONGEST_TEXT + '…'.len_utf8() && text.capacity() < 2 * LONGEST_TEXT);
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
            assert!(matches!(watcher.next().await, Some(Seen::Event(event)) if event.event == exchange("exchanged")));
        }
        assert!(matches!(watcher.next().await, Some(Seen::Event(event)) if event.event == exchange("failed")));
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
