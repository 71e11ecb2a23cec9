//! Adds a prefix to the topics of all messages that are published.

use crate::MyTransform;
use ocpp_transform::{Outbound, Peer, Publish, PublishAction};
use serde::Deserialize;

/// `[transforms.config.outbound]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Added before the topic without a separator, so end it with a slash.
    prefix: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { prefix: "site/".into() }
    }
}

impl Outbound for MyTransform {
    fn handle(&self, _peer: &Peer, message: Publish) -> Vec<PublishAction> {
        let topic = format!("{}{}", self.config.outbound.prefix, message.topic);
        vec![PublishAction::Replace(Publish { topic, ..message })]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::Transform as _;
    use ocpp_transform::testing::{outbound, peer};

    #[test]
    fn prefix_is_added_to_the_topic() {
        let transform = MyTransform::configure(r#"{"outbound":{"prefix":"eu/"}}"#).expect("a configuration");
        let actions = outbound(&transform, &peer("CP1"), Publish::new("ocpp/cp/CP1", "{}"));
        assert_eq!(actions, [PublishAction::Replace(Publish::new("eu/ocpp/cp/CP1", "{}"))]);
    }
}
