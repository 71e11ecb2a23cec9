//! Hot swaps: other transforms in the place of those that run.

use super::{ExchangeError, ExchangeOutcome, Pipeline, Workshop, lines, lock};
use crate::chain::Chain;
use crate::error::Mishap;
use crate::load;
use crate::spec::{Source, TransformSpec, Validation};
use crate::transform::Transform;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::{info, warn};

impl Pipeline {
    /// Calls `notice` after each attempt. Where something was swapped, charge points may need other subscriptions now.
    pub fn on_exchange(&self, notice: impl Fn(ExchangeOutcome) + Send + 'static) {
        *lock(&self.0.on_exchange) = Some(Box::new(notice));
    }

    /// Loads the transform `name` from `source`, or anew from where it came from, and puts it in the place of the one
    /// that runs. If anything is wrong with it, the one that runs goes on. Messages on their way end where they began, and
    /// whoever holds on to the generation before goes on with that as long as it wants.
    pub fn exchange(&self, name: &str, source: Option<Source>) -> Result<(), ExchangeError> {
        let _turn = lock(&self.0.loading);
        let (configured, old) = self.about_to_load(name)?;
        let mut spec = configured.clone();
        if let Some(source) = source {
            spec.source = source;
        }
        // Without the workshop: a rollback does not wait for it.
        let loaded = self.0.loader.load(&spec, Some(&old));
        let mut workshop = lock(&self.0.workshop);
        let exchanged = match loaded {
            Ok(_) if workshop.rolled_back.iter().any(|rolled_back| rolled_back == name) => {
                Err(ExchangeError::Overtaken(name.to_owned()))
            }
            Ok(new) => self.put_in_place(&workshop, &self.0.chain.load_full(), new),
            Err(faults) => {
                Err(ExchangeError::Load(faults.into_iter().map(|fault| load::error(&spec, fault)).collect()))
            }
        };
        if exchanged.is_ok() && workshop.spec(name).is_none() {
            workshop.specs.push(configured);
        }
        self.conclude(Some(name), ExchangeOutcome::Exchanged, exchanged)
    }

    /// What is configured for the transform `name`, and the version of it that runs. From now on it is noted when an
    /// operator rolls something back.
    fn about_to_load(&self, name: &str) -> Result<(TransformSpec, Arc<Transform>), ExchangeError> {
        let mut workshop = lock(&self.0.workshop);
        let chain = self.0.chain.load_full();
        let Some(old) = chain.transforms.iter().find(|transform| *transform.name == *name) else {
            return Err(ExchangeError::Unknown(name.to_owned()));
        };
        workshop.rolled_back.clear();
        // Whatever runs without being configured is the mapping that closes the chain.
        let closing = || TransformSpec { name: name.to_owned(), ..TransformSpec::standard() };
        Ok((workshop.spec(name).cloned().unwrap_or_else(closing), old.clone()))
    }

    /// Puts the version before the last exchange back in its place. The one that runs becomes the previous one, and another
    /// that is being loaded for its place comes to nothing. Waits for no load.
    pub fn roll_back(&self, name: &str) -> Result<(), ExchangeError> {
        let mut workshop = lock(&self.0.workshop);
        let rolled_back = self.roll_back_in(&workshop, name, true);
        if rolled_back.is_ok() && !workshop.rolled_back.iter().any(|other| other == name) {
            workshop.rolled_back.push(name.to_owned());
        }
        rolled_back
    }

    /// `keep`: whether the one that runs is worth going back to.
    fn roll_back_in(&self, workshop: &Workshop, name: &str, keep: bool) -> Result<(), ExchangeError> {
        let chain = self.0.chain.load_full();
        let Some(running) = chain.transforms.iter().find(|transform| *transform.name == *name) else {
            return Err(ExchangeError::Unknown(name.to_owned()));
        };
        let old = lock(&self.0.previous).get(name).cloned().ok_or(ExchangeError::NoPrevious)?;
        let rolled_back = self.put_in_place(workshop, &chain, old.put_back(running));
        if rolled_back.is_ok() && !keep {
            lock(&self.0.previous).remove(name);
        }
        self.conclude(Some(name), ExchangeOutcome::RolledBack, rolled_back)
    }

    /// Loads other transforms in the place of all that run. If anything is wrong with any of them, everything stays.
    pub fn exchange_all(&self, specs: Vec<TransformSpec>, validation: Validation) -> Result<(), ExchangeError> {
        let _turn = lock(&self.0.loading);
        let loader = &self.0.loader;
        // Without the workshop: a rollback does not wait for it.
        let loaded = loader.load_all(&specs, &self.0.chain.load_full().transforms);
        let loaded = loaded.and_then(|loaded| load::chain(loader, loaded, None, validation));
        let mut workshop = lock(&self.0.workshop);
        let exchanged = loaded.map(|new| {
            let old = self.0.chain.load_full();
            let stays = |old: &&Arc<Transform>| new.transforms.iter().any(|new| new.name == old.name);
            let stayed = old.transforms.iter().filter(stays);
            *lock(&self.0.previous) = stayed.map(|old| (old.name.clone(), old.put_away())).collect();
            workshop.specs = specs;
            workshop.validation = validation;
            self.go_live(new);
        });
        self.conclude(None, ExchangeOutcome::Exchanged, exchanged.map_err(ExchangeError::Load))
    }

