//! Puts in place what has changed in the drop-in directory.

use super::directory::{DropInEntry, Scan};
use super::status::{DropInFault, DropInStatus};
use super::written::BeingWritten;
use crate::config::{Config, TransformConfig};
use crate::transforms::component_fault::ComponentFault;
use crate::transforms::sources::Fetching;
use crate::transforms::specs::{SpecBuilder, validation};
use crate::transforms::store::Store;
use crate::transforms::trust::TrustedKeys;
use arc_swap::ArcSwap;
use ocpp_gateway_pipeline::{LoadError, OnError, OnViolation, Pipeline, SwappedAll, TransformSpec};
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::{error, info, warn};

/// The drop-ins of a pipeline.
pub struct DropIns {
    pipeline: Pipeline,
    store: Arc<Store>,
    /// `None`: no directory is used.
    directory: Option<PathBuf>,
    /// Those at the start.
    trusted: TrustedKeys,
    /// Held while drop-ins are loaded.
    state: Mutex<State>,
    statuses: Mutex<Vec<DropInStatus>>,
    /// As the files without a fault configure them.
    transforms: ArcSwap<Vec<TransformConfig>>,
    being_written: Mutex<BeingWritten>,
}

struct State {
    entries: Vec<DropInEntry>,
    /// The names of the transforms of the configuration.
    configured: HashSet<String>,
    on_violation: OnViolation,
}

/// The text of a fault that was not known before, and what its transform does with messages that it fails on.
type NewFault = (String, OnError);

impl DropIns {
    /// Loads the drop-ins after the transforms of the configuration. Those with a fault and `on_error = "bypass"` are
    /// skipped; the error has the faults of all others.
    pub(in crate::transforms) fn load(
        pipeline: Pipeline,
        config: &Config,
        store: Arc<Store>,
    ) -> Result<Self, Vec<ComponentFault>> {
        let this = DropIns {
            pipeline,
            store,
            directory: config.drop_in.path().map(Path::to_owned),
            trusted: TrustedKeys::new(&config.trust),
            state: Mutex::new(State::new(config)),
            statuses: Mutex::default(),
            transforms: ArcSwap::default(),
            being_written: Mutex::default(),
        };
        let mut state = this.state.lock();
        let since = this.pipeline.rollback_mark();
        let loaded = this.scan(&state).and_then(|scan| {
            let swapped = this.pipeline.swap_drop_ins(scan.drop_ins(&this.builder(&state), true), since);
            Ok((scan, swapped.map_err(|error| error.to_string())?))
        });
        let (scan, swapped) = loaded.map_err(|problem| vec![ComponentFault(problem)])?;
        let faults = this.settle(&mut state, scan, &swapped.drop_in_errors, true);
        let (skipped, fatal): (Vec<_>, Vec<_>) =
            faults.into_iter().partition(|(_, on_error)| *on_error == OnError::Bypass);
        if !fatal.is_empty() {
            return Err(fatal.into_iter().map(|(text, _)| ComponentFault(text)).collect());
        }
        for line in skipped.iter().flat_map(|(text, _)| text.lines()) {
            error!("drop-in skipped, as its on_error is \"bypass\": {line}");
        }
        this.forget_copies(&state, config);
        drop(state);
        Ok(this)
    }

