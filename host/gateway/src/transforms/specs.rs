//! From the configuration to what the pipeline loads.

use super::effective::{self, EffectiveTransform, UploadedComponent};
use super::fixture::Folder;
use super::sources::{self, Fetching};
use super::store::Store;
use super::trust::TrustedKeys;
use crate::config::{self, Config, ValidationMode};
use ocpp_gateway_pipeline::{Limits, Matching, OnViolation, Samples, Source, TransformSpec, Validation};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};

/// The validation of payloads, besides the rules of transforms.
pub(super) fn validation(config: &Config) -> Validation {
    let config::ValidationConfig { mode, at, on_violation, unknown_actions } = config.validation;
    Validation {
        at,
        uplink: matches!(mode, ValidationMode::Uplink | ValidationMode::Both),
        downlink: matches!(mode, ValidationMode::Downlink | ValidationMode::Both),
        on_violation,
        unknown_actions,
    }
}

/// Makes specifications for the pipeline.
pub(super) struct SpecBuilder<'a> {
    pub(super) store: &'a Store,
    pub(super) on_violation: OnViolation,
    /// The keys whose signatures are accepted.
    pub(super) trusted: TrustedKeys,
    pub(super) fetching: Fetching,
}

impl<'a> SpecBuilder<'a> {
    pub(super) fn new(config: &Config, store: &'a Store) -> Self {
        let (on_violation, trusted) = (config.validation.on_violation, TrustedKeys::new(&config.trust));
        SpecBuilder { store, on_violation, trusted, fetching: Fetching::Newest }
    }

    /// One that fetches nothing.
    pub(super) fn offline(config: &Config, store: &'a Store) -> Self {
        SpecBuilder { fetching: Fetching::Never, ..Self::new(config, store) }
    }

    /// Those of all transforms before the drop-ins; the error has the faults of all.
    pub(super) fn all(&self, config: &Config) -> Result<Vec<TransformSpec>, Vec<String>> {
        let transforms = effective::all(config, self.store);
        // Components from elsewhere may each take a minute.
        let specs = thread::scope(|scope| {
            let threads = transforms.into_iter().map(|transform| {
                transform.map(|transform| match transform.config.is_remote() {
                    true => PendingSpec::Later(scope.spawn(move || self.spec(&transform))),
                    false => PendingSpec::Now(Box::new(self.spec(&transform))),
                })
            });
            let threads: Vec<_> = threads.collect();
            threads.into_iter().map(|spec| spec.and_then(PendingSpec::get)).collect::<Vec<_>>()
        });
        let (mut made, mut faults) = (Vec::new(), Vec::new());
        for spec in specs {
            match spec {
                Ok(spec) => made.push(spec),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(made) } else { Err(faults) }
    }

    /// That of one transform. Its component is fetched if it is elsewhere.
    pub(super) fn spec(&self, transform: &EffectiveTransform) -> Result<TransformSpec, String> {
        let EffectiveTransform { config, revision, upload } = transform;
        let source = match upload {
            Some(UploadedComponent { origin, path }) => Source::Copy { origin: origin.clone(), path: path.clone() },
            None if config.is_remote() => {
                let copy = sources::copy(config, self.store, &self.trusted, self.fetching);
                copy.map_err(|problem| format!("transform {:?}: {problem}", config.name))?
            }
            None => config.component.parse().unwrap_or_else(|never: std::convert::Infallible| match never {}),
        };
        let spec = spec(config, source, self.on_violation);
        Ok(TransformSpec { revision: *revision, ..spec })
    }
}

/// A specification, or the thread that makes it.
enum PendingSpec<'scope> {
    Now(Box<Result<TransformSpec, String>>),
    Later(ScopedJoinHandle<'scope, Result<TransformSpec, String>>),
}

impl PendingSpec<'_> {
    fn get(self) -> Result<TransformSpec, String> {
        match self {
            PendingSpec::Now(spec) => *spec,
            PendingSpec::Later(thread) => {
                thread.join().unwrap_or_else(|_| Err("the thread that fetches has ended".into()))
            }
        }
    }
}

fn spec(transform: &config::TransformConfig, source: Source, on_violation: OnViolation) -> TransformSpec {
    let program = transform.program_file().map(Path::to_owned);
    let mut config = transform.config.clone();
    if program.is_some() {
        config.remove("file");
    }
    TransformSpec {
        name: transform.name.clone(),
        source,
        sha256: transform.sha256.clone(),
        revision: 0,
        config: config::to_json(&config),
        program,
        on_error: transform.on_error,
        on_violation,
        matching: Matching {
            charge_points: transform.matching.charge_points.clone(),
            versions: transform.matching.versions.clone(),
            actions: transform.matching.actions.clone(),
            directions: transform.matching.directions.clone(),
        },
        limits: Limits {
            time: transform.limits.time.map(config::Span::get),
            memory: transform.limits.memory.get(),
            items: transform.limits.actions,
            bytes_out: transform.limits.output.get(),
            log_lines: transform.limits.log_lines,
            state_keys: transform.limits.state_keys,
            state_bytes: transform.limits.state.get(),
        },
        samples: transform.samples.clone().map(|dir| Arc::new(Folder(dir)) as Arc<dyn Samples>),
    }
}
