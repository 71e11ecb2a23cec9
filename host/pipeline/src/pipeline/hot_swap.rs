//! Hot swaps: replacing the running transforms.

use super::changes::missing_hooks;
use super::drop_ins::{DropIn, assemble};
use super::edit::Edit;
use super::generations::{LoaderState, Pipeline};
use super::rollbacks::RollbackMark;
use super::trial::{EndedTrial, Trial, TrialEnding};
use super::trials::SettledTrials;
use crate::chain::Chain;
use crate::error::{LoadError, TransformIncident};
use crate::load::{self, DefaultMapping};
use crate::settings::Validation;
use crate::spec::{Source, TransformSpec};
use crate::swap_report::{
    Change, FewerHooks, SwapError, SwapOutcome, SwapReport, Swapped, SwappedAll, TransformChange, TransformFault,
    short_hashes, short_sha256, texts_by_transform,
};
use crate::transform::Transform;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::warn;

impl Pipeline {
    /// Calls `observer` after each swap attempt. After a swap, charge points may need other subscriptions.
    pub fn on_swap(&self, observer: impl Fn(&SwapReport) + Send + 'static) {
        *self.0.on_swap.lock() = Some(Box::new(observer));
    }

    /// Loads the transform `name` from `source`, or again from the source that it has, and replaces the running version
    /// with it. If the new version has any fault, the running one stays. Messages in progress end in the generation in
    /// which they began, and generations in use remain usable.
    pub fn swap(&self, name: &str, source: Option<Source>, fewer_hooks: FewerHooks) -> Result<Swapped, SwapError> {
        let since = self.rollback_mark();
        let (mut spec, mut order) = {
            let loader_state = self.0.loader_state.lock();
            if self.0.chain.load().transform(name).is_none() {
                return Err(SwapError::Unknown(name.to_owned()));
            }
            // A transform that runs without being configured is the default mapping.
            let default_mapping = || TransformSpec { name: name.to_owned(), ..TransformSpec::standard() };
            let order = loader_state.specs.iter().map(|spec| spec.name.clone()).collect::<Vec<_>>();
            (loader_state.spec(name).cloned().unwrap_or_else(default_mapping), order)
        };
        if !order.contains(&spec.name) {
            order.push(spec.name.clone());
        }
        if let Some(source) = source {
            spec.source = source;
        }
        let edit = Edit { load: Some(Box::new(spec)), order, fewer_hooks, since, promotes: false };
        let changes = self.edit(&edit, |_| Ok(true))?;
        Ok(if changes.is_some() { Swapped::Replaced } else { Swapped::Unchanged })
    }

    /// Loads a version that is to replace `old`, if there is one.
    pub(super) fn load_version(
        &self,
        spec: &TransformSpec,
        old: Option<&Arc<Transform>>,
        fewer_hooks: FewerHooks,
    ) -> Result<Arc<Transform>, Vec<LoadError>> {
        let candidate = self.0.trials.lock().running(&spec.name).map(|trial| trial.candidate.clone());
        let new = self.0.loader.load_or_promote(spec, old, candidate.as_ref());
        let new = new.map_err(|faults| load::errors(spec, faults))?;
        let protected = old.filter(|_| fewer_hooks == FewerHooks::Refuse);
        let missing = protected.and_then(|old| missing_hooks(spec, old, &new));
        missing.map_or(Ok(new), |fault| Err(vec![load::error(spec, fault)]))
    }

    /// Restores the version before the last swap. The running version becomes the previous one, and a version that is
    /// being loaded to replace it is discarded. Does not wait for a load.
    pub fn roll_back(&self, name: &str) -> Result<Vec<TransformChange>, SwapError> {
        let mut loader_state = self.0.loader_state.lock();
        let rolled_back = self.roll_back_in(&loader_state, name, None);
        if rolled_back.is_ok() {
            loader_state.rollbacks.record(name);
        }
        rolled_back
    }

    /// To be taken before it is decided what a swap loads: a transform that is rolled back after that stays rolled back.
    pub fn rollback_mark(&self) -> RollbackMark {
        self.0.loader_state.lock().rollbacks.mark()
    }

