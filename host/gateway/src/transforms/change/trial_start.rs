//! Trials that the API asks for, and those that ran before a restart.

use super::changer::Changer;
use super::planner::Plan;
use super::request::{ChangeError, ChangeRequest};
use crate::operations::names;
use crate::transforms::store::{IndexChange, StoredTrial, StoredVersion};
use crate::transforms::topic_check::faults_of_mapping;
use crate::transforms::trial::{TrialReport, TrialStartError};
use ocpp_gateway_pipeline::{FewerHooks, Selection, TransformSpec, TrialMode, TrialRequest};
use tracing::warn;

/// A trial that is asked for.
#[derive(Debug)]
pub struct TrialStart {
    /// What the candidate consists of, as if it replaced the transform.
    pub change: ChangeRequest,
    pub mode: TrialMode,
    pub selection: Selection,
    /// How many of the connected charge points take part, and how many do not.
    pub connected: (usize, usize),
}

impl TrialStart {
    fn check(&self) -> Result<(), ChangeError> {
        let invalid = |problem: &str| Err(ChangeError::Invalid(problem.to_owned()));
        let is_canary = self.mode == TrialMode::Canary;
        match (self.selection.percent(), self.selection.charge_points()) {
            (Some(0 | 101..), _) => invalid("percent: has to be from 1 to 100"),
            (Some(100), None) if is_canary => invalid(
                "percent: 100 leaves no charge points to compare a canary with; replace the transform for all of them \
                 instead",
            ),
            (_, Some("")) => invalid("charge_points: has to be a pattern of identities, such as ACME-*"),
            (None, None) if is_canary => invalid("a canary needs percent or charge_points: who takes part in it"),
            _ => Ok(()),
        }
    }
}

impl Changer {
    /// Starts a trial. `None`: it was a dry run, and would start.
    pub fn start_trial(&self, start: TrialStart) -> Result<Option<TrialReport>, ChangeError> {
        start.check()?;
        let TrialStart { change, mode, selection, connected } = start;
        let is_dry_run = change.dry_run;
        let name = change.change.name().unwrap_or_default().to_owned();
        let _changing = self.lock();
        let config = self.config();
        let planner = self.planner(&config);
        let started = planner.plan(change).and_then(|plan| {
            let (spec, version, fewer_hooks) = candidate(plan)?;
            let request = TrialRequest {
                spec: Box::new(spec),
                mode,
                selection,
                fewer_hooks,
                check: faults_of_mapping,
                connected,
            };
            if is_dry_run {
                return Ok(self.pipeline().check_trial(request)?);
            }
            self.trials().start(request)?;
            self.store_trial(&name, connected, version)
        });
        self.store().settle_fetched(|_| started.is_ok() && !is_dry_run);
        self.store().remove_unused();
        started?;
        Ok(if is_dry_run { None } else { self.trials().report(&name) })
    }

    fn store_trial(
        &self,
        name: &str,
        connected: (usize, usize),
        mut version: StoredVersion,
    ) -> Result<(), ChangeError> {
        // It may have ended by itself already, and been forgotten.
        let Some(TrialReport { mode, percent, charge_points, live, candidate, .. }) = self.trials().report(name) else {
            return Ok(());
        };
        (version.component, version.sha256) = (candidate.component, candidate.sha256);
        version.program_sha256 = candidate.program_sha256;
        let (live_sha256, live_program_sha256) = (live.sha256, live.program_sha256);
        let mode = names::trial_mode(mode).to_owned();
        let stored = StoredTrial { mode, percent, charge_points, connected, version, live_sha256, live_program_sha256 };
        if let Err(error) = self.store().change(|index| drop(index.trials.insert(name.to_owned(), stored))) {
            self.trials().end(name, "it cannot be stored");
            return Err(error.into());
        }
        // It may have ended by itself before it was stored.
        if self.trials().report(name).is_none_or(|trial| trial.ended_at.is_some()) {
            self.store().forget_trial(name);
        }
        Ok(())
    }

    /// Starts the trials again that ran when the process before this one ended. Their figures begin anew. Called before
    /// the gateway serves anyone, so that nothing else changes meanwhile.
    pub fn restore_trials(&self) {
        for (name, stored) in &self.store().index().trials {
            if let Err(error) = self.restore_trial(name, stored) {
                warn!(transform = name, "the trial that ran before the restart does not start again: {error}");
                self.store().forget_trial(name);
            }
        }
    }

    fn restore_trial(&self, name: &str, stored: &StoredTrial) -> Result<(), ChangeError> {
        let _changing = self.lock();
        let config = self.config();
        let plan = self.planner(&config).stored_candidate(name, &stored.version)?;
        let mode = names::trial_mode_of(&stored.mode).ok_or_else(|| {
            ChangeError::Invalid(format!("this gateway knows no trial of the mode {:?}", stored.mode))
        })?;
        let live = self.pipeline().transforms().into_iter().find(|live| live.name == name);
        let live = live.ok_or_else(|| ChangeError::Unknown(name.to_owned()))?;
        if (&live.sha256, &live.program_sha256) != (&stored.live_sha256, &stored.live_program_sha256) {
            return Err(ChangeError::Conflict("another version of the transform was put in place meanwhile".into()));
        }
        let selection = Selection::new(name, stored.charge_points.clone(), stored.percent);
        let spec = Box::new(plan.load.ok_or_else(|| ChangeError::Unknown(name.to_owned()))?);
        let (fewer_hooks, connected) = (FewerHooks::Allow, stored.connected);
        let check = faults_of_mapping;
        Ok(self.trials().start(TrialRequest { spec, mode, selection, fewer_hooks, check, connected })?)
    }
}

/// What a plan to replace a transform loads and stores.
fn candidate(plan: Plan) -> Result<(TransformSpec, StoredVersion, FewerHooks), ChangeError> {
    match plan {
        Plan { load: Some(spec), change: IndexChange::Add { version, .. }, fewer_hooks, .. } => {
            Ok((spec, *version, fewer_hooks))
        }
        _ => Err(ChangeError::Invalid("a trial needs a component or settings".into())),
    }
}

impl From<TrialStartError> for ChangeError {
    fn from(error: TrialStartError) -> Self {
        match error {
            TrialStartError::Refused(error) => error.into(),
            TrialStartError::Thread(error) => ChangeError::Storage(error),
        }
    }
}
