//! Takes messages of a back end out of their envelope: `{"sent":"…","message":{"MessageTypeId":2,…}}`.

use ocpp_transform::{Inbound, Peer, Publish, PublishAction, Transform, export, read_config};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// `[transforms.config]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The member of the envelope that contains the message.
    member: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { member: "message".into() }
    }
}

struct Unwrap(Config);

impl Transform for Unwrap {
    fn configure(config: &str) -> Result<Self, String> {
        Ok(Unwrap(read_config(config)?))
    }
}

impl Inbound for Unwrap {
    fn handle(&self, _peer: &Peer, message: Publish) -> Vec<PublishAction> {
        let envelope = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(&message.payload);
        match envelope.ok().and_then(|mut envelope| envelope.remove(&self.0.member)) {
            Some(inner) => vec![PublishAction::Replace(Publish { payload: inner.get().into(), ..message })],
            None => vec![PublishAction::Pass],
        }
    }
}

export!(Unwrap: Inbound);

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::testing::peer;

    #[test]
    fn envelope_is_removed_and_the_message_is_unchanged() {
        let transform = Unwrap::configure(r#"{"member":"ocpp"}"#).expect("a configuration");
        let handle = |payload: &str| transform.handle(&peer("CP1"), Publish::new("ocpp/cs/CP1", payload));
        let inner = r#"{"MessageTypeId":3, "Payload":{"limit":1.0}}"#;
        let unwrapped = PublishAction::Replace(Publish::new("ocpp/cs/CP1", inner));
        assert_eq!(handle(&format!(r#"{{"sent":"12:00","ocpp":{inner}}}"#)), [unwrapped]);
        for bare in [inner, "no JSON"] {
            assert_eq!(handle(bare), [PublishAction::Pass]);
        }
    }
}
