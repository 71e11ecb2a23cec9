//! Calls of a transform, for a candidate to repeat.

use crate::error::Failure;
use crate::guest_log::TracedLine;
use crate::hook::Function;
use crate::trace::{TracedAction, TracedMessage};
use ocpp_gateway_core::{Frame, Peer, Publish};
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
        match self.function.interface() {
            "mapping" => self.function.name(),
            interface => interface,
        }
    }

    /// The action that an MQTT message is about: one of the attributes.
    pub(super) fn action(&self) -> Option<&str> {
        let ShadowInput::Message(publish) = &self.input else { return None };
        publish.attributes.iter().find(|(name, _)| name == "action").map(|(_, action)| action.as_str())
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        let input = match &self.input {
            ShadowInput::Frame(frame) => frame.payload.len(),
            ShadowInput::Message(publish) => publish.payload.len(),
            ShadowInput::Connected | ShadowInput::Disconnected(_) | ShadowInput::Subscriptions => 0,
        };
        let action = |action: &TracedAction| match action {
            TracedAction::Message(TracedMessage::Frame(frame)) => frame.payload.len(),
            TracedAction::Message(TracedMessage::Message(publish)) | TracedAction::Publish(publish) => {
                publish.payload.len()
            }
            TracedAction::Reply(payload) => payload.len(),
            _ => 0,
        };
        let actions: usize = self.live.iter().flatten().map(action).sum();
        size_of::<Self>() + input + actions
    }
}

/// A refusal is what a mapping wants done, and no failure.
pub(super) fn as_actions(answer: Result<Vec<TracedAction>, Failure>) -> Result<Vec<TracedAction>, Failure> {
    match answer {
        Err(Failure::Refused(error)) => Ok(vec![TracedAction::Reject(error)]),
        answer => answer,
    }
}
