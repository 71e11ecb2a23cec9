//! Answers Heartbeats with the time, so that the back end does not have to.
//!
//! A Heartbeat asks for the time only (OCPP 1.6, section 4.6; OCPP 2.0.1, use case G02). Back ends also take it as a
//! sign of life, so one of each charge point is forwarded every [`Config::forward_every_s`] seconds.

use ocpp_transform::log::{Level, log};
use ocpp_transform::{
    Frame, FrameAction, FrameType, Peer, Transform, Uplink, clock, export, metrics, read_config, state,
};
use serde::Deserialize;
use std::time::{Duration, UNIX_EPOCH};

/// The settings, `[transforms.config]` of the gateway's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The interval in seconds at which a Heartbeat of one charge point is forwarded to the back end. 0: none is.
    pub forward_every_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config { forward_every_s: 3600 }
    }
}

/// Answers Heartbeats.
pub struct LocalHeartbeat {
    config: Config,
}

impl Transform for LocalHeartbeat {
    fn configure(config: &str) -> Result<Self, String> {
        Ok(LocalHeartbeat { config: read_config(config)? })
    }
}

impl Uplink for LocalHeartbeat {
    fn handle(&self, peer: &Peer, frame: Frame) -> Vec<FrameAction> {
        let is_heartbeat = frame.type_ == FrameType::Call && frame.action.as_deref() == Some("Heartbeat");
        if !is_heartbeat || self.is_forwarded(peer) {
            return vec![FrameAction::Pass];
        }
        metrics::count("heartbeats_answered", 1, &vec![]);
        let now = UNIX_EPOCH + Duration::from_millis(clock::unix_ms());
        // The payload of the CALLRESULT is the same in every version of OCPP.
        vec![FrameAction::Reply(format!(r#"{{"currentTime":"{}"}}"#, humantime::format_rfc3339_millis(now)))]
    }
}

impl LocalHeartbeat {
    /// Whether a Heartbeat is forwarded: whether the last one that was is old enough. The state, which all instances
    /// share, has a key that expires after the interval.
    fn is_forwarded(&self, peer: &Peer) -> bool {
        let seconds = self.config.forward_every_s;
        if seconds == 0 {
            return false;
        }
        state::compare_and_set(&format!("forwarded/{}", peer.id), None, b"", Some(seconds)).unwrap_or_else(|error| {
            log(
                Level::Warn,
                "the state cannot record a Heartbeat: none is forwarded",
                &[("error", &format!("{error:?}"))],
            );
            false
        })
    }
}

export!(LocalHeartbeat: Uplink);

#[cfg(test)]
mod tests;
