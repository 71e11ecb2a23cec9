//! The trace of a message, for people and programs.

use crate::recording::{MqttMessage, Step, StepAction};
use ocpp_gateway_core::Frame;
use ocpp_gateway_pipeline::{NotMapped, TryOutcome};
use serde::Serialize;

/// What each stage made of a message, and what would have become of it.
#[derive(Debug, Serialize)]
pub(super) struct TryAnswer {
    steps: Vec<Step>,
    /// What would have been published.
    published: Vec<MqttMessage>,
    /// The frames that would have been sent to the charge point.
    sent: Vec<String>,
    /// The immediate answer to the charge point, if there is one.
    answer: Option<StepAction>,
    /// Why a message of a back end would not have been mapped, if so.
    not_mapped: Option<String>,
    /// What would have been counted and logged.
    incidents: Vec<String>,
}

impl From<TryOutcome> for TryAnswer {
    fn from(outcome: TryOutcome) -> Self {
        let TryOutcome { steps, publishes, frames, answer, not_mapped, incidents } = outcome;
        TryAnswer {
            steps: steps.into_iter().map(Step::from).collect(),
            published: publishes.into_iter().map(MqttMessage::from).collect(),
            sent: frames.iter().map(Frame::encode).collect(),
            answer: answer.map(StepAction::from),
            not_mapped: not_mapped.map(|NotMapped { text, .. }| text),
            incidents: incidents.iter().map(ToString::to_string).collect(),
        }
    }
}
