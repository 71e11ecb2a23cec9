//! Drop-ins: transforms that come and go one by one. A fault of one of them concerns no other.

use super::generations::{LoaderState, Pipeline};
use super::rollbacks::RollbackMark;
use crate::chain::Chain;
use crate::error::{LoadError, LoadFault};
use crate::hook::Function;
use crate::load::{self, DefaultMapping};
use crate::spec::TransformSpec;
use crate::swap_report::{
    FewerHooks, SwapError, SwapOutcome, SwapReport, SwappedAll, TransformChange, TransformFault, texts_by_transform,
};
use crate::transform::Transform;
use std::collections::HashSet;
use std::sync::Arc;

/// A transform beside those of the configuration.
#[derive(Debug, Clone)]
pub enum DropIn {
    /// It is new, or may have changed.
    Load(Box<TransformSpec>),
    /// Its files cannot be used, for this reason. The running version of this name stays, if there is one.
    Refuse { name: String, component: String, reason: String },
    /// The running version of this name stays, if there is one.
    Keep(String),
}

/// A drop-in after its load.
pub(super) enum LoadedDropIn {
    New(Box<TransformSpec>, Arc<Transform>),
    /// Its name, and what is wrong with it.
    Faulty(String, Vec<LoadError>),
    Keep(String),
}

impl LoadedDropIn {
    fn name(&self) -> &str {
        match self {
            LoadedDropIn::New(spec, _) => &spec.name,
            LoadedDropIn::Faulty(name, _) | LoadedDropIn::Keep(name) => name,
        }
    }
}

/// The transforms of the next chain, before a default mapping is added.
pub(super) struct Assembled {
    pub(super) transforms: Vec<Arc<Transform>>,
    /// The configurations of the drop-ins among them.
    pub(super) drop_ins: Vec<TransformSpec>,
    /// The names of those that were loaded without a fault, also if they have not changed.
    pub(super) loaded: Vec<String>,
    pub(super) errors: Vec<LoadError>,
}

impl Pipeline {
    /// Replaces all drop-ins by these, which come after the transforms of the configuration. One with a fault changes
    /// nothing: its running version stays, if there is one. `since`: taken before `drop_ins` were made.
    pub fn swap_drop_ins(&self, drop_ins: Vec<DropIn>, since: RollbackMark) -> Result<SwappedAll, SwapError> {
        let _guard = self.0.loading.lock();
        let drop_ins = self.load_drop_ins(drop_ins);
        let mut loader_state = self.0.loader_state.lock();
        let running = self.0.chain.load_full();
        let is_configured =
            |transform: &&Arc<Transform>| loader_state.specs.iter().any(|spec| *spec.name == *transform.name);
        let configured = running.transforms.iter().filter(is_configured).cloned().collect();
        let assembled = assemble(&loader_state, &running, configured, drop_ins, since);
        // A drop-in may have taken its name.
        let has_own_name = |name: &str| assembled.transforms.iter().all(|transform| *transform.name != *name);
        let default_mapping = loader_state
            .default_mapping(&running)
            .filter(|mapping| has_own_name(&mapping.name))
            .map_or(DefaultMapping::Standard(&[]), DefaultMapping::Running);
        let next = load::chain(&self.0.loader, assembled.transforms, default_mapping, loader_state.validation)
            .map_err(SwapError::Load)?;
        loader_state.drop_ins = assembled.drop_ins;
        let changes = self.replace_chain(&loader_state, &running, next);
        drop(loader_state);
        Ok(self.report_drop_ins(changes, &assembled.loaded, assembled.errors))
    }

    /// Loads what has to be loaded, which may take a minute: without the lock of `loader_state`.
    pub(super) fn load_drop_ins(&self, drop_ins: Vec<DropIn>) -> Vec<LoadedDropIn> {
        let (running, configured) = {
            let loader_state = self.0.loader_state.lock();
            (self.0.chain.load_full(), loader_state.names())
        };
        // A drop-in that has the name of the default mapping does not replace it.
        let old = |name: &str| running.transform(name).filter(|_| configured.contains(name));
        let load = |drop_in| match drop_in {
            DropIn::Keep(name) => LoadedDropIn::Keep(name),
            DropIn::Refuse { name, component, reason } => {
                let fault = LoadFault::DropIn(reason);
                LoadedDropIn::Faulty(name.clone(), vec![LoadError { transform: name, component, fault }])
            }
            DropIn::Load(spec) => match self.load_version(&spec, old(&spec.name), FewerHooks::Refuse) {
                Ok(new) => LoadedDropIn::New(spec, new),
                Err(errors) => LoadedDropIn::Faulty(spec.name, errors),
            },
        };
        drop_ins.into_iter().map(load).collect()
    }

