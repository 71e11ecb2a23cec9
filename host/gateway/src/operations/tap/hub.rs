//! The watchers, and the queue of each.

use super::filter::TapFilter;
use super::line::{self, Frames, TappedFrame};
use crate::operations::events::TimedEvent;
use crate::recording::RecordedMessage;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// The most watchers at the same time.
const MAX_WATCHERS: usize = 32;

/// The most lines that wait for a slow watcher.
const MAX_LINES: usize = 4096;

/// The most bytes that wait for a slow watcher. A longer line waits alone.
const MAX_BYTES: usize = 4 << 20;

/// Who watches. Without watchers, a message costs one comparison.
#[derive(Debug)]
pub struct TapHub {
    /// Changes when a watcher comes or goes. What is cached about watchers is valid for one revision.
    revision: AtomicU64,
    watchers: Mutex<Vec<Arc<TapSender>>>,
    /// A permit for each possible watcher.
    permits: Arc<Semaphore>,
}

/// The sending end of a watcher's queue. Sending never waits.
#[derive(Debug)]
pub struct TapSender {
    filter: TapFilter,
    lines: mpsc::Sender<TappedLine>,
    room: Arc<Semaphore>,
    /// Lines that found no room since the last one that did.
    missed: AtomicU64,
}

/// A line for a watcher.
#[derive(Debug)]
pub struct TappedLine {
    /// The name of the event.
    pub event: &'static str,
    /// A JSON object.
    pub text: String,
    /// How many lines before it found no room.
    pub missed: u64,
    _room: OwnedSemaphorePermit,
}

/// The receiving end. The watcher counts until it is dropped.
#[derive(Debug)]
pub struct TapWatcher {
    hub: Arc<TapHub>,
    sender: Arc<TapSender>,
    lines: mpsc::Receiver<TappedLine>,
    _permit: OwnedSemaphorePermit,
}

impl Default for TapHub {
    fn default() -> Self {
        let permits = Arc::new(Semaphore::new(MAX_WATCHERS));
        TapHub { revision: AtomicU64::new(0), watchers: Mutex::default(), permits }
    }
}

impl TapHub {
    /// `None`: there are too many watchers already.
    pub fn watch(self: &Arc<Self>, filter: TapFilter) -> Option<TapWatcher> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        let (lines, receiver) = mpsc::channel(MAX_LINES);
        let room = Arc::new(Semaphore::new(MAX_BYTES));
        let sender = Arc::new(TapSender { filter, lines, room, missed: AtomicU64::new(0) });
        self.change(|watchers| watchers.push(Arc::clone(&sender)));
        Some(TapWatcher { hub: Arc::clone(self), sender, lines: receiver, _permit: permit })
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Arc<TapSender>>)) {
        let mut watchers = self.watchers.lock();
        change(&mut watchers);
        // Under the lock: who reads the new number, then finds the new watchers.
        self.revision.fetch_add(1, Ordering::Release);
    }

    /// Changes when a watcher comes or goes.
    pub fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    pub fn has_watchers(&self) -> bool {
        self.permits.available_permits() < MAX_WATCHERS
    }

    /// Those that want to see something of this charge point.
    pub fn watchers_of(&self, identity: &str) -> Vec<Arc<TapSender>> {
        let watchers = self.watchers.lock();
        watchers.iter().filter(|watcher| watcher.filter.matches_identity(identity)).cloned().collect()
    }

    /// Sends an event to all that want it.
    pub fn event(&self, event: &TimedEvent) {
        let wanted: Vec<_> = {
            let watchers = self.watchers.lock();
            watchers.iter().filter(|watcher| watcher.filter.matches_event(&event.event)).cloned().collect()
        };
        if !wanted.is_empty() {
            let text = line::event(event);
            wanted.iter().for_each(|watcher| watcher.send(event.event.name(), text.len(), || text.clone()));
        }
    }
}

impl TapSender {
    pub fn wants_trace(&self) -> bool {
        self.filter.trace
    }

    /// `at_least`: what the text will have, in bytes.
    fn send(&self, event: &'static str, at_least: usize, text: impl FnOnce() -> String) {
        if !self.try_send(event, at_least, text) {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn try_send(&self, event: &'static str, at_least: usize, text: impl FnOnce() -> String) -> bool {
        // Reserved first, so that no text is made for a full queue.
        let Ok(permit) = self.lines.try_reserve() else { return false };
        // After a gap there has to be room for more than one line: a slow reader sees few gaps, not many small ones.
        let has_gap = self.missed.load(Ordering::Relaxed) > 0;
        let wanted = if has_gap { MAX_BYTES / 4 } else { 1 };
        if self.room.available_permits() < at_least.clamp(wanted, MAX_BYTES) {
            return false;
        }
        let text = text();
        let size = u32::try_from(text.len().clamp(1, MAX_BYTES)).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(size) else { return false };
        permit.send(TappedLine { event, text, missed: self.missed.swap(0, Ordering::Relaxed), _room: room });
        true
    }
}

/// Sends a message to those of `watchers` that want it. Secrets in it are hidden.
pub fn send_message(watchers: &[Arc<TapSender>], mut message: RecordedMessage) {
    let wanted: Vec<_> = watchers.iter().filter(|watcher| watcher.filter.matches_message(&message)).collect();
    if wanted.is_empty() {
        return;
    }
    line::hide_secrets(&mut message);
    let steps = message.steps.take();
    let size = message.frame.as_ref().map_or(0, String::len) + message.sent.iter().map(String::len).sum::<usize>();
    for watcher in wanted {
        let TapFilter { payload, trace, .. } = watcher.filter;
        watcher.send("message", if payload { size } else { 0 }, || {
            if !payload {
                return line::line("message", &line::without_payloads(&message));
            }
            match &steps {
                Some(steps) if trace => {
                    line::line("message", &RecordedMessage { steps: Some(steps.clone()), ..message.clone() })
                }
                _ => line::line("message", &message),
            }
        });
    }
}

/// Sends a frame that no message shows to those of `watchers` that want it. Secrets in it are hidden.
pub fn send_frame(watchers: &[Arc<TapSender>], frames: Frames, mut frame: TappedFrame) {
    let wanted: Vec<_> = watchers.iter().filter(|watcher| watcher.filter.matches_frame(&frame)).collect();
    if wanted.is_empty() {
        return;
    }
    frame.hide_secrets();
    let size = frame.frame.as_ref().map_or(0, String::len);
    for watcher in wanted {
        let payload = watcher.filter.payload;
        watcher.send(frames.event(), if payload { size } else { 0 }, || {
            if payload {
                return line::line(frames.event(), &frame);
            }
            line::line(frames.event(), &TappedFrame { frame: None, ..frame.clone() })
        });
    }
}

impl TapWatcher {
    /// The next line, or how many were missed where that is all.
    pub async fn next(&mut self) -> Option<Tapped> {
        if let Ok(line) = self.lines.try_recv() {
            return Some(Tapped::Line(line));
        }
        // The queue is empty: what was missed since then will be told with no line.
        match self.sender.missed.swap(0, Ordering::Relaxed) {
            0 => self.lines.recv().await.map(Tapped::Line),
            missed => Some(Tapped::Missed(missed)),
        }
    }

    pub fn filter(&self) -> &TapFilter {
        &self.sender.filter
    }
}

/// What a watcher gets.
#[derive(Debug)]
pub enum Tapped {
    Line(TappedLine),
    Missed(u64),
}

impl Drop for TapWatcher {
    fn drop(&mut self) {
        self.hub.change(|watchers| watchers.retain(|watcher| !Arc::ptr_eq(watcher, &self.sender)));
    }
}
