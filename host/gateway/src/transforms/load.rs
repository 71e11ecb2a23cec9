//! Loads the `[[transforms]]` of the configuration into a pipeline.

use super::drop_in::{DropIns, drop_in_specs};
use super::fixture::Folder;
use super::long_calls::LONG_CALLS;
use crate::config::{self, Config, ValidationMode};
use ocpp_gateway_pipeline::{
    Clock, Compile, Limits, LoadError, LoadFault, LoadOptions, Matching, OnViolation, Pipeline, Samples, TransformSpec,
    Validation, short_sha256,
};
use std::path::PathBuf;
use std::sync::Arc;

/// All faults of the configured components.
#[derive(Debug, thiserror::Error)]
#[error("{}", config::lines(.0))]
pub struct ComponentFaults(pub Vec<ComponentFault>);

/// One of them, in a sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ComponentFault(pub(super) String);

impl ComponentFault {
    fn new(error: &LoadError, config: &Config) -> Self {
        let key = match &error.fault {
            LoadFault::Config(reason) => key_of(&error.transform, reason, config),
            _ => None,
        };
        ComponentFault(key.map_or_else(|| error.to_string(), |key| format!("{key}: {error}")))
    }
}

/// The key that a component refuses: by the SDK's convention its reason begins with the path below
/// `[transforms.config]`.
fn key_of(transform: &str, reason: &str, config: &Config) -> Option<String> {
    let place = config.transforms.iter().position(|configured| configured.name == transform)?;
    let settings = &config.transforms[place].config;
    let path = reason.split_once(": ").map(|(path, _)| path).filter(|path| {
        let mut levels = path.split('.');
        let first = levels.next().and_then(|level| settings.get(level));
        levels.fold(first, |value, level| value?.get(level)).is_some()
    });
    let below = path.map(|path| format!(".{path}")).unwrap_or_default();
    Some(format!("transforms[{place}].config{below}"))
}

/// Compiles and configures all transforms: those of the configuration, and after them the drop-ins. Each takes some
/// dozens of milliseconds, so this is not for worker threads. `compile`: what compiles components; `None`: this process.
pub fn load(config: &Config, compile: Option<Arc<dyn Compile>>) -> Result<(Pipeline, DropIns), ComponentFaults> {
    let max_functions = config.runtime.compile_functions;
    let (clock, cache, validation) = (Clock::default(), compiled_cache(), validation(config));
    let options = LoadOptions { clock, cache, compile, max_functions, validation, long_calls: LONG_CALLS };
    match Pipeline::load_in(specs(config), options.clone()) {
        Ok(pipeline) => {
            let drop_ins = DropIns::load(pipeline.clone(), config).map_err(ComponentFaults)?;
            Ok((pipeline, drop_ins))
        }
        Err(errors) => {
            let mut faults: Vec<_> = errors.iter().map(|error| ComponentFault::new(error, config)).collect();
            // Alone, so that all faults are reported at once.
            if let Ok(pipeline) = Pipeline::load_in(Vec::new(), options) {
                faults.extend(DropIns::load(pipeline, config).err().into_iter().flatten());
            }
            Err(ComponentFaults(faults))
        }
    }
}

/// The directory of compiled components, if there is one: a JavaScript component takes seconds to compile. systemd sets
/// the variable for a service with `CacheDirectory=`, which may name several directories; the first one is used.
pub(crate) fn compiled_cache() -> Option<PathBuf> {
    let directories = std::env::var_os("CACHE_DIRECTORY")?;
    std::env::split_paths(&directories).next().filter(|first| !first.as_os_str().is_empty())
}

/// The transforms to load.
pub fn specs(config: &Config) -> Vec<TransformSpec> {
    config.transforms.iter().map(|transform| spec(transform, config.validation.on_violation)).collect()
}

/// A comment in TOML with the version of the component of each transform and drop-in, or why it cannot be read.
pub fn component_versions(config: &Config) -> String {
    let describe = |TransformSpec { name, source, .. }: TransformSpec| {
        let version = match source.sha256() {
            Ok(sha256) => format!("sha256 {}", short_sha256(&sha256)),
            Err(fault) => fault.to_string(),
        };
        format!("transform {name}: {source}, {version}")
    };
    let mut comment = String::new();
    for spec in specs(config).into_iter().map(Ok).chain(drop_in_specs(config)) {
        let line = spec.map_or_else(|fault| format!("drop-in {fault}"), describe);
        // A name, a path or a fault may have a line break, which would end the comment.
        comment += &format!("\n# {}", line.replace(char::is_control, " "));
    }
    if comment.is_empty() { comment } else { comment + "\n" }
}

/// The validation of payloads, besides the rules of transforms.
pub fn validation(config: &Config) -> Validation {
    let config::ValidationConfig { mode, at, on_violation, unknown_actions } = config.validation;
    Validation {
        at,
        uplink: matches!(mode, ValidationMode::Uplink | ValidationMode::Both),
        downlink: matches!(mode, ValidationMode::Downlink | ValidationMode::Both),
        on_violation,
        unknown_actions,
    }
}

/// The settings of a transform and the file of its program: `file` in the settings of `builtin:jq` is not for the component,
/// which reaches no files.
fn program_file(transform: &config::TransformConfig) -> (toml::Table, Option<PathBuf>) {
    let mut settings = transform.config.clone();
    let is_alone = transform.component == config::JQ && !settings.contains_key("program");
    let file = settings.get("file").and_then(toml::Value::as_str).map(PathBuf::from).filter(|_| is_alone);
    if file.is_some() {
        settings.remove("file");
    }
    (settings, file)
}

pub(super) fn spec(transform: &config::TransformConfig, on_violation: OnViolation) -> TransformSpec {
    let (config, program) = program_file(transform);
    TransformSpec {
        name: transform.name.clone(),
        source: transform.component.parse().unwrap_or_else(|never: std::convert::Infallible| match never {}),
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
