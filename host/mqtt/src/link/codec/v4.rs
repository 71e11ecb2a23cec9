//! MQTT 3.1.1.

use bytes::BytesMut;
use rumqttc::{
    Connect, ConnectReturnCode, LastWill, Login, Packet, PubAck, PubComp, PubRec, PubRel, Publish, Subscribe,
    SubscribeFilter, SubscribeReasonCode, Unsubscribe, mqttbytes::Error,
};

use crate::{
    link::{
        packet::{ConnAck, InboundPacket, OutboundPacket, ServerLimits},
        reason::{AckResult, Reason},
    },
    options::Options,
};

pub(super) fn connect(
    output: &mut BytesMut,
    options: &Options,
    client_id: &str,
    clean_session: bool,
) -> Result<(), Error> {
    let mut connect = Connect::new(client_id);
    connect.clean_session = clean_session;
    connect.keep_alive = options.keep_alive_seconds();
    connect.login = options.credentials.as_ref().map(|it| Login::new(it.username.clone(), it.password.clone()));
    connect.last_will = options.status.as_ref().map(|status| {
        let will = status.will();
        LastWill { topic: will.topic, message: will.payload, qos: will.qos, retain: will.retain }
    });
    connect.write(output).map(drop)
}

pub(super) fn publish(output: &mut BytesMut, publish: &Publish) -> Result<(), Error> {
    publish.write(output).map(drop)
}

pub(super) fn write(output: &mut BytesMut, packet: OutboundPacket<'_>) -> Result<(), Error> {
    let packet = match packet {
        OutboundPacket::PubAck(pkid) => Packet::PubAck(PubAck::new(pkid)),
        OutboundPacket::PubRec(pkid) => Packet::PubRec(PubRec::new(pkid)),
        OutboundPacket::PubRel(pkid) => Packet::PubRel(PubRel::new(pkid)),
        OutboundPacket::PubComp(pkid) => Packet::PubComp(PubComp::new(pkid)),
        OutboundPacket::Subscribe(pkid, filters) => {
            let filters = filters.iter().map(|(filter, qos)| SubscribeFilter::new(filter.to_string(), *qos));
            Packet::Subscribe(Subscribe { pkid, filters: filters.collect() })
        }
        OutboundPacket::Unsubscribe(pkid, filters) => {
            let topics = filters.iter().map(|filter| filter.to_string()).collect();
            Packet::Unsubscribe(Unsubscribe { pkid, topics })
        }
        OutboundPacket::PingReq => Packet::PingReq,
        OutboundPacket::Disconnect => Packet::Disconnect,
    };
    packet.write(output, usize::MAX).map(drop)
}

/// Takes the packet at the start of `input`, once it is complete.
pub(super) fn read(input: &mut BytesMut, max_packet_size: usize) -> Result<InboundPacket, Error> {
    Ok(match Packet::read(input, max_packet_size)? {
        Packet::Publish(publish) => InboundPacket::Publish(publish),
        Packet::PubAck(ack) => InboundPacket::PubAck(ack.pkid, Ok(())),
        Packet::PubRec(ack) => InboundPacket::PubRec(ack.pkid, Ok(())),
        Packet::PubRel(release) => InboundPacket::PubRel(release.pkid),
        Packet::PubComp(ack) => InboundPacket::PubComp(ack.pkid),
        Packet::SubAck(ack) => InboundPacket::SubAck(ack.pkid, ack.return_codes.into_iter().map(ack_result).collect()),
        Packet::UnsubAck(ack) => InboundPacket::UnsubAck(ack.pkid),
        Packet::PingResp => InboundPacket::PingResp,
        Packet::ConnAck(ack) => InboundPacket::ConnAck(match refusal(ack.code) {
            None => Ok(ConnAck { session_present: ack.session_present, limits: ServerLimits::NONE, keep_alive: None }),
            Some(reason) => Err(reason),
        }),
        Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq | Packet::Disconnect => {
            InboundPacket::Unexpected
        }
    })
}

fn ack_result(code: SubscribeReasonCode) -> AckResult {
    match code {
        SubscribeReasonCode::Success(_) => Ok(()),
        SubscribeReasonCode::Failure => Err(Reason::UNSPECIFIED),
    }
}

fn refusal(code: ConnectReturnCode) -> Option<Reason> {
    match code {
        ConnectReturnCode::Success => None,
        ConnectReturnCode::RefusedProtocolVersion => Some(Reason::UNSUPPORTED_VERSION),
        ConnectReturnCode::BadClientId => Some(Reason::CLIENT_ID),
        ConnectReturnCode::ServiceUnavailable => Some(Reason::UNAVAILABLE),
        ConnectReturnCode::BadUserNamePassword => Some(Reason::CREDENTIALS),
        ConnectReturnCode::NotAuthorized => Some(Reason::NOT_AUTHORIZED),
    }
}
