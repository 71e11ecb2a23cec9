//! Packets in terms that all versions of MQTT share.

use std::{sync::Arc, time::Duration};

/// The PUBLISH of 3.1.1 has the fields that all versions share.
pub(crate) use rumqttc::Publish;

use super::{
    oversized::Oversized,
    reason::{AckResult, Reason},
};
use crate::message::QoS;

/// What comes from the broker.
#[derive(Debug)]
pub(crate) enum InboundPacket {
    ConnAck(Result<ConnAck, Reason>),
    Publish(Publish),
    /// A PUBLISH above the size limit, of which only the beginning was read.
    Oversized(Oversized),
    PubAck(u16, AckResult),
    /// PUBACK that reports that the topic has no subscribers.
    NoSubscriber(u16),
    PubRec(u16, AckResult),
    PubRel(u16),
    PubComp(u16),
    /// One result for each topic filter.
    SubAck(u16, Vec<AckResult>),
    UnsubAck(u16),
    PingResp,
    /// A packet that only clients send.
    Unexpected,
}

/// The broker accepts the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnAck {
    /// The broker kept a session of this client.
    pub(crate) session_present: bool,
    pub(crate) limits: ServerLimits,
    /// The keep alive of the broker, if it names one. Zero: no limit.
    pub(crate) keep_alive: Option<Duration>,
}

/// The limits of the broker on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ServerLimits {
    /// Publishes of QoS 1 and 2 that may wait for their acknowledgement.
    pub(crate) in_flight: u16,
    /// Bytes, from the fixed header to the end of the payload.
    pub(crate) packet_size: usize,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
}

impl ServerLimits {
    /// The limits of a broker that names none.
    pub(crate) const NONE: ServerLimits =
        ServerLimits { in_flight: u16::MAX, packet_size: usize::MAX, qos: QoS::ExactlyOnce, retain: true };

    /// The wanted QoS, or the highest that the broker supports if that is lower.
    pub(crate) fn qos(&self, wanted: QoS) -> QoS {
        if wanted > self.qos { self.qos } else { wanted }
    }

    /// Removes from a publish the features over which the broker would end the connection.
    pub(crate) fn adapt(&self, publish: &mut Publish) {
        publish.qos = self.qos(publish.qos);
        publish.retain &= self.retain;
    }
}

/// What goes to the broker, apart from CONNECT and PUBLISH.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OutboundPacket<'a> {
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    Subscribe(u16, &'a [(Arc<str>, QoS)]),
    Unsubscribe(u16, &'a [Arc<str>]),
    PingReq,
    Disconnect,
}