    /// Keeps drop-ins from being loaded meanwhile.
    pub(in crate::transforms) fn lock(&self) -> LockedDropIns<'_> {
        LockedDropIns(self.state.lock())
    }

    /// The directory, if one is used.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// All drop-ins with their faults, in their order. Does not wait for a load.
    pub fn statuses(&self) -> Vec<DropInStatus> {
        let mut statuses = self.statuses.lock().clone();
        for status in statuses.iter_mut().filter(|status| status.fault.is_none()) {
            let fault = status.transform.as_ref().and_then(|name| self.pipeline.last_fault(name));
            // A version that was rolled back automatically is not the one in the file. A swap that failed is a fault
            // once it is among the statuses, with the name of the file.
            let fault = fault.filter(|fault| fault.is_rollback);
            status.fault = fault.map(|fault| DropInFault { text: fault.text, since: fault.at });
        }
        statuses
    }

    /// The transform `name` as its files configure it. Does not wait for a load.
    pub(in crate::transforms) fn transform(&self, name: &str) -> Option<TransformConfig> {
        self.transforms.load().iter().find(|transform| transform.name == name).cloned()
    }

    /// The files that are not complete yet.
    pub(super) fn being_written(&self) -> MutexGuard<'_, BeingWritten> {
        self.being_written.lock()
    }

    /// Puts in place what has changed in the directory.
    pub(in crate::transforms) fn rescan(&self) {
        let mut state = self.state.lock();
        let scan = match self.scan(&state) {
            Ok(scan) if scan.is_as(&state.entries) => return,
            Ok(scan) => scan,
            Err(problem) => return warn!("all drop-ins stay as they are: {problem}"),
        };
        let since = self.pipeline.rollback_mark();
        match self.pipeline.swap_drop_ins(scan.drop_ins(&self.builder(&state), false), since) {
            Ok(swapped) => self.report(&mut state, scan, &swapped, false),
            Err(error) => {
                self.store.settle_fetched(|_| false);
                warn!("all drop-ins stay as they are: {error}");
            }
        }
    }

    /// Replaces the transforms and the validation by those of `config`, and loads the drop-ins again. If a transform of
    /// `config` has a fault, everything stays. Returns whether anything has changed.
    pub(in crate::transforms) fn reload(&self, config: &Config) -> Result<bool, String> {
        let mut state = self.state.lock();
        let next = State { entries: std::mem::take(&mut state.entries), ..State::new(config) };
        let before = std::mem::replace(&mut *state, next);
        let since = self.pipeline.rollback_mark();
        let swapped = self.scan(&state).and_then(|scan| {
            let specs = self.builder(&state).all(config).map_err(|faults| faults.join("\n"))?;
            let drop_ins = scan.drop_ins(&self.builder(&state), true);
            let swapped = self.pipeline.swap_all(specs, drop_ins, validation(config), since);
            Ok((scan, swapped.map_err(|error| error.to_string())?))
        });
        match swapped {
            Ok((scan, swapped)) => {
                self.report(&mut state, scan, &swapped, true);
                self.forget_copies(&state, config);
                Ok(swapped.changes.is_some())
            }
            Err(problem) => {
                self.store.settle_fetched(|_| false);
                let entries = std::mem::take(&mut state.entries);
                *state = State { entries, ..before };
                Err(problem)
            }
        }
    }

    fn scan(&self, state: &State) -> Result<Scan, String> {
        let Some(directory) = &self.directory else { return Ok(Scan::default()) };
        Scan::of(directory, &state.taken(&self.store), &state.entries, &self.being_written(), &self.trusted)
            .map_err(|error| format!("{}: {error}", directory.display()))
    }

    /// Forgets copies of components that neither the configuration nor a drop-in names.
    fn forget_copies(&self, state: &State, config: &Config) {
        let drop_ins = state.entries.iter().filter_map(|entry| entry.transform().ok());
        let used = config.transforms.iter().chain(drop_ins).map(|transform| transform.component.as_str());
        self.store.forget_copies_but(&used.collect());
    }

    fn builder(&self, state: &State) -> SpecBuilder<'_> {
        let (on_violation, trusted) = (state.on_violation, self.trusted.clone());
        SpecBuilder { store: &self.store, on_violation, trusted, fetching: Fetching::Newest }
    }

    /// Logs changes and new faults, and stores whether each drop-in is used.
    fn report(&self, state: &mut State, scan: Scan, swapped: &SwappedAll, is_reload: bool) {
        let cause = if is_reload { "SIGHUP: " } else { "" };
        match swapped.changes.as_deref() {
            None => {}
            Some([]) => info!("{cause}the transforms are the same, in another order or with another validation"),
            Some(changes) => changes.iter().for_each(|change| info!("{cause}{change}")),
        }
        let index = self.store.index();
        for (name, version) in
            scan.changed().filter_map(|name| Some((name, index.running(name)?))).filter(|_| !is_reload)
        {
            info!(transform = name, "its files have changed, but {}, runs in their place", version.sent());
        }
        for (text, _) in self.settle(state, scan, &swapped.drop_in_errors, is_reload) {
            // One line of the log for each, because line breaks within one are escaped.
            text.lines().for_each(|line| warn!("{cause}drop-in not used: {line}"));
        }
    }

    /// Stores whether each drop-in is used, and if not, why. Returns the faults that are new.
    fn settle(&self, state: &mut State, mut scan: Scan, errors: &[LoadError], is_reload: bool) -> Vec<NewFault> {
        let has_fault = |name: &str| errors.iter().any(|error| error.transform == name);
        let faulty = scan.entries.iter().filter(|entry| entry.name().is_some_and(has_fault));
        let not_running: HashSet<_> =
            faulty.filter_map(|entry| Some(entry.transform().ok()?.component.clone())).collect();
        self.store.settle_fetched(|address| !not_running.contains(address));
        let settle = |entry: &mut DropInEntry| Some((entry.settle(errors, is_reload)?.text.clone(), entry.on_error));
        let new_faults = scan.entries.iter_mut().filter_map(settle).collect();
        *self.statuses.lock() = scan.entries.iter().map(DropInEntry::status).collect();
        self.transforms
            .store(Arc::new(scan.entries.iter().filter_map(|entry| entry.transform().ok()).cloned().collect()));
        state.entries = scan.entries;
        new_faults
    }
}

