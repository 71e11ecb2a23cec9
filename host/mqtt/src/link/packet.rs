//! Packets in terms that all versions of MQTT share.

use std::sync::Arc;

/// A PUBLISH of 3.1.1 has what all versions have.
pub(crate) use rumqttc::Publish;

use super::{Oversized, Reason, Verdict};
use crate::message::QoS;

/// What comes from the broker.
#[derive(Debug)]
pub(crate) enum Inbound {
    ConnAck(Result<ConnAck, Reason>),
    Publish(Publish),
    /// A PUBLISH above the size limit, of which only the head was read.
    Oversized(Oversized),
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    /// One verdict for each topic filter.
    SubAck(u16, Vec<Verdict>),
    UnsubAck(u16),
    PingResp,
    /// What only clients send.
    Unexpected,
}

/// That the broker accepts the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnAck {
    /// The broker kept a session of this client.
    pub(crate) session_present: bool,
}

/// What goes to the broker, apart from CONNECT and PUBLISH.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outbound<'a> {
    PubAck(u16),
    PubRec(u16),
    PubRel(u16),
    PubComp(u16),
    Subscribe(u16, &'a [(Arc<str>, QoS)]),
    Unsubscribe(u16, &'a [Arc<str>]),
    PingReq,
    Disconnect,
}
