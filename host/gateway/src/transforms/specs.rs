//! From the configuration to what the pipeline loads.

use super::fixture::Folder;
use crate::config::{self, Config, ValidationMode};
use ocpp_gateway_pipeline::{Limits, Matching, OnViolation, Samples, TransformSpec, Validation};
use std::path::Path;
use std::sync::Arc;

/// The largest component that is accepted over the API and from the drop-in directory, in bytes. Components from
/// JavaScript and Python have 12 to 19 MB.
pub(crate) const MAX_COMPONENT_SIZE: usize = 64 << 20;

/// The transforms to load.
pub(super) fn specs(config: &Config) -> Vec<TransformSpec> {
    config.transforms.iter().map(|transform| spec(transform, config.validation.on_violation)).collect()
}

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

pub(super) fn spec(transform: &config::TransformConfig, on_violation: OnViolation) -> TransformSpec {
    let program = transform.program_file().map(Path::to_owned);
    let mut config = transform.config.clone();
    if program.is_some() {
        config.remove("file");
    }
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
