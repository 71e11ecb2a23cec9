//! Calls that wait for a shadow.

use super::call::ShadowCall;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// The most calls that wait. The shadow looks for new ones every few milliseconds.
const MAX_CALLS: usize = 10_000;
/// The most bytes that they have together, with their results.
const MAX_BYTES: usize = 32 << 20;

/// The most calls that are taken at a time.
const MAX_TAKEN: usize = 256;

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

    /// Some of the calls, in their order.
    pub(super) fn take(&self) -> VecDeque<ShadowCall> {
        let mut waiting = self.waiting.lock();
        let rest = waiting.calls.len().min(MAX_TAKEN);
        let rest = waiting.calls.split_off(rest);
        let taken = std::mem::replace(&mut waiting.calls, rest);
        waiting.bytes -= taken.iter().map(ShadowCall::size).sum::<usize>();
        taken
    }

    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Relaxed)
    }

    /// Takes nothing from now on.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Relaxed);
        *self.waiting.lock() = Waiting::default();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hook::Function;
    use crate::shadow::ShadowInput;
    use ocpp_gateway_core::{Attributes, Frame, Identity, MessageType, Peer, Version};

    fn call(id: usize, payload: usize) -> ShadowCall {
        let identity = Identity::new("CP1", 48).expect("an identity");
        let peer = Peer { identity, version: Version::V1_6, connection: 1, attributes: Attributes::new() };
        let frame = Frame::new(MessageType::Call, id.to_string(), "x".repeat(payload));
        let (function, input) = (Function::Uplink, ShadowInput::Frame(frame));
        ShadowCall { peer, function, direction: None, input, live: Ok(Vec::new()), live_time: None }
    }

    #[test]
    fn calls_that_do_not_fit_are_counted_and_the_others_keep_their_order() {
        let queue = ShadowQueue::default();
        (0..MAX_CALLS + 3).for_each(|id| queue.push(call(id, 1)));
        assert_eq!(queue.skipped(), 3);
        let taken = std::iter::from_fn(|| Some(queue.take()).filter(|calls| !calls.is_empty()));
        let ids: Vec<_> = taken.flatten().map(|call| call.input).collect();
        let expected: Vec<_> = (0..MAX_CALLS).map(|id| call(id, 1).input).collect();
        assert!(ids == expected);
        (0..3).for_each(|id| queue.push(call(id, MAX_BYTES / 2 - 1000)));
        assert_eq!((queue.take().len(), queue.skipped()), (2, 4));
    }

    #[test]
    fn closed_queue_takes_and_keeps_nothing() {
        let queue = ShadowQueue::default();
        queue.push(call(1, 1));
        queue.close();
        queue.push(call(2, 1));
        assert_eq!((queue.take().len(), queue.skipped()), (0, 0));
    }
}
