//! Works out what a change loads and stores.

use super::request::{ChangeError, ChangeRequest, RequestedChange};
use super::settings::VersionParts;
use crate::config::{Config, RESERVED_NAMES, TransformConfig};
use crate::operations::events::rfc3339;
use crate::transforms::drop_in::LockedDropIns;
use crate::transforms::effective::{self, DEFAULT_MAPPING, EffectiveTransform};
use crate::transforms::sources::{self, Fetching};
use crate::transforms::specs::SpecBuilder;
use crate::transforms::store::{CodeKind, Index, IndexChange, Sender, Store, StoredTransform, StoredVersion};
use crate::transforms::trust::TrustedKeys;
use ocpp_gateway_pipeline::{Edit, FewerHooks, RollbackMark, SwapError, TransformSpec};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

/// Works changes out, while nothing else changes.
pub(super) struct Planner<'a> {
    pub(super) store: &'a Store,
    pub(super) config: &'a Config,
    pub(super) drop_ins: LockedDropIns<'a>,
    pub(super) index: Arc<Index>,
    /// The names of the transforms that run.
    pub(super) running: HashSet<String>,
    /// The keys whose signatures are accepted.
    pub(super) trusted: TrustedKeys,
    /// Taken before the index was read.
    pub(super) since: RollbackMark,
}

/// A change that has been worked out.
pub(super) struct Plan {
    pub(super) load: Option<TransformSpec>,
    /// What is stored.
    pub(super) change: IndexChange,
    /// The names of the transforms before the drop-ins afterwards.
    pub(super) order: Vec<String>,
    /// Whether it is stored even if the same runs on.
    pub(super) is_stored_anyway: bool,
    pub(super) fewer_hooks: FewerHooks,
    /// Whether it puts the version in place that is on trial.
    pub(super) promotes: bool,
}

impl Plan {
    /// What the pipeline has to do. `since`: that of the planner.
    pub(super) fn edit(&self, since: RollbackMark) -> Edit {
        let Plan { load, order, fewer_hooks, promotes, .. } = self;
        let load = load.clone().map(Box::new);
        Edit { load, order: order.clone(), fewer_hooks: *fewer_hooks, since, promotes: *promotes }
    }
}

