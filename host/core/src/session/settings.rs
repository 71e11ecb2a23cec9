//! The configuration of sessions.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The configuration that all sessions share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long a CALL may stay unanswered, in either direction, and how long one may wait before it is sent.
    pub call_timeout: Duration,
    /// How many CALLs of the charge point may be open; at this number, reading from it stops.
    pub open_calls: usize,
    /// How many CALLs may wait until the charge point has answered earlier ones.
    pub queue: usize,
    pub unmatched_responses: Unmatched,
    /// Zero: no pings.
    pub ping_interval: Duration,
    /// In force until the charge point is given another.
    pub heartbeat_interval: Duration,
    /// How long a charge point may be silent. `None`: twice the heartbeat interval in force.
    pub idle_timeout: Option<Duration>,
}

/// What to do with an answer that belongs to no open CALL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unmatched {
    Drop,
    Forward,
}
