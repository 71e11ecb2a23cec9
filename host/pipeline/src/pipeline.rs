//! What was loaded, ready to be called from any thread.

use crate::error::{Failure, LoadError};
use crate::instance::Instance;
use crate::load;
use crate::output;
use crate::spec::{OnError, TransformSpec};
use crate::stats::TransformStatus;
use crate::transform::Transform;
use ocpp_gateway_core::{Frame, Peer, Publish, QoS, TopicFilter};
use std::sync::Arc;

/// The transforms that every message runs through. Cheap to clone; each thread that calls it keeps an instance of its
/// own. A call blocks its thread for as long as the transform works, at most its time limit.
#[derive(Clone)]
pub struct Pipeline {
    mapping: Arc<Transform>,
}

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

impl Pipeline {
    /// Reads, compiles, links, configures and tries every transform; with none, `builtin:standard` with its defaults.
    /// Takes some 30 ms for a small component: not for a thread that serves sockets. The errors are all there are.
    pub fn load(specs: Vec<TransformSpec>) -> Result<Self, Vec<LoadError>> {
        load::load(specs).map(|mapping| Pipeline { mapping: Arc::new(mapping) })
    }

    /// The topic filters whose messages are for this charge point.
    pub fn subscriptions(&self, peer: &Peer) -> Result<Vec<TopicFilter>, Failure> {
        let hook = |instance: &mut Instance| instance.subscriptions(peer.into()).map(|(filters,)| Ok(filters));
        self.mapping.call(peer, 0, hook, output::filters)
    }

    /// The messages that a frame from the charge point becomes.
    pub fn to_mqtt(&self, peer: &Peer, frame: &Frame<'_>) -> Result<Vec<Publish>, Failure> {
        let hook = |instance: &mut Instance| instance.to_mqtt(peer.into(), frame.into()).map(|(answer,)| answer);
        self.mapping.call(peer, frame.payload.len(), hook, output::publishes)
    }

    /// The frames that a message for the charge point becomes.
    pub fn from_mqtt(&self, peer: &Peer, message: &Message<'_>) -> Result<Vec<Frame<'static>>, Failure> {
        let hook = |instance: &mut Instance| instance.from_mqtt(peer.into(), message.into()).map(|(answer,)| answer);
        self.mapping.call(peer, message.payload.len(), hook, output::frames)
    }

    /// What should become of a message whose mapping came to nothing.
    pub fn on_error(&self) -> OnError {
        self.mapping.on_error
    }

    /// Every transform with its counts.
    pub fn transforms(&self) -> Vec<TransformStatus> {
        vec![self.mapping.status()]
    }
}
