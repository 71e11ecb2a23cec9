//! An MQTT message for the mapping.

use ocpp_gateway_core::{Publish, QoS};

/// An MQTT message as it was received, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub qos: QoS,
    pub retain: bool,
}

impl<'a> From<&'a Publish> for Message<'a> {
    fn from(publish: &'a Publish) -> Self {
        let Publish { topic, payload, qos, retain, .. } = publish;
        Message { topic, payload, qos: *qos, retain: *retain }
    }
}
