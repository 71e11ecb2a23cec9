//! Loads transforms according to their configuration.

use crate::actions::SchemaRule;
use crate::breaker::Breakers;
use crate::chain::{Chain, Variant};
use crate::clock::Clock;
use crate::compile::{Compiler, ComponentOrigin, check_functions, digest};
use crate::error::{LoadError, LoadFault};
use crate::guest::{MAX_MEMORIES, MAX_TABLES, StoreData, TransformShared, define_imports};
use crate::harness::TransformHarness;
use crate::hook::{Function, PerFunction, UsedHooks};
use crate::inspect::{Interfaces, check_header, imports, inspect, unknown_hooks};
use crate::instance::InstanceFactory;
use crate::load_options::{LoadOptions, LongCalls, Verify};
use crate::matching::{Matcher, Matching};
use crate::runtime::Runtime;
use crate::samples;
use crate::settings::{OnError, Validation};
use crate::spec::{DEFAULT_TIME, Source, TransformSpec};
use crate::transform::Transform;
use crate::wasi;
use data_encoding::HEXLOWER;
use ocpp_gateway_core::{Schemas, Version};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};

/// Compiles, links, configures and tries transforms.
pub(crate) struct Loader {
    pub(crate) runtime: Arc<Runtime>,
    compiler: Compiler,
    linker: Linker<StoreData>,
    clock: Clock,
    long_calls: LongCalls,
    max_functions: usize,
    verify: Option<Arc<dyn Verify>>,
}

impl Loader {
    pub(crate) fn new(specs: &[TransformSpec], options: impl Into<LoadOptions>) -> Result<Self, Vec<LoadError>> {
        let shortest = specs.iter().filter_map(TransformSpec::time_limit).min().unwrap_or(DEFAULT_TIME);
        let set_up = || {
            let runtime = Arc::new(Runtime::new(shortest)?);
            let mut linker = Linker::new(&runtime.engine);
            define_imports(&mut linker)?;
            let LoadOptions { clock, cache, compile, max_functions, long_calls, verify, .. } = options.into();
            let compiler = Compiler::new(runtime.engine.clone(), cache, compile);
            Ok(Loader { runtime, compiler, linker, clock, long_calls, max_functions, verify })
        };
        set_up().map_err(|fault: wasmtime::Error| {
            let fault = LoadFault::Engine(format!("{fault:#}"));
            vec![LoadError { transform: "(all)".into(), component: "(any)".into(), fault }]
        })
    }

