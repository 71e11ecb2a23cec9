//! Calls of the hooks of a transform.

use super::fixture::Offered;
use super::outcome::Outcome;
use ocpp_gateway_core::{Attributes, Frame, Offer, Peer, Publish};
use ocpp_gateway_pipeline::{Failure, Probe};

/// A hook, and what it is given besides the peer.
#[derive(Debug)]
pub(super) enum Call {
    Uplink(Frame<'static>),
    Downlink(Frame<'static>),
    ToMqtt(Frame<'static>),
    Check(Frame<'static>),
    Outbound(Publish),
    Inbound(Publish),
    FromMqtt(Publish),
    Disconnected(String),
    Admit(Offered),
    Connected,
    Subscriptions,
    Schemas,
}

impl Call {
    /// What the transform answers with. A mapping's refusal is an answer too.
    pub(super) fn run(&self, probe: &Probe, peer: &Peer) -> Result<Vec<Outcome>, Failure> {
        let answer = match self {
            Call::Uplink(frame) => probe.uplink(peer, frame).map(outcomes),
            Call::Downlink(frame) => probe.downlink(peer, frame).map(outcomes),
            Call::ToMqtt(frame) => probe.to_mqtt(peer, frame).map(outcomes),
            Call::Check(frame) => probe.check(peer, frame).map(outcomes),
            Call::Outbound(message) => probe.outbound(peer, message).map(outcomes),
            Call::Inbound(message) => probe.inbound(peer, message).map(outcomes),
            Call::FromMqtt(message) => probe.from_mqtt(peer, message).map(outcomes),
            Call::Disconnected(reason) => probe.disconnected(peer, reason).map(outcomes),
            Call::Admit(offered) => probe.admit(&offer(offered, peer)).map(|decision| outcomes([decision])),
            Call::Connected => probe.connected(peer).map(outcomes),
            Call::Subscriptions => probe.subscriptions(peer).map(outcomes),
            Call::Schemas => probe.schemas().map(outcomes),
        };
        match answer {
            Err(Failure::Refused(refusal)) => Ok(vec![refusal.into()]),
            answer => answer,
        }
    }

    /// The name of the function in the WIT package, or that of its interface where there is only one.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Call::Uplink(_) => "uplink",
            Call::Downlink(_) => "downlink",
            Call::ToMqtt(_) => "to-mqtt",
            Call::Check(_) => "check",
            Call::Outbound(_) => "outbound",
            Call::Inbound(_) => "inbound",
            Call::FromMqtt(_) => "from-mqtt",
            Call::Disconnected(_) => "disconnected",
            Call::Admit(_) => "admit",
            Call::Connected => "connected",
            Call::Subscriptions => "subscriptions",
            Call::Schemas => "schemas",
        }
    }
}

fn outcomes<T: Into<Outcome>>(answers: impl IntoIterator<Item = T>) -> Vec<Outcome> {
    answers.into_iter().map(Into::into).collect()
}

fn offer(offered: &Offered, peer: &Peer) -> Offer {
    let Offered { remote_address, path, protocols, headers, user } = offered;
    let own = peer.version.subprotocol().to_owned();
    Offer {
        identity: peer.identity.clone(),
        remote_address: remote_address.clone(),
        path: path.clone(),
        protocols: if protocols.is_empty() { vec![own] } else { protocols.clone() },
        headers: Attributes::from_iter(headers.clone()),
        user: user.clone(),
    }
}
