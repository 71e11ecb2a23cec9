//! What each transform made of a message.

use super::mqtt_message::{MessageText, MqttMessage};
use ocpp_gateway_core::{CallError, Frame, TopicFilter};
use ocpp_gateway_pipeline::{Answer, TraceStep, TracedAction, TracedLine, TracedMessage, TransformVersion};
use serde::{Deserialize, Serialize};

/// One call of a hook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The name of the transform.
    pub transform: String,
    pub version: StepVersion,
    /// The interface of the hook: `uplink`, `mapping`, ….
    pub hook: String,
    pub input: StepInput,
    /// What the transform wants done, in its order.
    pub actions: Vec<StepAction>,
    /// Why the call failed, if so.
    pub failure: Option<String>,
    /// How long it took, in microseconds.
    pub time_us: f64,
    pub log: Vec<LogLine>,
}

/// The version of a transform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepVersion {
    /// Where it comes from.
    pub component: String,
    /// The version that it gives itself.
    pub version: String,
    /// SHA-256 of the component: 64 hex digits.
    pub sha256: String,
    /// SHA-256 of its program, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program_sha256: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub level: String,
    pub text: String,
}

/// A frame as its text, or an MQTT message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepInput {
    Frame(String),
    Message(MqttMessage),
    /// About the connection. Only where trials compare versions.
    Event(String),
}

/// What a transform wants done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "action")]
pub enum StepAction {
    Pass,
    /// It goes on in this form.
    Message {
        #[serde(flatten)]
        content: StepInput,
    },
    /// Beside it.
    Publish {
        message: MqttMessage,
    },
    Reply {
        payload: String,
    },
    Reject {
        code: String,
        description: String,
        details: String,
    },
    Drop {
        reason: String,
    },
    /// The charge point is reached on this topic. Only where trials compare versions.
    Subscribe {
        filter: String,
        qos: u8,
    },
}

impl Step {
    pub(super) fn for_each_text(&mut self, change: &mut dyn FnMut(MessageText<'_>)) {
        let Step { input, actions, failure, log, .. } = self;
        input.for_each_text(change);
        actions.iter_mut().for_each(|action| action.for_each_text(change));
        let texts = failure.iter_mut().chain(log.iter_mut().map(|line| &mut line.text));
        texts.for_each(|text| change(MessageText::Plain(text)));
    }
}

impl StepInput {
    pub(crate) fn for_each_text(&mut self, change: &mut dyn FnMut(MessageText<'_>)) {
        match self {
            StepInput::Frame(text) | StepInput::Event(text) => change(MessageText::Plain(text)),
            StepInput::Message(message) => message.for_each_text(change),
        }
    }
}

impl StepAction {
    pub(crate) fn for_each_text(&mut self, change: &mut dyn FnMut(MessageText<'_>)) {
        match self {
            StepAction::Pass | StepAction::Subscribe { .. } => {}
            StepAction::Message { content } => content.for_each_text(change),
            StepAction::Publish { message } => message.for_each_text(change),
            StepAction::Reply { payload: text } | StepAction::Drop { reason: text } => change(MessageText::Plain(text)),
            StepAction::Reject { code, description, details } => {
                [code, description, details].into_iter().for_each(|text| change(MessageText::Plain(text)));
            }
        }
    }
}

impl From<TraceStep> for Step {
    fn from(step: TraceStep) -> Self {
        let TraceStep { transform, version, hook, input, outcome, duration, log } = step;
        let (actions, failure) = match outcome {
            Ok(actions) => (actions.into_iter().map(StepAction::from).collect(), None),
            Err(failure) => (Vec::new(), Some(failure.to_string())),
        };
        let log = log.into_iter().map(|TracedLine { level, text }| LogLine { level: level.into(), text }).collect();
        let (version, hook, time_us) = (version.into(), hook.to_owned(), duration.as_secs_f64() * 1e6);
        Step { transform, version, hook, input: input.into(), actions, failure, time_us, log }
    }
}

impl From<TransformVersion> for StepVersion {
    fn from(TransformVersion { component, version, sha256, program_sha256, .. }: TransformVersion) -> Self {
        StepVersion { component, version, sha256, program_sha256 }
    }
}

impl From<TracedMessage> for StepInput {
    fn from(message: TracedMessage) -> Self {
        match message {
            TracedMessage::Frame(frame) => StepInput::Frame(Frame::encode(&frame)),
            TracedMessage::Message(publish) => StepInput::Message(publish.into()),
        }
    }
}

impl From<TracedAction> for StepAction {
    fn from(action: TracedAction) -> Self {
        match action {
            TracedAction::Pass => StepAction::Pass,
            TracedAction::Message(message) => StepAction::Message { content: message.into() },
            TracedAction::Publish(publish) => StepAction::Publish { message: publish.into() },
            TracedAction::Reply(payload) => StepAction::Reply { payload },
            TracedAction::Reject(error) => error.into(),
            TracedAction::Drop(reason) => StepAction::Drop { reason },
            TracedAction::Subscribe(TopicFilter { filter, qos }) => StepAction::Subscribe { filter, qos: qos.level() },
        }
    }
}

impl From<Answer> for StepAction {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Result(payload) => StepAction::Reply { payload },
            Answer::Error(error) | Answer::ResultError(error) => error.into(),
        }
    }
}

impl From<CallError> for StepAction {
    fn from(CallError { code, description, details }: CallError) -> Self {
        StepAction::Reject { code: code.into(), description: description.into(), details: details.into() }
    }
}
