//! Hot swaps: other transforms in the place of those that run.

use super::changes::missing_hooks;
use super::generations::{LoaderState, Pipeline};
use crate::chain::Chain;
use crate::error::{LoadError, TransformIncident};
use crate::load::{self, Closing};
use crate::settings::Validation;
use crate::spec::{Source, TransformSpec};
use crate::swap_report::{
    Change, FewerHooks, SwapError, SwapOutcome, SwapReport, Swapped, TransformChange, TransformFault, lines,
};
use crate::transform::Transform;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::{info, warn};

impl Pipeline {
    /// Calls `notice` after each attempt. Where something was swapped, charge points may need other subscriptions now.
    pub fn on_swap(&self, notice: impl Fn(&SwapReport) + Send + 'static) {
        *self.0.on_swap.lock() = Some(Box::new(notice));
    }

    /// Loads the transform `name` from `source`, or anew from where it came from, and puts it in the place of the one
    /// that runs. If anything is wrong with it, the one that runs goes on. Messages on their way end where they began, and
    /// whoever holds on to the generation before goes on with that as long as it wants.
    pub fn swap(&self, name: &str, source: Option<Source>, fewer_hooks: FewerHooks) -> Result<Swapped, SwapError> {
        let _turn = self.0.loading.lock();
        let (configured, old) = self.about_to_load(name)?;
        let mut spec = configured.clone();
        if let Some(source) = source {
            spec.source = source;
        }
        // Without the loader_state: a rollback does not wait for it.
        let loaded = self.0.loader.load(&spec, Some(&old)).and_then(|new| {
            let missing = if fewer_hooks == FewerHooks::Allow { None } else { missing_hooks(&old, &new) };
            missing.map_or(Ok(new), |fault| Err(vec![fault]))
        });
        let mut loader_state = self.0.loader_state.lock();
        let swapped = match loaded {
            Ok(_) if loader_state.rolled_back.iter().any(|rolled_back| rolled_back == name) => {
                Err(SwapError::Overtaken(name.to_owned()))
            }
            Ok(new) if Arc::ptr_eq(&old, &new) => {
                self.0.faults.lock().remove(name);
                return Ok(Swapped::RanAlready);
            }
            Ok(new) => self.put_in_place(&loader_state, &self.0.chain.load_full(), new),
            Err(faults) => Err(SwapError::Load(faults.into_iter().map(|fault| load::error(&spec, fault)).collect())),
        };
        if swapped.is_ok() && loader_state.spec(name).is_none() {
            loader_state.specs.push(configured);
        }
        self.conclude(Some(name), SwapOutcome::Swapped, None, swapped)?;
        Ok(Swapped::Replaced)
    }

    /// What is configured for the transform `name`, and the version of it that runs. From now on it is noted when an
    /// operator rolls something back.
    fn about_to_load(&self, name: &str) -> Result<(TransformSpec, Arc<Transform>), SwapError> {
        let mut loader_state = self.0.loader_state.lock();
        let chain = self.0.chain.load_full();
        let Some(old) = chain.transforms.iter().find(|transform| *transform.name == *name) else {
            return Err(SwapError::Unknown(name.to_owned()));
        };
        loader_state.rolled_back.clear();
        // Whatever runs without being configured is the mapping that closes the chain.
        let closing = || TransformSpec { name: name.to_owned(), ..TransformSpec::standard() };
        Ok((loader_state.spec(name).cloned().unwrap_or_else(closing), old.clone()))
    }

    /// Puts the version before the last swap back in its place. The one that runs becomes the previous one, and another
    /// that is being loaded for its place comes to nothing. Waits for no load.
    pub fn roll_back(&self, name: &str) -> Result<Vec<TransformChange>, SwapError> {
        let mut loader_state = self.0.loader_state.lock();
        let rolled_back = self.roll_back_in(&loader_state, name, None);
        if rolled_back.is_ok() && !loader_state.rolled_back.iter().any(|other| other == name) {
            loader_state.rolled_back.push(name.to_owned());
        }
        rolled_back
    }

