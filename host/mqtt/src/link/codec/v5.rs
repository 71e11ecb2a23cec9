//! MQTT 5.
//!
//! rumqttc writes our packets, and reads messages and the properties of CONNACK. Of the other packets only the packet
//! id and the reason codes matter. These are read here, because rumqttc 0.25.1
//! - refuses DISCONNECT without a reason, and treats DISCONNECT and CONNACK without a property length as incomplete;
//!   but a DISCONNECT may lack both (section 3.14.2.2.1), and the CONNACK of a broker that speaks only 3.1.1 has no
//!   properties;
//! - fails at an unknown reason code, which would end the connection.
//!
//! It treats any packet that ends too early as incomplete, and has discarded its bytes by then. So completeness is
//! checked first, and `InsufficientBytes` is an error like any other.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rumqttc::{
    mqttbytes::{self, PacketType},
    v5::mqttbytes::{
        Error, QoS,
        v5::{
            self, Connect, ConnectProperties, Disconnect, DisconnectReasonCode, Filter, FixedHeader, LastWill, Login,
            PingReq, PubAck, PubComp, PubRec, PubRel, PublishProperties, RetainForwardRule, Subscribe, Unsubscribe,
        },
    },
};

use crate::{
    link::{
        error::LinkError,
        oversized::{Body, size_length},
        packet::{ConnAck, InboundPacket, OutboundPacket, Publish, ServerLimits},
        reason::{AckResult, Reason},
    },
    options::Options,
};

/// The reason code of a PUBACK for a message without matching subscribers (section 3.4.2.1).
const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
/// The return code of 3.1.1 for an unacceptable protocol version.
const UNACCEPTABLE_VERSION: u8 = 1;

/// CONNECT. No Receive Maximum, because messages are acknowledged at once. No Maximum Packet Size, because a broker
/// would silently drop what is too large; here it is counted. No Topic Alias Maximum, so that the broker uses no
/// aliases.
pub(super) fn connect(
    output: &mut BytesMut,
    options: &Options,
    client_id: &str,
    clean_session: bool,
) -> Result<(), Error> {
    // Session Expiry Interval (section 3.1.2.11.2). The largest number means that a session never expires.
    let session_expiry = whole_seconds(options.session_expiry);
    let connect = Connect {
        keep_alive: options.keep_alive_seconds(),
        client_id: client_id.to_owned(),
        clean_start: clean_session,
        // Without it the interval is 0: the session ends with the connection.
        properties: (!clean_session)
            .then(|| ConnectProperties { session_expiry_interval: Some(session_expiry), ..ConnectProperties::new() }),
    };
    let login = options.credentials.as_ref().map(|it| Login::new(it.username.clone(), it.password.clone()));
    let will = options.status.as_ref().map(|status| {
        let will = status.will();
        // Without properties the Will Delay Interval is 0 (section 3.1.3.2.2): the will is published as soon as the
        // connection ends.
        LastWill {
            topic: will.topic.into(),
            message: will.payload,
            qos: qos(will.qos),
            retain: will.retain,
            properties: None,
        }
    });
    // rumqttc writes the connect flags at an offset from the beginning of the buffer, not of the packet.
    let mut packet = BytesMut::new();
    connect.write(&will, &login, &mut packet)?;
    output.extend_from_slice(&packet);
    Ok(())
}

pub(super) fn publish(output: &mut BytesMut, publish: &Publish, expires: Option<Instant>) -> Result<(), Error> {
    let properties = expires.map(|expires| PublishProperties {
        message_expiry_interval: Some(expiry_interval(expires.saturating_duration_since(Instant::now()))),
        ..PublishProperties::default()
    });
    let packet = v5::Publish {
        dup: publish.dup,
        qos: qos(publish.qos),
        retain: publish.retain,
        topic: Bytes::copy_from_slice(publish.topic.as_bytes()),
        pkid: publish.pkid,
        payload: publish.payload.clone(),
        properties,
    };
    packet.write(output).map(drop)
}

/// The bytes of a PUBLISH. It need not have a packet id yet.
pub(super) fn size(publish: &Publish, expires: bool) -> usize {
    let pkid = if publish.qos == rumqttc::QoS::AtMostOnce { 0 } else { 2 };
    let properties = if expires { 1 + 5 } else { 1 };
    let length = 2 + publish.topic.len() + pkid + properties + publish.payload.len();
    1 + size_length(length) + length
}

/// Message Expiry Interval (section 3.3.2.3.3), in whole seconds. Rounded up, so that no message expires early, and
/// never 0, which mosquitto takes as no expiry.
fn expiry_interval(left: Duration) -> u32 {
    whole_seconds(left).max(1)
}

fn whole_seconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}

pub(super) fn write(output: &mut BytesMut, packet: OutboundPacket<'_>) -> Result<(), Error> {
    let written = match packet {
        OutboundPacket::PubAck(pkid) => PubAck::new(pkid, None).write(output),
        OutboundPacket::PubRec(pkid) => PubRec::new(pkid, None).write(output),
        OutboundPacket::PubRel(pkid) => PubRel::new(pkid, None).write(output),
        OutboundPacket::PubComp(pkid) => PubComp::new(pkid, None).write(output),
        OutboundPacket::Subscribe(pkid, filters) => {
            let filters = filters.iter().map(|(filter, wanted)| Filter {
                // No retained messages: they are stale (section 3.3.1.3). The other options are 0, as in 3.1.1.
                retain_forward_rule: RetainForwardRule::Never,
                ..Filter::new(&**filter, qos(*wanted))
            });
            Subscribe { pkid, filters: filters.collect(), properties: None }.write(output)
        }
        OutboundPacket::Unsubscribe(pkid, filters) => {
            let filters = filters.iter().map(|filter| filter.to_string()).collect();
            Unsubscribe { pkid, filters, properties: None }.write(output)
        }
        OutboundPacket::PingReq => PingReq::write(output),
        OutboundPacket::Disconnect => Disconnect::new(DisconnectReasonCode::NormalDisconnection).write(output),
    };
    written.map(drop)
}