impl State {
    fn new(config: &Config) -> Self {
        State {
            entries: Vec::new(),
            configured: config.transforms.iter().map(|transform| transform.name.clone()).collect(),
            on_violation: config.validation.on_violation,
        }
    }

    /// The names that drop-ins cannot have.
    fn taken(&self, store: &Store) -> HashSet<String> {
        let index = store.index();
        let added = index.added().map(|(name, _)| name.to_owned());
        self.configured.iter().cloned().chain(added).collect()
    }
}

/// The drop-ins while none of them is loaded or changed.
pub(in crate::transforms) struct LockedDropIns<'a>(MutexGuard<'a, State>);

impl LockedDropIns<'_> {
    /// After what is in its files was put in place by other means than a scan.
    pub(in crate::transforms) fn clear_fault(&mut self, name: &str, drop_ins: &DropIns) {
        for entry in self.0.entries.iter_mut().filter(|entry| entry.is_of(name)) {
            entry.clear_fault();
        }
        *drop_ins.statuses.lock() = self.0.entries.iter().map(DropInEntry::status).collect();
    }

    /// The transform `name` as its files configure it, or what is wrong with them.
    pub(in crate::transforms) fn transform(&self, name: &str) -> Option<Result<&TransformConfig, &String>> {
        let entry = self.0.entries.iter().find(|entry| entry.is_of(name))?;
        Some(entry.transform())
    }
}

/// The transforms of the drop-in directory, without loading them, or why they cannot be loaded.
pub(in crate::transforms) fn drop_in_specs(config: &Config, store: &Store) -> Vec<Result<TransformSpec, String>> {
    let Some(directory) = config.drop_in.path() else { return Vec::new() };
    let (builder, index) = (SpecBuilder::offline(config, store), store.index());
    match Scan::of(
        directory,
        &State::new(config).taken(store),
        &[],
        &BeingWritten::default(),
        &TrustedKeys::new(&config.trust),
    ) {
        Ok(scan) => scan.entries.iter().map(|entry| entry.spec(&builder, &index)).collect(),
        Err(error) => vec![Err(format!("{}: {error}", directory.display()))],
    }
}
