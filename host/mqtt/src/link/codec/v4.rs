//! MQTT 3.1.1.

use bytes::BytesMut;
use rumqttc::{
    Connect, ConnectReturnCode, LastWill, Login, Packet, PubAck, PubComp, PubRec, PubRel, Publish, Subscribe,
    SubscribeFilter, SubscribeReasonCode, Unsubscribe, mqttbytes::Error,
};

use crate::{
    link::{
        packet::{ConnAck, Inbound, Limits, Outbound},
        reason::{Reason, Verdict},
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
        let will = status.farewell();
        LastWill { topic: will.topic, message: will.payload, qos: will.qos, retain: will.retain }
    });
    connect.write(output).map(drop)
}

pub(super) fn publish(output: &mut BytesMut, publish: &Publish) -> Result<(), Error> {
    publish.write(output).map(drop)
}

pub(super) fn write(output: &mut BytesMut, packet: Outbound<'_>) -> Result<(), Error> {
    let packet = match packet {
        Outbound::PubAck(pkid) => Packet::PubAck(PubAck::new(pkid)),
        Outbound::PubRec(pkid) => Packet::PubRec(PubRec::new(pkid)),
        Outbound::PubRel(pkid) => Packet::PubRel(PubRel::new(pkid)),
        Outbound::PubComp(pkid) => Packet::PubComp(PubComp::new(pkid)),
        Outbound::Subscribe(pkid, filters) => {
            let filters = filters.iter().map(|(filter, qos)| SubscribeFilter::new(filter.to_string(), *qos));
            Packet::Subscribe(Subscribe { pkid, filters: filters.collect() })
        }
        Outbound::Unsubscribe(pkid, filters) => {
            let topics = filters.iter().map(|filter| filter.to_string()).collect();
            Packet::Unsubscribe(Unsubscribe { pkid, topics })
        }
        Outbound::PingReq => Packet::PingReq,
        Outbound::Disconnect => Packet::Disconnect,
    };
    packet.write(output, usize::MAX).map(drop)
}

/// Takes the packet that `input` begins with, once it is there as a whole.
pub(super) fn read(input: &mut BytesMut, max_packet_size: usize) -> Result<Inbound, Error> {
    Ok(match Packet::read(input, max_packet_size)? {
        Packet::Publish(publish) => Inbound::Publish(publish),
        Packet::PubAck(ack) => Inbound::PubAck(ack.pkid, Ok(())),
        Packet::PubRec(ack) => Inbound::PubRec(ack.pkid, Ok(())),
        Packet::PubRel(release) => Inbound::PubRel(release.pkid),
        Packet::PubComp(ack) => Inbound::PubComp(ack.pkid),
        Packet::SubAck(ack) => Inbound::SubAck(ack.pkid, ack.return_codes.into_iter().map(verdict).collect()),
        Packet::UnsubAck(ack) => Inbound::UnsubAck(ack.pkid),
        Packet::PingResp => Inbound::PingResp,
        Packet::ConnAck(ack) => Inbound::ConnAck(match refusal(ack.code) {
            None => Ok(ConnAck { session_present: ack.session_present, limits: Limits::NONE, keep_alive: None }),
            Some(reason) => Err(reason),
        }),
        Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq | Packet::Disconnect => {
            Inbound::Unexpected
        }
    })
}

fn verdict(code: SubscribeReasonCode) -> Verdict {
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
