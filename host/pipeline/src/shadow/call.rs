//! Calls of a transform, for a candidate to repeat.

use crate::error::Failure;
use crate::guest_log::TracedLine;
use crate::hook::Function;
use crate::trace::{TracedAction, TracedMessage};
use ocpp_gateway_core::{Direction, Frame, Peer, Publish};
use std::time::Duration;

/// What a transform was called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShadowInput {
    Frame(Frame<'static>),
    /// With the attributes that the transform was told.
    Message(Publish),
    Connected,
    /// With the reason.
    Disconnected(String),
    /// Asked for the topics of a charge point.
    Subscriptions,
}

impl From<TracedMessage> for ShadowInput {
    fn from(message: TracedMessage) -> Self {
        match message {
            TracedMessage::Frame(frame) => ShadowInput::Frame(frame),
            TracedMessage::Message(publish) => ShadowInput::Message(publish),
        }
    }
}

/// A call of the version that runs, with what it did.
pub struct ShadowCall {
    pub peer: Peer,
    pub(super) function: Function,
    /// Of the message, where the hook does not tell it.
    pub(super) direction: Option<Direction>,
    pub input: ShadowInput,
    /// What the version that runs has answered. A refusal of a mapping is one of the actions.
    pub live: Result<Vec<TracedAction>, Failure>,
    /// How long that took; `None`: it is not called for such messages, and lets them pass.
    pub live_time: Option<Duration>,
}

/// What a candidate has answered.
#[derive(Debug)]
pub struct ShadowAnswer {
    pub actions: Result<Vec<TracedAction>, Failure>,
    /// `None`: it is not called for such messages, and lets them pass.
    pub time: Option<Duration>,
    /// What it logged or printed meanwhile.
    pub log: Vec<TracedLine>,
}

impl ShadowCall {
    /// The hook of the call.
    pub fn hook(&self) -> &'static str {
        self.function.hook()
    }

    /// The action that an MQTT message is about: one of the attributes.
    pub(super) fn action(&self) -> Option<&str> {
        let ShadowInput::Message(publish) = &self.input else { return None };
        publish.attributes.iter().find(|(name, _)| name == "action").map(|(_, action)| action.as_str())
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        let input = match &self.input {
            ShadowInput::Frame(frame) => size_of_frame(frame),
            ShadowInput::Message(publish) => size_of_publish(publish),
            ShadowInput::Disconnected(reason) => reason.len(),
            ShadowInput::Connected | ShadowInput::Subscriptions => 0,
        };
        size_of::<Self>() + size_of_attributes(&self.peer.attributes) + input + size_of_answer(&self.live)
    }
}

impl ShadowAnswer {
    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        let log = self.log.iter().map(|line| size_of::<TracedLine>() + line.text.len());
        size_of::<Self>() + size_of_answer(&self.actions) + log.sum::<usize>()
    }
}

fn size_of_answer(answer: &Result<Vec<TracedAction>, Failure>) -> usize {
    let size = |action: &TracedAction| {
        let content = match action {
            TracedAction::Message(TracedMessage::Frame(frame)) => size_of_frame(frame),
            TracedAction::Message(TracedMessage::Message(publish)) | TracedAction::Publish(publish) => {
                size_of_publish(publish)
            }
            TracedAction::Reply(text) | TracedAction::Drop(text) => text.len(),
            TracedAction::Reject(error) => error.description.len() + error.details.len(),
            TracedAction::Subscribe(filter) => filter.filter.len(),
            TracedAction::Pass => 0,
        };
        size_of::<TracedAction>() + content
    };
    answer.iter().flatten().map(size).sum()
}

fn size_of_frame(frame: &Frame<'_>) -> usize {
    let error = frame.error.as_ref().map_or(0, |head| head.code.len() + head.description.len());
    frame.id.len() + frame.payload.len() + error + size_of_attributes(&frame.attributes)
}

fn size_of_publish(Publish { topic, payload, properties, attributes, .. }: &Publish) -> usize {
    topic.len() + payload.len() + size_of_attributes(properties) + size_of_attributes(attributes)
}

fn size_of_attributes(attributes: &[(String, String)]) -> usize {
    attributes.iter().map(|(name, value)| 2 * size_of::<String>() + name.len() + value.len()).sum()
}

/// A refusal is what a mapping wants done, and no failure.
pub(super) fn as_actions(answer: Result<Vec<TracedAction>, Failure>) -> Result<Vec<TracedAction>, Failure> {
    match answer {
        Err(Failure::Refused(error)) => Ok(vec![TracedAction::Reject(error)]),
        answer => answer,
    }
}
