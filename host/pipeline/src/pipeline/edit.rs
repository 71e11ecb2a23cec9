//! Changes of one transform, or of the order of all, while the others run on as they are.

use super::generations::{LoaderState, Pipeline};
use super::rollbacks::RollbackMark;
use crate::chain::Chain;
use crate::load::{self, DefaultMapping};
use crate::spec::TransformSpec;
use crate::swap_report::{FewerHooks, SwapError, SwapOutcome, SwapReport, TransformChange};
use crate::transform::Transform;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// A change of some transforms. All others run on as they are, also if their files have changed.
#[derive(Debug, Clone)]
pub struct Edit {
    /// The transform that is added, or that replaces the one with its name: one of `order`, or a drop-in.
    pub load: Option<Box<TransformSpec>>,
    /// The names of the transforms of the configuration afterwards, in their order. One that is missing is removed.
    pub order: Vec<String>,
    pub fewer_hooks: FewerHooks,
    /// Taken before the edit was made.
    pub since: RollbackMark,
    /// Whether it puts the version in place that is on trial: refused if the trial has ended.
    pub promotes: bool,
}

/// The chain after an edit.
struct EditedChain {
    chain: Chain,
    specs: Vec<TransformSpec>,
    drop_ins: Vec<TransformSpec>,
}

impl Pipeline {
    /// Makes the change, unless the transform that it loads has a fault. `store`: called with what changes when nothing
    /// else can fail; `None` is nothing at all. If it returns an error, everything stays; `false` if it has stored
    /// nothing, so that the revision of what runs stays as well.
    pub fn edit(
        &self,
        edit: &Edit,
        store: impl FnOnce(Option<&[TransformChange]>) -> Result<bool, String>,
    ) -> Result<Option<Vec<TransformChange>>, SwapError> {
        let _guard = self.0.loading.lock();
        // Without the lock of `loader_state`: a rollback does not wait for the load.
        let edited = self.load_edit(edit).and_then(|new| self.put_in_place(edit, new, store));
        // What is not promoted is not the fault of the version that runs.
        if let (Some(name), Err(error)) = (edit.name().filter(|_| !edit.promotes), &edited) {
            self.report_failure(Some(name), error);
        }
        edited
    }

    /// What an edit would change, or why it would be refused.
    pub fn try_edit(&self, edit: &Edit) -> Result<Option<Vec<TransformChange>>, SwapError> {
        let chain = self.try_edited_chain(edit)?;
        Ok(changes(&self.0.chain.load(), &chain))
    }

    /// The chain that an edit would make.
    pub(super) fn try_edited_chain(&self, edit: &Edit) -> Result<Chain, SwapError> {
        let _guard = self.0.loading.lock();
        let new = self.load_edit(edit)?;
        let loader_state = self.0.loader_state.lock();
        let running = self.0.chain.load_full();
        Ok(self.edited_chain(edit, new, &loader_state, &running)?.chain)
    }

    fn load_edit(&self, edit: &Edit) -> Result<Option<Arc<Transform>>, SwapError> {
        let Some(spec) = &edit.load else { return Ok(None) };
        self.check_promotion(edit, None)?;
        let running = self.0.chain.load_full();
        let new = self.load_version(spec, running.transform(&spec.name), edit.fewer_hooks);
        new.map(Some).map_err(SwapError::Load)
    }

    fn put_in_place(
        &self,
        edit: &Edit,
        new: Option<Arc<Transform>>,
        store: impl FnOnce(Option<&[TransformChange]>) -> Result<bool, String>,
    ) -> Result<Option<Vec<TransformChange>>, SwapError> {
        let mut loader_state = self.0.loader_state.lock();
        if let Some(name) = edit.name().filter(|name| loader_state.rollbacks.has_any_since(edit.since, name)) {
            return Err(SwapError::RolledBackMeanwhile(name.to_owned()));
        }
        self.check_promotion(edit, new.as_deref())?;
        let running = self.0.chain.load_full();
        let EditedChain { chain, specs, drop_ins } = self.edited_chain(edit, new.clone(), &loader_state, &running)?;
        let is_stored = store(changes(&running, &chain).as_deref()).map_err(SwapError::NotStored)?;
        if let (Some(new), Some(spec), true) = (&new, &edit.load, is_stored) {
            new.revision.store(spec.revision, Relaxed);
        }
        (loader_state.specs, loader_state.drop_ins) = (specs, drop_ins);
        let changes = self.replace_chain(&loader_state, &running, chain);
        if let Some(new) = new.filter(|_| changes.is_some()) {
            new.log_activated();
        }
        // Under the lock, so that a rollback that follows is reported after it.
        self.report_edit(edit.name(), changes.as_deref());
        Ok(changes)
    }

    /// `new`: what would be put in place, if it is loaded.
    fn check_promotion(&self, edit: &Edit, new: Option<&Transform>) -> Result<(), SwapError> {
        let Some(name) = edit.name().filter(|_| edit.promotes) else { return Ok(()) };
        let refusal = self.0.trials.lock().refusal_to_promote(name, new);
        refusal.map_or(Ok(()), |reason| Err(SwapError::NotPromoted { reason }))
    }

    fn edited_chain(
        &self,
        edit: &Edit,
        new: Option<Arc<Transform>>,
        loader_state: &LoaderState,
        running: &Chain,
    ) -> Result<EditedChain, SwapError> {
        let (mut transforms, mut specs, mut drop_ins) = (Vec::new(), Vec::new(), Vec::new());
        let drop_in_names = loader_state.drop_ins.iter().map(|spec| &spec.name);
        let configured_names = edit.order.iter().filter(|name| loader_state.drop_in(name).is_none());
        for name in configured_names.chain(drop_in_names) {
            let loaded = new.as_ref().zip(edit.load.as_deref()).filter(|(_, spec)| spec.name == *name);
            let old = || Some((running.transform(name)?, loader_state.spec(name)?));
            let unknown = || SwapError::Unknown(name.clone());
            let (transform, spec) = loaded.or_else(old).ok_or_else(unknown)?;
            transforms.push(transform.clone());
            let list = if loader_state.drop_in(name).is_some() { &mut drop_ins } else { &mut specs };
            list.push(spec.clone());
        }
        let default_mapping = match loader_state.default_mapping(running) {
            Some(mapping) if transforms.iter().all(|transform| transform.name != mapping.name) => {
                DefaultMapping::Running(mapping)
            }
            _ => DefaultMapping::Standard(&running.transforms),
        };
        let chain = load::chain(&self.0.loader, transforms, default_mapping, loader_state.validation);
        Ok(EditedChain { chain: chain.map_err(SwapError::Load)?, specs, drop_ins })
    }

    fn report_edit(&self, name: Option<&str>, changes: Option<&[TransformChange]>) {
        let running = self.0.chain.load();
        let concerns = |transform: &str| name == Some(transform) || running.transform(transform).is_none();
        self.0.faults.lock().retain(|transform, _| !concerns(transform));
        if let Some(changes) = changes {
            let report = SwapReport { outcome: SwapOutcome::Swapped, transforms: changes.to_vec(), reason: None };
            self.notify_observer(&report);
        }
    }
}

impl Edit {
    /// The name of the transform that it loads.
    fn name(&self) -> Option<&str> {
        self.load.as_ref().map(|spec| spec.name.as_str())
    }
}

/// `None`: the same chain. An empty list: only the order differs.
fn changes(running: &Chain, next: &Chain) -> Option<Vec<TransformChange>> {
    (!next.is_same_as(running)).then(|| TransformChange::between(&running.transforms, &next.transforms))
}