    fn put_in_place(&self, workshop: &Workshop, chain: &Chain, new: Arc<Transform>) -> Result<(), ExchangeError> {
        let exchange = |old: &Arc<Transform>| if old.name == new.name { new.clone() } else { old.clone() };
        let stays = |old: &&Arc<Transform>| old.name == new.name || workshop.spec(&old.name).is_some();
        let closed = chain.transforms.iter().find(|old| !stays(old));
        let transforms = chain.transforms.iter().filter(stays).map(exchange).collect();
        let next = load::chain(&self.0.loader, transforms, closed, workshop.validation).map_err(ExchangeError::Load)?;
        if let Some(old) = chain.transforms.iter().find(|old| old.name == new.name) {
            lock(&self.0.previous).insert(old.name.clone(), old.put_away());
        }
        self.go_live(next);
        info!(transform = %new.name, version = %new.version, component = new.component, "runs from now on");
        Ok(())
    }

    /// To be called with the workshop held.
    fn go_live(&self, mut next: Chain) {
        for transform in &next.transforms {
            transform.blueprint.belongings.set_limits(&transform.blueprint.limits);
        }
        let number = self.newest_number() + 1;
        next.number = number;
        {
            let mut older = lock(&self.0.older);
            older.retain(|chain| chain.strong_count() > 0);
            older.push(Arc::downgrade(&self.0.chain.swap(Arc::new(next))));
        }
        // Only now: whoever sees it finds the chain.
        self.0.number.store(number, Ordering::Release);
    }

    /// `name`: of the transform that was to be exchanged; `None`: all of them were.
    fn conclude(
        &self,
        name: Option<&str>,
        outcome: ExchangeOutcome,
        exchanged: Result<(), ExchangeError>,
    ) -> Result<(), ExchangeError> {
        let outcome = match &exchanged {
            Ok(()) => {
                lock(&self.0.faults).retain(|transform, _| name.is_some_and(|name| transform != name));
                outcome
            }
            Err(error) => {
                let mut faults = lock(&self.0.faults);
                match (name, error) {
                    (Some(name), error) => drop(faults.insert(name.to_owned(), error.to_string())),
                    (None, ExchangeError::Load(errors)) => {
                        for errors in errors.chunk_by(|one, next| one.transform == next.transform) {
                            faults.insert(errors[0].transform.clone(), lines(errors));
                        }
                    }
                    (None, _) => {}
                }
                ExchangeOutcome::Failed
            }
        };
        if let Some(notice) = &*lock(&self.0.on_exchange) {
            notice(outcome);
        }
        exchanged
    }

    pub(super) fn look_after(&self, chain: &Chain, mishaps: &[Mishap]) {
        if !mishaps.is_empty() {
            self.look_after_all(chain);
        }
    }

    /// Takes a transform back of which a hook fails for most charge points, soon after it was put in place.
    pub(super) fn look_after_all(&self, chain: &Chain) {
        for transform in &chain.transforms {
            let Some(function) = transform.breakers.take_trip() else { continue };
            let Transform { name, version, .. } = &**transform;
            warn!(transform = %name, %version, hook = function.interface(), "fails for most charge points: it is not called for a while");
            if transform.breakers.give_up() {
                self.take_back(transform);
            }
        }
    }

    /// Puts the version before `failing` in its place, if there is one and `failing` still runs. Not on this thread: it may
    /// have to load what closes the chain.
    pub(super) fn take_back(&self, failing: &Arc<Transform>) {
        let (pipeline, failing) = (self.clone(), failing.clone());
        let taken_back = std::thread::Builder::new().name("transform-rollback".into()).spawn(move || {
            let workshop = lock(&pipeline.0.workshop);
            if !pipeline.0.chain.load().transforms.iter().any(|running| Arc::ptr_eq(running, &failing)) {
                return;
            }
            let (name, version) = (&failing.name, &failing.version);
            match pipeline.roll_back_in(&workshop, name, false) {
                Ok(()) => warn!(transform = %name, failed = %version, "the previous version has taken over"),
                Err(ExchangeError::NoPrevious | ExchangeError::Unknown(_)) => {}
                Err(error) => warn!(transform = %name, "the previous version could not take over: {error}"),
            }
        });
        if let Err(error) = taken_back {
            warn!("no thread for a rollback: {error}");
        }
    }
}
