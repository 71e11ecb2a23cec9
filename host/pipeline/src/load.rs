//! From the configuration to transforms that can be called.

use crate::STANDARD;
use crate::error::{LoadError, LoadFault};
use crate::guest::{Guest, define_imports};
use crate::guest_log::Gate;
use crate::inspect::{Interfaces, check_header, inspect};
use crate::instance::{Blueprint, Exports};
use crate::runtime::Runtime;
use crate::spec::{Limits, OnError, Source, TransformSpec};
use crate::stats::Ledger;
use crate::transform::Transform;
use std::borrow::Cow;
use std::fs;
use std::sync::Arc;
use wasmtime::component::{Component, Linker};

/// Loads every transform and makes a trial instance of each; reports every fault of every one.
pub(crate) fn load(mut specs: Vec<TransformSpec>) -> Result<Transform, Vec<LoadError>> {
    if specs.is_empty() {
        specs.push(TransformSpec::standard());
    }
    let loader = Loader::new(&specs).map_err(|fault| vec![fault])?;
    let mut errors = Vec::new();
    let mut mapping = None::<Transform>;
    for (place, spec) in specs.iter().enumerate() {
        if specs[..place].iter().any(|earlier| earlier.name == spec.name) {
            errors.push(error(spec, LoadFault::DuplicateName));
        }
        if spec.on_error == OnError::Bypass {
            errors.push(error(spec, LoadFault::BypassedMapping));
        }
        match (loader.load(spec), &mapping) {
            (Err(faults), _) => errors.extend(faults.into_iter().map(|fault| error(spec, fault))),
            (Ok(_), Some(first)) => {
                errors.push(error(spec, LoadFault::SecondMapping { first: first.name.clone() }));
            }
            (Ok(transform), None) => mapping = Some(transform),
        }
    }
    match mapping {
        Some(mapping) if errors.is_empty() => Ok(mapping),
        _ => Err(errors),
    }
}

fn error(spec: &TransformSpec, fault: LoadFault) -> LoadError {
    LoadError { transform: spec.name.clone(), component: spec.source.to_string(), fault }
}

struct Loader {
    runtime: Arc<Runtime>,
    linker: Linker<Guest>,
}

impl Loader {
    fn new(specs: &[TransformSpec]) -> Result<Self, LoadError> {
        let shortest = specs.iter().map(|spec| spec.limits.time).min().unwrap_or(Limits::default().time);
        let set_up = || {
            let runtime = Runtime::new(shortest)?;
            let mut linker = Linker::new(&runtime.engine);
            define_imports(&mut linker)?;
            Ok(Loader { runtime: Arc::new(runtime), linker })
        };
        set_up().map_err(|fault: wasmtime::Error| error(&specs[0], LoadFault::Engine(format!("{fault:#}"))))
    }

    fn load(&self, spec: &TransformSpec) -> Result<Transform, Vec<LoadFault>> {
        let bytes = read(&spec.source).map_err(|fault| vec![fault])?;
        check_header(&bytes).map_err(|fault| vec![fault])?;
        let engine = &self.runtime.engine;
        let component =
            Component::new(engine, &bytes).map_err(|fault| vec![LoadFault::Invalid(format!("{fault:#}"))])?;
        let interfaces = inspect(&component, engine)?;
        self.try_out(spec, &component, &interfaces, bytes.len()).map_err(|fault| vec![fault])
    }

    fn try_out(
        &self,
        spec: &TransformSpec,
        component: &Component,
        interfaces: &Interfaces,
        size: usize,
    ) -> Result<Transform, LoadFault> {
        let pre = self.linker.instantiate_pre(component).map_err(|fault| LoadFault::Link(format!("{fault:#}")))?;
        let blueprint = Blueprint {
            runtime: self.runtime.clone(),
            pre,
            exports: exports(component, interfaces)?,
            config: spec.config.clone(),
            limits: spec.limits,
            ticks: self.runtime.ticks(spec.limits.time),
            gate: Arc::new(Gate::new(spec.limits.log_lines)),
        };
        let (_, info) = blueprint.start(&spec.name)?;
        let component = spec.source.to_string();
        Ok(Transform {
            name: spec.name.clone(),
            component,
            info,
            size,
            on_error: spec.on_error,
            blueprint,
            ledger: Ledger::default(),
        })
    }
}

fn read(source: &Source) -> Result<Cow<'static, [u8]>, LoadFault> {
    match source {
        Source::Builtin(name) if name == "standard" => Ok(Cow::Borrowed(STANDARD)),
        Source::Builtin(_) => Err(LoadFault::UnknownBuiltin),
        Source::File(path) => Ok(Cow::Owned(fs::read(path)?)),
    }
}

fn exports(component: &Component, interfaces: &Interfaces) -> Result<Exports, LoadFault> {
    let find = |interface: &str, function: &str, hook| {
        let interface = component.get_export_index(None, interface);
        interface
            .and_then(|interface| component.get_export_index(Some(&interface), function))
            .ok_or_else(|| LoadFault::OtherShape { hook, reason: "there is no such function".into() })
    };
    let Interfaces { lifecycle, mapping } = interfaces;
    Ok(Exports {
        configure: find(lifecycle, "configure", "lifecycle.configure")?,
        subscriptions: find(mapping, "subscriptions", "mapping.subscriptions")?,
        to_mqtt: find(mapping, "to-mqtt", "mapping.to-mqtt")?,
        from_mqtt: find(mapping, "from-mqtt", "mapping.from-mqtt")?,
    })
}
