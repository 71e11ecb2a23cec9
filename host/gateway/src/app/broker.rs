//! The broker that the gateway uses, and the options of its connections.

use super::error::StartError;
use crate::config::Config;
use ocpp_gateway_mqtt::{BrokerLimits, BrokerUrl, Credentials, EmbeddedBroker, Options, Status};
use std::net::SocketAddr;

/// Space for the topic and the envelope of the largest OCPP message, in bytes.
const ENVELOPE: usize = 64 << 10;

/// The addresses that the gateway listens on, with the actual ports, and its broker.
#[derive(Debug, Clone)]
pub struct ListenAddresses {
    /// Of the first listener for charge points.
    pub ocpp: SocketAddr,
    /// Of all of them, in the order of the configuration.
    pub listeners: Vec<SocketAddr>,
    pub admin: SocketAddr,
    pub broker: Broker,
}

/// The broker that the gateway uses.
#[derive(Debug, Clone)]
pub enum Broker {
    Embedded(SocketAddr),
    External(BrokerUrl),
}

/// Starts the embedded broker, unless `mqtt.url` names another one.
pub(super) async fn start(config: &Config) -> Result<(Option<EmbeddedBroker>, Broker), StartError> {
    if let Some(url) = &config.mqtt.url {
        return Ok((None, Broker::External(url.parse()?)));
    }
    let started = EmbeddedBroker::start(config.mqtt.embedded.listen, broker_limits(config)).await;
    let embedded = started.map_err(StartError::EmbeddedBroker)?;
    let address = embedded.local_addr();
    Ok((Some(embedded), Broker::Embedded(address)))
}

/// The largest MQTT packet in either direction, in bytes.
fn max_packet_size(config: &Config) -> usize {
    config.ocpp.max_message_size.saturating_add(ENVELOPE)
}

fn broker_limits(config: &Config) -> BrokerLimits {
    BrokerLimits {
        packet_size: max_packet_size(config),
        retained: config.mqtt.embedded.max_retained,
        retained_memory: config.mqtt.embedded.retained_memory.get(),
    }
}

pub(super) fn mqtt_options(config: &Config, addresses: &ListenAddresses) -> Result<Options, StartError> {
    let url = match &addresses.broker {
        Broker::External(url) => url.clone(),
        Broker::Embedded(address) => BrokerUrl { tls: false, host: address.ip().to_string(), port: address.port() },
    };
    let host = gethostname::gethostname();
    let client_id = config.mqtt.full_client_id(&host.to_string_lossy(), addresses.ocpp.port());
    let mut options = Options::new(url, client_id);
    options.version = config.mqtt.protocol_version().unwrap_or_default();
    options.keep_alive = config.mqtt.keep_alive.get();
    options.session_expiry = config.mqtt.session_expiry.get();
    options.tls = config.mqtt.tls_files();
    options.max_packet_size = max_packet_size(config);
    options.status = config.mqtt.status_topic.as_ref().map(|topic| Status {
        topic: topic.topic("", &options.client_id),
        online: "online".into(),
        offline: "offline".into(),
    });
    if let Some(username) = config.mqtt.username.clone() {
        let password = config.mqtt.resolve_password()?.unwrap_or_default();
        options.credentials = Some(Credentials { username, password });
    }
    Ok(options)
}
