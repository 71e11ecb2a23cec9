//! MQTT messages.

use data_encoding::BASE64;
use ocpp_gateway_core::Publish;
use serde::{Deserialize, Serialize};

/// A text of a message that may have a part of what was sent.
#[derive(Debug)]
pub(crate) enum MessageText<'a> {
    Plain(&'a mut String),
    Base64(&'a mut String),
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
    pub fn new(topic: impl Into<String>, qos: u8, retain: bool, payload: &[u8]) -> Self {
        let (payload, payload_base64) = match str::from_utf8(payload) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(BASE64.encode(payload))),
        };
        MqttMessage { topic: topic.into(), qos, retain, payload, payload_base64 }
    }
}

impl MqttMessage {
    pub(super) fn for_each_text(&mut self, change: &mut dyn FnMut(MessageText<'_>)) {
        change(MessageText::Plain(&mut self.topic));
        self.payload.iter_mut().for_each(|text| change(MessageText::Plain(text)));
        self.payload_base64.iter_mut().for_each(|text| change(MessageText::Base64(text)));
    }
}

impl From<Publish> for MqttMessage {
    fn from(Publish { topic, payload, qos, retain, .. }: Publish) -> Self {
        MqttMessage::new(topic, qos.level(), retain, &payload)
    }
}
