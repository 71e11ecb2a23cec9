//! Answers of transforms, in the types of `core`.

use ocpp_gateway_core::{CallError, Frame, MessageType, Publish};

/// What a transform wants done with a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameAction {
    Pass,
    Replace(Frame<'static>),
    Publish(Publish),
    /// Answer the sender with this payload.
    Reply(String),
    Reject(CallError),
    Drop(String),
}

/// What a transform wants done with an MQTT message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishAction {
    Pass,
    Replace(Publish),
    Drop(String),
}

/// A JSON Schema that a transform has for the payloads of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaRule {
    /// The subprotocol.
    pub protocol: String,
    pub action: String,
    pub kind: MessageType,
    /// JSON text.
    pub schema: String,
}
