//! What the API can ask for, and what becomes of it.

use crate::transforms::store::Sender;
use ocpp_gateway_pipeline::{FewerHooks, SwapError, TransformChange, TrialError};
use serde_json::{Map, Value};
use std::io;

/// A change of one transform, or of the order of all.
#[derive(Debug)]
pub struct ChangeRequest {
    pub change: RequestedChange,
    /// The text of the file that `minisign` writes, for the component or program of the change.
    pub signature: Option<String>,
    pub fewer_hooks: FewerHooks,
    /// Find out what would change, and change nothing.
    pub dry_run: bool,
    pub sender: Sender,
}

#[derive(Debug)]
pub enum RequestedChange {
    /// A transform that does not exist yet. `before`: the one that it stands in front of; `None`: behind all others.
    Add { name: String, settings: Map<String, Value>, component: Option<Vec<u8>>, before: Option<String> },
    /// Another component, other settings, or both. Without settings these stay as they are.
    Put { name: String, settings: Option<Map<String, Value>>, component: Option<Vec<u8>> },
    /// What is handed to the component.
    Config { name: String, config: Map<String, Value> },
    /// Back to a version by its number; `None`: to the one that ran before.
    RollBack { name: String, version: Option<u64> },
    /// Fetch the component again, which is elsewhere.
    Fetch { name: String },
    /// Back to what the configuration says.
    Revert { name: String },
    /// Put the version in place that is on trial.
    Promote { name: String },
    /// Remove a transform that was added.
    Remove { name: String },
    /// The order of all transforms but drop-ins.
    Order(Vec<String>),
}

impl RequestedChange {
    /// What is done, for audit lines.
    pub fn done(&self) -> &'static str {
        match self {
            RequestedChange::Add { .. } => "added",
            RequestedChange::Put { .. } => "replaced",
            RequestedChange::Config { .. } => "configured",
            RequestedChange::RollBack { .. } => "rolled back",
            RequestedChange::Fetch { .. } => "fetched",
            RequestedChange::Revert { .. } => "reverted",
            RequestedChange::Promote { .. } => "promoted",
            RequestedChange::Remove { .. } => "removed",
            RequestedChange::Order(_) => "reordered",
        }
    }

    /// The transform to change; `None`: all of them.
    pub fn name(&self) -> Option<&str> {
        match self {
            RequestedChange::Add { name, .. }
            | RequestedChange::Put { name, .. }
            | RequestedChange::Config { name, .. }
            | RequestedChange::RollBack { name, .. }
            | RequestedChange::Fetch { name }
            | RequestedChange::Revert { name }
            | RequestedChange::Promote { name }
            | RequestedChange::Remove { name } => Some(name),
            RequestedChange::Order(_) => None,
        }
    }
}

/// What has changed, or would change.
#[derive(Debug)]
pub struct ChangeOutcome {
    /// `None`: nothing at all. An empty list: only the order.
    pub changes: Option<Vec<TransformChange>>,
    /// Whether it survives the process.
    pub is_kept: bool,
    /// Whether something was stored, although the same runs on.
    pub is_stored: bool,
    pub warnings: Vec<String>,
}

/// Why a change is refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("no transform is named {0:?}")]
    Unknown(String),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The request or its settings have a fault.
    #[error("{0}")]
    Invalid(String),
    /// A component that is elsewhere cannot be had.
    #[error("{0}")]
    Fetch(String),
    #[error("it cannot be stored: {0}")]
    Storage(#[from] io::Error),
    #[error(transparent)]
    Swap(#[from] SwapError),
}

impl From<TrialError> for ChangeError {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::Swap(error) => error.into(),
            TrialError::NewMapping(_) | TrialError::Faults(_) => ChangeError::Invalid(error.to_string()),
            TrialError::OnTrial(_) | TrialError::TooMany(_) | TrialError::SameVersion(_) => {
                ChangeError::Conflict(error.to_string())
            }
        }
    }
}
