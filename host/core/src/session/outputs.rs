//! What a session wants done and nobody has asked for yet.

use super::output::Output;
use crate::frame::MessageType;
use std::collections::VecDeque;

/// In the order in which it came up.
#[derive(Debug, Default)]
pub(super) struct Outputs(VecDeque<QueuedOutputs>);

#[derive(Debug)]
struct QueuedOutputs {
    output: Output,
    /// Of a back end's own message, its generation: if it goes nowhere, back ends are told.
    relayed: Option<u64>,
}

impl Outputs {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The lengths of what is to be sent.
    pub(super) fn texts(&self) -> impl Iterator<Item = usize> {
        self.0.iter().filter_map(|waiting| match &waiting.output {
            Output::Send(_, text) => Some(text.len()),
            _ => None,
        })
    }

    pub(super) fn push_back(&mut self, output: Output) {
        self.0.push_back(QueuedOutputs { output, relayed: None });
    }

    /// A message of a back end that no open CALL stands for.
    pub(super) fn relay(&mut self, kind: MessageType, text: String, generation: u64) {
        self.0.push_back(QueuedOutputs { output: Output::Send(kind, text), relayed: Some(generation) });
    }

    pub(super) fn pop_front(&mut self) -> Option<Output> {
        let first = self.0.pop_front()?;
        if self.0.is_empty() {
            // The next one goes where the first one was, not to the next place in the ring: that is memory at hand.
            self.0.clear();
        }
        Some(first.output)
    }

    /// The first that the charge point has no part in.
    pub(super) fn pop_notice(&mut self) -> Option<Output> {
        let index = self.0.iter().position(|waiting| !is_for_charge_point(&waiting.output))?;
        self.0.remove(index).map(|waiting| waiting.output)
    }

    /// Takes back the CALL that was to be sent, if it is still here.
    pub(super) fn withdraw_call(&mut self) {
        self.0.retain(|waiting| !matches!(waiting.output, Output::Send(MessageType::Call, _)));
    }

    /// Takes out all that is for the charge point, and answers what of it back ends have sent, with its generation.
    pub(super) fn take_unsent(&mut self) -> Vec<(String, u64)> {
        let mut unsent = Vec::new();
        for waiting in std::mem::take(&mut self.0) {
            match (waiting.output, waiting.relayed) {
                (Output::Send(_, text), Some(generation)) => unsent.push((text, generation)),
                (output, _) if is_for_charge_point(&output) => {}
                (output, relayed) => self.0.push_back(QueuedOutputs { output, relayed }),
            }
        }
        unsent
    }
}

fn is_for_charge_point(output: &Output) -> bool {
    matches!(output, Output::Send(..) | Output::Ping)
}
