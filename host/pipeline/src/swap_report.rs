//! What a hot swap has changed, for the API, events and the log.

use crate::error::LoadError;
use serde::Serialize;
use std::time::SystemTime;

/// Whether a component may take the place of one with more hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FewerHooks {
    /// A file that was built wrongly, or uploaded under a wrong name, must not move all messages to other topics.
    #[default]
    Refuse,
    Allow,
}

/// What has become of a component that was to replace another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swapped {
    Replaced,
    /// The same bytes run already, in the same configuration: everything stays, the previous version too.
    RanAlready,
}

/// What has come of an attempt to put other transforms in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapOutcome {
    Swapped,
    RolledBack,
    /// Everything is as it was.
    Failed,
}

/// Why a transform was not swapped.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    #[error("no transform is called {0:?}")]
    Unknown(String),
    #[error("there is no previous version to go back to")]
    NoPrevious,
    #[error("{0:?} was rolled back while another version of it was being loaded: that one is not put in place")]
    Overtaken(String),
    #[error("{}", lines(.0))]
    Load(Vec<LoadError>),
}

pub(crate) fn lines(errors: &[LoadError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// One attempt to put other transforms in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapReport {
    pub outcome: SwapOutcome,
    /// Those that have changed; after a failure those that were to change.
    pub transforms: Vec<TransformChange>,
    /// Why it failed, or why a version was taken back although nobody asked for it.
    pub reason: Option<String>,
}

/// What has become of one transform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransformChange {
    /// Its name in the configuration.
    pub name: String,
    #[serde(rename = "change")]
    pub what: Change,
    /// The version that runs; `None`: none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<TransformVersion>,
    /// The one that ran before, if that was another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<TransformVersion>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Added,
    Replaced,
    Removed,
    /// The one that runs goes on.
    Kept,
}

/// One version of a transform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransformVersion {
    /// `builtin:NAME`, a path, or that it was uploaded.
    pub component: String,
    #[serde(skip)]
    pub is_uploaded: bool,
    /// What it gives itself.
    pub version: String,
    /// Of the component: 64 hex digits.
    pub sha256: String,
}

/// Why the latest swap of a transform failed, or was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformFault {
    pub text: String,
    pub at: SystemTime,
}

impl TransformFault {
    pub(crate) fn now(text: String) -> Self {
        TransformFault { text, at: SystemTime::now() }
    }
}
