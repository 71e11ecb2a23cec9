//! The address of the broker, and the topics of charge points.

use anyhow::{Context as _, Result};
use rumqttc::{AsyncClient, EventLoop, MqttOptions};

/// Messages that may wait to be published.
const QUEUE: usize = 1000;
const MAX_PACKET: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Broker {
    host: String,
    port: u16,
    mountpoint: String,
}

impl Broker {
    /// `url` is `mqtt://host[:port]`.
    pub(crate) fn parse(url: &str, mountpoint: String) -> Result<Self> {
        let address = url.strip_prefix("mqtt://").context("--broker must begin with mqtt://")?;
        let (host, port) = match address.trim_end_matches('/').rsplit_once(':') {
            Some((host, port)) => (host, port.parse().with_context(|| format!("{port} is no port"))?),
            None => (address, 1883),
        };
        Ok(Broker { host: host.to_owned(), port, mountpoint })
    }

    pub(crate) fn client(&self, role: &str) -> (AsyncClient, EventLoop) {
        let mut options = MqttOptions::new(format!("csms-{role}-{}", std::process::id()), &self.host, self.port);
        options.set_max_packet_size(MAX_PACKET, MAX_PACKET);
        AsyncClient::new(options, QUEUE)
    }

    /// The filter for all topics of charge points.
    pub(crate) fn uplink_filter(&self) -> String {
        format!("{}cp/#", self.mountpoint)
    }

    /// The topic for the answers of one charge point.
    pub(crate) fn replies(&self, charge_point: &str) -> String {
        format!("{}cp/{charge_point}/Reply", self.mountpoint)
    }

    /// The topic for messages to one charge point.
    pub(crate) fn downlink(&self, charge_point: &str) -> String {
        format!("{}cs/{charge_point}", self.mountpoint)
    }

    /// The charge point that a message on `topic` came from.
    pub(crate) fn charge_point<'a>(&self, topic: &'a str) -> Option<&'a str> {
        let rest = topic.strip_prefix(&self.mountpoint)?.strip_prefix("cp/")?;
        rest.split('/').next()
    }
}

impl std::fmt::Display for Broker {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "mqtt://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_is_optional() {
        let port = |url| Broker::parse(url, String::new()).map(|broker| (broker.host, broker.port)).ok();
        assert_eq!(port("mqtt://broker"), Some(("broker".to_owned(), 1883)));
        assert_eq!(port("mqtt://127.0.0.1:1884"), Some(("127.0.0.1".to_owned(), 1884)));
        assert_eq!(port("http://broker"), None);
        assert_eq!(port("mqtt://broker:x"), None);
    }

    #[test]
    fn topics_name_the_charge_point() {
        let broker = Broker::parse("mqtt://broker", "ocpp/".to_owned()).expect("a broker");
        assert_eq!(broker.charge_point("ocpp/cp/CP1"), Some("CP1"));
        assert_eq!(broker.charge_point("ocpp/cp/CP1/Reply"), Some("CP1"));
        assert_eq!(broker.charge_point("ocpp/cs/CP1"), None);
    }
}
