//! How transforms are run, and what they may use.

use ocpp_gateway_core::Direction;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a message is handled when its transform traps, exceeds a limit or gives an illegal answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// A CALL is answered with an error.
    #[default]
    Reject,
    /// The message goes on as if the transform were not there. Not for a mapping.
    Bypass,
    /// The message is dropped and counted.
    Drop,
}

/// How a frame that breaks a rule is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnViolation {
    /// Its sender gets an error.
    #[default]
    Reject,
    /// It goes on, and the violation is logged.
    Log,
}

/// How a message is handled if no schema has its action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownActions {
    /// As a frame that breaks a rule.
    #[default]
    Reject,
    /// It goes on.
    Accept,
}

/// Where frames from a charge point are validated by published schemas and by rules of transforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValidationPoint {
    /// As the charge point sent them, before any transform sees them.
    Arrival,
    /// As the last `uplink` hook leaves them, before the mapping: corrections by transforms count.
    #[default]
    AfterTransforms,
}

/// Which payloads are validated by the schemas that the Open Charge Alliance publishes; by default none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validation {
    /// Also applies to the rules of transforms.
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

/// The limits of one transform. Each limit binds on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Per call; making and configuring an instance may take ten times as long. `None`: 20 ms for a component from
    /// elsewhere, and no limit for one that ships with the gateway.
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
    /// Values in its state.
    pub state_keys: usize,
    /// Bytes of the keys and values in its state together.
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
