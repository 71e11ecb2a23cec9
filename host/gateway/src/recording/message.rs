//! A message that passed the transforms, and what became of it.

use super::mqtt_message::{MessageText, MqttMessage};
use super::trace::{Step, StepAction};
use ocpp_gateway_core::session::Direction;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A message that passed the transforms. Members without a value are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedMessage {
    /// When it arrived, RFC 3339 in UTC, with microseconds.
    pub time: String,
    pub charge_point: String,
    /// The OCPP version, as in the WebSocket subprotocol: `ocpp1.6`.
    pub version: String,
    /// Of the charge point, from transforms at its admission.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// The same for a CALL and its answer. Absent if the CALL was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    pub direction: Direction,
    /// `CALL`, `CALLRESULT`, …; of a message from a back end: of the first frame that it was mapped to.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// Of an answer: that of its CALL, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// `gateway`: an error report of the gateway to back ends, which passes the mapping and `outbound` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Uplink: the text of the frame as it arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<String>,
    /// Uplink: attributes that the gateway gave to the frame.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub frame_attributes: BTreeMap<String, String>,
    /// Downlink: the message as it arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MqttMessage>,
    /// Downlink: the CALLs of the charge point that were open, actions by message id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unanswered: BTreeMap<String, String>,
    /// To the broker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<MqttMessage>,
    /// Downlink: the frames for the charge point. A CALL is sent once the charge point has answered those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent: Vec<String>,
    /// Uplink: the immediate answer of a transform to the charge point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<StepAction>,
    /// Downlink: why the message was not mapped to frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_mapped: Option<String>,
    /// What transforms dropped, rejected or failed at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<String>,
    /// How long the transforms took, in microseconds.
    pub time_us: f64,
    /// What each transform made of it, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Step>>,
}

impl RecordedMessage {
    /// Calls `change` with each text that may have a part of the message.
    pub(crate) fn for_each_text(&mut self, change: &mut dyn FnMut(MessageText<'_>)) {
        let RecordedMessage { frame, message, published, sent, answer, not_mapped, incidents, steps, .. } = self;
        let texts = frame.iter_mut().chain(sent).chain(not_mapped).chain(incidents);
        texts.for_each(|text| change(MessageText::Plain(text)));
        message.iter_mut().chain(published).for_each(|message| message.for_each_text(change));
        answer.iter_mut().for_each(|answer| answer.for_each_text(change));
        steps.iter_mut().flatten().for_each(|step| step.for_each_text(change));
    }
}
