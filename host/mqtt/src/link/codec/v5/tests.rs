use std::sync::Arc;

use rumqttc::v5::mqttbytes::v5::Packet;

use super::*;
use crate::{
    link::codec::Codec,
    options::{Credentials, ProtocolVersion, Status},
};

const LIMIT: usize = 1 << 20;

/// Reads a packet with this first byte and this body, which follows the fixed header.
fn read_body(first: u8, body: &[u8]) -> Result<InboundPacket, LinkError> {
    let mut bytes = BytesMut::from(&[first, body.len() as u8][..]);
    bytes.extend_from_slice(body);
    let read = read(&mut bytes, LIMIT);
    assert!(bytes.is_empty(), "taken as a whole");
    read
}

/// Reads a written packet as a broker would.
fn read_back(mut written: BytesMut) -> Packet {
    let packet = Packet::read(&mut written, None).expect("well formed");
    assert!(written.is_empty(), "all of it is that packet");
    packet
}

fn publish_of(qos: rumqttc::QoS, payload: usize) -> Publish {
    let mut publish = Publish::new("a/topic", qos, vec![b'x'; payload]);
    publish.pkid = if qos == rumqttc::QoS::AtMostOnce { 0 } else { 7 };
    publish
}

fn options() -> Options {
    let mut options = Options::new("mqtt://broker".parse().expect("a URL"), "gw");
    options.version = ProtocolVersion::V5;
    options
}

#[test]
fn computed_size_of_a_publish_is_the_encoded_size() {
    let soon = Some(Instant::now() + Duration::from_millis(1500));
    for payload in [0, 100, 110, 120, 16_360, 16_380, 16_400, 2_100_000] {
        for qos in [rumqttc::QoS::AtMostOnce, rumqttc::QoS::AtLeastOnce, rumqttc::QoS::ExactlyOnce] {
            for expires in [None, soon] {
                let (wanted, mut written) = (publish_of(qos, payload), BytesMut::new());
                publish(&mut written, &wanted, expires).expect("encodes");
                assert_eq!(written.len(), size(&wanted, expires.is_some()), "{payload} {qos:?} {expires:?}");
                let Packet::Publish(read) = read_back(written) else { panic!("another packet") };
                assert_eq!((read.pkid, read.payload.len()), (wanted.pkid, payload));
                let expiry = read.properties.and_then(|properties| properties.message_expiry_interval);
                assert_eq!(expiry, expires.map(|_| 2));
            }
        }
    }
}

#[test]
fn expiry_interval_is_rounded_up_and_never_zero() {
    for (left, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (30_000, 30), (u64::MAX, u32::MAX)] {
        assert_eq!(expiry_interval(Duration::from_millis(left)), seconds, "{left} ms");
    }
}

#[test]
fn connect_carries_the_session_expiry_unless_the_session_is_clean() {
    let mut options = options();
    options.credentials = Some(Credentials { username: "u".into(), password: "p".into() });
    options.status = Some(Status { topic: "s".into(), online: "on".into(), offline: "off".into() });
    let ms = Duration::from_millis;
    for (clean, lasts, expiry) in [
        (false, ms(3_600_000), Some(3600)),
        (false, ms(1), Some(1)),
        (false, ms(0), Some(0)),
        (false, Duration::MAX, Some(u32::MAX)),
        (true, ms(3_600_000), None),
    ] {
        options.session_expiry = lasts;
        // After other bytes, where rumqttc misplaces the flags.
        let mut written = BytesMut::from(&b"\xc0\x00"[..]);
        connect(&mut written, &options, "gw-pub", clean).expect("encodes");
        let Packet::Connect(connect, will, login) = read_back(written.split_off(2)) else { panic!("another packet") };
        assert_eq!(&written[..], b"\xc0\x00");
        assert_eq!((connect.clean_start, connect.keep_alive, connect.client_id), (clean, 30, "gw-pub".into()));
        assert_eq!(connect.properties.and_then(|properties| properties.session_expiry_interval), expiry);
        let (will, login) = (will.expect("a will"), login.expect("a login"));
        assert_eq!((&will.topic[..], &will.message[..], will.retain), (&b"s"[..], &b"off"[..], true));
        assert_eq!((will.qos, will.properties), (QoS::AtLeastOnce, None));
        assert_eq!((login.username.as_str(), login.password.as_str()), ("u", "p"));
    }
}