    /// Records and reports what has changed, and which drop-ins could not. `changes`: `None` if the same chain runs;
    /// `loaded`: the names of drop-ins without a fault.
    pub(super) fn report_drop_ins(
        &self,
        changes: Option<Vec<TransformChange>>,
        loaded: &[String],
        errors: Vec<LoadError>,
    ) -> SwappedAll {
        let mut reports = Vec::new();
        if let Some(transforms) = changes.clone() {
            reports.push(SwapReport { outcome: SwapOutcome::Swapped, transforms, reason: None });
        }
        {
            let mut faults = self.0.faults.lock();
            let is_changed = |name: &String| changes.iter().flatten().any(|change| change.name == *name);
            let running = self.0.chain.load();
            faults.retain(|name, _| !is_changed(name) && !loaded.contains(name) && running.transform(name).is_some());
            for (name, text) in texts_by_transform(&errors) {
                let transforms = self.kept(&name).into_iter().collect();
                reports.push(SwapReport { outcome: SwapOutcome::Failed, transforms, reason: Some(text.clone()) });
                faults.insert(name, TransformFault::of_swap(text));
            }
        }
        reports.iter().for_each(|report| self.notify_observer(report));
        SwappedAll { changes, drop_in_errors: errors }
    }
}

/// The transforms of the configuration, and after them the drop-ins. The caller holds the lock of `loader_state`, so
/// that what runs is what ran after the latest rollback.
pub(super) fn assemble(
    loader_state: &LoaderState,
    running: &Chain,
    configured: Vec<Arc<Transform>>,
    drop_ins: Vec<LoadedDropIn>,
    since: RollbackMark,
) -> Assembled {
    let maps = |transform: &&Arc<Transform>| transform.has(Function::ToMqtt);
    // The mapping of the configuration wins, and then the one that runs.
    let stays = |name: &str| drop_ins.iter().any(|drop_in| drop_in.name() == name);
    let running_mapping =
        Some(&running.mapping).filter(|it| loader_state.drop_in(&it.name).is_some() && stays(&it.name));
    let mut mapping = configured.iter().find(maps).or(running_mapping).map(|mapping| mapping.name.clone());
    let names: HashSet<_> = configured.iter().map(|transform| transform.name.clone()).collect();
    let mut assembled =
        Assembled { transforms: configured, drop_ins: Vec::new(), loaded: Vec::new(), errors: Vec::new() };
    for drop_in in drop_ins {
        let (name, new, faults) = match drop_in {
            LoadedDropIn::Keep(name) => (name, None, Vec::new()),
            LoadedDropIn::Faulty(name, errors) => (name, None, errors),
            LoadedDropIn::New(spec, new) => match refusal(loader_state, &spec, &new, &names, mapping.as_deref(), since)
            {
                Some(fault) => (spec.name.clone(), None, vec![load::error(&spec, fault)]),
                None => {
                    assembled.loaded.push(spec.name.clone());
                    (spec.name.clone(), Some((*spec, new)), Vec::new())
                }
            },
        };
        assembled.errors.extend(faults);
        let old = || Some((loader_state.drop_in(&name)?.clone(), running.transform(&name)?.clone()));
        let is_second =
            |transform: &Arc<Transform>| maps(&transform) && mapping.as_ref().is_some_and(|it| **it != *name);
        let Some((spec, transform)) = new.or_else(old).filter(|(_, transform)| !is_second(transform)) else { continue };
        if maps(&&transform) {
            mapping = Some(transform.name.clone());
        }
        assembled.drop_ins.push(spec);
        assembled.transforms.push(transform);
    }
    assembled
}

/// Why a drop-in that was loaded does not go live. `configured`: the names of the transforms of the configuration;
/// `mapping`: that of the mapping so far.
fn refusal(
    loader_state: &LoaderState,
    spec: &TransformSpec,
    new: &Arc<Transform>,
    configured: &HashSet<Arc<str>>,
    mapping: Option<&str>,
    since: RollbackMark,
) -> Option<LoadFault> {
    if configured.contains(&*spec.name) {
        return Some(LoadFault::DuplicateName);
    }
    if loader_state.rollbacks.has_any_since(since, &spec.name) {
        return Some(LoadFault::RolledBackMeanwhile);
    }
    let first = mapping.filter(|mapping| new.has(Function::ToMqtt) && *mapping != spec.name)?;
    Some(LoadFault::SecondMapping { first: first.to_owned() })
}