    /// What [`Pipeline::roll_back`] would change.
    pub fn try_roll_back(&self, name: &str) -> Result<Vec<TransformChange>, SwapError> {
        let chain = self.0.chain.load_full();
        let Some(running) = chain.transform(name) else { return Err(SwapError::Unknown(name.to_owned())) };
        let old = self.0.previous.lock().get(name).cloned().ok_or(SwapError::NoPrevious)?;
        Ok(vec![TransformChange::of(Change::Replaced, Some(&old), Some(running))])
    }

    /// `failed`: why the running version must not become the previous one; `None`: it becomes the previous one.
    fn roll_back_in(
        &self,
        loader_state: &LoaderState,
        name: &str,
        failed: Option<String>,
    ) -> Result<Vec<TransformChange>, SwapError> {
        let chain = self.0.chain.load_full();
        let Some(running) = chain.transform(name) else { return Err(SwapError::Unknown(name.to_owned())) };
        let old = self.0.previous.lock().get(name).cloned().ok_or(SwapError::NoPrevious)?;
        let rolled_back = self.replace_transform(loader_state, &chain, old.reactivated(running));
        if rolled_back.is_ok() && failed.is_some() {
            self.0.previous.lock().remove(name);
        }
        self.finish(Some(name), SwapOutcome::RolledBack, failed, rolled_back)
    }

    /// Replaces all running transforms. `since`: taken before `specs` and `drop_ins` were made. If any of those of the
    /// configuration has a fault, nothing changes. A drop-in with a fault keeps its running version, if there is one.
    /// Transforms that are the same keep running.
    pub fn swap_all(
        &self,
        specs: Vec<TransformSpec>,
        drop_ins: Vec<DropIn>,
        validation: Validation,
        since: RollbackMark,
    ) -> Result<SwappedAll, SwapError> {
        let _guard = self.0.loading.lock();
        let loader = &self.0.loader;
        // Without the lock of `loader_state`: a rollback does not wait for the load.
        let old = self.0.chain.load_full();
        let loaded = loader.load_all(&specs, &old.transforms).and_then(|loaded| {
            let errors = missing_hooks_of_files(&specs, &loaded, &old);
            if errors.is_empty() { Ok(loaded) } else { Err(errors) }
        });
        let failed = |errors| {
            let failed = self.finish(None, SwapOutcome::Swapped, None, Err(SwapError::Load(errors)));
            failed.map(|changes| SwappedAll { changes: Some(changes), drop_in_errors: Vec::new() })
        };
        let mut configured = match loaded {
            Ok(configured) => configured,
            Err(errors) => return failed(errors),
        };
        let drop_ins = self.load_drop_ins(drop_ins);
        let mut loader_state = self.0.loader_state.lock();
        let old = self.0.chain.load_full();
        let mut specs = specs;
        for (new, spec) in configured.iter_mut().zip(&mut specs) {
            let running = old.transform(&new.name).zip(loader_state.spec(&new.name));
            if let Some((running, running_spec)) = running
                && loader_state.rollbacks.has_any_since(since, &new.name)
            {
                warn!(transform = %new.name, "was rolled back while it was being loaded, and stays so");
                (*new, *spec) = (running.clone(), running_spec.clone());
            }
        }
        let assembled = assemble(&loader_state, &old, configured, drop_ins, since);
        let default_mapping = DefaultMapping::Standard(&old.transforms);
        let new = match load::chain(loader, assembled.transforms, default_mapping, validation) {
            Ok(new) => new,
            Err(errors) => return failed(errors),
        };
        loader_state.specs = specs;
        loader_state.drop_ins = assembled.drop_ins;
        loader_state.validation = validation;
        let changes = self.replace_chain(&loader_state, &old, new);
        drop(loader_state);
        self.0.faults.lock().clear();
        Ok(self.report_drop_ins(changes, &assembled.loaded, assembled.errors))
    }

    /// Activates a chain in which any transforms may differ. `None`: it is the same. The caller holds the lock of
    /// `loader_state`.
    pub(super) fn replace_chain(
        &self,
        loader_state: &LoaderState,
        old: &Chain,
        new: Chain,
    ) -> Option<Vec<TransformChange>> {
        if new.is_same_as(old) {
            return None;
        }
        let changes = TransformChange::between(&old.transforms, &new.transforms);
        {
            let mut previous = self.0.previous.lock();
            previous.retain(|name, _| new.transform(name).is_some());
            let is_replaced = |name: &str| changes.iter().any(|it| it.name == name && it.what == Change::Replaced);
            let replaced = old.transforms.iter().filter(|old| is_replaced(&old.name));
            previous.extend(replaced.map(|old| (old.name.clone(), old.without_instances())));
        }
        self.go_live(loader_state, new);
        Some(changes)
    }

