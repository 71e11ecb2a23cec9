//! Why a connection fails.

use std::{io, time::Duration};

use rumqttc::mqttbytes;

use super::reason::Reason;
use crate::tls::TlsError;

/// Why there is no connection (any more).
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("no TLS with the broker: {0}")]
    Tls(String),
    #[error("mqtt.tls: {0}")]
    TlsFiles(#[from] TlsError),
    #[error("no connection and CONNACK within {0:?}")]
    ConnectTimeout(Duration),
    #[error("the broker refuses the connection: {0}")]
    Refused(Reason),
    #[error("the broker closed the connection")]
    Closed,
    #[error("the broker does not answer pings")]
    Silent,
    #[error("the broker ends the connection: {0}")]
    Disconnected(Reason),
    #[error("the broker breaks the protocol: {0}")]
    Protocol(#[from] mqttbytes::Error),
    #[error("the broker breaks the protocol: {0}")]
    ProtocolV5(#[from] rumqttc::v5::mqttbytes::Error),
    #[error("the broker breaks the protocol: its first packet is not CONNACK")]
    NotConnAck,
}
