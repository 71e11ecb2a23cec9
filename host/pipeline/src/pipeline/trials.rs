//! Trials: versions that run beside those that serve, and how they end.

use super::generations::{LoaderState, Pipeline};
use super::trial::{
    MAX_RUNNING_TRIALS, Trial, TrialEnd, TrialEnding, TrialError, TrialMode, TrialRequest, TrialStatus,
};
use crate::chain::{Chain, Generation, Variant, Variants};
use crate::error::LoadError;
use crate::hook::Function;
use crate::load::{self, DefaultMapping};
use crate::shadow::Shadow;
use crate::swap_report::SwapError;
use crate::transform::Transform;
use ocpp_gateway_core::Identity;
use std::sync::Arc;
use std::time::SystemTime;

/// The name of a trial that the other transforms leave no room for, and why.
struct NoRoom {
    trial: Arc<str>,
    errors: Vec<LoadError>,
}

impl Pipeline {
    /// Calls `observer` when a trial starts and when it ends. It must not call the pipeline.
    pub fn on_trial(&self, observer: impl Fn(&TrialStatus) + Send + 'static) {
        *self.0.on_trial.lock() = Some(Box::new(observer));
    }

    /// The generation of the latest hot swap that is for this charge point.
    pub fn newest_for(&self, identity: &Identity) -> Generation {
        Generation::for_charge_point(&self.0.chain.load(), identity)
    }

    /// Loads a candidate, and starts it beside the version that runs. A shadow is returned: it has to be called.
    pub fn start_trial(&self, request: TrialRequest) -> Result<Option<Shadow>, TrialError> {
        let _guard = self.0.loading.lock();
        let (live, candidate) = self.load_candidate(&request)?;
        let name = &request.spec.name;
        let mut loader_state = self.0.loader_state.lock();
        let running = self.0.chain.load_full();
        if !running.transform(name).is_some_and(|running| Arc::ptr_eq(running, &live)) {
            return Err(SwapError::RolledBackMeanwhile(name.clone()).into());
        }
        let (trial, shadow) = Trial::new(request, live, candidate);
        let status = trial.status(None);
        loader_state.ended_trials.remove(&*trial.live.name);
        loader_state.trials.push(trial);
        let chains = self.variant_chains(&loader_state, &running, 0);
        if let Err(NoRoom { errors, .. }) = chains {
            loader_state.trials.pop();
            return Err(SwapError::Load(errors).into());
        }
        self.go_live(&mut loader_state, running.without_trials());
        self.notify_trial(&status);
        Ok(shadow)
    }

    /// Whether [`Pipeline::start_trial`] would start the trial.
    pub fn check_trial(&self, request: &TrialRequest) -> Result<(), TrialError> {
        let _guard = self.0.loading.lock();
        self.load_candidate(request).map(drop)
    }

    /// The running version, and the candidate.
    fn load_candidate(&self, request: &TrialRequest) -> Result<(Arc<Transform>, Arc<Transform>), TrialError> {
        let TrialRequest { spec, mode, fewer_hooks, .. } = request;
        let name = || spec.name.clone();
        {
            let loader_state = self.0.loader_state.lock();
            if loader_state.trials.iter().any(|trial| *trial.live.name == *spec.name) {
                return Err(TrialError::OnTrial(name()));
            }
            if loader_state.trials.len() >= MAX_RUNNING_TRIALS {
                return Err(TrialError::TooMany);
            }
        }
        let running = self.0.chain.load_full();
        let live = running.transform(&spec.name).ok_or_else(|| SwapError::Unknown(name()))?.clone();
        let candidate = self.load_version(spec, Some(&live), *fewer_hooks).map_err(SwapError::Load)?;
        if Arc::ptr_eq(&live, &candidate) {
            return Err(TrialError::SameVersion(name()));
        }
        if *mode == TrialMode::Shadow && candidate.has(Function::ToMqtt) && !live.has(Function::ToMqtt) {
            return Err(TrialError::NewMapping(name()));
        }
        Ok((live, candidate))
    }

    /// Ends a trial that runs. Its status at the end can be had until [`Pipeline::forget_trial`]. `None`: no such trial
    /// runs.
    pub fn end_trial(&self, name: &str, how: TrialEnding, reason: &str) -> Option<TrialStatus> {
        let mut loader_state = self.0.loader_state.lock();
        self.end_trial_in(&mut loader_state, name, how, reason)
    }

    pub(super) fn end_trial_in(
        &self,
        loader_state: &mut LoaderState,
        name: &str,
        how: TrialEnding,
        reason: &str,
    ) -> Option<TrialStatus> {
        let status = loader_state.take_trial(name, how, reason)?;
        let running = self.0.chain.load_full();
        self.go_live(loader_state, running.without_trials());
        self.notify_trial(&status);
        Some(status)
    }

    /// The trial of a transform, which runs or has ended.
    pub fn trial(&self, name: &str) -> Option<TrialStatus> {
        let loader_state = self.0.loader_state.lock();
        let running = loader_state.trials.iter().find(|trial| *trial.live.name == *name);
        running.map(|trial| trial.status(None)).or_else(|| loader_state.ended_trials.get(name).cloned())
    }

    /// All trials that run.
    pub fn trials(&self) -> Vec<TrialStatus> {
        self.0.loader_state.lock().trials.iter().map(|trial| trial.status(None)).collect()
    }

    /// Forgets a trial that has ended.
    pub fn forget_trial(&self, name: &str) -> Option<TrialStatus> {
        self.0.loader_state.lock().ended_trials.remove(name)
    }

