//! `[[transforms]]` and `[validation]`: the chain of transforms, and the rules for payloads.

use super::values::{Bytes, Span, ValidationMode};
use super::versions;
use ocpp_gateway_core::{Direction, Version};
use ocpp_gateway_pipeline::{OnError, OnViolation, UnknownActions, ValidationPoint};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What the names of ready-made components begin with.
const BUILTIN: &str = "builtin:";

/// The component that runs a program, which is among its settings or in a file that they name.
pub const JQ: &str = "builtin:jq";

/// One transform of the chain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TransformConfig {
    pub name: String,
    /// `builtin:NAME`, or the path of a component.
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

impl TransformConfig {
    /// Makes relative paths relative to `directory`.
    pub(super) fn resolve_paths(&mut self, directory: &Path) {
        if let Some(component) = self.component_file() {
            self.component = directory.join(component).display().to_string();
        }
        if let Some(samples) = &mut self.samples {
            *samples = directory.join(&*samples);
        }
        if let Some(program) = self.program_file() {
            let program = directory.join(program).display().to_string();
            self.config.insert("file".into(), program.into());
        }
    }

    /// The file of its component, unless that is a ready-made one.
    pub fn component_file(&self) -> Option<&Path> {
        (!self.component.starts_with(BUILTIN)).then(|| Path::new(&self.component))
    }

    /// `file` in the settings of `builtin:jq`, which the gateway reads: a component reaches no files.
    pub fn program_file(&self) -> Option<&Path> {
        let is_alone = self.component == JQ && !self.config.contains_key("program");
        self.config.get("file").and_then(toml::Value::as_str).map(Path::new).filter(|_| is_alone)
    }
}

/// Which messages a transform handles. An empty list is no condition.
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
    /// Time of one call. Absent: 20 ms, and no limit for `builtin:standard`.
    pub time: Option<Span>,
    /// Memory of one instance; each worker thread has one.
    pub memory: Bytes,
    /// Actions, messages or frames in the answer of one call.
    pub actions: usize,
    /// The total size of the answer of one call.
    pub output: Bytes,
    /// Log lines per second.
    pub log_lines: u32,
    /// Values that the gateway stores for it.
    pub state_keys: usize,
    /// The total size of these values.
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
    /// Which messages are validated against the published schemas. The rules of transforms apply in every mode.
    pub mode: ValidationMode,
    /// Where payloads are validated, also against the rules of transforms.
    pub at: ValidationPoint,
    pub on_violation: OnViolation,
    /// What to do with messages that are validated but have no published schema.
    pub unknown_actions: UnknownActions,
}
