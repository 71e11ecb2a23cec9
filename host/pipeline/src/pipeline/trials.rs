//! Trials: versions that run beside those that serve, and how they end.

use super::generations::{LoaderState, Pipeline};
use super::trial::{
    EndedTrial, MAX_RUNNING_TRIALS, Trial, TrialEnding, TrialError, TrialMode, TrialRequest, TrialStatus,
};
use crate::chain::{Chain, Generation, Variant, Variants};
use crate::error::LoadError;
use crate::harness::TransformHarness;
use crate::hook::Function;
use crate::load::{self, DefaultMapping};
use crate::shadow::Shadow;
use crate::swap_report::SwapError;
use crate::transform::Transform;
use ocpp_gateway_core::Identity;
use std::sync::Arc;

/// The index of a trial that the other transforms leave no room for, and why.
struct NoRoom {
    trial: usize,
    errors: Vec<LoadError>,
}

/// Trials as they are in the next generation.
pub(super) struct SettledTrials {
    /// `None`: nothing is on trial.
    pub(super) variants: Option<Variants>,
    pub(super) ended: Vec<EndedTrial>,
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
        let loader_state = self.0.loader_state.lock();
        let (trial, shadow) = self.new_trial(&loader_state, request, live, candidate)?;
        let status = trial.status(None);
        self.0.trials.lock().start(trial);
        let running = self.0.chain.load_full();
        self.go_live(&loader_state, running.without_trials());
        self.notify_trial(&status);
        Ok(shadow)
    }

    /// Whether [`Pipeline::start_trial`] would start the trial.
    pub fn check_trial(&self, request: TrialRequest) -> Result<(), TrialError> {
        let _guard = self.0.loading.lock();
        let (live, candidate) = self.load_candidate(&request)?;
        self.new_trial(&self.0.loader_state.lock(), request, live, candidate).map(drop)
    }

    /// The running version, and the candidate.
    fn load_candidate(&self, request: &TrialRequest) -> Result<(Arc<Transform>, Arc<Transform>), TrialError> {
        let TrialRequest { spec, mode, fewer_hooks, check, .. } = request;
        let name = || spec.name.clone();
        {
            let trials = self.0.trials.lock();
            if trials.running(&spec.name).is_some() {
                return Err(TrialError::OnTrial(name()));
            }
            if trials.running.len() >= MAX_RUNNING_TRIALS {
                let names: Vec<_> = trials.running.iter().map(|trial| &*trial.live.name).collect();
                return Err(TrialError::TooMany(names.join(", ")));
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
        if candidate.has(Function::ToMqtt) {
            let faults = check(&TransformHarness(candidate.for_trial()));
            if !faults.is_empty() {
                return Err(TrialError::Faults(faults));
            }
        }
        Ok((live, candidate))
    }

    /// A trial that fits beside those that run.
    fn new_trial(
        &self,
        loader_state: &LoaderState,
        request: TrialRequest,
        live: Arc<Transform>,
        candidate: Arc<Transform>,
    ) -> Result<(Arc<Trial>, Option<Shadow>), TrialError> {
        let running = self.0.chain.load_full();
        if !running.transform(&live.name).is_some_and(|running| Arc::ptr_eq(running, &live)) {
            return Err(SwapError::RolledBackMeanwhile(live.name.to_string()).into());
        }
        let (trial, shadow) = Trial::new(request, live, candidate);
        let trial = Arc::new(trial);
        let mut trials = self.0.trials.lock().running.clone();
        trials.push(trial.clone());
        self.variant_chains(loader_state, &trials, &running, 0).map_err(|no_room| SwapError::Load(no_room.errors))?;
        Ok((trial, shadow))
    }

    /// Ends a trial that runs. Its status at the end can be had until [`Pipeline::forget_trial`]. `None`: no such trial
    /// runs.
    pub fn end_trial(&self, name: &str, how: TrialEnding, reason: &str) -> Option<TrialStatus> {
        let loader_state = self.0.loader_state.lock();
        let trial = self.0.trials.lock().running(name)?.clone();
        self.end_trial_in(&loader_state, &trial, how, reason)
    }

    /// Ends the trial of a shadow that fails, unless it has ended.
    pub fn end_failing_shadow(&self, shadow: &Shadow, reason: &str) {
        let loader_state = self.0.loader_state.lock();
        let is_its = |trial: &&Arc<Trial>| trial.note.as_ref().is_some_and(|note| Arc::ptr_eq(note, shadow.note()));
        let trial = self.0.trials.lock().running.iter().find(is_its).cloned();
        trial.and_then(|trial| self.end_trial_in(&loader_state, &trial, TrialEnding::Failed, reason));
    }

    pub(super) fn end_trial_in(
        &self,
        loader_state: &LoaderState,
        trial: &Arc<Trial>,
        how: TrialEnding,
        reason: &str,
    ) -> Option<TrialStatus> {
        let ended = EndedTrial { trial: trial.clone(), how, reason: reason.to_owned() };
        let running = self.0.chain.load_full();
        self.go_live_without(loader_state, running.without_trials(), vec![ended]);
        self.0.trials.lock().status(&trial.live.name)
    }

    /// The trial of a transform, which runs or has ended. Waits for no swap.
    pub fn trial(&self, name: &str) -> Option<TrialStatus> {
        self.0.trials.lock().status(name)
    }

    /// All trials that run. Waits for no swap.
    pub fn trials(&self) -> Vec<TrialStatus> {
        self.0.trials.lock().running.iter().map(|trial| trial.status(None)).collect()
    }

    /// Forgets a trial that has ended.
    pub fn forget_trial(&self, name: &str) -> Option<TrialStatus> {
        self.0.trials.lock().forget(name)
    }

    /// The trials that go on with the next generation, with a chain for each combination of them; and those that end.
    /// `next`: the chain without trials. `ended`: trials that end anyway.
    pub(super) fn settle_trials(
        &self,
        loader_state: &LoaderState,
        next: &Chain,
        number: u64,
        mut ended: Vec<EndedTrial>,
    ) -> SettledTrials {
        let mut running = self.0.trials.lock().running.clone();
        running.retain(|trial| !ended.iter().any(|ended| Arc::ptr_eq(&ended.trial, trial)));
        running.retain(|trial| match why_over(trial, next) {
            None => true,
            Some((how, reason)) => {
                ended.push(EndedTrial { trial: trial.clone(), how, reason: reason.to_owned() });
                false
            }
        });
        let mut variants = None;
        while !running.is_empty() && variants.is_none() {
            match self.variant_chains(loader_state, &running, next, number) {
                Ok(chains) => {
                    let selections = running.iter().map(|trial| trial.selection.clone()).collect();
                    variants = Some(Variants { selections, chains });
                }
                Err(NoRoom { trial, errors }) => {
                    let trial = running.remove(trial);
                    let reason = SwapError::Load(errors).to_string();
                    ended.push(EndedTrial { trial, how: TrialEnding::Failed, reason });
                }
            }
        }
        SettledTrials { variants, ended }
    }

    /// A chain for each combination of trials.
    fn variant_chains(
        &self,
        loader_state: &LoaderState,
        trials: &[Arc<Trial>],
        next: &Chain,
        number: u64,
    ) -> Result<Vec<Arc<Chain>>, NoRoom> {
        let chain = |taking_part: usize| {
            // The latest of them: without any, the chain is that which runs.
            let trial = taking_part.checked_ilog2().unwrap_or_default() as usize;
            let chain = self.variant_chain(loader_state, trials, next, taking_part);
            let chain = chain.map_err(|errors| NoRoom { trial, errors })?;
            Ok(Arc::new(Chain { number, ..chain }))
        };
        (0..1 << trials.len()).map(chain).collect()
    }

    /// The chain of charge points that take part in these trials: a bit for each.
    fn variant_chain(
        &self,
        loader_state: &LoaderState,
        trials: &[Arc<Trial>],
        next: &Chain,
        taking_part: usize,
    ) -> Result<Chain, Vec<LoadError>> {
        let trials = || trials.iter().enumerate().map(|(bit, trial)| (trial, taking_part >> bit & 1 == 1));
        let canary = |transform: &Arc<Transform>| {
            let is_its = |(trial, takes_part): &(&Arc<Trial>, bool)| {
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

    pub(super) fn notify_trial(&self, status: &TrialStatus) {
        if let Some(observer) = &*self.0.on_trial.lock() {
            observer(status);
        }
    }
}

/// How a trial ends with the next chain, and why; `None`: it goes on.
fn why_over(trial: &Trial, next: &Chain) -> Option<(TrialEnding, &'static str)> {
    match next.transform(&trial.live.name) {
        Some(now) if Arc::ptr_eq(now, &trial.live) => None,
        Some(now) if now.is_same_load(&trial.candidate) => Some((TrialEnding::Promoted, "promoted")),
        Some(_) => Some((TrialEnding::Ended, "another version of the transform was put in place")),
        None => Some((TrialEnding::Ended, "the transform was removed")),
    }
}
