//! Makes changes that the API asks for, one at a time.

use super::history::{History, Origin, with_program};
use super::planner::{Plan, Planner};
use super::request::{ChangeError, ChangeOutcome, ChangeRequest, RequestedChange};
use crate::config::{Config, TransformConfig, hide_secrets, without_secrets};
use crate::transforms::drop_in::DropIns;
use crate::transforms::effective::{self, EffectiveTransform};
use crate::transforms::sources::Fetching;
use crate::transforms::store::{IndexChange, Store, StoredVersion};
use crate::transforms::trial::Trials;
use crate::transforms::trust::TrustedKeys;
use arc_swap::ArcSwap;
use ocpp_gateway_pipeline::{FewerHooks, Pipeline, TransformChange, TransformStatus, TransformVersion, TryChain};
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value};
use std::path::{Path, absolute};
use std::sync::Arc;
use tracing::{info, warn};

/// Changes transforms while the gateway runs.
pub struct Changer {
    pipeline: Pipeline,
    trials: Arc<Trials>,
    store: Arc<Store>,
    drop_ins: Arc<DropIns>,
    /// Its transforms and its validation are those of the latest reload.
    config: ArcSwap<Config>,
    /// Locked while anything is changed, which may take a minute.
    changing: Mutex<()>,
}

impl Changer {
    pub(in crate::transforms) fn new(
        pipeline: Pipeline,
        store: Arc<Store>,
        drop_ins: Arc<DropIns>,
        config: &Config,
    ) -> Self {
        Changer {
            trials: Arc::new(Trials::new(pipeline.clone())),
            pipeline,
            store,
            drop_ins,
            config: ArcSwap::from_pointee(config.clone()),
            changing: Mutex::new(()),
        }
    }

    pub(super) fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    pub fn trials(&self) -> &Arc<Trials> {
        &self.trials
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub fn drop_ins(&self) -> &Arc<DropIns> {
        &self.drop_ins
    }

    /// Keeps everything from being changed meanwhile.
    pub(in crate::transforms) fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock()
    }

    /// The configuration in force: that at the start, with the transforms and the validation of the latest reload.
    pub fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// After a reload.
    pub(in crate::transforms) fn set_config(&self, config: Config) {
        self.config.store(Arc::new(config));
    }

    /// Makes a change. It is stored before it takes effect, so that after a crash either the old or the new version runs.
    pub fn change(&self, request: ChangeRequest) -> Result<ChangeOutcome, ChangeError> {
        let is_dry_run = request.dry_run;
        let is_promotion = matches!(request.change, RequestedChange::Promote { .. });
        let on_trial = self.trials.names();
        let mut outcome = match &request.change {
            // Does not wait for a change that is being loaded, and that change does not undo it.
            RequestedChange::RollBack { name, version: None } if self.previous(name).is_some() => {
                self.roll_back(name, is_dry_run)?
            }
            _ => {
                let _changing = self.changing.lock();
                let config = self.config();
                let is_revert = matches!(request.change, RequestedChange::Revert { .. });
                let is_removal = matches!(request.change, RequestedChange::Remove { .. });
                let name = request.change.name().map(str::to_owned);
                let mut planner = self.planner(&config);
                let outcome = planner.plan(request).and_then(|plan| self.carry_out(plan, &planner, is_dry_run));
                self.store.settle_fetched(|_| outcome.is_ok() && !is_dry_run);
                self.store.remove_unused();
                if outcome.is_ok() && !is_dry_run && is_revert {
                    planner.drop_ins.clear_fault(name.as_deref().unwrap_or_default(), &self.drop_ins);
                }
                // Drop-ins store what they fetch.
                drop(planner);
                if outcome.is_ok() && !is_dry_run && is_removal {
                    // A drop-in may have waited for the name.
                    self.drop_ins.rescan();
                }
                outcome?
            }
        };
        let is_over = |change: &TransformChange| !is_promotion && on_trial.contains(&change.name);
        for TransformChange { name, .. } in outcome.changes.iter().flatten().filter(|change| is_over(change)) {
            outcome.warnings.push(format!("this ends the trial of {name:?}"));
        }
        if outcome.changes.is_none() && !outcome.is_stored {
            outcome.warnings.push("the same version runs already: nothing has changed".into());
        } else if !outcome.is_kept && !outcome.warnings.iter().any(|warning| warning.contains("restart")) {
            let is_configured = self.config().storage.directory.is_some();
            let warning = if is_configured {
                "the change could not be stored, so that it ends with the process: see the log"
            } else {
                "the change ends with the process: set storage.directory in the configuration to keep it"
            };
            outcome.warnings.push(warning.into());
            if !is_dry_run {
                warn!("{warning}");
            }
        }
        Ok(outcome)
    }

