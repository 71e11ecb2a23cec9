//! A mapping with type, action and message id in the topic, and the bare OCPP payload in the message.
//!
//! | what | topic | payload |
//! |---|---|---|
//! | anything from the charge point | `ocpp/{id}/up/{type}/{action}/{message id}` | the OCPP payload |
//! | anything to it | `ocpp/{id}/dn/{type}/{action}/{message id}` | the OCPP payload |
//! | CALLERROR, CALLRESULTERROR, both ways | the same | `{"errorCode":…,"errorDescription":…,"errorDetails":{…}}` |
//!
//! `{type}` is `request`, `response`, `error`, `result-error` or `send`, or the number of the message type. `{action}`
//! is `-` in an answer whose action is not known. Settings: [`config::Config`].

mod body;
pub mod config;
mod levels;

use config::Config;
use levels::{Levels, Types};
use ocpp_transform::{
    Frame, FrameType, Mapping, Peer, Publish, Refusal, TopicFilter, Transform, export, read_config, topic,
};

/// The mapping.
pub struct LegacyTopics {
    mountpoint: String,
    types: Types,
    uplink_qos: u8,
    downlink_qos: u8,
    retain: bool,
}

impl Transform for LegacyTopics {
    fn configure(config: &str) -> Result<Self, String> {
        LegacyTopics::new(read_config(config)?)
    }
}

impl Mapping for LegacyTopics {
    fn subscriptions(&self, peer: &Peer) -> Vec<TopicFilter> {
        // The filter includes topics with too few or too many levels, so that they are refused instead of ignored.
        vec![TopicFilter { filter: format!("{}#", self.commands(peer)), qos: self.downlink_qos }]
    }

    fn to_mqtt(&self, peer: &Peer, frame: Frame) -> Result<Vec<Publish>, Refusal> {
        let levels = Levels::of(&frame, self.types).map_err(|fault| Refusal::new(violation(peer), fault))?;
        let topic = format!("{}{}/up/{levels}", self.mountpoint, peer.id);
        Ok(vec![Publish { qos: self.uplink_qos, retain: self.retain, ..Publish::new(topic, body::write(frame)) }])
    }

    fn from_mqtt(&self, peer: &Peer, message: Publish) -> Result<Vec<Frame>, Refusal> {
        let Some(levels) = message.topic.strip_prefix(&self.commands(peer)).and_then(Levels::split) else {
            return Err(Refusal::new(violation(peer), "the topic does not end with {type}/{action}/{message id}"));
        };
        match self.frame(levels, &message.payload) {
            Ok(frame) => Ok(vec![frame]),
            Err(fault) => Err(Refusal {
                // Lets the gateway report an error under this message id.
                details: serde_json::json!({ "UniqueId": levels.id }).to_string(),
                ..Refusal::new(violation(peer), fault)
            }),
        }
    }
}

impl LegacyTopics {
    /// Checks the settings. The error names the key.
    fn new(config: Config) -> Result<Self, String> {
        topic::check(&config.mountpoint).map_err(|fault| format!("mountpoint: {fault}"))?;
        Ok(LegacyTopics {
            mountpoint: config.mountpoint,
            types: config.types,
            uplink_qos: config.uplink.qos,
            downlink_qos: config.downlink.qos,
            retain: config.uplink.retain,
        })
    }

    /// The prefix of the topics of all messages for a charge point.
    fn commands(&self, peer: &Peer) -> String {
        format!("{}{}/dn/", self.mountpoint, peer.id)
    }

    fn frame(&self, levels: Levels<'_>, payload: &[u8]) -> Result<Frame, &'static str> {
        let type_ = self.types.read(levels.type_).ok_or("the topic names no message type")?;
        let action = levels.known_action();
        if matches!(type_, FrameType::Call | FrameType::Send) && action.is_none() {
            return Err("the topic names no action");
        }
        let (error, payload) = body::read(type_, payload)?;
        Ok(Frame { error, ..Frame::new(type_, levels.id, action.map(str::to_owned), payload) })
    }
}

/// The error code for a malformed message, in the spelling of the charge point's version (OCPP-J 1.6 section 4.2.3).
fn violation(peer: &Peer) -> &'static str {
    if peer.protocol == "ocpp1.6" { "FormationViolation" } else { "FormatViolation" }
}

export!(LegacyTopics: Mapping);

#[cfg(test)]
mod tests;
