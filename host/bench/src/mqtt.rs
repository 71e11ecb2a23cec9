//! rumqttc clients of floor and responder, used as its documentation shows.

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};

/// QoS of everything that is published and subscribed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Quality {
    #[value(name = "0")]
    AtMostOnce,
    #[value(name = "1")]
    AtLeastOnce,
}

impl Quality {
    pub(crate) fn number(self) -> u8 {
        self as u8
    }
}

impl From<Quality> for QoS {
    fn from(quality: Quality) -> Self {
        match quality {
            Quality::AtMostOnce => QoS::AtMostOnce,
            Quality::AtLeastOnce => QoS::AtLeastOnce,
        }
    }
}

/// Maximum number of unacknowledged messages; mosquitto is configured with the same.
pub(crate) const IN_FLIGHT: u16 = 1000;

/// A client of `broker` (`host:port`) that queues up to `queue` requests for its event loop.
pub(crate) fn client(name: &str, broker: &str, queue: usize) -> Result<(AsyncClient, EventLoop)> {
    let broker = broker.strip_prefix("mqtt://").unwrap_or(broker);
    let (host, port) = broker.rsplit_once(':').context("the broker is not host:port")?;
    let id = format!("{name}-{}", std::process::id());
    let mut options = MqttOptions::new(id, host, port.parse::<u16>().context("the broker's port")?);
    options.set_inflight(IN_FLIGHT).set_max_packet_size(2 << 20, 2 << 20);
    let (client, mut events) = AsyncClient::new(options, queue);
    let mut network = events.network_options();
    network.set_tcp_nodelay(true);
    events.set_network_options(network);
    Ok((client, events))
}

/// A client with a confirmed subscription to `filter`.
pub(crate) async fn subscriber(
    name: &str,
    broker: &str,
    queue: usize,
    filter: &str,
    quality: Quality,
) -> Result<(AsyncClient, EventLoop)> {
    let (client, mut events) = client(name, broker, queue)?;
    client.subscribe(filter, quality.into()).await?;
    loop {
        match events.poll().await.with_context(|| format!("cannot reach the broker {broker}"))? {
            Event::Incoming(Packet::SubAck(_)) => return Ok((client, events)),
            Event::Incoming(Packet::Publish(_)) => bail!("messages before the SUBACK: is the broker in use?"),
            _ => {}
        }
    }
}