impl Planner<'_> {
    pub(super) fn plan(&self, request: ChangeRequest) -> Result<Plan, ChangeError> {
        let ChangeRequest { change, signature, fewer_hooks, sender, .. } = request;
        let signature = signature.as_deref();
        match change {
            RequestedChange::Add { name, settings, component, before } => {
                self.check_new_name(&name)?;
                let parts = VersionParts::default();
                if let Some(component) = &component {
                    parts.check_program(None, &settings, component)?;
                }
                let parts = parts.with_settings(settings, component.is_some())?;
                let parts = self.with_code(parts, None, component.as_deref(), signature)?;
                let mut order = effective::names(self.config, &self.index);
                // The default mapping stands behind all that have a place.
                let before = before.filter(|before| !self.is_default_mapping(before));
                let place = before.map_or(Ok(order.len()), |before| place_of(&before, &order))?;
                order.insert(place, name.clone());
                self.new_version(&name, parts, sender, Some(order), FewerHooks::Allow)
            }
            RequestedChange::Put { name, settings, component } => {
                let (mut parts, configured) = (self.parts(&name)?, self.configured(&name)?);
                if let Some(settings) = settings {
                    if let Some(component) = &component {
                        parts.check_program(configured, &settings, component)?;
                    }
                    parts = parts.with_settings(settings, component.is_some())?;
                }
                let parts = self.with_code(parts, configured, component.as_deref(), signature)?;
                self.new_version(&name, parts, sender, None, fewer_hooks)
            }
            RequestedChange::Config { name, config } => {
                let (parts, configured) = (self.parts(&name)?.with_config(config)?, self.configured(&name)?);
                let parts = self.with_code(parts, configured, None, signature)?;
                self.new_version(&name, parts, sender, None, fewer_hooks)
            }
            RequestedChange::RollBack { name, version: None } => self.back_to_the_one_before(&name),
            RequestedChange::RollBack { name, version } => self.back_to(&name, version),
            RequestedChange::Fetch { name } => self.fetch(&name, sender, fewer_hooks),
            RequestedChange::Revert { name } => self.revert(&name),
            RequestedChange::Promote { name } => {
                let trial = self.index.trials.get(&name);
                let StoredVersion { settings, code, .. } = trial.ok_or_else(|| no_trial(&name))?.version.clone();
                let plan = self.new_version(&name, VersionParts { settings, code }, sender, None, FewerHooks::Allow)?;
                Ok(Plan { promotes: true, ..plan })
            }
            RequestedChange::Remove { name } => self.remove(&name),
            RequestedChange::Order(names) => self.order(names),
        }
    }

    /// The transform as the configuration or the drop-in directory has it.
    fn configured(&self, name: &str) -> Result<Option<&TransformConfig>, ChangeError> {
        let configured = effective::configured(name, self.config).map(Ok).or_else(|| self.drop_ins.transform(name));
        // Without the settings in its files, it would be another transform.
        configured.transpose().map_err(|fault| ChangeError::Conflict(format!("its files have a fault: {fault}")))
    }

    fn check_new_name(&self, name: &str) -> Result<(), ChangeError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        let is_dots = name.bytes().all(|byte| byte == b'.');
        if is_dots || name.len() > 64 || !name.bytes().all(is_plain) {
            let problem = "name: has to have 1 to 64 letters, digits and characters among - _ . :";
            return Err(ChangeError::Invalid(problem.into()));
        }
        if RESERVED_NAMES.contains(&name) {
            return Err(ChangeError::Invalid(format!("name: {name:?} is the name of a page of the API")));
        }
        if self.running.contains(name) {
            return Err(ChangeError::Conflict(format!("there is a transform {name:?} already: PUT replaces it")));
        }
        if self.configured(name)?.is_some() {
            let problem = format!("a drop-in has the name {name:?} and does not run: /api/v1/drop-ins says why");
            return Err(ChangeError::Conflict(problem));
        }
        Ok(())
    }

    /// What the running version of a transform consists of, besides its configuration.
    fn parts(&self, name: &str) -> Result<VersionParts, ChangeError> {
        if !self.running.contains(name) {
            return Err(ChangeError::Unknown(name.to_owned()));
        }
        Ok(VersionParts::of(self.index.running(name)))
    }

    /// The parts with the component that was sent, or that its settings name an address of, or with the program among
    /// the settings.
    fn with_code(
        &self,
        parts: VersionParts,
        configured: Option<&TransformConfig>,
        component: Option<&[u8]>,
        signature: Option<&str>,
    ) -> Result<VersionParts, ChangeError> {
        let put = |kind, content: &[u8]| {
            // Before it replaces a signature that is stored.
            let verified = self.trusted.verify(content, signature);
            verified.map_err(|error| {
                let how = "it is sent in the header Minisign-Signature, or with --signature";
                ChangeError::Invalid(format!("the signature of what is sent: {error}; {how}"))
            })?;
            Ok(self.store.put(kind, content, signature, !self.trusted.is_empty())?)
        };
        match component {
            Some(component) => Ok(parts.with_component(put(CodeKind::Component, component)?)?),
            None => match parts.address() {
                Some(address) if parts.code.is_none() => {
                    let remote = sources::remote(&address).map_err(ChangeError::Invalid)?;
                    let code = sources::fetch_code(&remote, parts.wanted(), self.store, &self.trusted);
                    Ok(VersionParts { code: Some(code.map_err(ChangeError::Fetch)?), ..parts })
                }
                _ => parts.with_program_in_a_file(configured, put),
            },
        }
    }

    /// A new version of a transform. `order`: that of all transforms from now on, if it changes.
    fn new_version(
        &self,
        name: &str,
        parts: VersionParts,
        sender: Sender,
        order: Option<Vec<String>>,
        fewer_hooks: FewerHooks,
    ) -> Result<Plan, ChangeError> {
        let configured = self.configured(name)?;
        let VersionParts { mut settings, code } = parts;
        if configured.is_none() && code.is_none() && !settings.contains_key("component") {
            if name != DEFAULT_MAPPING {
                let problem = "component: missing; builtin:NAME, https://…, oci://…, or the component itself";
                return Err(ChangeError::Invalid(problem.into()));
            }
            settings.insert("component".into(), "builtin:standard".into());
        }
        let version = StoredVersion {
            number: self.index.transforms.get(name).map_or(1, StoredTransform::next_number),
            at: rfc3339(SystemTime::now()),
            sender,
            settings,
            code,
            // Known once it is loaded.
            component: String::new(),
            sha256: String::new(),
            program_sha256: None,
            fault: None,
        };
        let effective = EffectiveTransform::new(name, configured, &version, self.store);
        // Such as a hash that pins what runs.
        let has_other_settings = self.index.running(name).map(|running| &running.settings) != Some(&version.settings)
            && !version.settings.is_empty();
        let (name, version) = (name.to_owned(), Box::new(version));
        let change = IndexChange::Add { name, version, is_added: configured.is_none(), order };
        let plan = self.loading(&effective.map_err(ChangeError::Invalid)?, change, (fewer_hooks, Fetching::Missing))?;
        Ok(Plan { is_stored_anyway: has_other_settings, ..plan })
    }

    /// The plan to load a version on trial that is stored.
    pub(super) fn stored_candidate(&self, name: &str, version: &StoredVersion) -> Result<Plan, ChangeError> {
        let effective = EffectiveTransform::new(name, self.configured(name)?, version, self.store);
        let effective = effective.map_err(ChangeError::Invalid)?;
        self.loading(&effective, IndexChange::Nothing, (FewerHooks::Allow, Fetching::Missing))
    }

    /// The plan to load a transform.
    pub(super) fn loading(
        &self,
        transform: &EffectiveTransform,
        change: IndexChange,
        (fewer_hooks, fetching): (FewerHooks, Fetching),
    ) -> Result<Plan, ChangeError> {
        let builder = SpecBuilder { fetching, ..SpecBuilder::new(self.config, self.store) };
        let load = Some(builder.spec(transform).map_err(ChangeError::Fetch)?);
        let order = effective::names(self.config, &change.applied_to(&self.index));
        Ok(Plan { load, change, order, is_stored_anyway: false, fewer_hooks, promotes: false })
    }

    /// Back to a stored version; `None`: to what the configuration says.
    fn back_to(&self, name: &str, number: Option<u64>) -> Result<Plan, ChangeError> {
        let unknown = || ChangeError::Unknown(name.to_owned());
        let stored = match self.index.transforms.get(name) {
            Some(stored) => stored,
            None if self.running.contains(name) => {
                return Err(ChangeError::Conflict(format!("nothing was uploaded for {name:?}")));
            }
            None => return Err(unknown()),
        };
        if let Some(number) = number.filter(|number| stored.version(*number).is_none()) {
            let numbers: Vec<_> = stored.versions.iter().map(|version| version.number.to_string()).collect();
            let problem = format!("{name:?} has no version {number}; it has {}", numbers.join(", "));
            return Err(ChangeError::Conflict(problem));
        }
        let change = IndexChange::Run { name: name.to_owned(), number };
        let index = change.applied_to(&self.index);
        let effective = effective::effective(name, self.configured(name)?, &index, self.store);
        let effective = effective.ok_or_else(unknown)?.map_err(ChangeError::Invalid)?;
        let plan = self.loading(&effective, change, (FewerHooks::Allow, Fetching::Missing))?;
        // The same may run: the configuration may have been changed to what was uploaded.
        Ok(Plan { is_stored_anyway: true, ..plan })
    }

    /// Back to the stored version before the one that runs, where this process has not run it.
    fn back_to_the_one_before(&self, name: &str) -> Result<Plan, ChangeError> {
        if !self.running.contains(name) {
            return Err(ChangeError::Unknown(name.to_owned()));
        }
        let stored = self.index.transforms.get(name).filter(|stored| stored.running.is_some());
        let stored = stored.ok_or(SwapError::NoPrevious)?;
        let until = stored.versions.iter().rev().skip_while(|version| Some(version.number) != stored.running).skip(1);
        match until.into_iter().find(|version| version.fault.is_none()) {
            Some(older) => self.back_to(name, Some(older.number)),
            None if stored.is_added && name == DEFAULT_MAPPING => self.revert(name),
            None if stored.is_added => Err(SwapError::NoPrevious.into()),
            None => self.back_to(name, None),
        }
    }

    /// Fetches the component again. One of a stored version becomes another version.
    fn fetch(&self, name: &str, sender: Sender, fewer_hooks: FewerHooks) -> Result<Plan, ChangeError> {
        let (parts, configured) = (self.parts(name)?, self.configured(name)?);
        if parts.address().is_some() {
            let parts = self.with_code(VersionParts { code: None, ..parts }, configured, None, None)?;
            return self.new_version(name, parts, sender, None, fewer_hooks);
        }
        let effective = effective::effective(name, configured, &self.index, self.store);
        let effective =
            effective.ok_or_else(|| ChangeError::Unknown(name.to_owned()))?.map_err(ChangeError::Invalid)?;
        if effective.upload.is_some() || !effective.config.is_remote() {
            let problem = format!("the component of {name:?} is not fetched from elsewhere");
            return Err(ChangeError::Conflict(problem));
        }
        self.loading(&effective, IndexChange::Nothing, (fewer_hooks, Fetching::Required))
    }

    fn revert(&self, name: &str) -> Result<Plan, ChangeError> {
        let Some(stored) = self.index.transforms.get(name).filter(|stored| stored.running.is_some()) else {
            let problem = format!("nothing that was uploaded runs as {name:?}");
            return Err(if self.running.contains(name) {
                ChangeError::Conflict(problem)
            } else {
                ChangeError::Unknown(name.to_owned())
            });
        };
        if self.configured(name)?.is_some() {
            return self.back_to(name, None);
        }
        if stored.is_added && name != DEFAULT_MAPPING {
            let problem = format!("{name:?} was added over the API: DELETE /api/v1/transforms/{name} removes it");
            return Err(ChangeError::Conflict(problem));
        }
        Ok(self.without_load(IndexChange::Run { name: name.to_owned(), number: None }))
    }

    fn remove(&self, name: &str) -> Result<Plan, ChangeError> {
        let place = match (effective::configured(name, self.config), self.drop_ins.transform(name)) {
            (Some(_), _) => "of the configuration: remove it from the file, and send SIGHUP",
            (None, Some(_)) => "of the drop-in directory: remove its files",
            // One that was added, or the history of one that the configuration has no more.
            (None, None) if self.index.transforms.contains_key(name) => {
                return Ok(self.without_load(IndexChange::Remove { name: name.to_owned() }));
            }
            (None, None) if self.running.contains(name) => "the default mapping, which is always there",
            (None, None) => return Err(ChangeError::Unknown(name.to_owned())),
        };
        Err(ChangeError::Conflict(format!("{name:?} is {place}")))
    }

    fn is_default_mapping(&self, name: &str) -> bool {
        name == DEFAULT_MAPPING
            && self.running.contains(name)
            && effective::names(self.config, &self.index).iter().all(|other| other != name)
            && self.drop_ins.transform(name).is_none()
    }

    fn order(&self, mut names: Vec<String>) -> Result<Plan, ChangeError> {
        let is_reset = names.is_empty();
        names.retain(|name| !self.is_default_mapping(name));
        let mut wanted = names.clone();
        let mut there = effective::names(self.config, &self.index);
        if let Some(drop_in) = names.iter().find(|name| self.drop_ins.transform(name).is_some()) {
            let problem =
                format!("{drop_in:?} is a drop-in: their order is that of their file names, after all others");
            return Err(ChangeError::Invalid(problem));
        }
        wanted.sort_unstable();
        there.sort_unstable();
        // None at all returns to that of the configuration.
        if wanted != there && !is_reset {
            let problem = format!("the order has to name each of these once: {}", there.join(", "));
            return Err(ChangeError::Invalid(problem));
        }
        Ok(self.without_load(IndexChange::Order(names)))
    }

    fn without_load(&self, change: IndexChange) -> Plan {
        let order = effective::names(self.config, &change.applied_to(&self.index));
        let fewer_hooks = FewerHooks::Allow;
        Plan { load: None, change, order, is_stored_anyway: true, fewer_hooks, promotes: false }
    }
}

fn no_trial(name: &str) -> ChangeError {
    ChangeError::Conflict(format!("{name:?} is not on trial"))
}

fn place_of(before: &str, names: &[String]) -> Result<usize, ChangeError> {
    let unknown = || format!("before: no transform of the configuration or the API is named {before:?}");
    names.iter().position(|name| name == before).ok_or_else(|| ChangeError::Invalid(unknown()))
}
