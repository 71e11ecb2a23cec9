//! Rejects some commands to charge points: a back end that sends one gets a CALLERROR.

use crate::MyTransform;
use ocpp_transform::{CallError, Downlink, Frame, FrameAction, FrameType, Peer};
use serde::Deserialize;

/// `[transforms.config.downlink]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The actions that are rejected.
    refuse: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config { refuse: vec!["UpdateFirmware".into()] }
    }
}

impl Downlink for MyTransform {
    fn handle(&self, _peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        let is_refused = |action: &String| self.config.downlink.refuse.contains(action);
        if frame.type_ == FrameType::Call && frame.action.as_ref().is_some_and(is_refused) {
            return vec![FrameAction::Reject(CallError {
                code: "SecurityError".into(),
                description: "not allowed at this site".into(),
                details: "{}".into(),
            })];
        }
        vec![FrameAction::Pass]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::Transform as _;
    use ocpp_transform::testing::{call, downlink, peer};

    #[test]
    fn configured_actions_are_rejected() {
        let transform = MyTransform::configure(r#"{"downlink":{"refuse":["Reset"]}}"#).expect("a configuration");
        let handle = |action| downlink(&transform, &peer("CP1"), call("1", action, "{}"));
        assert!(matches!(handle("Reset")[..], [FrameAction::Reject(_)]));
        assert_eq!(handle("UpdateFirmware"), [FrameAction::Pass]);
    }
}
