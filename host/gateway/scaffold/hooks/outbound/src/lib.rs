//! Adds a prefix to the topics of all messages that are published.

use ocpp_transform::{Outbound, Peer, Publish, PublishAction, Transform, export, read_config};
use serde::Deserialize;

/// `[transforms.config]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Added before the topic without a separator, so end it with a slash.
    prefix: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { prefix: "site/".into() }
    }
}

struct Prefix(Config);

impl Transform for Prefix {
    fn configure(config: &str) -> Result<Self, String> {
        Ok(Prefix(read_config(config)?))
    }
}

impl Outbound for Prefix {
    fn handle(&self, _peer: &Peer, message: Publish) -> Vec<PublishAction> {
        let topic = format!("{}{}", self.0.prefix, message.topic);
        vec![PublishAction::Replace(Publish { topic, ..message })]
    }
}

export!(Prefix: Outbound);

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::testing::peer;

    #[test]
    fn prefix_is_added_to_the_topic() {
        let transform = Prefix::configure(r#"{"prefix":"eu/"}"#).expect("a configuration");
        let actions = transform.handle(&peer("CP1"), Publish::new("ocpp/cp/CP1", "{}"));
        assert_eq!(actions, [PublishAction::Replace(Publish::new("eu/ocpp/cp/CP1", "{}"))]);
    }
}
