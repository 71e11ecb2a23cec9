//! The trace of a message, for people and programs.

use data_encoding::BASE64;
use ocpp_gateway_core::{CallError, Frame, Publish};
use ocpp_gateway_pipeline::{
    Answer, NotMapped, TraceStep, TracedAction, TracedLine, TracedMessage, TransformVersion, TrialOutcome,
};
use serde::Serialize;

/// What each stage made of a message, and what would have become of it.
#[derive(Debug, Serialize)]
pub(super) struct TryAnswer {
    steps: Vec<Step>,
    /// What would have been published.
    published: Vec<Message>,
    /// The frames that would have been sent to the charge point.
    sent: Vec<String>,
    /// The immediate answer to the charge point, if there is one.
    answer: Option<Action>,
    /// Why a message of a back end would not have been mapped, if so.
    not_mapped: Option<String>,
    /// What would have been counted and logged.
    incidents: Vec<String>,
}

/// One call of a hook.
#[derive(Debug, Serialize)]
struct Step {
    transform: String,
    version: TransformVersion,
    hook: &'static str,
    input: Shown,
    /// What the transform wants done, in its order.
    actions: Vec<Action>,
    /// Why the call failed, if so.
    failure: Option<String>,
    /// How long it took, in microseconds.
    time_us: f64,
    log: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    level: &'static str,
    text: String,
}

/// A frame as its text, or an MQTT message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Shown {
    Frame(String),
    Message(Message),
}

#[derive(Debug, Serialize)]
struct Message {
    topic: String,
    qos: u8,
    retain: bool,
    /// Null if it is no text.
    payload: Option<String>,
    /// The payload, if it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "action")]
enum Action {
    Pass,
    /// It goes on in this form.
    Message {
        #[serde(flatten)]
        shown: Shown,
    },
    /// Beside it.
    Publish {
        message: Message,
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
}

impl From<TrialOutcome> for TryAnswer {
    fn from(outcome: TrialOutcome) -> Self {
        let TrialOutcome { steps, publishes, frames, answer, not_mapped, incidents } = outcome;
        TryAnswer {
            steps: steps.into_iter().map(Step::from).collect(),
            published: publishes.into_iter().map(Message::from).collect(),
            sent: frames.iter().map(Frame::encode).collect(),
            answer: answer.map(|answer| match answer {
                Answer::Result(payload) => Action::Reply { payload },
                Answer::Error(error) | Answer::ResultError(error) => Action::reject(error),
            }),
            not_mapped: not_mapped.map(|NotMapped { text, .. }| text),
            incidents: incidents.iter().map(|it| format!("transform {}: {}", it.transform, it.cause)).collect(),
        }
    }
}

impl From<TraceStep> for Step {
    fn from(step: TraceStep) -> Self {
        let TraceStep { transform, version, hook, input, outcome, duration, log } = step;
        let (actions, failure) = match outcome {
            Ok(actions) => (actions.into_iter().map(Action::from).collect(), None),
            Err(failure) => (Vec::new(), Some(failure.to_string())),
        };
        let log = log.into_iter().map(|TracedLine { level, text }| Line { level, text }).collect();
        let time_us = duration.as_secs_f64() * 1e6;
        Step { transform, version, hook, input: input.into(), actions, failure, time_us, log }
    }
}

impl From<TracedMessage> for Shown {
    fn from(message: TracedMessage) -> Self {
        match message {
            TracedMessage::Frame(frame) => Shown::Frame(frame.encode()),
            TracedMessage::Message(publish) => Shown::Message(publish.into()),
        }
    }
}

impl From<Publish> for Message {
    fn from(Publish { topic, payload, qos, retain, .. }: Publish) -> Self {
        let (payload, payload_base64) = match String::from_utf8(payload) {
            Ok(text) => (Some(text), None),
            Err(error) => (None, Some(BASE64.encode(error.as_bytes()))),
        };
        Message { topic, qos: qos.level(), retain, payload, payload_base64 }
    }
}

impl Action {
    fn reject(CallError { code, description, details }: CallError) -> Self {
        Action::Reject { code: code.into(), description: description.into(), details: details.into() }
    }
}

impl From<TracedAction> for Action {
    fn from(action: TracedAction) -> Self {
        match action {
            TracedAction::Pass => Action::Pass,
            TracedAction::Message(message) => Action::Message { shown: message.into() },
            TracedAction::Publish(publish) => Action::Publish { message: publish.into() },
            TracedAction::Reply(payload) => Action::Reply { payload },
            TracedAction::Reject(error) => Action::reject(error),
            TracedAction::Drop(reason) => Action::Drop { reason },
        }
    }
}
