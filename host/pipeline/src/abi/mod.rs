//! The records of `wit/transform.wit` as they cross into and out of a component, and what they are on this side.
//!
//! Written out instead of generated: what goes in is borrowed, and what comes out is moved into the types of `core`.

mod packed;
mod unpacked;

pub(crate) use packed::Packed;
pub(crate) use unpacked::Value;

use crate::pipeline::Message;
use crate::probe::SchemaRule;
use ocpp_gateway_core::{self as ocpp, Attributes, MessageType};
use wasmtime::component::{ComponentType, Lift, Lower};

/// The package, as it stands before `/` in the name of an interface.
pub(crate) const PACKAGE: &str = "ocpp-gateway:transform";
/// The version of the package that this host was written against.
pub(crate) const VERSION: &str = "1.0.0";

/// Name and value.
type Attribute = (String, String);

// ---- into the guest --------------------------------------------------------------------------------------------------

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct PeerIn<'a> {
    id: &'a str,
    protocol: &'a str,
    connection: u32,
    attributes: &'a [Attribute],
}

impl<'a> From<&'a ocpp::Peer> for PeerIn<'a> {
    fn from(peer: &'a ocpp::Peer) -> Self {
        PeerIn {
            id: peer.identity.as_str(),
            protocol: peer.version.subprotocol(),
            connection: peer.connection,
            attributes: &peer.attributes,
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct FrameIn<'a> {
    #[component(name = "type")]
    kind: FrameType,
    id: &'a str,
    action: Option<&'a str>,
    payload: &'a str,
    error: Option<ErrorHeadIn<'a>>,
    attributes: &'a [Attribute],
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct ErrorHeadIn<'a> {
    code: &'a str,
    description: &'a str,
}

impl<'a> From<&'a ocpp::Frame<'_>> for FrameIn<'a> {
    fn from(frame: &'a ocpp::Frame<'_>) -> Self {
        FrameIn {
            kind: frame.kind.into(),
            id: &frame.id,
            action: frame.action.as_deref(),
            payload: &frame.payload,
            error: frame.error.as_ref().map(|head| ErrorHeadIn { code: &head.code, description: &head.description }),
            attributes: &frame.attributes,
        }
    }
}

#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct PublishIn<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) properties: &'a [Attribute],
    pub(crate) attributes: &'a [Attribute],
}

impl<'a> PublishIn<'a> {
    pub(crate) fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> From<&Message<'a>> for PublishIn<'a> {
    fn from(message: &Message<'a>) -> Self {
        PublishIn {
            topic: message.topic,
            payload: message.payload,
            qos: message.qos.level(),
            retain: message.retain,
            properties: &[],
            attributes: &[],
        }
    }
}

impl<'a> From<&'a ocpp::Publish> for PublishIn<'a> {
    fn from(publish: &'a ocpp::Publish) -> Self {
        PublishIn {
            properties: &publish.properties,
            attributes: &publish.attributes,
            ..PublishIn::from(&Message::from(publish))
        }
    }
}

#[derive(ComponentType, Lower)]
#[component(record)]
pub(crate) struct OfferIn<'a> {
    id: &'a str,
    #[component(name = "remote-address")]
    remote_address: &'a str,
    path: &'a str,
    protocols: &'a [String],
    headers: &'a [Attribute],
    user: Option<&'a str>,
    attributes: &'a [Attribute],
}

impl<'a> From<&'a ocpp::Offer> for OfferIn<'a> {
    fn from(offer: &'a ocpp::Offer) -> Self {
        OfferIn {
            id: offer.identity.as_str(),
            remote_address: &offer.remote_address,
            path: &offer.path,
            protocols: &offer.protocols,
            headers: &offer.headers,
            user: offer.user.as_deref(),
            attributes: &[],
        }
    }
}

// ---- both ways -------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, ComponentType, Lower, Lift)]
#[component(enum)]
#[repr(u8)]
pub(crate) enum FrameType {
    #[component(name = "call")]
    Call,
    #[component(name = "call-result")]
    CallResult,
    #[component(name = "call-error")]
    CallError,
    #[component(name = "call-result-error")]
    CallResultError,
    #[component(name = "send")]
    Send,
}

impl From<MessageType> for FrameType {
    fn from(kind: MessageType) -> Self {
        match kind {
            MessageType::Call => FrameType::Call,
            MessageType::CallResult => FrameType::CallResult,
            MessageType::CallError => FrameType::CallError,
            MessageType::CallResultError => FrameType::CallResultError,
            MessageType::Send => FrameType::Send,
        }
    }
}

impl From<FrameType> for MessageType {
    fn from(kind: FrameType) -> Self {
        match kind {
            FrameType::Call => MessageType::Call,
            FrameType::CallResult => MessageType::CallResult,
            FrameType::CallError => MessageType::CallError,
            FrameType::CallResultError => MessageType::CallResultError,
            FrameType::Send => MessageType::Send,
        }
    }
}

// ---- out of the guest ------------------------------------------------------------------------------------------------

#[derive(Clone, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Info {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) attributes: Attributes,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct TopicFilter {
    pub(crate) filter: String,
    pub(crate) qos: u8,
}

#[derive(ComponentType)]
#[component(record)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) properties: Attributes,
    pub(crate) attributes: Attributes,
}

#[derive(ComponentType)]
#[component(record)]
pub(crate) struct Frame {
    #[component(name = "type")]
    pub(crate) kind: FrameType,
    pub(crate) id: String,
    pub(crate) action: Option<String>,
    pub(crate) payload: String,
    pub(crate) error: Option<ErrorHead>,
    pub(crate) attributes: Attributes,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct ErrorHead {
    pub(crate) code: String,
    pub(crate) description: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) description: String,
    pub(crate) details: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct CallError {
    pub(crate) code: String,
    pub(crate) description: String,
    pub(crate) details: String,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum FrameAction {
    #[component(name = "pass")]
    Pass,
    #[component(name = "replace")]
    Replace(Frame),
    #[component(name = "publish")]
    Publish(Publish),
    #[component(name = "reply")]
    Reply(String),
    #[component(name = "reject")]
    Reject(CallError),
    #[component(name = "drop")]
    Drop(String),
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum PublishAction {
    #[component(name = "pass")]
    Pass,
    #[component(name = "replace")]
    Replace(Publish),
    #[component(name = "drop")]
    Drop(String),
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Decision {
    #[component(name = "accept")]
    Accept(Acceptance),
    #[component(name = "refuse")]
    Refuse(Rejection),
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Acceptance {
    pub(crate) attributes: Attributes,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Rejection {
    pub(crate) status: u16,
    pub(crate) reason: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Rule {
    pub(crate) protocol: String,
    pub(crate) action: String,
    #[component(name = "type")]
    pub(crate) kind: FrameType,
    pub(crate) schema: String,
}

impl From<Rule> for SchemaRule {
    fn from(rule: Rule) -> Self {
        let Rule { protocol, action, kind, schema } = rule;
        SchemaRule { protocol, action, kind: kind.into(), schema }
    }
}

/// What `state` answers where it cannot keep a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code)] // `unavailable` is for stores that can be: this one is memory.
pub(crate) enum StateError {
    #[component(name = "too-many-keys")]
    TooManyKeys,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "unavailable")]
    Unavailable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code)] // They are made by lifting.
pub(crate) enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}
