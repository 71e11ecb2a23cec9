//! One transform alone, hook by hook: for fixtures, benchmarks and inspection.

use crate::abi::packed::Packed;
use crate::abi::{FrameIn, PublishIn};
use crate::actions::{FrameAction, PublishAction, SchemaRule};
use crate::error::Failure;
use crate::hook::{self, Function, Hook};
use crate::stats::TransformStatus;
use crate::subject::Subject;
use crate::transform::Transform;
use ocpp_gateway_core::{CallError, Decision, Frame, Offer, Peer, Publish, TopicFilter};
use std::sync::Arc;

/// A transform loaded as for a gateway, with the same limits, but outside a chain.
pub struct TransformHarness(pub(crate) Arc<Transform>);

/// The names of the hooks that a transform has, in the order of the WIT package.
pub type Hooks = Vec<&'static str>;

#[allow(clippy::wrong_self_convention)] // `to-mqtt` and `from-mqtt` are the names in the WIT package.
impl TransformHarness {
    pub fn hooks(&self) -> Hooks {
        let has = |interface: &&str| {
            Function::ALL.iter().any(|function| function.interface() == *interface && self.0.has(*function))
        };
        hook::interfaces().filter(|interface| *interface != "lifecycle").filter(has).collect()
    }

    pub fn status(&self) -> TransformStatus {
        self.0.status()
    }

    pub fn uplink(&self, peer: &Peer, frame: &Frame<'_>) -> Result<Vec<FrameAction>, Failure> {
        self.on_frame::<hook::Uplink>(peer, frame)
    }

    pub fn downlink(&self, peer: &Peer, frame: &Frame<'_>) -> Result<Vec<FrameAction>, Failure> {
        self.on_frame::<hook::Downlink>(peer, frame)
    }

    pub fn to_mqtt(&self, peer: &Peer, frame: &Frame<'_>) -> Result<Vec<Publish>, Failure> {
        self.on_frame::<hook::ToMqtt>(peer, frame)
    }

    pub fn check(&self, peer: &Peer, frame: &Frame<'_>) -> Result<Option<CallError>, Failure> {
        self.on_frame::<hook::Check>(peer, frame)
    }

    pub fn from_mqtt(&self, peer: &Peer, message: &Publish) -> Result<Vec<Frame<'static>>, Failure> {
        self.on_message::<hook::FromMqtt>(peer, message)
    }

    pub fn outbound(&self, peer: &Peer, message: &Publish) -> Result<Vec<PublishAction>, Failure> {
        self.on_message::<hook::Outbound>(peer, message)
    }

    pub fn inbound(&self, peer: &Peer, message: &Publish) -> Result<Vec<PublishAction>, Failure> {
        self.on_message::<hook::Inbound>(peer, message)
    }

    pub fn subscriptions(&self, peer: &Peer) -> Result<Vec<TopicFilter>, Failure> {
        self.0.call::<hook::Subscriptions>(Subject::identity(&peer.identity), (peer.into(),))
    }

    pub fn connected(&self, peer: &Peer) -> Result<Vec<Publish>, Failure> {
        self.0.call::<hook::Connected>(Subject::identity(&peer.identity), (peer.into(),))
    }

    pub fn disconnected(&self, peer: &Peer, reason: &str) -> Result<Vec<Publish>, Failure> {
        self.0.call::<hook::Disconnected>(Subject::identity(&peer.identity), (peer.into(), reason))
    }

    pub fn admit(&self, offer: &Offer) -> Result<Decision, Failure> {
        self.0.call::<hook::Admit>(Subject::offer(offer), (offer.into(),))
    }

    pub fn schemas(&self) -> Result<Vec<SchemaRule>, Failure> {
        self.0.schemas()
    }

    fn on_frame<H>(&self, peer: &Peer, frame: &Frame<'_>) -> Result<H::Checked, Failure>
    where
        H: for<'a> Hook<Arguments<'a> = Packed<'a, FrameIn<'a>>>,
    {
        self.0.call::<H>(Subject::frame(peer, frame), Packed(peer.into(), frame.into()))
    }

    fn on_message<H>(&self, peer: &Peer, message: &Publish) -> Result<H::Checked, Failure>
    where
        H: for<'a> Hook<Arguments<'a> = Packed<'a, PublishIn<'a>>>,
    {
        let subject = Subject::message(peer, None, &message.payload);
        self.0.call::<H>(subject, Packed(peer.into(), message.into()))
    }
}
