//! The mapping that ships with the gateway: frames on `ocpp/cp/…`, answers and commands on `ocpp/cs/…`.
//!
//! | what | topic | payload |
//! |---|---|---|
//! | CALL from the charge point | `ocpp/cp/{id}` | `{"MessageTypeId":2,"UniqueId":…,"Action":…,"Payload":{…}}` |
//! | CALLRESULT from it | `ocpp/cp/{id}/Reply` | `{"MessageTypeId":3,"UniqueId":…,"Payload":{…}}` |
//! | CALLERROR from it | `ocpp/cp/{id}/Reply` | `{"MessageTypeId":4,"UniqueId":…,"ErrorCode":…,"ErrorDescription":…,"ErrorDetails":{…}}` |
//! | CALLRESULTERROR from it (2.1) | as a CALLERROR | as a CALLERROR, `"MessageTypeId":5` |
//! | SEND from it (2.1) | `ocpp/cp/{id}` | as a CALL, `"MessageTypeId":6` |
//! | anything to it | `ocpp/cs/{id}` | the same objects |
//!
//! Payload text passes through byte for byte. Topics, QoS and retain are settings ([`config::Config`]).

pub mod config;
mod facts;
mod message;

use config::Config;
use facts::{Fact, Facts, Template};
use message::NotUnderstood;
use ocpp_transform::{
    Attributes, Frame, FrameType, Mapping, Peer, Publish, Refusal, TopicFilter, Transform, export, read_config, topic,
};
use std::collections::HashMap;

/// The placeholder for the beginning of topics that the listener of a charge point has.
const OF_LISTENER: &str = "${mountpoint}";

/// The mapping, with its topic templates compiled.
pub struct Standard {
    calls: Template,
    calls_by_action: HashMap<String, Template>,
    replies: Template,
    errors: Template,
    commands: Template,
    uplink_qos: u8,
    downlink_qos: u8,
    retain: bool,
}

impl Transform for Standard {
    fn configure(config: &str) -> Result<Self, String> {
        Standard::new(read_config(config)?)
    }
}

impl Mapping for Standard {
    fn subscriptions(&self, peer: &Peer) -> Vec<TopicFilter> {
        let filter = Facts::of_peer(peer).fill_in(&self.commands);
        vec![TopicFilter { filter, qos: self.downlink_qos }]
    }

    fn to_mqtt(&self, peer: &Peer, frame: Frame) -> Result<Vec<Publish>, Refusal> {
        let template = self.template_for(&frame);
        let facts = Facts::of_frame(peer, &frame);
        if let Some(what) = facts.unsafe_in(template) {
            return Err(Refusal::new(violation(peer), format!("the {what} cannot stand in a topic")));
        }
        let topic = facts.fill_in(template);
        if topic.is_empty() {
            // For example `${action}` alone, for an answer whose action is not known.
            return Err(Refusal::new(violation(peer), "nothing is left of the topic"));
        }
        Ok(vec![Publish {
            topic,
            payload: message::write(&frame),
            qos: self.uplink_qos,
            retain: self.retain,
            properties: Attributes::new(),
            attributes: Attributes::new(),
        }])
    }

    fn from_mqtt(&self, peer: &Peer, message: Publish) -> Result<Vec<Frame>, Refusal> {
        match message::read(&message.payload) {
            Ok(frame) => Ok(vec![frame]),
            Err(NotUnderstood { description, id }) => Err(Refusal {
                // Lets the gateway report an error under this message id.
                details: id.map_or("{}".into(), |id| serde_json::json!({ "UniqueId": id }).to_string()),
                ..Refusal::new(violation(peer), description)
            }),
        }
    }
}

impl Standard {
    /// Compiles the templates. The error names the key.
    fn new(config: Config) -> Result<Self, String> {
        let Config { mountpoint, uplink, downlink } = config;
        let template = |key: &str, text: &str| {
            let text = format!("{mountpoint}{text}");
            // Where a template does not say it, the mount point of the listener stands before all.
            let before = if text.contains(OF_LISTENER) { "" } else { OF_LISTENER };
            let parsed = Template::parse(&text).and_then(|_| Template::parse(&format!("{before}{text}")));
            parsed.map_err(|fault| format!("{key}: {fault}"))
        };
        topic::check(&mountpoint.replace(OF_LISTENER, "")).map_err(|fault| format!("mountpoint: {fault}"))?;
        let commands = template("downlink.topic", &downlink.topic)?;
        if commands.placeholders().any(|fact| !matches!(fact, Fact::ChargePoint | Fact::Mountpoint)) {
            let known = "only ${cid}, ${clientid} and ${mountpoint} are known when the gateway subscribes";
            return Err(format!("downlink.topic: {known}"));
        }
        let calls_by_action = uplink.topic_overrides.iter().map(|(action, text)| {
            let key = format!("uplink.topic_overrides.{action}");
            Ok((action.clone(), template(&key, text)?))
        });
        Ok(Standard {
            calls: template("uplink.topic", &uplink.topic)?,
            calls_by_action: calls_by_action.collect::<Result<_, String>>()?,
            replies: template("uplink.reply_topic", &uplink.reply_topic)?,
            errors: template("uplink.error_topic", &uplink.error_topic)?,
            commands,
            uplink_qos: uplink.qos,
            downlink_qos: downlink.qos,
            retain: uplink.retain,
        })
    }

    fn template_for(&self, frame: &Frame) -> &Template {
        match frame.type_ {
            FrameType::Call | FrameType::Send => {
                let action = frame.action.as_deref().unwrap_or_default();
                // Hashing the action of every message costs more than the rest of this function.
                let own = if self.calls_by_action.is_empty() { None } else { self.calls_by_action.get(action) };
                own.unwrap_or(&self.calls)
            }
            FrameType::CallResult => &self.replies,
            FrameType::CallError | FrameType::CallResultError => &self.errors,
        }
    }
}

/// The error code for a malformed message, in the spelling of the charge point's version (OCPP-J 1.6 section 4.2.3).
fn violation(peer: &Peer) -> &'static str {
    if peer.protocol == "ocpp1.6" { "FormationViolation" } else { "FormatViolation" }
}

export!(Standard: Mapping);

#[cfg(test)]
mod tests;