#[test]
fn subscriptions_are_written_as_a_broker_reads_them() {
    let filters: Vec<(Arc<str>, rumqttc::QoS)> =
        vec![("a/+".into(), rumqttc::QoS::AtLeastOnce), ("é".into(), rumqttc::QoS::ExactlyOnce)];
    let mut written = BytesMut::new();
    write(&mut written, OutboundPacket::Subscribe(9, &filters)).expect("encodes");
    let Packet::Subscribe(read) = read_back(written) else { panic!("another packet") };
    let filter = |path, qos| Filter { retain_forward_rule: RetainForwardRule::Never, ..Filter::new(path, qos) };
    assert_eq!(read.filters, [filter("a/+", QoS::AtLeastOnce), filter("é", QoS::ExactlyOnce)]);

    let (filters, mut written): ([Arc<str>; 2], _) = (["a/+".into(), "é".into()], BytesMut::new());
    write(&mut written, OutboundPacket::Unsubscribe(9, &filters)).expect("encodes");
    let Packet::Unsubscribe(read) = read_back(written) else { panic!("another packet") };
    assert_eq!((read.pkid, read.filters), (9, vec!["a/+".to_owned(), "é".to_owned()]));
}

#[test]
fn short_packets_are_written_in_their_shortest_form() {
    for (packet, expected) in [
        (OutboundPacket::PubAck(7), &b"\x40\x02\x00\x07"[..]),
        (OutboundPacket::PubRec(7), b"\x50\x02\x00\x07"),
        (OutboundPacket::PubRel(7), b"\x62\x02\x00\x07"),
        (OutboundPacket::PubComp(7), b"\x70\x02\x00\x07"),
        (OutboundPacket::PingReq, b"\xc0\x00"),
        (OutboundPacket::Disconnect, b"\xe0\x00"),
    ] {
        let mut written = BytesMut::new();
        write(&mut written, packet).expect("encodes");
        assert_eq!(&written[..], expected, "{packet:?}");
    }
}

#[test]
fn acknowledgements_may_lack_reason_and_properties() {
    for (body, result) in [
        (&b"\x00\x07"[..], Ok(())),
        (b"\x00\x07\x00", Ok(())),
        (b"\x00\x07\x87", Err(Reason::NOT_AUTHORIZED)),
        (b"\x00\x07\x97\x00", Err(Reason(0x97))),
        (b"\x00\x07\x87\x05\x1f\x00\x02no", Err(Reason::NOT_AUTHORIZED)),
        // An unknown code.
        (b"\x00\x07\xc0", Err(Reason(0xc0))),
    ] {
        assert!(matches!(read_body(0x40, body), Ok(InboundPacket::PubAck(7, found)) if found == result), "{body:?}");
        assert!(matches!(read_body(0x50, body), Ok(InboundPacket::PubRec(7, found)) if found == result), "{body:?}");
        assert!(matches!(read_body(0x62, body), Ok(InboundPacket::PubRel(7))));
        assert!(matches!(read_body(0x70, body), Ok(InboundPacket::PubComp(7))));
    }
}

#[test]
fn puback_without_subscribers_is_a_separate_success() {
    for body in [&b"\x00\x07\x10"[..], b"\x00\x07\x10\x00"] {
        assert!(matches!(read_body(0x40, body), Ok(InboundPacket::NoSubscriber(7))), "{body:?}");
        // With QoS 2 it is in PUBREC, before the message is released.
        assert!(matches!(read_body(0x50, body), Ok(InboundPacket::PubRec(7, Ok(())))), "{body:?}");
    }
}

#[test]
fn suback_has_one_result_per_filter() {
    let Ok(InboundPacket::SubAck(9, results)) = read_body(0x90, b"\x00\x09\x05\x1f\x00\x02no\x01\x87\x00\xa2") else {
        panic!("another packet");
    };
    assert_eq!(results, [Ok(()), Err(Reason::NOT_AUTHORIZED), Ok(()), Err(Reason(0xa2))]);
    assert!(matches!(read_body(0xb0, b"\x00\x09\x00\x11\x87"), Ok(InboundPacket::UnsubAck(9))));
}

#[test]
fn disconnect_of_any_length_has_a_reason() {
    for (body, text) in [
        (&b""[..], "the broker ends the connection: no reason"),
        (b"\x8b", "the broker ends the connection: shutting down"),
        (b"\x8e\x00", "the broker ends the connection: another client took over the session"),
        (b"\x93\x05\x1f\x00\x02no", "the broker ends the connection: receive maximum exceeded"),
        (b"\xc0", "the broker ends the connection: reason code 0xC0"),
    ] {
        assert_eq!(read_body(0xe0, body).expect_err("the end").to_string(), text);
    }
}

#[test]
fn connack_carries_the_limits_of_the_broker() {
    let Ok(InboundPacket::ConnAck(Ok(ack))) = read_body(0x20, b"\x01\x00\x00") else { panic!("another packet") };
    assert_eq!(ack, ConnAck { session_present: true, limits: ServerLimits::NONE, keep_alive: None });

    let body = b"\x00\x00\x12\x21\x00\x14\x27\x00\x00\x10\x00\x13\x00\x0a\x24\x01\x25\x00\x22\x00\x0a";
    let Ok(InboundPacket::ConnAck(Ok(ack))) = read_body(0x20, body) else { panic!("another packet") };
    let limits = ServerLimits { in_flight: 20, packet_size: 4096, qos: rumqttc::QoS::AtLeastOnce, retain: false };
    assert_eq!(ack, ConnAck { session_present: false, limits, keep_alive: Some(Duration::from_secs(10)) });
}