    /// `failed`: why the one that runs is not worth going back to, if it is not.
    fn roll_back_in(
        &self,
        loader_state: &LoaderState,
        name: &str,
        failed: Option<String>,
    ) -> Result<Vec<TransformChange>, SwapError> {
        let chain = self.0.chain.load_full();
        let Some(running) = chain.transforms.iter().find(|transform| *transform.name == *name) else {
            return Err(SwapError::Unknown(name.to_owned()));
        };
        let old = self.0.previous.lock().get(name).cloned().ok_or(SwapError::NoPrevious)?;
        let rolled_back = self.put_in_place(loader_state, &chain, old.put_back(running));
        if rolled_back.is_ok() && failed.is_some() {
            self.0.previous.lock().remove(name);
        }
        self.conclude(Some(name), SwapOutcome::RolledBack, failed, rolled_back)
    }

    /// Loads other transforms in the place of all that run. If anything is wrong with any of them, everything stays. Those
    /// that are the same stay as they are.
    pub fn swap_all(
        &self,
        specs: Vec<TransformSpec>,
        validation: Validation,
    ) -> Result<Vec<TransformChange>, SwapError> {
        let _turn = self.0.loading.lock();
        let loader = &self.0.loader;
        // Without the loader_state: a rollback does not wait for it.
        let old = self.0.chain.load_full();
        let loaded = loader.load_all(&specs, &old.transforms).and_then(|loaded| {
            let errors = missing_hooks_of_files(&specs, &loaded, &old);
            if !errors.is_empty() {
                return Err(errors);
            }
            load::chain(loader, loaded, Closing::AsConfigured(&old.transforms), validation)
        });
        let new = match loaded {
            Ok(new) => new,
            Err(errors) => {
                return self.conclude(None, SwapOutcome::Swapped, None, Err(SwapError::Load(errors)));
            }
        };
        let mut loader_state = self.0.loader_state.lock();
        let old = self.0.chain.load_full();
        loader_state.specs = specs;
        loader_state.validation = validation;
        if new.is_same_as(&old) {
            self.0.faults.lock().clear();
            return Ok(Vec::new());
        }
        let changes = TransformChange::between(&old.transforms, &new.transforms);
        {
            let mut previous = self.0.previous.lock();
            previous.retain(|name, _| new.transforms.iter().any(|new| new.name == *name));
            let is_replaced = |name: &str| changes.iter().any(|it| it.name == name && it.what == Change::Replaced);
            let replaced = old.transforms.iter().filter(|old| is_replaced(&old.name));
            previous.extend(replaced.map(|old| (old.name.clone(), old.put_away())));
        }
        self.go_live(new);
        self.conclude(None, SwapOutcome::Swapped, None, Ok(changes))
    }

    fn put_in_place(
        &self,
        loader_state: &LoaderState,
        chain: &Chain,
        new: Arc<Transform>,
    ) -> Result<Vec<TransformChange>, SwapError> {
        let swap = |old: &Arc<Transform>| if old.name == new.name { new.clone() } else { old.clone() };
        let stays = |old: &&Arc<Transform>| old.name == new.name || loader_state.spec(&old.name).is_some();
        let closed = chain.transforms.iter().find(|old| !stays(old));
        let transforms = chain.transforms.iter().filter(stays).map(swap).collect();
        let closing = closed.map_or(Closing::AsConfigured(&[]), Closing::Before);
        let next =
            load::chain(&self.0.loader, transforms, closing, loader_state.validation).map_err(SwapError::Load)?;
        if let Some(old) = chain.transforms.iter().find(|old| old.name == new.name) {
            self.0.previous.lock().insert(old.name.clone(), old.put_away());
        }
        let changes = TransformChange::between(&chain.transforms, &next.transforms);
        self.go_live(next);
        let Transform { name, version, sha256, component, .. } = &*new;
        info!(transform = %name, %version, %sha256, component, "runs from now on");
        Ok(changes)
    }

    /// To be called with the loader_state held.
    fn go_live(&self, mut next: Chain) {
        for transform in &next.transforms {
            transform.factory.shared.set_limits(&transform.factory.limits);
        }
        let number = self.newest_number() + 1;
        next.number = number;
        {
            let mut older = self.0.older.lock();
            older.retain(|chain| chain.strong_count() > 0);
            older.push(Arc::downgrade(&self.0.chain.swap(Arc::new(next))));
        }
        // Only now: whoever sees it finds the chain.
        self.0.number.store(number, Ordering::Release);
    }

