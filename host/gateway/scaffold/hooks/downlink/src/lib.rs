//! Rejects some commands to charge points: a back end that sends one gets a CALLERROR.

use ocpp_transform::{CallError, Downlink, Frame, FrameAction, FrameType, Peer, Transform, export, read_config};
use serde::Deserialize;

/// `[transforms.config]` of the gateway's configuration.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The actions that are rejected.
    refuse: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Config { refuse: vec!["UpdateFirmware".into()] }
    }
}

struct Guard(Config);

impl Transform for Guard {
    fn configure(config: &str) -> Result<Self, String> {
        Ok(Guard(read_config(config)?))
    }
}

impl Downlink for Guard {
    fn handle(&self, _peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        let is_refused = |action: &String| self.0.refuse.contains(action);
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

export!(Guard: Downlink);

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_transform::testing::{call, peer};

    #[test]
    fn configured_actions_are_rejected() {
        let transform = Guard::configure(r#"{"refuse":["Reset"]}"#).expect("a configuration");
        let handle = |action| transform.handle(&peer("CP1"), call("1", action, "{}"));
        assert!(matches!(handle("Reset")[..], [FrameAction::Reject(_)]));
        assert_eq!(handle("UpdateFirmware"), [FrameAction::Pass]);
    }
}