    /// The chains of the next generation for charge points that take part in trials. `next`: the chain without them.
    /// Ends trials that the chain leaves no room for.
    pub(super) fn settle_trials(&self, loader_state: &mut LoaderState, next: &Chain, number: u64) -> Option<Variants> {
        let is_live = |trial: &Trial| next.transforms.iter().any(|running| Arc::ptr_eq(running, &trial.live));
        while let Some(gone) = loader_state.trials.iter().find(|trial| !is_live(trial)) {
            let name = gone.live.name.clone();
            let now = next.transform(&name);
            let (how, reason) = match now {
                Some(now) if now.is_same_load(&gone.candidate) => (TrialEnding::Promoted, "promoted"),
                Some(_) => (TrialEnding::Ended, "another version of the transform was put in place"),
                None => (TrialEnding::Ended, "the transform was removed"),
            };
            let status = loader_state.take_trial(&name, how, reason);
            status.iter().for_each(|status| self.notify_trial(status));
        }
        while !loader_state.trials.is_empty() {
            match self.variant_chains(loader_state, next, number) {
                Ok(chains) => {
                    let selections = loader_state.trials.iter().map(|trial| trial.selection.clone()).collect();
                    return Some(Variants { selections, chains });
                }
                Err(NoRoom { trial, errors }) => {
                    let status =
                        loader_state.take_trial(&trial, TrialEnding::Failed, &SwapError::Load(errors).to_string());
                    status.iter().for_each(|status| self.notify_trial(status));
                }
            }
        }
        None
    }

    /// A chain for each combination of trials.
    fn variant_chains(&self, loader_state: &LoaderState, next: &Chain, number: u64) -> Result<Vec<Arc<Chain>>, NoRoom> {
        let trials = &loader_state.trials;
        let chain = |taking_part: usize| {
            let latest = taking_part.checked_ilog2().and_then(|bit| trials.get(bit as usize));
            let trial = latest.map_or_else(|| "".into(), |trial| trial.live.name.clone());
            let chain =
                self.variant_chain(loader_state, next, taking_part).map_err(|errors| NoRoom { trial, errors })?;
            Ok(Arc::new(Chain { number, ..chain }))
        };
        (0..1 << trials.len()).map(chain).collect()
    }

    /// The chain of charge points that take part in these trials: a bit for each.
    fn variant_chain(
        &self,
        loader_state: &LoaderState,
        next: &Chain,
        taking_part: usize,
    ) -> Result<Chain, Vec<LoadError>> {
        let trials = || loader_state.trials.iter().enumerate().map(|(bit, trial)| (trial, taking_part >> bit & 1 == 1));
        let canary = |transform: &Arc<Transform>| {
            let is_its = |(trial, takes_part): &(&Trial, bool)| {
                *takes_part && trial.mode == TrialMode::Canary && trial.live.name == transform.name
            };
            trials().find(is_its).map(|(trial, _)| trial.candidate.clone())
        };
        let default_mapping = loader_state.default_mapping(next).filter(|mapping| canary(mapping).is_none());
        let is_default = |transform: &Arc<Transform>| default_mapping.is_some_and(|it| Arc::ptr_eq(it, transform));
        let configured = next.transforms.iter().filter(|transform| !is_default(transform));
        let transforms = configured.map(|transform| canary(transform).unwrap_or_else(|| transform.clone())).collect();
        let default_mapping =
            default_mapping.map_or(DefaultMapping::Standard(&next.transforms), DefaultMapping::Running);
        let mut variant = Variant::default();
        for (trial, takes_part) in trials() {
            if let Some(note) = trial.note.as_ref().filter(|_| takes_part) {
                variant.shadows.push((trial.live.name.clone(), note.clone()));
            }
            match (takes_part, trial.mode) {
                (true, _) => variant.groups.push(trial.group.clone()),
                (false, TrialMode::Canary) => variant.groups.push(trial.others.clone()),
                (false, TrialMode::Shadow) => {}
            }
        }
        load::variant_chain(&self.0.loader, transforms, default_mapping, loader_state.validation, variant)
    }

    fn notify_trial(&self, status: &TrialStatus) {
        if let Some(observer) = &*self.0.on_trial.lock() {
            observer(status);
        }
    }
}

impl LoaderState {
    /// Ends the trial of a transform.
    fn take_trial(&mut self, name: &str, how: TrialEnding, reason: &str) -> Option<TrialStatus> {
        let place = self.trials.iter().position(|trial| *trial.live.name == *name)?;
        let trial = self.trials.remove(place);
        let end = TrialEnd { at: SystemTime::now(), how, reason: reason.to_owned() };
        let status = trial.status(Some(end));
        trial.stop();
        self.ended_trials.insert(name.to_owned(), status.clone());
        Some(status)
    }

    /// The name of the trial that has this candidate.
    pub(super) fn trial_of(&self, candidate: &Arc<Transform>) -> Option<Arc<str>> {
        let trial = self.trials.iter().find(|trial| Arc::ptr_eq(&trial.candidate, candidate))?;
        Some(trial.live.name.clone())
    }

    pub(super) fn why_trial_ended(&self, name: &str) -> String {
        let end = self.ended_trials.get(name).and_then(|trial| trial.end.as_ref());
        end.map_or_else(String::new, |end| end.reason.clone())
    }

    /// The candidate on trial for this transform.
    pub(super) fn candidate(&self, name: &str) -> Option<&Arc<Transform>> {
        self.trials.iter().find(|trial| *trial.live.name == *name).map(|trial| &trial.candidate)
    }
}
