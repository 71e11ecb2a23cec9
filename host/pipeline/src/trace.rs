//! What each stage made of a message, step by step.

use crate::actions::{FrameAction, PublishAction};
use crate::error::Failure;
use crate::guest_log::{LogTrace, TracedLine};
use crate::swap_report::TransformVersion;
use ocpp_gateway_core::{CallError, Frame, Publish, TopicFilter};
use std::time::{Duration, Instant};

/// One call of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceStep {
    /// The name of the transform.
    pub transform: String,
    pub version: TransformVersion,
    pub hook: &'static str,
    pub input: TracedMessage,
    /// What the transform wants done, in its order; or why the call failed.
    pub outcome: Result<Vec<TracedAction>, Failure>,
    pub duration: Duration,
    /// What it logged or printed meanwhile.
    pub log: Vec<TracedLine>,
}

/// A frame or an MQTT message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TracedMessage {
    Frame(Frame<'static>),
    Message(Publish),
}

/// What a transform wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TracedAction {
    Pass,
    /// It goes on in this form; or the mapping has made this of it.
    Message(TracedMessage),
    /// A message beside it.
    Publish(Publish),
    /// An answer to its sender, with this payload.
    Reply(String),
    Reject(CallError),
    Drop(String),
    /// The charge point is reached on this topic.
    Subscribe(TopicFilter),
}

/// The steps of one message so far.
#[derive(Debug, Default)]
pub(crate) struct Trace(pub(crate) Vec<TraceStep>);

/// A call that is traced.
pub(crate) struct TracedCall {
    input: TracedMessage,
    started: Instant,
    log: LogTrace,
}

impl TracedCall {
    pub(crate) fn start(input: TracedMessage) -> Self {
        TracedCall { input, log: LogTrace::start(), started: Instant::now() }
    }

    /// What was called, how long that has taken, and what was logged meanwhile.
    pub(crate) fn end(self) -> (TracedMessage, Duration, Vec<TracedLine>) {
        (self.input, self.started.elapsed(), self.log.take())
    }
}

/// The answer of a hook, as actions.
pub(crate) trait TracedAnswer {
    fn actions(&self) -> Vec<TracedAction>;

    /// The answer of a transform that leaves the message as it is.
    fn untouched() -> Self;
}

impl TracedAnswer for Vec<FrameAction> {
    fn actions(&self) -> Vec<TracedAction> {
        let action = |action: &FrameAction| match action.clone() {
            FrameAction::Pass => TracedAction::Pass,
            FrameAction::Replace(frame) => TracedAction::Message(TracedMessage::Frame(frame)),
            FrameAction::Publish(publish) => TracedAction::Publish(publish),
            FrameAction::Reply(payload) => TracedAction::Reply(payload),
            FrameAction::Reject(error) => TracedAction::Reject(error),
            FrameAction::Drop(reason) => TracedAction::Drop(reason),
        };
        self.iter().map(action).collect()
    }

    fn untouched() -> Self {
        vec![FrameAction::Pass]
    }
}

impl TracedAnswer for Vec<PublishAction> {
    fn actions(&self) -> Vec<TracedAction> {
        let action = |action: &PublishAction| match action.clone() {
            PublishAction::Pass => TracedAction::Pass,
            PublishAction::Replace(publish) => TracedAction::Message(TracedMessage::Message(publish)),
            PublishAction::Drop(reason) => TracedAction::Drop(reason),
        };
        self.iter().map(action).collect()
    }

    fn untouched() -> Self {
        vec![PublishAction::Pass]
    }
}

/// Of `to-mqtt`, and of the hooks for connections.
impl TracedAnswer for Vec<Publish> {
    fn actions(&self) -> Vec<TracedAction> {
        self.iter().map(|publish| TracedAction::Message(TracedMessage::Message(publish.clone()))).collect()
    }

    fn untouched() -> Self {
        Vec::new()
    }
}

/// Of `from-mqtt`.
impl TracedAnswer for Vec<Frame<'static>> {
    fn actions(&self) -> Vec<TracedAction> {
        self.iter().map(|frame| TracedAction::Message(TracedMessage::Frame(frame.clone()))).collect()
    }

    fn untouched() -> Self {
        Vec::new()
    }
}

/// Of `check`.
impl TracedAnswer for Option<CallError> {
    fn actions(&self) -> Vec<TracedAction> {
        vec![self.clone().map_or(TracedAction::Pass, TracedAction::Reject)]
    }

    fn untouched() -> Self {
        None
    }
}
