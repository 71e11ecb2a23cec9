//! Puts in place what has changed in the drop-in directory.

use super::directory::{DropInEntry, Scan};
use super::status::{DropInFault, DropInStatus};
use super::written::BeingWritten;
use crate::config::Config;
use crate::transforms::component_fault::ComponentFault;
use crate::transforms::specs::{specs, validation};
use crate::transforms::trust::TrustedKeys;
use ocpp_gateway_pipeline::{LoadError, OnError, OnViolation, Pipeline, SwappedAll, TransformSpec};
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use tracing::{error, info, warn};

/// The drop-ins of a pipeline.
pub struct DropIns {
    pipeline: Pipeline,
    /// `None`: no directory is used.
    directory: Option<PathBuf>,
    /// Those at the start.
    trusted: TrustedKeys,
    /// Held while drop-ins are loaded.
    state: Mutex<State>,
    statuses: Mutex<Vec<DropInStatus>>,
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
    pub(in crate::transforms) fn load(pipeline: Pipeline, config: &Config) -> Result<Self, Vec<ComponentFault>> {
        let this = DropIns {
            pipeline,
            directory: config.drop_in.path().map(Path::to_owned),
            trusted: TrustedKeys::new(&config.trust),
            state: Mutex::new(State::new(config)),
            statuses: Mutex::default(),
            being_written: Mutex::default(),
        };
        let mut state = this.state.lock();
        let loaded = this.scan(&state).and_then(|scan| {
            let swapped = this.pipeline.swap_drop_ins(scan.drop_ins(state.on_violation, true));
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
        drop(state);
        Ok(this)
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

    /// The files that are not complete yet.
    pub(super) fn being_written(&self) -> MutexGuard<'_, BeingWritten> {
        self.being_written.lock()
    }

    /// Puts in place what has changed in the directory.
    pub(super) fn rescan(&self) {
        let mut state = self.state.lock();
        let scan = match self.scan(&state) {
            Ok(scan) if scan.is_as(&state.entries) => return,
            Ok(scan) => scan,
            Err(problem) => return warn!("all drop-ins stay as they are: {problem}"),
        };
        match self.pipeline.swap_drop_ins(scan.drop_ins(state.on_violation, false)) {
            Ok(swapped) => self.report(&mut state, scan, &swapped, false),
            Err(error) => warn!("all drop-ins stay as they are: {error}"),
        }
    }

    /// Replaces the transforms and the validation by those of `config`, and loads the drop-ins again. If a transform of
    /// `config` has a fault, everything stays. Returns whether anything has changed.
    pub(in crate::transforms) fn reload(&self, config: &Config) -> Result<bool, String> {
        let mut state = self.state.lock();
        let next = State { entries: std::mem::take(&mut state.entries), ..State::new(config) };
        let before = std::mem::replace(&mut *state, next);
        let swapped = self.scan(&state).and_then(|scan| {
            let drop_ins = scan.drop_ins(state.on_violation, true);
            let swapped = self.pipeline.swap_all(specs(config), drop_ins, validation(config));
            Ok((scan, swapped.map_err(|error| error.to_string())?))
        });
        match swapped {
            Ok((scan, swapped)) => {
                self.report(&mut state, scan, &swapped, true);
                Ok(swapped.changes.is_some())
            }
            Err(problem) => {
                let entries = std::mem::take(&mut state.entries);
                *state = State { entries, ..before };
                Err(problem)
            }
        }
    }

    fn scan(&self, state: &State) -> Result<Scan, String> {
        let Some(directory) = &self.directory else { return Ok(Scan::default()) };
        Scan::of(directory, &state.configured, &state.entries, &self.being_written(), &self.trusted)
            .map_err(|error| format!("{}: {error}", directory.display()))
    }

    /// Logs changes and new faults, and stores whether each drop-in is used.
    fn report(&self, state: &mut State, scan: Scan, swapped: &SwappedAll, is_reload: bool) {
        let cause = if is_reload { "SIGHUP: " } else { "" };
        match swapped.changes.as_deref() {
            None => {}
            Some([]) => info!("{cause}the transforms are the same, in another order or with another validation"),
            Some(changes) => changes.iter().for_each(|change| info!("{cause}{change}")),
        }
        for (text, _) in self.settle(state, scan, &swapped.drop_in_errors, is_reload) {
            // One line of the log for each, because line breaks within one are escaped.
            text.lines().for_each(|line| warn!("{cause}drop-in not used: {line}"));
        }
    }

    /// Stores whether each drop-in is used, and if not, why. Returns the faults that are new.
    fn settle(&self, state: &mut State, mut scan: Scan, errors: &[LoadError], is_reload: bool) -> Vec<NewFault> {
        let settle = |entry: &mut DropInEntry| Some((entry.settle(errors, is_reload)?.text.clone(), entry.on_error));
        let new_faults = scan.entries.iter_mut().filter_map(settle).collect();
        *self.statuses.lock() = scan.entries.iter().map(DropInEntry::status).collect();
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
}

/// The transforms of the drop-in directory, without loading them, or why they cannot be loaded.
pub(in crate::transforms) fn drop_in_specs(config: &Config) -> Vec<Result<TransformSpec, String>> {
    let Some(directory) = config.drop_in.path() else { return Vec::new() };
    let State { configured, on_violation, .. } = State::new(config);
    match Scan::of(directory, &configured, &[], &BeingWritten::default(), &TrustedKeys::new(&config.trust)) {
        Ok(scan) => scan.entries.iter().map(|entry| entry.spec(on_violation)).collect(),
        Err(error) => vec![Err(format!("{}: {error}", directory.display()))],
    }
}
