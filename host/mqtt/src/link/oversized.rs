//! Messages above the packet size limit.
//!
//! Closing the connection would not help: the broker would send the same message again after each reconnect. So the
//! beginning is read, to acknowledge and to identify the message, and the rest is discarded as it arrives.

use bytes::{Buf, Bytes, BytesMut};
use rumqttc::{
    QoS,
    mqttbytes::{self, Error},
};

use crate::{message::Message, options::ProtocolVersion};

/// Bytes of the payload that are kept. Most messages have their id within the first hundred.
const KEPT: usize = 4 << 10;
/// Bytes of properties that are waited for. The payload after more of them is not kept.
const MAX_PROPERTIES: usize = 64 << 10;

/// The beginning of a PUBLISH whose payload is not read as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Oversized {
    pub(crate) topic: String,
    pub(crate) qos: QoS,
    pub(crate) pkid: u16,
    retain: bool,
    dup: bool,
    /// The packet's bytes after its fixed header.
    pub(crate) size: usize,
    /// The first [`KEPT`] bytes of the payload, or all of it. Empty after too many properties.
    beginning: Bytes,
}

impl Oversized {
    /// Reads the beginning of the packet at the start of `input`. `None` when more bytes are needed. An error when the
    /// packet is not a PUBLISH, because brokers have no reason to send another packet that large.
    pub(crate) fn read(input: &[u8], size: usize, version: ProtocolVersion) -> Result<Option<Self>, Error> {
        match Self::parse(input, size, version) {
            Err(Error::InsufficientBytes(_)) => Ok(None),
            parsed => parsed.map(Some),
        }
    }

    fn parse(input: &[u8], size: usize, version: ProtocolVersion) -> Result<Self, Error> {
        let (&first, rest) = input.split_first().ok_or(Error::InsufficientBytes(1))?;
        if first >> 4 != mqttbytes::PacketType::Publish as u8 {
            return Err(Error::PayloadSizeLimitExceeded(size));
        }
        let qos = mqttbytes::qos((first >> 1) & 0b11)?;
        let mut body = Body { arrived: rest.get(size_length(size)..).unwrap_or_default(), left: size };
        let length = body.number()?;
        let topic = body.take(length.into())?;
        let topic = String::from_utf8(topic.to_vec()).map_err(|_| Error::TopicNotUtf8)?;
        let pkid = if qos == QoS::AtMostOnce { 0 } else { body.number()? };
        let properties = if version == ProtocolVersion::V5 { body.variable_number()? } else { 0 };
        let beginning = if properties > MAX_PROPERTIES {
            &[][..]
        } else {
            body.take(properties)?;
            body.take(body.left.min(KEPT))?
        };
        let (retain, dup, beginning) = (first & 1 != 0, first & 0b1000 != 0, Bytes::copy_from_slice(beginning));
        Ok(Oversized { topic, qos, pkid, retain, dup, size, beginning })
    }

    /// The message, with the beginning of its payload.
    pub(crate) fn into_message(self) -> Message {
        let Oversized { topic, qos, retain, dup, size, beginning, .. } = self;
        let oversized = Some(1 + size_length(size) + size);
        Message { topic, payload: beginning, qos, retain, dup, oversized }
    }
}

/// The part of a packet after its fixed header.
pub(super) struct Body<'a> {
    /// The bytes of it that have arrived, and possibly those of later packets.
    pub(super) arrived: &'a [u8],
    /// How many bytes are left of it, arrived or not.
    pub(super) left: usize,
}

impl<'a> Body<'a> {
    /// The next `length` bytes. An error if they have not arrived yet, or if the packet has fewer.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        self.left = self.left.checked_sub(length).ok_or(Error::MalformedPacket)?;
        self.arrived.split_off(..length).ok_or(Error::InsufficientBytes(length))
    }

    pub(super) fn number(&mut self) -> Result<u16, Error> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A Variable Byte Integer (MQTT 5 section 1.5.5).
    pub(super) fn variable_number(&mut self) -> Result<usize, Error> {
        let mut number = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.take(1)?[0];
            number |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Error::MalformedRemainingLength)
    }
}

/// How many bytes the size itself takes in a fixed header (MQTT 3.1.1 section 2.2.3).
pub(super) fn size_length(size: usize) -> usize {
    match size {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        _ => 4,
    }
}

/// Bytes of an oversized packet that are still to be discarded.
#[derive(Debug, Default)]
pub(crate) struct Skip(usize);

impl Skip {
    /// Starts to skip a whole packet that has this `size` in its fixed header.
    pub(crate) fn begin(&mut self, size: usize) {
        self.0 = 1 + size_length(size) + size;
    }

