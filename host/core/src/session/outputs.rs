//! The queue of outputs that were not polled yet.

use super::output::Output;
use crate::frame::MessageType;
use std::collections::VecDeque;

/// Outputs in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Outputs(VecDeque<QueuedOutput>);

#[derive(Debug)]
struct QueuedOutput {
    output: Output,
    /// The generation of a message of a back end, which is reported if it is not sent. `None` for other outputs.
    relayed: Option<u64>,
}

impl Outputs {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The lengths of the texts to send, in bytes.
    pub(super) fn texts(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter_map(|waiting| match &waiting.output {
            Output::Send(_, text) => Some(text.len()),
            _ => None,
        })
    }

    pub(super) fn push_back(&mut self, output: Output) {
        self.0.push_back(QueuedOutput { output, relayed: None });
    }

    /// Queues a message of a back end that no open CALL tracks.
    pub(super) fn relay(&mut self, kind: MessageType, text: String, generation: u64) {
        self.0.push_back(QueuedOutput { output: Output::Send(kind, text), relayed: Some(generation) });
    }

    pub(super) fn pop_front(&mut self) -> Option<Output> {
        let first = self.0.pop_front()?;
        if self.0.is_empty() {
            // Restarts at the beginning of the ring buffer, whose memory is likely in the cache.
            self.0.clear();
        }
        Some(first.output)
    }

    /// Takes out the first output that is not for the charge point.
    pub(super) fn pop_notice(&mut self) -> Option<Output> {
        let index = self.0.iter().position(|waiting| !is_for_charge_point(&waiting.output))?;
        self.0.remove(index).map(|waiting| waiting.output)
    }

    /// Removes the CALL that was to be sent, if it is still queued.
    pub(super) fn withdraw_call(&mut self) {
        self.0.retain(|waiting| !matches!(waiting.output, Output::Send(MessageType::Call, _)));
    }

    /// Removes all outputs for the charge point. Returns the messages of back ends among them, with their generations.
    pub(super) fn take_unsent(&mut self) -> Vec<(String, u64)> {
        let mut unsent = Vec::new();
        for waiting in std::mem::take(&mut self.0) {
            match (waiting.output, waiting.relayed) {
                (Output::Send(_, text), Some(generation)) => unsent.push((text, generation)),
                (output, _) if is_for_charge_point(&output) => {}
                (output, relayed) => self.0.push_back(QueuedOutput { output, relayed }),
            }
        }
        unsent
    }
}

fn is_for_charge_point(output: &Output) -> bool {
    matches!(output, Output::Send(..) | Output::Ping)
}
