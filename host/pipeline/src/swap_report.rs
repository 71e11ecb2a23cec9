//! Reports of hot swaps, for the API, events and the log.

use crate::error::LoadError;
use serde::Serialize;
use std::fmt;
use std::time::SystemTime;

/// Whether a component may replace one that has more hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FewerHooks {
    /// A file that was built wrongly, or uploaded under a wrong name, must not move all messages to other topics.
    #[default]
    Refuse,
    Allow,
}

/// The result of a swap that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swapped {
    Replaced,
    /// The same bytes run already in the same configuration: nothing changes, the previous version included.
    Unchanged,
}

/// The result of a swap of several transforms.
#[derive(Debug)]
pub struct SwappedAll {
    /// Those that were added, replaced and removed: none if only their order or the validation has changed. `None`:
    /// everything is as before.
    pub changes: Option<Vec<TransformChange>>,
    /// The faults of drop-ins that did not go live, those of one transform together.
    pub drop_in_errors: Vec<LoadError>,
}

/// The outcome of a swap attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwapOutcome {
    Swapped,
    RolledBack,
    /// Nothing has changed.
    Failed,
}

/// Why a transform was not swapped.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    #[error("no transform is named {0:?}")]
    Unknown(String),
    #[error("there is no previous version to roll back to")]
    NoPrevious,
    #[error("{0:?} was rolled back while another version of it was being loaded: that version is discarded")]
    RolledBackMeanwhile(String),
    #[error("the version on trial cannot be promoted: {reason}")]
    NotPromoted { reason: String },
    #[error("{}", lines(.0))]
    Load(Vec<LoadError>),
    /// The caller could not store the change, for this reason.
    #[error("the change cannot be stored, so that it is not made: {0}")]
    NotStored(String),
}

fn lines(errors: &[LoadError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The names of transforms with errors, and the errors of each.
pub(crate) fn texts_by_transform(errors: &[LoadError]) -> Vec<(String, String)> {
    let each = errors.chunk_by(|one, next| one.transform == next.transform);
    each.map(|errors| (errors[0].transform.clone(), lines(errors))).collect()
}

/// One swap attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapReport {
    pub outcome: SwapOutcome,
    /// The transforms that have changed; after a failure, those that were to change.
    pub transforms: Vec<TransformChange>,
    /// Why the swap failed, or why a version was rolled back automatically.
    pub reason: Option<String>,
}

/// The change of one transform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransformChange {
    /// Its name in the configuration.
    pub name: String,
    #[serde(rename = "change")]
    pub what: Change,
    /// The version that runs now; `None`: none runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<TransformVersion>,
    /// The version that ran before, if it was another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<TransformVersion>,
}

impl fmt::Display for TransformChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TransformChange { name, what, now, before } = self;
        let version = |version: &TransformVersion| {
            let TransformVersion { component, version, sha256, program_sha256, .. } = version;
            format!("{component}, version {version}, {}", short_hashes(sha256, program_sha256.as_deref()))
        };
        let now = now.as_ref().map(version).unwrap_or_default();
        let then = before.as_ref().map(version).unwrap_or_default();
        match what {
            Change::Added => write!(f, "transform {name} is added: {now}"),
            Change::Replaced => write!(f, "transform {name} is replaced: {now}; before: {then}"),
            Change::Removed => write!(f, "transform {name} is removed: {then}"),
            Change::Kept => write!(f, "transform {name} stays: {now}"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Added,
    Replaced,
    Removed,
    /// The running version stays.
    Kept,
}

/// One version of a transform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TransformVersion {
    /// `builtin:NAME`, a path, `upload of N bytes`, or another origin.
    pub component: String,
    /// That of its specification: see [`TransformSpec::revision`](crate::TransformSpec::revision).
    #[serde(skip)]
    pub revision: u64,
    /// The version that the component reports for itself.
    pub version: String,
    /// SHA-256 of the component: 64 hex digits.
    pub sha256: String,
    /// SHA-256 of the file of its program, if there is one: 64 hex digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_sha256: Option<String>,
}

/// The first 12 digits of the SHA-256 of a component, which name a version where all 64 would be in the way.
pub fn short_sha256(sha256: &str) -> &str {
    sha256.get(..12).unwrap_or(sha256)
}

/// What names a version in a sentence: the hash of its component, and that of its program if there is one.
pub fn short_hashes(sha256: &str, program_sha256: Option<&str>) -> String {
    let program = program_sha256.map(|sha256| format!(", program {}", short_sha256(sha256))).unwrap_or_default();
    format!("sha256 {}{program}", short_sha256(sha256))
}

/// Why the latest swap of a transform failed or was rolled back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformFault {
    pub text: String,
    pub at: SystemTime,
    /// Whether a version ran and was rolled back automatically; otherwise it did not go live.
    pub is_rollback: bool,
}

impl TransformFault {
    pub(crate) fn of_swap(text: String) -> Self {
        TransformFault { text, at: SystemTime::now(), is_rollback: false }
    }

    pub(crate) fn of_rollback(text: String) -> Self {
        TransformFault { is_rollback: true, ..Self::of_swap(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn change_names_both_versions() {
        let version = |component: &str, program_sha256| TransformVersion {
            component: component.into(),
            revision: 0,
            version: "1".into(),
            sha256: "0123456789ab".repeat(6)[..64].to_owned(),
            program_sha256,
        };
        let change = TransformChange {
            name: "mine".into(),
            what: Change::Replaced,
            now: Some(version("a.wasm", None)),
            before: Some(version("upload of 7 bytes", Some("cdef".repeat(16)))),
        };
        let text = change.to_string();
        for part in ["mine", "a.wasm", "upload of 7 bytes", "sha256 0123456789ab; before", "program cdefcdefcdef"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