    fn replace_transform(
        &self,
        loader_state: &LoaderState,
        chain: &Chain,
        new: Arc<Transform>,
    ) -> Result<Vec<TransformChange>, SwapError> {
        let swap = |old: &Arc<Transform>| if old.name == new.name { new.clone() } else { old.clone() };
        let default_mapping = loader_state.default_mapping(chain).filter(|mapping| mapping.name != new.name);
        let is_default = |old: &Arc<Transform>| default_mapping.is_some_and(|mapping| mapping.name == old.name);
        let transforms = chain.transforms.iter().filter(|old| !is_default(old)).map(swap).collect();
        let default_mapping = default_mapping.map_or(DefaultMapping::Standard(&[]), DefaultMapping::Running);
        let next = load::chain(&self.0.loader, transforms, default_mapping, loader_state.validation)
            .map_err(SwapError::Load)?;
        if let Some(old) = chain.transform(&new.name) {
            self.0.previous.lock().insert(old.name.clone(), old.without_instances());
        }
        let changes = TransformChange::between(&chain.transforms, &next.transforms);
        self.go_live(loader_state, next);
        new.log_activated();
        Ok(changes)
    }

    /// Activates a chain, with those for charge points that take part in trials. The caller holds the lock of
    /// `loader_state`.
    pub(super) fn go_live(&self, loader_state: &LoaderState, next: Chain) {
        self.go_live_without(loader_state, next, Vec::new());
    }

    /// [`Pipeline::go_live`], which also ends trials.
    pub(super) fn go_live_without(&self, loader_state: &LoaderState, mut next: Chain, ended: Vec<EndedTrial>) {
        for transform in &next.transforms {
            transform.factory.shared.set_limits(&transform.factory.limits);
        }
        let number = self.newest_number() + 1;
        next.number = number;
        let SettledTrials { variants, ended } = self.settle_trials(loader_state, &next, number, ended);
        next.variants = variants;
        let ended = {
            let mut older = self.0.older.lock();
            older.retain(|chain| chain.strong_count() > 0);
            // Together, so that the counts of a trial are part of one of the chains, and of one only.
            let mut trials = self.0.trials.lock();
            let old = self.0.chain.swap(Arc::new(next));
            older.extend(old.variants.iter().flat_map(|variants| &variants.chains).map(Arc::downgrade));
            older.push(Arc::downgrade(&old));
            trials.end(ended)
        };
        // The number is stored last, so that a thread that reads it finds its chain.
        self.0.number.store(number, Ordering::Release);
        ended.iter().for_each(|trial| self.notify_trial(trial));
    }

    /// Records and reports the result of a swap attempt. `name`: the transform to be swapped; `None`: all of them.
    /// `reason`: why it was rolled back automatically, which becomes its latest fault.
    fn finish(
        &self,
        name: Option<&str>,
        outcome: SwapOutcome,
        reason: Option<String>,
        swapped: Result<Vec<TransformChange>, SwapError>,
    ) -> Result<Vec<TransformChange>, SwapError> {
        let mut report = SwapReport { outcome, transforms: Vec::new(), reason };
        match &swapped {
            Ok(changes) => {
                report.transforms = changes.clone();
                let mut faults = self.0.faults.lock();
                faults.retain(|transform, _| name.is_some_and(|name| transform != name));
                if let (Some(name), Some(reason)) = (name, &report.reason) {
                    faults.insert(name.to_owned(), TransformFault::of_rollback(reason.clone()));
                }
            }
            Err(error) => {
                self.report_failure(name, error);
                return swapped;
            }
        }
        self.notify_observer(&report);
        swapped
    }

    /// Records and reports why a swap attempt failed. `name`: the transform to be swapped; `None`: all of them.
    pub(super) fn report_failure(&self, name: Option<&str>, error: &SwapError) {
        let mut transforms = Vec::new();
        {
            let mut faults = self.0.faults.lock();
            for (name, text) in by_transform(name, error) {
                // One that was to be added is not there to have a fault.
                let Some(kept) = self.kept(&name) else { continue };
                transforms.push(kept);
                faults.insert(name, TransformFault::of_swap(text));
            }
        }
        self.notify_observer(&SwapReport { outcome: SwapOutcome::Failed, transforms, reason: Some(error.to_string()) });
    }

