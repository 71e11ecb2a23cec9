//! Publications when a charge point connects or disconnects.

use super::claims::GatewayClaims;
use crate::config::{EventsConfig, TopicTemplate};
use crate::operations::events::rfc3339;
use ocpp_gateway_core::Peer;
use ocpp_gateway_mqtt::{Publication, QoS};
use serde::Serialize;
use std::fmt::Display;
use std::sync::Arc;
use std::time::SystemTime;

/// Makes the events and claims of this gateway.
pub struct ConnectionEvents {
    gateway: String,
    events: EventsConfig,
    claims: Option<Arc<GatewayClaims>>,
}

/// The payload of an event for back ends, JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionEvent<'a> {
    charge_point: &'a str,
    version: &'static str,
    address: String,
    gateway: &'a str,
    /// Unique for each connection while the gateway runs. Events of one connection have the same number.
    connection: u32,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl ConnectionEvents {
    /// `gateway`: the name of this gateway, unique on the broker.
    pub fn new(gateway: String, events: EventsConfig, claims: Option<Arc<GatewayClaims>>) -> Self {
        ConnectionEvents { gateway, events, claims }
    }

    /// Claims `peer`, which is connecting. Returns the claim to publish, if claims are configured.
    pub fn claim(&self, peer: &Peer) -> Option<Publication> {
        self.claims.as_ref().map(|claims| claims.claim(peer))
    }

    /// The event for back ends that `peer`, at this address, has connected, if configured.
    pub fn connected(&self, peer: &Peer, address: &dyn Display) -> Vec<Publication> {
        let event = self.events.connected.as_ref().map(|topic| self.event(topic, peer, address, None));
        event.into_iter().collect()
    }

    /// Drops the claim of `peer`. Returns the event for back ends that it has disconnected, if configured.
    pub fn disconnected(&self, peer: &Peer, address: &dyn Display, reason: &str) -> Vec<Publication> {
        if let Some(claims) = &self.claims {
            claims.release(peer);
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
        // Strings and a number: serialization cannot fail.
        let payload = serde_json::to_vec(&event).unwrap_or_default();
        let qos = match self.events.qos {
            0 => QoS::AtMostOnce,
            1 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        Publication { qos, retain: self.events.retain, ..Publication::new(topic, payload, "event") }
    }
}
