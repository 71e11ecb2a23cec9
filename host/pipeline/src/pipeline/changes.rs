//! How the transforms of two chains differ.

use crate::error::LoadFault;
use crate::hook::Function;
use crate::spec::{Source, TransformSpec};
use crate::swap_report::{Change, TransformChange};
use crate::transform::Transform;
use std::sync::Arc;

impl TransformChange {
    /// The changes from `old` to `new`: added and replaced transforms in their order, then removed ones.
    pub(crate) fn between(old: &[Arc<Transform>], new: &[Arc<Transform>]) -> Vec<Self> {
        fn same<'a>(name: &str, among: &'a [Arc<Transform>]) -> Option<&'a Arc<Transform>> {
            among.iter().find(|other| *other.name == *name)
        }
        let added_or_replaced = new.iter().filter_map(|new| match same(&new.name, old) {
            None => Some(Self::of(Change::Added, Some(new), None)),
            Some(old) if Arc::ptr_eq(old, new) => None,
            Some(old) => Some(Self::of(Change::Replaced, Some(new), Some(old))),
        });
        let removed = old.iter().filter(|old| same(&old.name, new).is_none());
        added_or_replaced.chain(removed.map(|old| Self::of(Change::Removed, None, Some(old)))).collect()
    }

    pub(crate) fn of(what: Change, now: Option<&Arc<Transform>>, before: Option<&Arc<Transform>>) -> Self {
        let version = |transform: Option<&Arc<Transform>>| transform.map(|it| it.as_version());
        let name = now.or(before).map(|transform| transform.name.to_string()).unwrap_or_default();
        TransformChange { name, what, now: version(now), before: version(before) }
    }
}

/// The hooks of `old` that `new`, loaded from `spec`, lacks, as a load fault. A component may have been built wrongly.
/// Which hooks a built-in one uses is what its author wrote, so that only the mapping is protected.
pub(crate) fn missing_hooks(spec: &TransformSpec, old: &Transform, new: &Transform) -> Option<LoadFault> {
    let is_builtin = matches!(spec.source, Source::Builtin(_));
    let is_protected = |function: Function| !is_builtin || function == Function::ToMqtt;
    let is_missing = |function: Function| old.has(function) && !new.has(function) && is_protected(function);
    let missing = Function::ALL.iter().filter(|function| is_missing(**function));
    let mut hooks: Vec<&str> = missing.map(|function| function.interface()).collect();
    hooks.dedup();
    (!hooks.is_empty()).then(|| LoadFault::FewerHooks { missing: hooks.join(", ") })
}