    /// The chain to try messages with: that which runs, or that with a candidate in it, which is loaded like a change.
    pub fn try_chain(&self, candidate: Option<ChangeRequest>) -> Result<TryChain, ChangeError> {
        let Some(request) = candidate else { return Ok(self.pipeline.try_chain(None)?) };
        let _changing = self.changing.lock();
        let config = self.config();
        let planner = self.planner(&config);
        let plan = planner.plan(request);
        let chain = plan.and_then(|plan| Ok(self.pipeline.try_chain(Some(&plan.edit(planner.since)))?));
        self.store.settle_fetched(|_| false);
        self.store.remove_unused();
        chain
    }

    /// Where a transform comes from, and what is stored for it.
    pub fn history(&self, name: &str) -> History {
        let index = self.store.index();
        History::of(Origin::of(name, &self.config(), &index), index.transforms.get(name))
    }

    /// The settings of a transform as they are in force, without secrets.
    pub fn settings(&self, name: &str) -> Option<Map<String, Value>> {
        let (config, index) = (self.config(), self.store.index());
        let configured = self.configured(name, &config);
        let effective = effective::effective(name, configured.as_ref(), &index, &self.store)?.ok()?;
        self.shown_settings(&effective, index.running(name))
    }

    /// Which messages a transform handles, as configured: only the conditions that it has. `None`: all.
    pub fn conditions(&self, name: &str) -> Option<Map<String, Value>> {
        let (config, index) = (self.config(), self.store.index());
        let stored = index.running(name).and_then(|version| version.settings.get("match").cloned());
        let configured = || serde_json::to_value(self.configured(name, &config)?.matching).ok();
        let Value::Object(mut conditions) = stored.or_else(configured)? else { return None };
        conditions.retain(|_, values| values.as_array().is_none_or(|values| !values.is_empty()));
        (!conditions.is_empty()).then_some(conditions)
    }

    /// The settings of the version of a transform that is on trial, without secrets. `None`: none is.
    pub fn trial_settings(&self, name: &str) -> Option<Map<String, Value>> {
        let (config, index) = (self.config(), self.store.index());
        let version = &index.trials.get(name)?.version;
        let effective =
            EffectiveTransform::new(name, self.configured(name, &config).as_ref(), version, &self.store).ok()?;
        self.shown_settings(&effective, Some(version))
    }

    /// `version`: the stored one that the transform is, if it is one.
    fn shown_settings(
        &self,
        effective: &EffectiveTransform,
        version: Option<&StoredVersion>,
    ) -> Option<Map<String, Value>> {
        let mut table = toml::Table::try_from(&effective.config).ok()?;
        table.remove("name");
        hide_secrets(&mut table);
        let Ok(Value::Object(mut settings)) = serde_json::to_value(table) else { return None };
        if effective.upload.is_some() {
            // The hash is that of the upload, and no setting.
            settings.remove("sha256");
            settings.insert("component".into(), version.map(|version| version.component.clone()).into());
        }
        if let Some(code) = version.and_then(|version| version.code.as_ref()) {
            with_program(&mut settings, code, &self.store);
        }
        Some(settings)
    }

    /// Loads a transform again whose file has changed.
    pub(in crate::transforms) fn file_changed(&self, name: &str, path: &Path) {
        let _changing = self.changing.lock();
        let config = self.config();
        let planner = self.planner(&config);
        let Some(configured) = effective::configured(name, &config) else { return };
        let effective = match effective::effective(name, Some(configured), &planner.index, &self.store) {
            Some(Ok(effective)) => effective,
            Some(Err(problem)) => return warn!("the running version stays: {problem}"),
            None => return,
        };
        let used = [effective.config.component_file(), effective.config.program_file()];
        if !used.into_iter().flatten().any(|used| absolute(used).is_ok_and(|used| used == path)) {
            let path = path.display();
            return info!(
                transform = name,
                "{path} has changed, but an upload runs in its place: {}",
                how_to_revert(name)
            );
        }
        let plan = planner.loading(&effective, IndexChange::Nothing, (FewerHooks::Refuse, Fetching::Missing));
        match plan.and_then(|plan| self.carry_out(plan, &planner, false)) {
            Ok(_) => {}
            Err(error) => warn!(transform = name, "the running version stays: {error}"),
        }
    }

