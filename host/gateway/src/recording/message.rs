//! A message that passed the transforms, and what became of it.

use super::trace::{Step, StepAction};
use data_encoding::BASE64;
use ocpp_gateway_core::session::Direction;
use ocpp_gateway_core::{Publish, QoS};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A message that passed the transforms. Text that could be a secret, and members without a value, are left out.
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

/// An MQTT message. Without payload: that was not asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MqttMessage {
    pub topic: String,
    pub qos: u8,
    pub retain: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The payload, if it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_base64: Option<String>,
}

impl MqttMessage {
    pub fn new(topic: impl Into<String>, qos: QoS, retain: bool, payload: &[u8]) -> Self {
        let (payload, payload_base64) = match str::from_utf8(payload) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(BASE64.encode(payload))),
        };
        MqttMessage { topic: topic.into(), qos: qos.level(), retain, payload, payload_base64 }
    }
}

impl From<Publish> for MqttMessage {
    fn from(Publish { topic, payload, qos, retain, .. }: Publish) -> Self {
        MqttMessage::new(topic, qos, retain, &payload)
    }
}