    pub(super) fn notify_observer(&self, report: &SwapReport) {
        if let Some(observer) = &*self.0.on_swap.lock() {
            observer(report);
        }
    }

    /// A transform that was not replaced, with its running version.
    pub(super) fn kept(&self, name: &str) -> Option<TransformChange> {
        let chain = self.0.chain.load();
        Some(TransformChange::of(Change::Kept, Some(chain.transform(name)?), None))
    }

    /// Rolls back transforms that fail for most charge points, if there were incidents.
    pub(super) fn check_incidents(&self, chain: &Chain, incidents: &[TransformIncident]) {
        if !incidents.is_empty() {
            self.roll_back_failing(chain);
        }
    }

    /// Rolls back each transform with a hook that fails for most charge points soon after its activation.
    pub(super) fn roll_back_failing(&self, chain: &Chain) {
        for transform in &chain.transforms {
            let Some(function) = transform.breakers.take_trip() else { continue };
            let Transform { name, version, .. } = &**transform;
            let hook = function.interface();
            let whom = if transform.group.is_some() { " of its trial" } else { "" };
            warn!(transform = %name, %version, hook, "fails for most charge points{whom}: stopped for all of them");
            if transform.breakers.begin_rollback(transform.group.is_some()) {
                let why = transform.last_failure.lock().as_ref().map(|why| format!(": it {why}")).unwrap_or_default();
                self.spawn_rollback(transform, format!("{hook} fails for most charge points{why}"));
            }
        }
    }

    /// Rolls `failing` back to its previous version, if it has one and still runs; ends its trial if it is on trial.
    /// Uses a separate thread, as the rollback may have to load the default mapping.
    pub(super) fn spawn_rollback(&self, failing: &Arc<Transform>, reason: String) {
        let (pipeline, failing) = (self.clone(), failing.clone());
        let spawned = std::thread::Builder::new().name("transform-rollback".into()).spawn(move || {
            let mut loader_state = pipeline.0.loader_state.lock();
            let is_its = |trial: &&Arc<Trial>| Arc::ptr_eq(&trial.candidate, &failing);
            let trial = pipeline.0.trials.lock().running.iter().find(is_its).cloned();
            if let Some(trial) = trial {
                pipeline.end_trial_in(&loader_state, &trial, TrialEnding::Failed, &reason);
                return;
            }
            if !pipeline.0.chain.load().transforms.iter().any(|running| Arc::ptr_eq(running, &failing)) {
                return;
            }
            let Transform { name, version, sha256, program_sha256, .. } = &*failing;
            let hashes = short_hashes(sha256, program_sha256.as_deref());
            let reason = format!("version {version} ({hashes}) was rolled back: {reason}");
            let (sha256, program) = (short_sha256(sha256), program_sha256.as_deref().map(short_sha256));
            match pipeline.roll_back_in(&loader_state, name, Some(reason)) {
                Ok(_) => {
                    loader_state.rollbacks.record(name);
                    warn!(transform = %name, failed = %version, sha256, program, "rolled back to the previous version");
                }
                Err(SwapError::NoPrevious | SwapError::Unknown(_)) => {}
                Err(error) => warn!(transform = %name, "the rollback to the previous version failed: {error}"),
            }
        });
        if let Err(error) = spawned {
            warn!("the thread for a rollback cannot be started: {error}");
        }
    }
}

/// Faults of components that were read again from the same source and now lack hooks: like an upload, they are not
/// meant to lose any.
fn missing_hooks_of_files(specs: &[TransformSpec], loaded: &[Arc<Transform>], chain: &Chain) -> Vec<LoadError> {
    let missing = |(spec, new): (&TransformSpec, &Arc<Transform>)| {
        let old = chain.transform(&new.name).filter(|old| old.component == new.component)?;
        Some(load::error(spec, missing_hooks(spec, old, new)?))
    };
    specs.iter().zip(loaded).filter_map(missing).collect()
}

/// The transforms for which an attempt failed, and why. `name`: the transform to be swapped; `None`: all of them.
fn by_transform(name: Option<&str>, error: &SwapError) -> Vec<(String, String)> {
    match (name, error) {
        (Some(name), error) => vec![(name.to_owned(), error.to_string())],
        (None, SwapError::Load(errors)) => texts_by_transform(errors),
        (None, _) => Vec::new(),
    }
}
