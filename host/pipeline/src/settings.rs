//! How transforms are run, and what they may use.

use ocpp_gateway_core::Direction;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What becomes of a message when its transform traps, breaks a limit or answers nonsense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// A CALL is answered with an error.
    #[default]
    Reject,
    /// The message goes on as if the transform were not there. Not for a mapping.
    Bypass,
    /// The message ends here, counted.
    Drop,
}

/// What becomes of a frame that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnViolation {
    /// Its sender is told.
    #[default]
    Reject,
    /// It goes on, and the log tells of it.
    Log,
}

/// What becomes of a message whose action no schema names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownActions {
    /// The same as of one that breaks a rule.
    #[default]
    Reject,
    /// It goes on.
    Accept,
}

/// Where frames from a charge point are judged, by published schemas and by rules of transforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidationPoint {
    /// As the charge point sent them, before any transform sees them.
    Arrival,
    /// As the last `uplink` hook leaves them, before the mapping: what a transform mends is judged mended.
    #[default]
    AfterTransforms,
}

/// Which payloads are held against the schemas that the Open Charge Alliance publishes; by default none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validation {
    /// In force for the rules of transforms too.
    pub at: ValidationPoint,
    pub uplink: bool,
    pub downlink: bool,
    pub on_violation: OnViolation,
    pub unknown_actions: UnknownActions,
}

impl Validation {
    pub(crate) fn covers(self, direction: Direction) -> bool {
        match direction {
            Direction::Uplink => self.uplink,
            Direction::Downlink => self.downlink,
        }
    }
}

/// What one transform may use. Each limit binds on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Per call; making an instance and configuring it may take ten times as long. `None`: 20 ms for a component from
    /// elsewhere. One that ships with the gateway is no more timed than the gateway itself.
    pub time: Option<Duration>,
    /// All memories and tables of one instance, in bytes.
    pub memory: usize,
    /// Messages that one call may answer with.
    pub items: usize,
    /// Bytes that one call may answer with. A call with a large message may answer with twice its size instead, so
    /// that a mapping can always pass on what it was given.
    pub bytes_out: usize,
    /// Log lines per second, over all instances.
    pub log_lines: u32,
    /// Values that the gateway keeps for it.
    pub state_keys: usize,
    /// Bytes of these keys and values together.
    pub state_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            time: None,
            memory: 16 << 20,
            items: 16,
            bytes_out: 256 << 10,
            log_lines: 100,
            state_keys: 10_000,
            state_bytes: 4 << 20,
        }
    }
}
