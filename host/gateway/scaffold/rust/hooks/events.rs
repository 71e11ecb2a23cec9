//! Publishes whether each charge point is online, as a retained message that later subscribers get at once.

use crate::MyTransform;
use ocpp_transform::{Events, Peer, Publish};
use serde::Deserialize;

/// `[transforms.config.events]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Added before the identity without a separator, so end it with a slash.
    prefix: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { prefix: "presence/".into() }
    }
}

impl MyTransform {
    fn publish(&self, peer: &Peer, state: &str) -> Vec<Publish> {
        vec![Publish { retain: true, ..Publish::new(format!("{}{}", self.config.events.prefix, peer.id), state) }]
    }
}

impl Events for MyTransform {
    fn connected(&self, peer: &Peer) -> Vec<Publish> {
        self.publish(peer, "online")
    }

    fn disconnected(&self, peer: &Peer, _reason: &str) -> Vec<Publish> {
        self.publish(peer, "offline")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::Transform as _;
    use ocpp_transform::testing::peer;

    #[test]
    fn connections_and_disconnections_are_published() {
        let transform = MyTransform::configure("{}").expect("the defaults");
        let retained = |state: &str| vec![Publish { retain: true, ..Publish::new("presence/CP1", state) }];
        assert_eq!(transform.connected(&peer("CP1")), retained("online"));
        assert_eq!(transform.disconnected(&peer("CP1"), "gone"), retained("offline"));
    }
}
