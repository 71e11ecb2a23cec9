//! What is published because a charge point comes or goes.

use super::claims::GatewayClaims;
use crate::config::{EventsConfig, TopicTemplate};
use crate::operations::events::rfc3339;
use ocpp_gateway_core::Peer;
use ocpp_gateway_mqtt::{Publication, QoS};
use serde::Serialize;
use std::fmt::Display;
use std::sync::Arc;
use std::time::SystemTime;

/// This gateway's voice.
pub struct PresenceEvents {
    gateway: String,
    events: EventsConfig,
    claims: Option<Arc<GatewayClaims>>,
}

/// What back ends are told about a connection.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionEvent<'a> {
    charge_point: &'a str,
    version: &'static str,
    address: String,
    gateway: &'a str,
    /// Different for each connection of one run of a gateway: tells which end belongs to which beginning.
    connection: u32,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl PresenceEvents {
    /// `gateway` is its name, different from those of all others on the broker.
    pub fn new(gateway: String, events: EventsConfig, claims: Option<Arc<GatewayClaims>>) -> Self {
        PresenceEvents { gateway, events, claims }
    }

    /// Claims `peer`, which is being let in, and answers what other gateways have to be told, if they are told anything.
    pub fn claim(&self, peer: &Peer) -> Option<Publication> {
        self.claims.as_ref().map(|claims| claims.enter(peer))
    }

    /// What back ends are told because `peer`, at this address, was let in.
    pub fn connected(&self, peer: &Peer, address: &dyn Display) -> Vec<Publication> {
        let event = self.events.connected.as_ref().map(|topic| self.event(topic, peer, address, None));
        event.into_iter().collect()
    }

    /// What is published because `peer` is gone.
    pub fn disconnected(&self, peer: &Peer, address: &dyn Display, reason: &str) -> Vec<Publication> {
        if let Some(claims) = &self.claims {
            claims.leave(peer);
        }
        let event = self.events.disconnected.as_ref().map(|topic| self.event(topic, peer, address, Some(reason)));
        event.into_iter().collect()
    }

    fn event(&self, topic: &TopicTemplate, peer: &Peer, address: &dyn Display, reason: Option<&str>) -> Publication {
        let event = ConnectionEvent {
            charge_point: peer.identity.as_str(),
            version: peer.version.subprotocol(),
            address: address.to_string(),
            gateway: &self.gateway,
            connection: peer.connection,
            time: rfc3339(SystemTime::now()),
            reason,
        };
        let topic = topic.topic(peer.identity.as_str(), &self.gateway);
        // Texts and a number: there is nothing in it that could fail.
        let payload = serde_json::to_vec(&event).unwrap_or_default();
        let qos = match self.events.qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        Publication { qos, retain: self.events.retain, ..Publication::new(topic, payload, "event") }
    }
}