    /// Discards what has arrived. True when nothing is left to skip.
    pub(crate) fn advance(&mut self, input: &mut BytesMut) -> bool {
        let arrived = self.0.min(input.len());
        input.advance(arrived);
        self.0 -= arrived;
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::Publish;

    use super::*;

    fn packet(qos: QoS, payload: usize) -> BytesMut {
        let mut publish = Publish::new("a/topic", qos, vec![0; payload]);
        publish.pkid = 7;
        let mut bytes = BytesMut::new();
        publish.write(&mut bytes).expect("encodes");
        bytes
    }

    const V4: ProtocolVersion = ProtocolVersion::V4;
    const V5: ProtocolVersion = ProtocolVersion::V5;

    /// A PUBLISH of MQTT 5 with this many bytes of properties, and its size.
    fn packet_with_properties(properties: usize, payload: &[u8]) -> (Vec<u8>, usize) {
        let length = [properties as u8 | 0x80, (properties >> 7) as u8 | 0x80, (properties >> 14) as u8];
        let mut body = b"\x00\x07a/topic\x00\x07".to_vec();
        body.extend(length);
        body.extend(vec![0; properties]);
        body.extend(payload);
        let size = body.len();
        let mut bytes = vec![0x3b];
        bytes.extend((0..size_length(size)).map(|place| {
            let more = if place + 1 < size_length(size) { 0x80 } else { 0 };
            (size >> (7 * place)) as u8 & 0x7f | more
        }));
        bytes.extend(body);
        (bytes, size)
    }

    #[test]
    fn beginning_is_read_as_soon_as_it_has_arrived() {
        for payload in [0, 100, 10_000, 1_000_000, 3_000_000] {
            let bytes = packet(QoS::AtLeastOnce, payload);
            let size = payload + 2 + 7 + 2;
            let beginning = 1 + size_length(size) + 2 + 7 + 2 + payload.min(KEPT);
            for cut in 0..beginning {
                assert_eq!(Oversized::read(&bytes[..cut], size, V4).expect("not malformed"), None, "{cut}");
            }
            let read = Oversized::read(&bytes[..beginning], size, V4).expect("not malformed").expect("enough");
            assert_eq!((read.topic.as_str(), read.qos, read.pkid, read.size), ("a/topic", QoS::AtLeastOnce, 7, size));
            let message = read.into_message();
            assert_eq!((message.payload, message.oversized), (vec![0; payload.min(KEPT)].into(), Some(bytes.len())));
            assert!(!message.retain && !message.dup);
        }
    }

    #[test]
    fn properties_are_not_part_of_the_beginning() {
        for properties in [0, 100, MAX_PROPERTIES] {
            let (bytes, size) = packet_with_properties(properties, b"payload");
            for cut in 0..bytes.len() {
                assert_eq!(Oversized::read(&bytes[..cut], size, V5).expect("not malformed"), None, "{cut}");
            }
            let message = Oversized::read(&bytes, size, V5).expect("not malformed").expect("enough").into_message();
            assert_eq!(message.payload, "payload", "after {properties}");
            assert!(message.retain && message.dup);
        }
    }

    #[test]
    fn too_many_properties_are_not_waited_for() {
        let (bytes, size) = packet_with_properties(MAX_PROPERTIES + 1, b"payload");
        let read = Oversized::read(&bytes[..20], size, V5).expect("not malformed").expect("enough");
        assert_eq!((read.pkid, read.into_message().payload), (7, Bytes::new()));
    }

    #[test]
    fn content_larger_than_the_packet_size_is_malformed() {
        let topic = b"\x30\x05\x00\x09a/topic";
        assert!(Oversized::read(topic, 5, V4).is_err());
        // Properties that end after the packet, and a length without an end.
        for length in [&b"\x20"[..], b"\xff\xff\xff\xff\x01"] {
            let mut bytes = b"\x30\x20\x00\x01a".to_vec();
            bytes.extend(length);
            assert!(Oversized::read(&bytes, 32, V5).is_err(), "{length:?}");
        }
    }

    #[test]
    fn only_a_publish_may_be_skipped() {
        assert!(Oversized::read(&[0x90, 0xff, 0xff, 0x7f], 2_097_151, V4).is_err());
    }

    #[test]
    fn exactly_one_packet_is_skipped() {
        let mut bytes = packet(QoS::AtMostOnce, 200);
        let length = bytes.len();
        bytes.extend_from_slice(b"next");
        let (mut skip, mut arrived) = (Skip::default(), BytesMut::new());
        skip.begin(length - 3);
        for byte in bytes.split_to(length - 1) {
            arrived.extend_from_slice(&[byte]);
            assert!(!skip.advance(&mut arrived));
        }
        arrived.unsplit(bytes);
        assert!(skip.advance(&mut arrived));
        assert_eq!(arrived, "next");
    }
}
