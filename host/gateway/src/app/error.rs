//! Why a gateway did not start, or stopped by itself.

use crate::listener::ListenerError;
use crate::operations::ephemeral;
use crate::transforms;
use ocpp_gateway_mqtt::{BrokerUrlError, EmbeddedBrokerError};
use std::io;
use std::net::SocketAddr;

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Transforms(#[from] transforms::ComponentFaults),
    #[error(transparent)]
    Store(#[from] transforms::StoreError),
    #[error("{key} = {address}: cannot listen there: {error}{}", ephemeral::hint(address.port(), error))]
    Listen { key: &'static str, address: SocketAddr, error: io::Error },
    #[error("mqtt.embedded.listen: {0}")]
    EmbeddedBroker(#[source] EmbeddedBrokerError),
    #[error(transparent)]
    Listeners(#[from] ListenerError),
    #[error("admin.tls: {0}")]
    AdminTls(String),
    #[error("files cannot be watched: {0}")]
    FileWatch(#[from] notify::Error),
    #[error("mqtt.url: {0}")]
    BrokerUrl(#[from] BrokerUrlError),
    #[error("{0}")]
    Configuration(#[from] io::Error),
}

/// Why the gateway stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    EmbeddedBroker(#[from] EmbeddedBrokerError),
    #[error("the admin listener failed: {0}")]
    Admin(io::Error),
}