    /// The transform as the configuration or the drop-in directory has it. Does not wait for a load.
    fn configured(&self, name: &str, config: &Config) -> Option<TransformConfig> {
        effective::configured(name, config).cloned().or_else(|| self.drop_ins.transform(name))
    }

    pub(super) fn planner<'a>(&'a self, config: &'a Config) -> Planner<'a> {
        let (drop_ins, since) = (self.drop_ins.lock(), self.pipeline.rollback_mark());
        let running = self.pipeline.transforms().into_iter().map(|status| status.name).collect();
        let (index, trusted) = (self.store.index(), TrustedKeys::new(&config.trust));
        Planner { store: &self.store, config, drop_ins, index, running, trusted, since }
    }

    /// Whether a transform of this name runs.
    pub fn is_running(&self, name: &str) -> bool {
        self.running(name).is_some()
    }

    fn running(&self, name: &str) -> Option<TransformStatus> {
        self.pipeline.transforms().into_iter().find(|status| status.name == name)
    }

    /// The version that this process ran before, which needs no load.
    fn previous(&self, name: &str) -> Option<TransformVersion> {
        self.running(name)?.previous
    }

    /// Back to the version that this process ran before. The observer of all rollbacks stores it.
    fn roll_back(&self, name: &str, is_dry_run: bool) -> Result<ChangeOutcome, ChangeError> {
        let changes = if is_dry_run { self.pipeline.try_roll_back(name)? } else { self.pipeline.roll_back(name)? };
        // The store keeps versions that were uploaded, and the file has the other one.
        let is_of_a_file = |change: &TransformChange| {
            let revision = |version: &Option<TransformVersion>| version.as_ref().map(|version| version.revision);
            revision(&change.now) == revision(&change.before)
        };
        let mut outcome = self.outcome(Some(changes));
        if outcome.changes.iter().flatten().any(is_of_a_file) {
            outcome.is_kept = false;
            outcome
                .warnings
                .push("files or the configuration have the other version: it runs after a restart or SIGHUP".into());
        }
        Ok(outcome)
    }

    /// Loads, stores and puts in place what is planned.
    fn carry_out(&self, plan: Plan, planner: &Planner<'_>, is_dry_run: bool) -> Result<ChangeOutcome, ChangeError> {
        let edit = plan.edit(planner.since);
        let Plan { mut change, is_stored_anyway, .. } = plan;
        let is_stored_anyway = is_stored_anyway && change.applied_to(&planner.index) != *planner.index;
        if is_dry_run {
            let changes = self.pipeline.try_edit(&edit)?;
            let is_stored = changes.is_none() && is_stored_anyway;
            return Ok(ChangeOutcome { is_stored, ..self.outcome(changes) });
        }
        // What a version turns out to be, if it is what runs already.
        let running = edit.load.as_ref().and_then(|spec| self.running(&spec.name));
        let mut is_stored = false;
        let store = |changes: Option<&[TransformChange]>| {
            if changes.is_none() && !is_stored_anyway {
                return Ok(false);
            }
            change.describe(changes.unwrap_or_default(), running.as_ref());
            self.store.change(|index| change.apply(index)).map_err(|error| error.to_string())?;
            is_stored = true;
            Ok(true)
        };
        let changes = self.pipeline.edit(&edit, store)?;
        Ok(ChangeOutcome { is_stored, ..self.outcome(changes) })
    }

    fn outcome(&self, changes: Option<Vec<TransformChange>>) -> ChangeOutcome {
        ChangeOutcome { changes, is_kept: self.store.is_kept(), is_stored: false, warnings: Vec::new() }
    }

    /// Logs which parts of the configuration are not in force.
    pub(in crate::transforms) fn log_masked(&self, config: &Config) {
        let index = self.store.index();
        for (name, stored) in &index.transforms {
            let Some(version) = index.running(name) else { continue };
            let sent = version.sent();
            match self.configured(name, config).map(|transform| without_secrets(&transform.component)) {
                Some(component) => {
                    info!(transform = name, "{sent}, runs in place of {component}: {}", how_to_revert(name));
                }
                None if stored.is_added => info!(transform = name, "{sent}, was added over the API"),
                None => warn!(transform = name, "{sent}, does not run: no transform has this name any more"),
            }
        }
        if !index.order.is_empty() {
            info!("the transforms stand in the order that was sent: {}", index.order.join(", "));
        }
    }
}

fn how_to_revert(name: &str) -> String {
    format!("DELETE /api/v1/transforms/{name}/upload returns to the configuration")
}
