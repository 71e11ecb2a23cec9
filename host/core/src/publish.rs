//! MQTT messages, as transforms see them.

/// Additional facts, each a name and a value. Unknown names are ignored.
pub type Attributes = Vec<(String, String)>;

/// The delivery guarantee (MQTT 3.1.1 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum QoS {
    AtMostOnce = 0,
    #[default]
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

impl QoS {
    /// `None` for a number above 2.
    pub fn from_level(level: u8) -> Option<Self> {
        match level {
            0 => Some(QoS::AtMostOnce),
            1 => Some(QoS::AtLeastOnce),
            2 => Some(QoS::ExactlyOnce),
            _ => None,
        }
    }

    pub fn level(self) -> u8 {
        self as u8
    }
}

/// An MQTT message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publish {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: QoS,
    pub retain: bool,
    /// MQTT 5 user properties. They are not yet exchanged with the broker.
    pub properties: Attributes,
    pub attributes: Attributes,
}

/// A topic filter to subscribe to; may contain the wildcards `+` and `#`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TopicFilter {
    pub filter: String,
    pub qos: QoS,
}

/// Whether a character "SHOULD NOT" be in a string (MQTT 3.1.1 section 1.5.3): control characters and noncharacters. A
/// broker may close the connection over them; mosquitto does, and does so again whenever the message is resent.
pub fn is_disallowed_in_topics(character: char) -> bool {
    let code = u32::from(character);
    character.is_control() || matches!(code, 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qos_levels_have_their_mqtt_numbers() {
        for (level, qos) in [(0, QoS::AtMostOnce), (1, QoS::AtLeastOnce), (2, QoS::ExactlyOnce)] {
            assert_eq!((QoS::from_level(level), qos.level()), (Some(qos), level));
        }
        assert_eq!(QoS::from_level(3), None);
    }
}
