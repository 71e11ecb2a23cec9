//! What a component is and what it wants, before anything of it is linked: the linker's own words for a component of
//! another version mislead.

use crate::abi::{PACKAGE, VERSION};
use crate::error::LoadFault;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Hooks that the package knows and this gateway does not run.
const HOOKS_NOT_RUN: [&str; 7] = ["uplink", "downlink", "outbound", "inbound", "admission", "events", "validation"];
const IMPORTS_OFFERED: [&str; 3] = ["types", "log", "clock"];
const IMPORTS_NOT_OFFERED: [&str; 2] = ["state", "metrics"];

/// The names, with their versions, of the interfaces that a component exports.
pub(crate) struct Interfaces {
    pub(crate) lifecycle: String,
    pub(crate) mapping: String,
}

/// Tells by its first eight bytes whether a file is a component at all.
pub(crate) fn check_header(bytes: &[u8]) -> Result<(), LoadFault> {
    match bytes {
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', ..] => Err(LoadFault::CoreModule),
        _ => Err(LoadFault::NotWasm),
    }
}

/// Compares what a component imports and exports with what this gateway offers and runs; names every difference.
pub(crate) fn inspect(component: &Component, engine: &Engine) -> Result<Interfaces, Vec<LoadFault>> {
    let ty = component.component_type();
    let mut faults: Vec<_> = ty.imports(engine).filter_map(|(name, _)| import_fault(name)).collect();
    let exports: Vec<_> = ty.exports(engine).map(|(name, _)| name).collect();
    faults.extend(exports.iter().filter_map(|name| export_fault(name)));
    if let Some(built) = other_version(ty.imports(engine).map(|(name, _)| name).chain(exports.iter().copied())) {
        // The rest follows from it, and would only hide it.
        return Err(vec![LoadFault::OtherVersion { built, runs: VERSION }]);
    }
    let mut find = |wanted| {
        let found =
            exports.iter().find(|name| Interface::parse(name).is_some_and(|interface| interface.name == wanted));
        if found.is_none() {
            let offered = if exports.is_empty() { "nothing".into() } else { exports.join(", ") };
            faults.push(LoadFault::MissingHook { wanted, offered });
        }
        found.copied().unwrap_or_default().to_owned()
    };
    let interfaces = Interfaces { lifecycle: find("lifecycle"), mapping: find("mapping") };
    if faults.is_empty() { Ok(interfaces) } else { Err(faults) }
}

/// `ocpp-gateway:transform/log@1.0.0`, taken apart.
struct Interface<'a> {
    name: &'a str,
    version: &'a str,
}

impl<'a> Interface<'a> {
    /// `None`: not of our package.
    fn parse(name: &'a str) -> Option<Self> {
        let name = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
        let (name, version) = name.split_once('@').unwrap_or((name, "(none)"));
        Some(Interface { name, version })
    }

    /// Whatever is 1.x only adds to 1.0.
    fn is_compatible(&self) -> bool {
        self.version.starts_with("1.") && !self.version.contains('-')
    }
}

fn other_version<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .filter_map(Interface::parse)
        .find(|interface| !interface.is_compatible())
        .map(|interface| interface.version.to_owned())
}

fn import_fault(name: &str) -> Option<LoadFault> {
    match Interface::parse(name) {
        Some(interface) if IMPORTS_OFFERED.contains(&interface.name) => None,
        Some(interface) if IMPORTS_NOT_OFFERED.contains(&interface.name) => {
            Some(LoadFault::ImportNotOffered(interface.name.to_owned()))
        }
        _ => Some(LoadFault::ForeignImport(name.to_owned())),
    }
}

fn export_fault(name: &str) -> Option<LoadFault> {
    let interface = Interface::parse(name)?;
    HOOKS_NOT_RUN.contains(&interface.name).then(|| LoadFault::HookNotRun(interface.name.to_owned()))
}
