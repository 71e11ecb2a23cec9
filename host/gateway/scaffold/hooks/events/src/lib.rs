//! Publishes whether each charge point is online, as a retained message that later subscribers get at once.

use ocpp_transform::{Events, Peer, Publish, Transform, export, read_config};
use serde::Deserialize;

/// `[transforms.config]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Added before the identity without a separator, so end it with a slash.
    prefix: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { prefix: "presence/".into() }
    }
}

struct Presence(Config);

impl Transform for Presence {
    fn configure(config: &str) -> Result<Self, String> {
        Ok(Presence(read_config(config)?))
    }
}

impl Presence {
    fn publish(&self, peer: &Peer, state: &str) -> Vec<Publish> {
        vec![Publish { retain: true, ..Publish::new(format!("{}{}", self.0.prefix, peer.id), state) }]
    }
}

impl Events for Presence {
    fn connected(&self, peer: &Peer) -> Vec<Publish> {
        self.publish(peer, "online")
    }

    fn disconnected(&self, peer: &Peer, _reason: &str) -> Vec<Publish> {
        self.publish(peer, "offline")
    }
}

export!(Presence: Events);

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::testing::peer;

    #[test]
    fn connections_and_disconnections_are_published() {
        let transform = Presence::configure("{}").expect("the defaults");
        let retained = |state: &str| vec![Publish { retain: true, ..Publish::new("presence/CP1", state) }];
        assert_eq!(transform.connected(&peer("CP1")), retained("online"));
        assert_eq!(transform.disconnected(&peer("CP1"), "gone"), retained("offline"));
    }
}
