//! Packets to bytes and back. What differs between versions of MQTT is in here and nowhere else.

mod v4;

use bytes::BytesMut;
use rumqttc::mqttbytes::Error;

use super::{
    LinkError, Oversized,
    packet::{ConnAck, Inbound, Limits, Outbound, Publish},
    reason::{Reason, Verdict},
};
use crate::options::Options;

pub(super) struct Codec {
    max_packet_size: usize,
}

impl Codec {
    pub(super) fn new(options: &Options) -> Self {
        Codec { max_packet_size: options.max_packet_size }
    }

    pub(super) fn connect(
        &self,
        output: &mut BytesMut,
        options: &Options,
        client_id: &str,
        clean_session: bool,
    ) -> Result<(), LinkError> {
        Ok(v4::connect(output, options, client_id, clean_session)?)
    }

    pub(super) fn publish(&self, output: &mut BytesMut, publish: &Publish) -> Result<(), LinkError> {
        Ok(v4::publish(output, publish)?)
    }

    pub(super) fn write(&self, output: &mut BytesMut, packet: Outbound<'_>) -> Result<(), LinkError> {
        Ok(v4::write(output, packet)?)
    }

    /// Takes the next packet out of what has come. `None` when more bytes are needed. Of an oversized one the bytes stay.
    pub(super) fn read(&self, input: &mut BytesMut) -> Result<Option<Inbound>, LinkError> {
        match v4::read(input, self.max_packet_size) {
            Ok(packet) => Ok(Some(packet)),
            Err(Error::InsufficientBytes(_)) => Ok(None),
            Err(Error::PayloadSizeLimitExceeded(size)) => Ok(Oversized::read(input, size)?.map(Inbound::Oversized)),
            Err(error) => Err(error.into()),
        }
    }
}

/// In the seconds of a CONNECT, rounded up.
fn keep_alive(options: &Options) -> u16 {
    options.keep_alive.as_millis().div_ceil(1000).try_into().unwrap_or(u16::MAX)
}