    /// `name`: of the transform that was to be swapped; `None`: all of them were. `reason`: why one was taken back without
    /// being asked to, which stays to be seen as its fault.
    fn conclude(
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
                    faults.insert(name.to_owned(), TransformFault::now(reason.clone()));
                }
            }
            Err(error) => {
                report.outcome = SwapOutcome::Failed;
                report.reason = Some(error.to_string());
                let mut faults = self.0.faults.lock();
                for (name, text) in by_transform(name, error) {
                    report.transforms.extend(self.failed(&name));
                    faults.insert(name, TransformFault::now(text));
                }
            }
        }
        if let Some(notice) = &*self.0.on_swap.lock() {
            notice(&report);
        }
        swapped
    }

    /// The transform that was not replaced, as it runs.
    fn failed(&self, name: &str) -> Option<TransformChange> {
        let chain = self.0.chain.load();
        let running = chain.transforms.iter().find(|running| *running.name == *name)?;
        Some(TransformChange::of(Change::Kept, Some(running), None))
    }

    pub(super) fn look_after(&self, chain: &Chain, incidents: &[TransformIncident]) {
        if !incidents.is_empty() {
            self.look_after_all(chain);
        }
    }

    /// Takes a transform back of which a hook fails for most charge points, soon after it was put in place.
    pub(super) fn look_after_all(&self, chain: &Chain) {
        for transform in &chain.transforms {
            let Some(function) = transform.breakers.take_trip() else { continue };
            let Transform { name, version, .. } = &**transform;
            let hook = function.interface();
            warn!(transform = %name, %version, hook, "fails for most charge points: it is not called for a while");
            if transform.breakers.give_up() {
                self.take_back(transform, format!("{hook} fails for most charge points"));
            }
        }
    }

    /// Puts the version before `failing` in its place, if there is one and `failing` still runs. Not on this thread: it may
    /// have to load what closes the chain.
    pub(super) fn take_back(&self, failing: &Arc<Transform>, reason: String) {
        let (pipeline, failing) = (self.clone(), failing.clone());
        let taken_back = std::thread::Builder::new().name("transform-rollback".into()).spawn(move || {
            let loader_state = pipeline.0.loader_state.lock();
            if !pipeline.0.chain.load().transforms.iter().any(|running| Arc::ptr_eq(running, &failing)) {
                return;
            }
            let Transform { name, version, sha256, .. } = &*failing;
            let reason = format!("version {version} (sha256 {sha256}) was taken back: {reason}");
            match pipeline.roll_back_in(&loader_state, name, Some(reason)) {
                Ok(_) => warn!(transform = %name, failed = %version, "the previous version has taken over"),
                Err(SwapError::NoPrevious | SwapError::Unknown(_)) => {}
                Err(error) => warn!(transform = %name, "the previous version could not take over: {error}"),
            }
        });
        if let Err(error) = taken_back {
            warn!("no thread for a rollback: {error}");
        }
    }
}

/// A component that was read anew from where it came from is no more meant to lose hooks than one that is uploaded.
fn missing_hooks_of_files(specs: &[TransformSpec], loaded: &[Arc<Transform>], chain: &Chain) -> Vec<LoadError> {
    let missing = |(spec, new): (&TransformSpec, &Arc<Transform>)| {
        let old = chain.transforms.iter().find(|old| old.name == new.name && old.component == new.component)?;
        Some(load::error(spec, missing_hooks(old, new)?))
    };
    specs.iter().zip(loaded).filter_map(missing).collect()
}

/// Which transforms an attempt failed for, and why. `name`: the one that was to be swapped; `None`: all of them were.
fn by_transform(name: Option<&str>, error: &SwapError) -> Vec<(String, String)> {
    match (name, error) {
        (Some(name), error) => vec![(name.to_owned(), error.to_string())],
        (None, SwapError::Load(errors)) => {
            let each = errors.chunk_by(|one, next| one.transform == next.transform);
            each.map(|errors| (errors[0].transform.clone(), lines(errors))).collect()
        }
        (None, _) => Vec::new(),
    }
}
