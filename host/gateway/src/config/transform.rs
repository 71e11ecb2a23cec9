//! The stages of the chain, and the rules for payloads.

use super::values::{Bytes, Span, ValidationMode};
use super::versions;
use ocpp_gateway_core::{Direction, Version};
use ocpp_gateway_pipeline::{OnError, OnViolation, UnknownActions, ValidationPoint};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One stage of the chain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TransformConfig {
    pub name: String,
    /// `builtin:standard`, or the path of a component.
    pub component: String,
    #[serde(default)]
    pub on_error: OnError,
    #[serde(default, rename = "match")]
    pub matching: MatchConfig,
    #[serde(default)]
    pub limits: LimitsConfig,
    /// A folder of fixtures that a version has to pass before it goes live.
    pub samples: Option<PathBuf>,
    /// Handed to the component as JSON.
    #[serde(default)]
    pub config: toml::Table,
}

/// Which messages a transform is for. What is empty is no condition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MatchConfig {
    /// Globs, with `*` and `?`.
    pub charge_points: Vec<String>,
    #[serde(with = "versions")]
    pub versions: Vec<Version>,
    pub actions: Vec<String>,
    pub directions: Vec<Direction>,
}

/// What one transform may use.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsConfig {
    /// For one call. Absent: 20 ms, and none for a transform that ships with the gateway.
    pub time: Option<Span>,
    /// Of one instance; each worker thread has one.
    pub memory: Bytes,
    /// Actions, messages or frames that one call may answer with.
    pub actions: usize,
    /// What one call may answer with, all in all.
    pub output: Bytes,
    /// Per second.
    pub log_lines: u32,
    /// Values that the gateway keeps for it.
    pub state_keys: usize,
    /// All of them together.
    pub state: Bytes,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        LimitsConfig {
            time: None,
            memory: Bytes::mebibytes(16),
            actions: 16,
            output: Bytes::kibibytes(256),
            log_lines: 100,
            state_keys: 10_000,
            state: Bytes::mebibytes(4),
        }
    }
}

/// Rules for payloads.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ValidationConfig {
    /// Which messages are held against the published schemas. The rules of transforms are in force with each.
    pub mode: ValidationMode,
    /// For the rules of transforms too.
    pub at: ValidationPoint,
    pub on_violation: OnViolation,
    /// For messages that are held against the published schemas, and have none.
    pub unknown_actions: UnknownActions,
}
