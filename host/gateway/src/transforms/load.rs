//! Loads the `[[transforms]]` of the configuration into a pipeline.

use super::component_fault::{ComponentFault, ComponentFaults};
use super::drop_in::{DropIns, drop_in_specs};
use super::effective;
use super::long_calls::LONG_CALLS;
use super::specs::{SpecBuilder, validation};
use super::store::Store;
use super::trust::TrustedKeys;
use crate::config::Config;
use ocpp_gateway_pipeline::{Clock, Compile, LoadError, LoadOptions, Pipeline, TransformSpec, short_hashes};
use std::path::PathBuf;
use std::sync::Arc;

/// Compiles and configures all transforms: those of the configuration, and after them the drop-ins. Each takes some
/// dozens of milliseconds, so this is not for worker threads. `compile`: what compiles components; `None`: this process.
///
/// `store`: what was uploaded and fetched.
pub fn load(
    config: &Config,
    store: &Arc<Store>,
    compile: Option<Arc<dyn Compile>>,
) -> Result<(Pipeline, DropIns), ComponentFaults> {
    let max_functions = config.runtime.compile_functions;
    let (clock, cache, validation) = (Clock::default(), compiled_cache(), validation(config));
    let verify = TrustedKeys::new(&config.trust).verifier();
    let options = LoadOptions { clock, cache, compile, max_functions, validation, long_calls: LONG_CALLS, verify };
    let specs = SpecBuilder::new(config, store).all(config);
    let loaded = specs.map_err(|faults| faults.into_iter().map(ComponentFault).collect::<Vec<_>>()).and_then(|specs| {
        let index = store.index();
        let fault = |error: &LoadError| match index.running(&error.transform) {
            // Its settings may be in no file.
            Some(version) => ComponentFault(format!("{error} ({})", version.sent())),
            None => ComponentFault::new(error, config),
        };
        let faults = |errors: Vec<_>| errors.iter().map(fault).collect();
        Pipeline::load_in(specs, options.clone()).map_err(faults)
    });
    let result = match loaded {
        Ok(pipeline) => DropIns::load(pipeline.clone(), config, Arc::clone(store)).map(|drop_ins| (pipeline, drop_ins)),
        Err(mut faults) => {
            store.settle_fetched(|_| false);
            // Alone, so that all faults are reported at once.
            if let Ok(pipeline) = Pipeline::load_in(Vec::new(), options) {
                faults.extend(DropIns::load(pipeline, config, Arc::clone(store)).err().into_iter().flatten());
            }
            Err(faults)
        }
    };
    result.map_err(|mut faults| {
        faults.extend(store.how_to_start_without().map(ComponentFault));
        ComponentFaults(faults)
    })
}

/// Whether there are transforms besides the default mapping.
pub(crate) fn has_any(config: &Config, store: &Store) -> bool {
    !effective::all(config, store).is_empty() || !drop_in_specs(config, store).is_empty()
}

/// The directory of compiled components, if there is one: a JavaScript component takes seconds to compile. systemd sets
/// the variable for a service with `CacheDirectory=`, which may name several directories; the first one is used.
pub(crate) fn compiled_cache() -> Option<PathBuf> {
    let directories = std::env::var_os("CACHE_DIRECTORY")?;
    std::env::split_paths(&directories).next().filter(|first| !first.as_os_str().is_empty())
}

/// A comment in TOML with the version of the component of each transform and drop-in, or why it cannot be read.
pub fn component_versions(config: &Config, store: &Store) -> String {
    let describe = |spec: TransformSpec| {
        let TransformSpec { name, source, .. } = &spec;
        let version = match source.sha256() {
            Ok(sha256) => short_hashes(&sha256, spec.program_sha256().as_deref()),
            Err(fault) => fault.to_string(),
        };
        format!("transform {name}: {source}, {version}")
    };
    let mut comment = String::new();
    let builder = SpecBuilder::offline(config, store);
    let specs = effective::all(config, store).into_iter().map(|transform| builder.spec(&transform?));
    let drop_ins =
        drop_in_specs(config, store).into_iter().map(|spec| spec.map_err(|fault| format!("drop-in {fault}")));
    for spec in specs.chain(drop_ins) {
        let line = spec.map_or_else(|fault: String| fault, describe);
        // A name, a path or a fault may have a line break, which would end the comment.
        comment += &format!("\n# {}", line.replace(char::is_control, " "));
    }
    if comment.is_empty() { comment } else { comment + "\n" }
}
