//! Loads the `[[transforms]]` of the configuration into a pipeline.

use super::component_fault::{ComponentFault, ComponentFaults};
use super::drop_in::{DropIns, drop_in_specs};
use super::long_calls::LONG_CALLS;
use super::specs::{specs, validation};
use super::trust::TrustedKeys;
use crate::config::Config;
use ocpp_gateway_pipeline::{Clock, Compile, LoadOptions, Pipeline, TransformSpec, short_hashes};
use std::path::PathBuf;
use std::sync::Arc;

/// Compiles and configures all transforms: those of the configuration, and after them the drop-ins. Each takes some
/// dozens of milliseconds, so this is not for worker threads. `compile`: what compiles components; `None`: this process.
pub fn load(config: &Config, compile: Option<Arc<dyn Compile>>) -> Result<(Pipeline, DropIns), ComponentFaults> {
    let max_functions = config.runtime.compile_functions;
    let (clock, cache, validation) = (Clock::default(), compiled_cache(), validation(config));
    let verify = TrustedKeys::new(&config.trust).verifier();
    let options = LoadOptions { clock, cache, compile, max_functions, validation, long_calls: LONG_CALLS, verify };
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

/// Whether there are transforms besides the default mapping.
pub(crate) fn has_any(config: &Config) -> bool {
    !config.transforms.is_empty() || !drop_in_specs(config).is_empty()
}

/// The directory of compiled components, if there is one: a JavaScript component takes seconds to compile. systemd sets
/// the variable for a service with `CacheDirectory=`, which may name several directories; the first one is used.
pub(crate) fn compiled_cache() -> Option<PathBuf> {
    let directories = std::env::var_os("CACHE_DIRECTORY")?;
    std::env::split_paths(&directories).next().filter(|first| !first.as_os_str().is_empty())
}

/// A comment in TOML with the version of the component of each transform and drop-in, or why it cannot be read.
pub fn component_versions(config: &Config) -> String {
    let describe = |spec: TransformSpec| {
        let TransformSpec { name, source, .. } = &spec;
        let version = match source.sha256() {
            Ok(sha256) => short_hashes(&sha256, spec.program_sha256().as_deref()),
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
