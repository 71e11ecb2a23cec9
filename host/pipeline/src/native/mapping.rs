//! Between the types of `core` and those of the SDK. The strings of a frame are copied on the way in, as they are into a
//! component; what comes back is moved.

use crate::abi::PublishIn;
use crate::error::{Failure, Refusal};
use crate::spec::{Source, TransformSpec};
use ocpp_gateway_core::{ErrorHead, Frame, MessageType, Peer, Publish, QoS};
use ocpp_transform::{self as sdk, Mapping as _, Transform as _};
use ocpp_transform_standard::Standard;
use std::borrow::Cow;
use std::sync::Arc;

/// Stands in for `builtin:standard` where messages are mapped. No breaker, no counter and no check of what comes back
/// is in its way: it is trusted, as whatever is compiled in would be.
#[derive(Clone)]
pub(crate) struct Native(Arc<Standard>);

impl Native {
    /// None for a transform from elsewhere. The component is loaded all the same, and reports what is wrong with its
    /// configuration.
    pub(crate) fn of(spec: &TransformSpec) -> Option<Self> {
        match &spec.source {
            Source::Builtin(name) if name == "standard" => {
                Some(Native(Arc::new(Standard::configure(&spec.config).ok()?)))
            }
            _ => None,
        }
    }

    pub(crate) fn to_mqtt(&self, peer: &Peer, frame: &Frame<'_>) -> Result<Vec<Publish>, Failure> {
        let mapped = self.0.to_mqtt(&sdk_peer(peer), sdk_frame(frame));
        Ok(mapped.map_err(refusal)?.into_iter().map(publish).collect())
    }

    pub(crate) fn from_mqtt(&self, peer: &Peer, message: PublishIn<'_>) -> Result<Vec<Frame<'static>>, Failure> {
        let mapped = self.0.from_mqtt(&sdk_peer(peer), sdk_publish(message));
        Ok(mapped.map_err(refusal)?.into_iter().map(frame).collect())
    }
}

fn sdk_peer(peer: &Peer) -> sdk::Peer {
    sdk::Peer {
        id: peer.identity.as_str().into(),
        protocol: peer.version.subprotocol().into(),
        connection: peer.connection,
        attributes: peer.attributes.clone(),
    }
}

fn sdk_frame(frame: &Frame<'_>) -> sdk::Frame {
    sdk::Frame {
        type_: match frame.kind {
            MessageType::Call => sdk::FrameType::Call,
            MessageType::CallResult => sdk::FrameType::CallResult,
            MessageType::CallError => sdk::FrameType::CallError,
            MessageType::CallResultError => sdk::FrameType::CallResultError,
            MessageType::Send => sdk::FrameType::Send,
        },
        id: frame.id.as_ref().into(),
        action: frame.action.as_deref().map(str::to_owned),
        payload: frame.payload.as_ref().into(),
        error: frame.error.as_ref().map(|head| sdk::ErrorHead {
            code: head.code.as_ref().into(),
            description: head.description.as_ref().into(),
        }),
        attributes: frame.attributes.clone(),
    }
}

fn sdk_publish(message: PublishIn<'_>) -> sdk::Publish {
    let PublishIn { topic, payload, qos, retain, properties, attributes } = message;
    sdk::Publish {
        topic: topic.into(),
        payload: payload.into(),
        qos,
        retain,
        properties: properties.to_vec(),
        attributes: attributes.to_vec(),
    }
}

fn publish(publish: sdk::Publish) -> Publish {
    let sdk::Publish { topic, payload, qos, retain, properties, attributes } = publish;
    Publish { topic, payload, qos: QoS::from_level(qos).unwrap_or_default(), retain, properties, attributes }
}

fn frame(frame: sdk::Frame) -> Frame<'static> {
    Frame {
        kind: match frame.type_ {
            sdk::FrameType::Call => MessageType::Call,
            sdk::FrameType::CallResult => MessageType::CallResult,
            sdk::FrameType::CallError => MessageType::CallError,
            sdk::FrameType::CallResultError => MessageType::CallResultError,
            sdk::FrameType::Send => MessageType::Send,
        },
        id: Cow::Owned(frame.id),
        action: frame.action.map(Cow::Owned),
        payload: Cow::Owned(frame.payload),
        error: frame
            .error
            .map(|head| ErrorHead { code: Cow::Owned(head.code), description: Cow::Owned(head.description) }),
        attributes: frame.attributes,
    }
}

fn refusal(refusal: sdk::Refusal) -> Failure {
    let sdk::Refusal { code, description, details } = refusal;
    Failure::Refused(Refusal { code, description, details })
}
