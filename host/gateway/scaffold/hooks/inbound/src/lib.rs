//! Drops retained messages: a command that the broker kept from last week must not stop a session of today.

use ocpp_transform::{Inbound, Peer, Publish, PublishAction, Transform, export, read_config};
use serde::Deserialize;

/// `[transforms.config]` of the gateway's configuration.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Topics that begin like one of these may be retained.
    except: Vec<String>,
}

struct Fresh(Config);

impl Transform for Fresh {
    fn configure(config: &str) -> Result<Self, String> {
        Ok(Fresh(read_config(config)?))
    }
}

impl Inbound for Fresh {
    fn handle(&self, _peer: &Peer, message: Publish) -> Vec<PublishAction> {
        let is_exempt = self.0.except.iter().any(|start| message.topic.starts_with(start));
        if message.retain && !is_exempt {
            return vec![PublishAction::Drop("a retained message".into())];
        }
        vec![PublishAction::Pass]
    }
}

export!(Fresh: Inbound);

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::testing::peer;

    #[test]
    fn retained_messages_are_dropped_with_exceptions() {
        let transform = Fresh::configure(r#"{"except":["settings/"]}"#).expect("a configuration");
        let handle = |topic| transform.handle(&peer("CP1"), Publish { retain: true, ..Publish::new(topic, "{}") });
        assert!(matches!(handle("ocpp/cs/CP1")[..], [PublishAction::Drop(_)]));
        assert_eq!(handle("settings/CP1"), [PublishAction::Pass]);
    }
}
