//! Takes messages of a back end out of their envelope: `{"sent":"…","message":{"MessageTypeId":2,…}}`.

use crate::MyTransform;
use ocpp_transform::{Inbound, Peer, Publish, PublishAction};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// `[transforms.config.inbound]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The member of the envelope that contains the message.
    member: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { member: "message".into() }
    }
}

impl Inbound for MyTransform {
    fn handle(&self, _peer: &Peer, message: Publish) -> Vec<PublishAction> {
        let envelope = serde_json::from_slice::<BTreeMap<String, Box<RawValue>>>(&message.payload);
        match envelope.ok().and_then(|mut envelope| envelope.remove(&self.config.inbound.member)) {
            Some(inner) => vec![PublishAction::Replace(Publish { payload: inner.get().into(), ..message })],
            None => vec![PublishAction::Pass],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::Transform as _;
    use ocpp_transform::testing::{inbound, peer};

    #[test]
    fn envelope_is_removed_and_the_message_is_unchanged() {
        let transform = MyTransform::configure(r#"{"inbound":{"member":"ocpp"}}"#).expect("a configuration");
        let handle = |payload: &str| inbound(&transform, &peer("CP1"), Publish::new("ocpp/cs/CP1", payload));
        let inner = r#"{"MessageTypeId":3, "Payload":{"limit":1.0}}"#;
        let unwrapped = PublishAction::Replace(Publish::new("ocpp/cs/CP1", inner));
        assert_eq!(handle(&format!(r#"{{"sent":"12:00","ocpp":{inner}}}"#)), [unwrapped]);
        for bare in [inner, "no JSON"] {
            assert_eq!(handle(bare), [PublishAction::Pass]);
        }
    }
}