/// Takes the packet at the start of `input`, once it is complete.
pub(super) fn read(input: &mut BytesMut, max_packet_size: usize) -> Result<InboundPacket, LinkError> {
    let header = mqttbytes::check(input.iter(), max_packet_size)?;
    let (packet_type, length) = (header.packet_type()?, header.frame_length());
    let packet = input.split_to(length).freeze();
    // Packet type, then the size of the rest, 7 bits per byte.
    let head = 2 + packet.iter().skip(1).take_while(|byte| **byte >= 0x80).count();
    let header = || FixedHeader::new(packet[0], head - 1, length - head);
    let body = &packet[head..];
    Ok(match packet_type {
        PacketType::Publish => InboundPacket::Publish(message(v5::Publish::read(header(), packet)?)?),
        PacketType::PubAck if body.get(2) == Some(&NO_MATCHING_SUBSCRIBERS) => {
            InboundPacket::NoSubscriber(packet_id(body)?.0)
        }
        PacketType::PubAck => acknowledgement(body).map(|(pkid, result)| InboundPacket::PubAck(pkid, result))?,
        PacketType::PubRec => acknowledgement(body).map(|(pkid, result)| InboundPacket::PubRec(pkid, result))?,
        // The packet id is free again, whatever the reason.
        PacketType::PubRel => InboundPacket::PubRel(acknowledgement(body)?.0),
        PacketType::PubComp => InboundPacket::PubComp(acknowledgement(body)?.0),
        PacketType::SubAck => sub_ack(body)?,
        PacketType::UnsubAck => InboundPacket::UnsubAck(packet_id(body)?.0),
        PacketType::PingResp => InboundPacket::PingResp,
        PacketType::ConnAck => InboundPacket::ConnAck(match body {
            [_, 0, ..] => Ok(conn_ack(v5::ConnAck::read(header(), packet)?)),
            [_, UNACCEPTABLE_VERSION, ..] => Err(Reason::UNSUPPORTED_VERSION),
            [_, reason, ..] => Err(Reason(*reason)),
            _ => return Err(Error::MalformedPacket.into()),
        }),
        PacketType::Disconnect => return Err(LinkError::Disconnected(Reason(body.first().copied().unwrap_or(0)))),
        PacketType::Connect | PacketType::Subscribe | PacketType::Unsubscribe | PacketType::PingReq => {
            InboundPacket::Unexpected
        }
    })
}

/// Relies on rumqttc for the start of the payload. rumqttc counts subscription identifiers twice there, but there are
/// none.
fn message(packet: v5::Publish) -> Result<Publish, Error> {
    Ok(Publish {
        dup: packet.dup,
        qos: match packet.qos {
            QoS::AtMostOnce => rumqttc::QoS::AtMostOnce,
            QoS::AtLeastOnce => rumqttc::QoS::AtLeastOnce,
            QoS::ExactlyOnce => rumqttc::QoS::ExactlyOnce,
        },
        retain: packet.retain,
        topic: std::str::from_utf8(&packet.topic).map_err(|_| Error::TopicNotUtf8)?.to_owned(),
        pkid: packet.pkid,
        payload: packet.payload,
    })
}

fn conn_ack(packet: v5::ConnAck) -> ConnAck {
    let mut ack = ConnAck { session_present: packet.session_present, limits: ServerLimits::NONE, keep_alive: None };
    let Some(properties) = packet.properties else { return ack };
    let ServerLimits { in_flight, packet_size, qos, retain } = &mut ack.limits;
    *in_flight = properties.receive_max.unwrap_or(*in_flight);
    *packet_size = properties.max_packet_size.map_or(*packet_size, |size| size.try_into().unwrap_or(usize::MAX));
    *qos = match properties.max_qos {
        Some(0) => rumqttc::QoS::AtMostOnce,
        Some(1) => rumqttc::QoS::AtLeastOnce,
        _ => *qos,
    };
    *retain = properties.retain_available != Some(0);
    ack.keep_alive = properties.server_keep_alive.map(|seconds| Duration::from_secs(seconds.into()));
    ack
}

fn packet_id(body: &[u8]) -> Result<(u16, &[u8]), Error> {
    let (pkid, rest) = body.split_first_chunk().ok_or(Error::MalformedPacket)?;
    Ok((u16::from_be_bytes(*pkid), rest))
}

/// Packet id and reason code. A missing code stands for success (section 3.4.2.1). All codes below 0x80 are successes.
fn acknowledgement(body: &[u8]) -> Result<(u16, AckResult), Error> {
    let (pkid, rest) = packet_id(body)?;
    Ok((pkid, ack_result(rest.first().copied().unwrap_or(0))))
}

fn sub_ack(body: &[u8]) -> Result<InboundPacket, mqttbytes::Error> {
    let mut body = Body { arrived: body, left: body.len() };
    let (pkid, properties) = (body.number()?, body.variable_number()?);
    body.take(properties)?;
    Ok(InboundPacket::SubAck(pkid, body.arrived.iter().copied().map(ack_result).collect()))
}

fn ack_result(code: u8) -> AckResult {
    if code < 0x80 { Ok(()) } else { Err(Reason(code)) }
}

fn qos(qos: rumqttc::QoS) -> QoS {
    match qos {
        rumqttc::QoS::AtMostOnce => QoS::AtMostOnce,
        rumqttc::QoS::AtLeastOnce => QoS::AtLeastOnce,
        rumqttc::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

#[cfg(test)]
mod tests;