    /// Loads every transform; the error has the faults of all. A transform takes over the kept data of the one with the
    /// same name in `old`.
    pub(crate) fn load_all(
        &self,
        specs: &[TransformSpec],
        old: &[Arc<Transform>],
    ) -> Result<Vec<Arc<Transform>>, Vec<LoadError>> {
        let mut errors = Vec::new();
        let mut transforms = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            if specs[..index].iter().any(|earlier| earlier.name == spec.name) {
                errors.push(error(spec, LoadFault::DuplicateName));
            }
            match self.load(spec, old.iter().find(|transform| *transform.name == spec.name)) {
                Ok(transform) => transforms.push(transform),
                Err(faults) => errors.extend(self::errors(spec, faults)),
            }
        }
        errors.extend(extra_mappings(&transforms));
        if errors.is_empty() { Ok(transforms) } else { Err(errors) }
    }

    /// Loads one transform. `old`: the one that it is to replace, which is returned itself if it is the same already.
    pub(crate) fn load(
        &self,
        spec: &TransformSpec,
        old: Option<&Arc<Transform>>,
    ) -> Result<Arc<Transform>, Vec<LoadFault>> {
        self.load_or_promote(spec, old, None)
    }

    /// [`Loader::load`]. `candidate`: a version on trial beside `old`, which is not loaded again.
    pub(crate) fn load_or_promote(
        &self,
        spec: &TransformSpec,
        old: Option<&Arc<Transform>>,
        candidate: Option<&Arc<Transform>>,
    ) -> Result<Arc<Transform>, Vec<LoadFault>> {
        let verify = |path: &Path, content: &[u8]| self.verify(path, content);
        let (spec, program_sha256) = spec.with_program(verify).map_err(|fault| vec![fault])?;
        let spec = &*spec;
        let bytes = spec.source.read().map_err(|fault| vec![fault])?;
        // Even of a version that runs: its signature may have been removed.
        if let Source::File(path) | Source::Copy { path, .. } = &spec.source {
            self.verify(path, &bytes).map_err(|fault| vec![fault])?;
        } else if self.verify.is_some() && matches!(spec.source, Source::Bytes(_)) {
            let reason = "it is in no file that could be signed".to_owned();
            return Err(vec![LoadFault::Untrusted { path: spec.source.to_string(), reason }]);
        }
        check_header(&bytes).map_err(|fault| vec![fault])?;
        let sha256 = digest(&bytes);
        let sha256_hex = HEXLOWER.encode(&sha256);
        if let Some(wanted) = spec.sha256.as_ref().filter(|wanted| !wanted.eq_ignore_ascii_case(&sha256_hex)) {
            return Err(vec![LoadFault::OtherSha256 { wanted: wanted.clone(), found: sha256_hex }]);
        }
        if let Some(old) = old {
            if is_unchanged(old, spec, &sha256_hex) {
                return Ok(old.clone());
            }
            if let Some(candidate) = candidate.filter(|candidate| is_unchanged(candidate, spec, &sha256_hex)) {
                return Ok(candidate.promoted(old));
            }
        }
        check_functions(&bytes, self.max_functions).map_err(|fault| vec![fault])?;
        let origin = if spec.source.is_standard() { ComponentOrigin::Standard } else { ComponentOrigin::Other };
        let component = self.compiler.compile(&bytes, sha256, origin).map_err(|fault| vec![fault.into()])?;
        check_resources(&component).map_err(|fault| vec![fault])?;
        let interfaces = inspect(&component)?;
        for name in unknown_hooks(&interfaces) {
            warn!(transform = spec.name, hook = name, "this gateway does not know the hook and never calls it");
        }
        let shared = match old {
            Some(old) => old.factory.shared.clone(),
            None => Arc::new(TransformShared::new(&spec.limits, self.clock.clone())),
        };
        let exports = exports(&component, &interfaces).map_err(|fault| vec![fault])?;
        let linked = self.link(&component).map_err(|fault| vec![LoadFault::Link(format!("{fault:#}"))])?;
        let hashes = (sha256_hex, program_sha256);
        let trial = self.trial(spec, linked, exports, hashes, bytes.len()).map_err(|fault| vec![fault])?;
        check_mapping(spec, &trial)?;
        let schemas = compile_schemas(&trial)?;
        samples::try_samples(&trial, spec.samples.as_deref()).map_err(|fault| vec![fault])?;
        trial.go_live(shared, Matcher::new(&spec.matching), schemas, old).map_err(|fault| vec![fault])
    }

    /// Whether the content of a file may run.
    fn verify(&self, path: &Path, content: &[u8]) -> Result<(), LoadFault> {
        let Some(verify) = &self.verify else { return Ok(()) };
        let fault = |reason| LoadFault::Untrusted { path: path.display().to_string(), reason };
        verify.verify(path, content).map_err(fault)
    }

    fn link(&self, component: &Component) -> wasmtime::Result<InstancePre<StoreData>> {
        let mut linker = self.linker.clone();
        wasi::define_imports(&mut linker, component)?;
        linker.instantiate_pre(component)
    }

    /// A transform for trial, with separate shared data, which is discarded after the trial.
    fn trial(
        &self,
        spec: &TransformSpec,
        pre: InstancePre<StoreData>,
        exports: PerFunction<ComponentExportIndex>,
        (sha256, program_sha256): (String, Option<String>),
        size: usize,
    ) -> Result<Arc<Transform>, LoadFault> {
        let limit = spec.time_limit();
        let ticker = limit.map(|_| self.runtime.ticker()).transpose().map_err(LoadFault::Ticker)?;
        let time = limit.unwrap_or(Duration::MAX);
        let keeps_state = imports(pre.component(), "state");
        let mut factory = InstanceFactory {
            runtime: self.runtime.clone(),
            pre,
            exports: Arc::new(exports),
            config: spec.config.clone(),
            limits: spec.limits,
            keeps_state,
            time,
            ticks: self.runtime.ticks(time),
            _ticker: ticker,
            long_calls: self.long_calls,
            shared: Arc::new(TransformShared::new(&spec.limits, self.clock.clone())),
        };
        let (_, info) = factory.start(&spec.name)?;
        if let Some(exports) = Arc::get_mut(&mut factory.exports) {
            exports.retain(|function| UsedHooks::of(&info.attributes).contains(function));
        }
        Ok(Arc::new(Transform {
            name: spec.name.as_str().into(),
            component: spec.source.to_string(),
            revision: spec.revision.into(),
            version: info.version.as_str().into(),
            info,
            sha256: sha256.into(),
            program_sha256: program_sha256.map(Into::into),
            size,
            on_error: spec.on_error,
            on_violation: spec.on_violation,
            schemas: Default::default(),
            matcher: Arc::new(Matcher::new(&Matching::default())),
            factory,
            breakers: Breakers::new(None),
            group: None,
            last_failure: Default::default(),
            spares: Default::default(),
            instances: Default::default(),
        }))
    }
}

