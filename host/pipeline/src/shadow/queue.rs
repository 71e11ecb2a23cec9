//! Calls that wait for a shadow.

use super::call::ShadowCall;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The most calls that wait. The shadow looks for new ones every few milliseconds.
const MAX_CALLS: usize = 10_000;
/// The most bytes that they have together, with their results.
const MAX_BYTES: usize = 64 << 20;

/// Takes calls without waiting, in their order. What does not fit is counted.
#[derive(Default)]
pub(super) struct ShadowQueue {
    waiting: Mutex<Waiting>,
    skipped: AtomicU64,
    is_closed: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    calls: VecDeque<ShadowCall>,
    bytes: usize,
}

impl ShadowQueue {
    /// Does not wake the shadow: the caller handles a live message.
    pub(super) fn push(&self, call: ShadowCall) {
        if self.is_closed() {
            return;
        }
        let bytes = call.size();
        let mut waiting = self.waiting.lock();
        if waiting.calls.len() < MAX_CALLS && waiting.bytes + bytes <= MAX_BYTES {
            waiting.bytes += bytes;
            waiting.calls.push_back(call);
        } else {
            drop(waiting);
            self.skipped.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn take(&self) -> VecDeque<ShadowCall> {
        std::mem::take(&mut *self.waiting.lock()).calls
    }

    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Relaxed)
    }

    /// Takes nothing from now on.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Relaxed);
        self.take();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Relaxed)
    }
}
