//! Converts id tags to upper case, for charge points that send them as the card reader provides them.

use crate::MyTransform;
use ocpp_transform::{Frame, FrameAction, Peer, Uplink};
use serde::Deserialize;
use serde_json::{Map, Value};

/// `[transforms.config.uplink]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The member of a payload that holds the tag.
    member: String,
}

impl Default for Config {
    fn default() -> Self {
        Config { member: "idTag".into() }
    }
}

impl Uplink for MyTransform {
    fn handle(&self, _peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        let member = &self.config.uplink.member;
        // Most frames have no tag. To pass a frame costs less than to replace it by an equal one.
        if !frame.payload.contains(member) {
            return vec![FrameAction::Pass];
        }
        let Ok(mut payload) = frame.read_payload::<Map<String, Value>>() else { return vec![FrameAction::Pass] };
        let Some(Value::String(tag)) = payload.get_mut(member) else { return vec![FrameAction::Pass] };
        *tag = tag.to_uppercase();
        match frame.with_payload(&payload) {
            Ok(frame) => vec![FrameAction::Replace(frame)],
            Err(error) => vec![FrameAction::Drop(error.to_string())],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::Transform as _;
    use ocpp_transform::testing::{call, peer, uplink};

    #[test]
    fn tags_become_upper_case() {
        let transform = MyTransform::configure("{}").expect("the defaults");
        let actions = uplink(&transform, &peer("CP1"), call("1", "Authorize", r#"{"idTag":"4f2a"}"#));
        assert_eq!(actions, [FrameAction::Replace(call("1", "Authorize", r#"{"idTag":"4F2A"}"#))]);
    }

    #[test]
    fn other_frames_pass() {
        let transform = MyTransform::configure("{}").expect("the defaults");
        assert_eq!(uplink(&transform, &peer("CP1"), call("1", "Heartbeat", "{}")), [FrameAction::Pass]);
    }
}
