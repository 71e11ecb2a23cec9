//! Messages larger than we are willing to hold.
//!
//! Giving up the connection would not help: the broker would send the same message again after the reconnect, for ever.
//! So the head is read, to acknowledge it, and the rest is thrown away as it comes.

use bytes::{Buf, BytesMut};
use rumqttc::{QoS, mqttbytes};

/// The head of a PUBLISH whose payload is not read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Oversized {
    pub(crate) topic: String,
    pub(crate) qos: QoS,
    pub(crate) pkid: u16,
    /// The packet's bytes after its fixed header.
    pub(crate) size: usize,
}

impl Oversized {
    /// Reads the head of the packet that `input` begins with; the properties of MQTT 5 come after it. `None` when more bytes are needed; an error when the packet
    /// is anything but a PUBLISH, because no broker has reason to send another one that large.
    pub(crate) fn read(input: &[u8], size: usize) -> Result<Option<Self>, mqttbytes::Error> {
        let Some((&first, mut rest)) = input.split_first() else { return Ok(None) };
        if first >> 4 != mqttbytes::PacketType::Publish as u8 {
            return Err(mqttbytes::Error::PayloadSizeLimitExceeded(size));
        }
        let qos = mqttbytes::qos((first >> 1) & 0b11)?;
        rest = rest.get(size_length(size)..).unwrap_or_default();
        let Some(length) = rest.split_off(..2) else { return Ok(None) };
        let Some(topic) = rest.split_off(..usize::from(u16::from_be_bytes([length[0], length[1]]))) else {
            return Ok(None);
        };
        let topic = String::from_utf8(topic.to_vec()).map_err(|_| mqttbytes::Error::TopicNotUtf8)?;
        let pkid = match qos {
            QoS::AtMostOnce => 0,
            QoS::AtLeastOnce | QoS::ExactlyOnce => match rest.split_off(..2) {
                Some(pkid) => u16::from_be_bytes([pkid[0], pkid[1]]),
                None => return Ok(None),
            },
        };
        Ok(Some(Oversized { topic, qos, pkid, size }))
    }
}

/// How many bytes the size itself takes in a fixed header (MQTT 3.1.1, 2.2.3).
pub(super) fn size_length(size: usize) -> usize {
    match size {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        _ => 4,
    }
}

/// Bytes of an oversized packet that are still to be thrown away.
#[derive(Debug, Default)]
pub(crate) struct Skip(usize);

impl Skip {
    /// Starts with the whole packet whose `size` stands in its fixed header.
    pub(crate) fn begin(&mut self, size: usize) {
        self.0 = 1 + size_length(size) + size;
    }

    /// Throws away what has come. True when nothing is left to skip.
    pub(crate) fn advance(&mut self, input: &mut BytesMut) -> bool {
        let here = self.0.min(input.len());
        input.advance(here);
        self.0 -= here;
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

    #[test]
    fn the_head_is_read_as_soon_as_it_is_there() {
        for payload in [100, 10_000, 1_000_000, 3_000_000] {
            let bytes = packet(QoS::AtLeastOnce, payload);
            let size = payload + 2 + 7 + 2;
            let head = 1 + size_length(size) + 2 + 7 + 2;
            for cut in 0..head {
                assert_eq!(Oversized::read(&bytes[..cut], size).expect("not malformed"), None, "{cut}");
            }
            let expected = Oversized { topic: "a/topic".into(), qos: QoS::AtLeastOnce, pkid: 7, size };
            assert_eq!(Oversized::read(&bytes[..head], size).expect("not malformed"), Some(expected));
        }
    }

    #[test]
    fn only_a_publish_may_be_skipped() {
        assert!(Oversized::read(&[0x90, 0xff, 0xff, 0x7f], 2_097_151).is_err());
    }

    #[test]
    fn exactly_the_packet_is_skipped() {
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