#[test]
fn connack_refusals_of_both_versions_are_understood() {
    for (body, reason) in [
        (&b"\x00\x86\x00"[..], "bad user name or password"),
        (b"\x00\x87\x05\x1f\x00\x02no", "not authorized"),
        (b"\x00\x84\x00", "MQTT version not supported"),
        (b"\x00\x01", "MQTT version not supported"),
    ] {
        let Ok(InboundPacket::ConnAck(Err(refusal))) = read_body(0x20, body) else { panic!("{body:?}") };
        assert_eq!(refusal.to_string(), reason);
    }
}

/// "hello" on `t` with an expiry, a user property and a response topic.
const MESSAGE: &[u8] = b"\x00\x01t\x00\x07\x10\x02\x00\x00\x00\x09\x26\x00\x01k\x00\x01v\x08\x00\x01rhello";

#[test]
fn message_properties_are_not_part_of_the_payload() {
    let Ok(InboundPacket::Publish(publish)) = read_body(0x3b, MESSAGE) else { panic!("another packet") };
    assert_eq!((publish.topic.as_str(), &publish.payload[..], publish.pkid), ("t", &b"hello"[..], 7));
    assert!(publish.dup && publish.retain && publish.qos == rumqttc::QoS::AtLeastOnce);
}

#[test]
fn complete_packet_with_truncated_content_is_an_error() {
    let codec = Codec { version: ProtocolVersion::V5, max_packet_size: LIMIT };
    for bytes in [
        &b"\x30\x03\x00\x01t"[..],
        b"\x30\x04\x00\x01t\x80",
        b"\x30\x06\x00\x01t\x05\x02\x00",
        b"\x30\x04\x00\x01\xff\x00",
        b"\x40\x01\x00",
        b"\x90\x02\x00\x01",
        b"\x90\x03\x00\x01\x05",
        b"\x90\x07\x00\x01\xff\xff\xff\xff\x01",
        b"\x20\x01\x00",
        b"\x20\x02\x00\x00",
        b"\xf0\x01\x00",
    ] {
        let mut input = BytesMut::from(bytes);
        assert!(codec.read(&mut input).is_err(), "{bytes:?}");
        let mut part = BytesMut::from(&bytes[..bytes.len() - 1]);
        assert!(matches!(codec.read(&mut part), Ok(None)), "{bytes:?}");
    }
}

#[test]
fn beginning_of_an_oversized_message_excludes_its_properties() {
    let codec = Codec { version: ProtocolVersion::V5, max_packet_size: 1000 };
    let mut written = BytesMut::new();
    publish(&mut written, &publish_of(rumqttc::QoS::AtLeastOnce, 2000), Some(Instant::now())).expect("encodes");
    let size = written.len();
    let Ok(Some(InboundPacket::Oversized(found))) = codec.read(&mut written) else { panic!("another packet") };
    assert_eq!((found.qos, found.pkid, found.size), (rumqttc::QoS::AtLeastOnce, 7, size - 3));
    let message = found.into_message();
    assert_eq!((message.topic.as_str(), message.oversized), ("a/topic", Some(size)));
    assert_eq!(message.payload, vec![b'x'; 2000]);
}

#[test]
fn arbitrary_bytes_cause_no_panic() {
    let codec = Codec { version: ProtocolVersion::V5, max_packet_size: 100 };
    for packet_type in 0..=u8::MAX {
        for length in 0..MESSAGE.len() {
            for (place, value) in (0..length).flat_map(|place| [0, 1, 0x7f, 0x80, 0xff].map(|value| (place, value))) {
                let mut bytes = BytesMut::from(&[packet_type, length as u8][..]);
                bytes.extend_from_slice(&MESSAGE[..length]);
                bytes[2 + place] = value;
                // An error or a packet, but no panic.
                let _ = codec.read(&mut bytes);
            }
        }
    }
}

/// Shows why packets are read in this module. What a newer rumqttc reads correctly can be left to it.
#[test]
fn rumqttc_fails_on_valid_packets_of_brokers() {
    for bytes in [&b"\xe0\x00"[..], b"\xe0\x01\x8b", b"\x20\x02\x00\x01", b"\x40\x03\x00\x07\xc0"] {
        assert!(Packet::read(&mut BytesMut::from(bytes), None).is_err(), "{bytes:?}");
        assert!(!matches!(
            read(&mut BytesMut::from(bytes), LIMIT),
            Err(LinkError::Protocol(_) | LinkError::ProtocolV5(_))
        ));
    }
    let mut flags = BytesMut::from(&b"\xc0\x00"[..]);
    let connect = Connect { keep_alive: 0, client_id: String::new(), clean_start: true, properties: None };
    connect.write(&None, &None, &mut flags).expect("encodes");
    assert!(Packet::read(&mut flags.split_off(2), None).is_err(), "its flags are in the wrong place");
}