impl TransformHarness {
    /// Loads a transform as [`Pipeline::load`](crate::Pipeline::load) does, with these options.
    pub fn load(spec: &TransformSpec, options: impl Into<LoadOptions>) -> Result<Self, Vec<LoadError>> {
        let loader = Loader::new(std::slice::from_ref(spec), options)?;
        let loaded = loader.load(spec, None);
        loaded.map(TransformHarness).map_err(|faults| errors(spec, faults))
    }
}

/// The mapping of a chain without a configured one.
pub(crate) enum DefaultMapping<'a> {
    /// The default mapping that runs already.
    Running(&'a Arc<Transform>),
    /// `builtin:standard` with its defaults; taken from these transforms, if it is among them.
    Standard(&'a [Arc<Transform>]),
}

/// Makes a chain of transforms. If none of them is a mapping, `default_mapping` is added.
pub(crate) fn chain(
    loader: &Loader,
    transforms: Vec<Arc<Transform>>,
    default_mapping: DefaultMapping<'_>,
    validation: Validation,
) -> Result<Chain, Vec<LoadError>> {
    variant_chain(loader, transforms, default_mapping, validation, Variant::default())
}

/// [`chain`] for charge points that take part in trials.
pub(crate) fn variant_chain(
    loader: &Loader,
    mut transforms: Vec<Arc<Transform>>,
    default_mapping: DefaultMapping<'_>,
    validation: Validation,
    variant: Variant,
) -> Result<Chain, Vec<LoadError>> {
    let errors = extra_mappings(&transforms);
    if !errors.is_empty() {
        return Err(errors);
    }
    let mapping = match transforms.iter().find(|transform| transform.has(Function::ToMqtt)) {
        Some(mapping) => mapping.clone(),
        None => {
            let standard = match default_mapping {
                DefaultMapping::Running(standard) => standard.clone(),
                DefaultMapping::Standard(old) => load_standard(loader, &transforms, old)?,
            };
            transforms.push(standard.clone());
            standard
        }
    };
    Ok(Chain::new(transforms, mapping, validation, variant))
}

/// A fault for every mapping but the first.
fn extra_mappings(transforms: &[Arc<Transform>]) -> Vec<LoadError> {
    let mut mappings = transforms.iter().filter(|transform| transform.has(Function::ToMqtt));
    let Some(first) = mappings.next() else { return Vec::new() };
    let error = |second: &Arc<Transform>| LoadError {
        transform: second.name.to_string(),
        component: second.component.clone(),
        fault: LoadFault::SecondMapping { first: first.name.to_string() },
    };
    mappings.map(error).collect()
}

fn load_standard(
    loader: &Loader,
    others: &[Arc<Transform>],
    old: &[Arc<Transform>],
) -> Result<Arc<Transform>, Vec<LoadError>> {
    let taken = others.iter().any(|transform| &*transform.name == "standard");
    let name = if taken { "builtin:standard" } else { "standard" };
    let spec = TransformSpec { name: name.into(), ..TransformSpec::standard() };
    loader.load(&spec, old.iter().find(|old| *old.name == *spec.name)).map_err(|faults| errors(&spec, faults))
}

pub(crate) fn errors(spec: &TransformSpec, faults: Vec<LoadFault>) -> Vec<LoadError> {
    faults.into_iter().map(|fault| error(spec, fault)).collect()
}

pub(crate) fn error(spec: &TransformSpec, fault: LoadFault) -> LoadError {
    LoadError { transform: spec.name.clone(), component: spec.source.to_string(), fault }
}

/// Whether `spec` with this digest gives the same transform as `old`.
fn is_unchanged(old: &Transform, spec: &TransformSpec, sha256: &str) -> bool {
    // The source may differ: uploading the version that runs, or writing an upload to the file, changes nothing.
    *old.sha256 == *sha256
        && old.factory.config == spec.config
        && old.factory.limits == spec.limits
        && old.on_error == spec.on_error
        && old.on_violation == spec.on_violation
        && *old.matcher.conditions() == spec.matching
}

/// Limits the number of memories and tables: each memory takes gigabytes of address space, and each table a slot of its
/// own, whatever their sizes are.
fn check_resources(component: &Component) -> Result<(), LoadFault> {
    // The numbers are unknown only for a component that imports core modules, which is refused.
    let Some(required) = component.resources_required() else { return Ok(()) };
    for (what, count, limit) in
        [("memories", required.num_memories, MAX_MEMORIES), ("tables", required.num_tables, MAX_TABLES)]
    {
        if count as usize > limit {
            return Err(LoadFault::TooMany { what, count: count.into(), limit });
        }
    }
    Ok(())
}

/// A mapping must run for every message, so that it can have neither `bypass` nor `match`.
fn check_mapping(spec: &TransformSpec, transform: &Transform) -> Result<(), Vec<LoadFault>> {
    if !transform.has(Function::ToMqtt) {
        return Ok(());
    }
    let mut faults = Vec::new();
    if spec.on_error == OnError::Bypass {
        faults.push(LoadFault::BypassedMapping);
    }
    if spec.matching != Matching::default() {
        faults.push(LoadFault::MatchedMapping);
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Compiles the schemas of a transform; the error has the faults of all.
fn compile_schemas(trial: &Arc<Transform>) -> Result<Schemas, Vec<LoadFault>> {
    let rules = trial.schemas().map_err(|failure| vec![LoadFault::Schemas(failure)])?;
    let (mut schemas, mut faults) = (Schemas::default(), Vec::new());
    for SchemaRule { protocol, action, kind, schema } in rules {
        match protocol.parse::<Version>() {
            Ok(version) => faults.extend(schemas.add(version, kind, &action, &schema).err().map(LoadFault::from)),
            Err(_) => faults.push(LoadFault::SchemaVersion(protocol)),
        }
    }
    if faults.is_empty() {
        let payloads = samples::payloads();
        let payloads: Vec<_> = payloads.iter().map(String::as_str).collect();
        faults.extend(schemas.try_on(&payloads).err().map(LoadFault::from));
    }
    if faults.is_empty() { Ok(schemas) } else { Err(faults) }
}

fn exports(component: &Component, interfaces: &Interfaces) -> Result<PerFunction<ComponentExportIndex>, LoadFault> {
    let mut exports = PerFunction::new();
    for &function in Function::ALL {
        let Some(interface) = interfaces.find(function.interface()) else { continue };
        let export = component
            .get_export_index(None, interface)
            .and_then(|interface| component.get_export_index(Some(&interface), function.name()))
            .ok_or_else(|| LoadFault::OtherShape {
                hook: format!("{}.{}", function.interface(), function.name()),
                reason: "there is no such function".into(),
            })?;
        exports.set(function, export);
    }
    Ok(exports)
}
