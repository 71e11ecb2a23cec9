//! What a hook answers with: as a fixture expects it and as the engine gave it, in one form that can be compared.

use super::text::{Content, FrameText};
use ocpp_gateway_core::{CallError, Decision, Frame, Publish, QoS, TopicFilter};
use ocpp_gateway_pipeline::{FrameAction, PublishAction, Refusal, SchemaRule};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One thing that a hook answers with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    Pass,
    Replace(Replacement),
    Publish(Message),
    Frame(FrameText),
    Reply(Content),
    Reject(Error),
    Drop(String),
    Subscribe(Subscription),
    /// With these attributes.
    Accept(BTreeMap<String, String>),
    Refuse(Rejection),
    Schema(Schema),
}

/// `uplink` and `downlink` replace frames; `outbound` and `inbound`, messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a frame as OCPP-J text, or a message with topic and payload")]
pub(super) enum Replacement {
    Frame(FrameText),
    Message(Message),
}

/// An MQTT message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Message {
    topic: String,
    payload: Content,
    #[serde(default)]
    qos: Level,
    #[serde(default)]
    retain: bool,
}

/// Of a rejection, or of a mapping's refusal. Its details are not compared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Error {
    code: String,
    description: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Subscription {
    filter: String,
    #[serde(default)]
    qos: Level,
}

/// Of a charge point that wants to connect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rejection {
    status: u16,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schema {
    protocol: String,
    action: String,
    /// The number of the message type.
    r#type: u8,
    schema: Content,
}

/// A QoS, as its number.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub(super) struct Level(QoS);

impl TryFrom<u8> for Level {
    type Error = String;

    fn try_from(level: u8) -> Result<Self, String> {
        QoS::from_level(level).map(Level).ok_or_else(|| format!("there is no QoS {level}: expected 0, 1 or 2"))
    }
}

impl From<Level> for u8 {
    fn from(Level(qos): Level) -> u8 {
        qos.level()
    }
}

impl Message {
    pub(super) fn into_publish(self) -> Publish {
        let Message { topic, payload, qos: Level(qos), retain } = self;
        Publish { topic, payload: payload.into_bytes(), qos, retain, ..Publish::default() }
    }
}

// ---- as the engine gives it ------------------------------------------------------------------------------------------

impl From<FrameAction> for Outcome {
    fn from(action: FrameAction) -> Self {
        match action {
            FrameAction::Pass => Outcome::Pass,
            FrameAction::Replace(frame) => Outcome::Replace(Replacement::Frame(frame.into())),
            FrameAction::Publish(publish) => publish.into(),
            FrameAction::Reply(payload) => Outcome::Reply(payload.into_bytes().into()),
            FrameAction::Reject(error) => error.into(),
            FrameAction::Drop(reason) => Outcome::Drop(reason),
        }
    }
}

impl From<PublishAction> for Outcome {
    fn from(action: PublishAction) -> Self {
        match action {
            PublishAction::Pass => Outcome::Pass,
            PublishAction::Replace(publish) => Outcome::Replace(Replacement::Message(publish.into())),
            PublishAction::Drop(reason) => Outcome::Drop(reason),
        }
    }
}

impl From<Publish> for Message {
    fn from(publish: Publish) -> Self {
        let Publish { topic, payload, qos, retain, .. } = publish;
        Message { topic, payload: payload.into(), qos: Level(qos), retain }
    }
}

impl From<Publish> for Outcome {
    fn from(publish: Publish) -> Self {
        Outcome::Publish(publish.into())
    }
}

impl From<Frame<'static>> for Outcome {
    fn from(frame: Frame<'static>) -> Self {
        Outcome::Frame(frame.into())
    }
}

impl From<CallError> for Outcome {
    fn from(CallError { code, description, .. }: CallError) -> Self {
        Outcome::Reject(Error { code: code.into_owned(), description: description.into_owned() })
    }
}

impl From<Refusal> for Outcome {
    fn from(Refusal { code, description, .. }: Refusal) -> Self {
        Outcome::Reject(Error { code, description })
    }
}

impl From<TopicFilter> for Outcome {
    fn from(TopicFilter { filter, qos }: TopicFilter) -> Self {
        Outcome::Subscribe(Subscription { filter, qos: Level(qos) })
    }
}

impl From<Decision> for Outcome {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Accept(attributes) => Outcome::Accept(attributes.into_iter().collect()),
            Decision::Refuse { status, reason } => Outcome::Refuse(Rejection { status, reason }),
        }
    }
}

impl From<SchemaRule> for Outcome {
    fn from(SchemaRule { protocol, action, kind, schema }: SchemaRule) -> Self {
        let schema = schema.into_bytes().into();
        Outcome::Schema(Schema { protocol, action, r#type: kind.number(), schema })
    }
}
