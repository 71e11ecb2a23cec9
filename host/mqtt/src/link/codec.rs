//! Packets to bytes and back. All differences between the versions of MQTT are in this module.

mod v4;
mod v5;

use std::time::Instant;

use bytes::BytesMut;
use rumqttc::mqttbytes::Error;

use super::{
    error::LinkError,
    oversized::Oversized,
    packet::{InboundPacket, OutboundPacket, Publish},
};
use crate::options::{Options, ProtocolVersion};

#[derive(Debug, Clone, Copy)]
pub(super) struct Codec {
    version: ProtocolVersion,
    /// The largest packet to be read, in bytes.
    max_packet_size: usize,
}

impl Codec {
    pub(super) fn new(options: &Options) -> Self {
        Codec { version: options.version, max_packet_size: options.max_packet_size }
    }

    pub(super) fn connect(
        self,
        output: &mut BytesMut,
        options: &Options,
        client_id: &str,
        clean_session: bool,
    ) -> Result<(), LinkError> {
        match self.version {
            ProtocolVersion::V4 => Ok(v4::connect(output, options, client_id, clean_session)?),
            ProtocolVersion::V5 => Ok(v5::connect(output, options, client_id, clean_session)?),
        }
    }

    /// PUBLISH, with the time of its expiry if the version supports that.
    pub(super) fn publish(
        self,
        output: &mut BytesMut,
        publish: &Publish,
        expires: Option<Instant>,
    ) -> Result<(), LinkError> {
        match self.version {
            ProtocolVersion::V4 => Ok(v4::publish(output, publish)?),
            ProtocolVersion::V5 => Ok(v5::publish(output, publish, expires)?),
        }
    }

    /// The bytes of a PUBLISH in MQTT 5. Brokers of other versions have no limit.
    pub(super) fn size(self, publish: &Publish, expires: Option<Instant>) -> usize {
        v5::size(publish, expires.is_some())
    }

    pub(super) fn write(self, output: &mut BytesMut, packet: OutboundPacket<'_>) -> Result<(), LinkError> {
        match self.version {
            ProtocolVersion::V4 => Ok(v4::write(output, packet)?),
            ProtocolVersion::V5 => Ok(v5::write(output, packet)?),
        }
    }

    /// Takes the next packet out of the input. `None` when more bytes are needed. The bytes of an oversized packet
    /// stay.
    pub(super) fn read(self, input: &mut BytesMut) -> Result<Option<InboundPacket>, LinkError> {
        let read = match self.version {
            ProtocolVersion::V4 => v4::read(input, self.max_packet_size).map_err(LinkError::Protocol),
            ProtocolVersion::V5 => v5::read(input, self.max_packet_size),
        };
        match read {
            Ok(packet) => Ok(Some(packet)),
            Err(LinkError::Protocol(Error::InsufficientBytes(_))) => Ok(None),
            Err(LinkError::Protocol(Error::PayloadSizeLimitExceeded(size))) => {
                Ok(Oversized::read(input, size, self.version)?.map(InboundPacket::Oversized))
            }
            Err(error) => Err(error),
        }
    }
}
