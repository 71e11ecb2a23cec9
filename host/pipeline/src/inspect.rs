//! Inspects a component before it is linked: the errors of the linker mislead for a component of another version.

use crate::compile::{Compiler, ComponentOrigin, check_functions, digest};
use crate::error::LoadFault;
use crate::hook;
use crate::load_options::LoadOptions;
use crate::package::{Interface, OFFERED, VERSION};
use crate::runtime;
use crate::wasi;
use wasmtime::component::Component;

/// The names, with their versions, of the interfaces that a component exports.
pub(crate) struct Interfaces(Vec<String>);

impl Interfaces {
    /// The full name of an interface of the package, if it is exported.
    pub(crate) fn find(&self, wanted: &str) -> Option<&str> {
        self.0.iter().map(String::as_str).find(|name| Interface::is_called(name, wanted))
    }
}

/// Checks by its first eight bytes that a file is a component.
pub(crate) fn check_header(bytes: &[u8]) -> Result<(), LoadFault> {
    match bytes {
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', ..] => Err(LoadFault::CoreModule),
        _ => Err(LoadFault::NotWasm),
    }
}

/// Compares what a component imports and exports with what this gateway offers and runs; names every difference.
pub(crate) fn inspect(component: &Component) -> Result<Interfaces, Vec<LoadFault>> {
    let (ty, engine) = (component.component_type(), component.engine());
    let mut faults: Vec<_> = ty.imports(engine).filter_map(|(name, _)| import_fault(name)).collect();
    let exports: Vec<_> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let imports = ty.imports(engine).map(|(name, _)| name);
    if let Some(built) = other_version(imports.chain(exports.iter().map(String::as_str))) {
        // The other faults follow from this one, and would hide it.
        return Err(vec![LoadFault::OtherVersion { built, runs: VERSION }]);
    }
    let offered = if exports.is_empty() { "nothing".into() } else { exports.join(", ") };
    let interfaces = Interfaces(exports);
    if interfaces.find("lifecycle").is_none() {
        faults.push(LoadFault::MissingHook { wanted: "lifecycle", offered });
    } else if !hook::interfaces().skip(1).any(|name| interfaces.find(name).is_some()) {
        faults.push(LoadFault::MissingHook { wanted: "hook besides lifecycle", offered });
    }
    if faults.is_empty() { Ok(interfaces) } else { Err(faults) }
}

/// Whether a component imports an interface of the package.
pub(crate) fn imports(component: &Component, wanted: &str) -> bool {
    component.component_type().imports(component.engine()).any(|(name, _)| Interface::is_called(name, wanted))
}

/// The imports, exports and faults of a component, found without running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The interfaces that it imports and exports, with their versions.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    /// Why this gateway would refuse it.
    pub faults: Vec<String>,
}

impl Inspection {
    /// Inspects a component, which is compiled for that but not linked.
    pub fn of(bytes: &[u8], options: &LoadOptions) -> Self {
        let refused = |faults: Vec<LoadFault>| Inspection {
            imports: Vec::new(),
            exports: Vec::new(),
            faults: faults.iter().map(ToString::to_string).collect(),
        };
        if let Err(fault) = check_header(bytes).and_then(|()| check_functions(bytes, options.max_functions)) {
            return refused(vec![fault]);
        }
        let engine = match runtime::engine() {
            Ok(engine) => engine,
            Err(error) => return refused(vec![LoadFault::Engine(format!("{error:#}"))]),
        };
        let LoadOptions { cache, compile, .. } = options.clone();
        let component =
            match Compiler::new(engine, cache, compile).compile(bytes, digest(bytes), ComponentOrigin::Other) {
                Ok(component) => component,
                Err(error) => return refused(vec![error.into()]),
            };
        let (ty, engine) = (component.component_type(), component.engine());
        Inspection {
            imports: ty.imports(engine).map(|(name, _)| name.to_owned()).collect(),
            exports: ty.exports(engine).map(|(name, _)| name.to_owned()).collect(),
            ..refused(inspect(&component).err().unwrap_or_default())
        }
    }
}

/// The exported interfaces of the package that this gateway does not know: a later 1.x may have added them.
pub(crate) fn unknown_hooks(interfaces: &Interfaces) -> impl Iterator<Item = &str> {
    interfaces.0.iter().map(String::as_str).filter(|name| {
        let is_of_package = Interface::parse(name).is_some();
        is_of_package && !hook::interfaces().chain(["types"]).any(|known| Interface::is_called(name, known))
    })
}

fn other_version<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .filter_map(Interface::parse)
        .find(|interface| !interface.is_compatible())
        .map(|interface| interface.version.to_owned())
}

fn import_fault(name: &str) -> Option<LoadFault> {
    let offered = Interface::parse(name).is_some_and(|interface| OFFERED.contains(&interface.name));
    (!offered && !wasi::is_offered(name)).then(|| LoadFault::ForeignImport(name.to_owned()))
}
