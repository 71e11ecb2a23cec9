//! What a hot swap has changed, for the API, events and the log.

use crate::error::LoadFault;
use crate::hook::Function;
use crate::pipeline::ExchangeOutcome;
use crate::transform::Transform;
use std::sync::Arc;
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
pub enum Exchanged {
    Replaced,
    /// The same bytes run already, in the same configuration: everything stays, the previous version too.
    RanAlready,
}

/// One attempt to put other transforms in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapReport {
    pub outcome: ExchangeOutcome,
    /// Those that have changed; after a failure those that were to change.
    pub transforms: Vec<TransformChange>,
    /// Why it failed, or why a version was taken back although nobody asked for it.
    pub reason: Option<String>,
}

/// What has become of one transform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformChange {
    /// Its name in the configuration.
    pub name: String,
    pub what: Change,
    /// The version that runs; `None`: none does.
    pub now: Option<TransformVersion>,
    /// The one that ran before, if that was another.
    pub before: Option<TransformVersion>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Added,
    Replaced,
    Removed,
    /// The one that runs goes on.
    Kept,
}

/// One version of a transform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformVersion {
    /// `builtin:NAME`, a path, or that it was uploaded.
    pub component: String,
    pub is_uploaded: bool,
    /// What it gives itself.
    pub version: String,
    /// Of the component: 64 hex digits.
    pub sha256: String,
}

/// Why the latest exchange of a transform failed, or was taken back.
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

impl TransformVersion {
    pub(crate) fn of(transform: &Transform) -> Self {
        TransformVersion {
            component: transform.component.clone(),
            is_uploaded: transform.is_uploaded,
            version: transform.version.to_string(),
            sha256: transform.sha256.to_string(),
        }
    }
}

impl TransformChange {
    /// What has changed from `old` to `new`: those that run now in their order, then those that do not any more.
    pub(crate) fn between(old: &[Arc<Transform>], new: &[Arc<Transform>]) -> Vec<Self> {
        fn same<'a>(name: &str, among: &'a [Arc<Transform>]) -> Option<&'a Arc<Transform>> {
            among.iter().find(|other| *other.name == *name)
        }
        let come = new.iter().filter_map(|new| match same(&new.name, old) {
            None => Some(Self::of(Change::Added, Some(new), None)),
            Some(old) if Arc::ptr_eq(old, new) => None,
            Some(old) => Some(Self::of(Change::Replaced, Some(new), Some(old))),
        });
        let gone = old.iter().filter(|old| same(&old.name, new).is_none());
        come.chain(gone.map(|old| Self::of(Change::Removed, None, Some(old)))).collect()
    }

    pub(crate) fn of(what: Change, now: Option<&Arc<Transform>>, before: Option<&Arc<Transform>>) -> Self {
        let version = |transform: &Arc<Transform>| TransformVersion::of(transform);
        let name = now.or(before).map(|transform| transform.name.to_string()).unwrap_or_default();
        TransformChange { name, what, now: now.map(version), before: before.map(version) }
    }
}

/// The hooks of `old` that `new` lacks, as a fault of it.
pub(crate) fn missing_hooks(old: &Transform, new: &Transform) -> Option<LoadFault> {
    let missing = Function::ALL.iter().filter(|&&function| old.has(function) && !new.has(function));
    let mut hooks: Vec<&str> = missing.map(|function| function.interface()).collect();
    hooks.dedup();
    (!hooks.is_empty()).then(|| LoadFault::FewerHooks { missing: hooks.join(", ") })
}
