//! From the `[[transforms]]` of the configuration to a pipeline that runs them.

use super::fixture::Folder;
use super::long_calls::LONG_CALLS;
use crate::config::{self, Config, ValidationMode};
use ocpp_gateway_pipeline::{
    Clock, Compile, Limits, LoadError, LoadOptions, Matching, OnViolation, Pipeline, Samples, TransformSpec, Validation,
};
use std::path::PathBuf;
use std::sync::Arc;

/// Everything that is wrong with the configured components.
#[derive(Debug, thiserror::Error)]
#[error("{}", config::lines(.0))]
pub struct ComponentFaults(pub Vec<LoadError>);

/// Compiles and configures all transforms. Takes some dozens of milliseconds each: not for the threads of the sockets.
/// `compile`: what compiles components; `None`: this process.
pub fn load(config: &Config, compile: Option<Arc<dyn Compile>>) -> Result<Pipeline, ComponentFaults> {
    let cache = compiled_cache();
    let validation = validation(config);
    let max_functions = config.runtime.compile_functions;
    let clock = Clock::default();
    let options = LoadOptions { clock, cache, compile, max_functions, validation, long_calls: LONG_CALLS };
    Pipeline::load_in(specs(config), options).map_err(ComponentFaults)
}

/// Where compiled components are kept, if anywhere: a JavaScript component takes seconds to compile. It is where systemd has
/// a service keep such things (`CacheDirectory=`), which may name several directories.
pub(crate) fn compiled_cache() -> Option<PathBuf> {
    let directories = std::env::var_os("CACHE_DIRECTORY")?;
    std::env::split_paths(&directories).next().filter(|first| !first.as_os_str().is_empty())
}

/// What is to be loaded.
pub fn specs(config: &Config) -> Vec<TransformSpec> {
    config.transforms.iter().map(|transform| spec(transform, config.validation.on_violation)).collect()
}

/// What payloads are held against besides the rules of transforms.
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

fn spec(transform: &config::TransformConfig, on_violation: OnViolation) -> TransformSpec {
    TransformSpec {
        name: transform.name.clone(),
        source: transform.component.parse().unwrap_or_else(|never: std::convert::Infallible| match never {}),
        config: config::to_json(&transform.config),
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
