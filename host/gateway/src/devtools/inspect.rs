//! `transform inspect`: shows the hooks, imports, version and faults of a component.

use super::args::InspectArgs;
use super::component;
use super::verdict::CommandResult;
use data_encoding::HEXLOWER;
use ocpp_gateway_pipeline::{Builtin, Inspection, LoadError, LoadFault, LoadOptions, Source, TransformHarness};
use sha2::{Digest as _, Sha256};

/// The prefix of names in the WIT package of transforms.
const PACKAGE: &str = "ocpp-gateway:transform/";

pub(super) fn run(args: &InspectArgs) -> anyhow::Result<CommandResult> {
    component::show_log();
    let bytes = component::read(&args.component)?;
    let builtin = match &args.component {
        Source::Builtin(name) => Builtin::find(name),
        _ => None,
    };
    let compiled = component::CompiledCode::directory()?;
    let options = LoadOptions { cache: Some(compiled.path.clone()), ..LoadOptions::default() };
    let inspection = Inspection::of(&bytes, &options);
    let loaded = Loaded::of(args, &inspection, options);

    print_field("component", &args.component.to_string());
    if let Some(builtin) = builtin {
        print_field("what it does", builtin.description);
    }
    if let Some(built_as) = &loaded.built_as {
        print_field("says it is", built_as);
    }
    print_field("size", &format!("{} bytes", bytes.len()));
    print_field("sha-256", &HEXLOWER.encode(&Sha256::digest(&bytes)));
    print_field("WIT package", &version(&inspection));
    print_field("hooks", &listed(&hooks(&inspection)));
    print_field("imports", &listed(&inspection.imports.iter().map(String::as_str).collect::<Vec<_>>()));
    if let Some(reason) = &loaded.wants_config {
        print_field("note", &format!("without a configuration it does not start: {reason}"));
    }
    for fault in &loaded.faults {
        print_field("REFUSED", fault);
    }
    if let Some(builtin) = builtin {
        println!("\n# The keys of [transforms.config] with their defaults:\n\n{}", builtin.settings.trim_end());
    }
    Ok(if loaded.faults.is_empty() { CommandResult::Good } else { CommandResult::Bad })
}

/// The result of loading a component without a configuration, and with the limits of `transform` commands.
#[derive(Default)]
struct Loaded {
    /// The name and version that the component gives itself.
    built_as: Option<String>,
    /// Why a valid component does not start without a configuration.
    wants_config: Option<String>,
    faults: Vec<String>,
}

impl Loaded {
    fn of(args: &InspectArgs, inspection: &Inspection, options: LoadOptions) -> Self {
        if !inspection.faults.is_empty() {
            return Loaded { faults: inspection.faults.clone(), ..Loaded::default() };
        }
        match TransformHarness::load(&component::spec(&args.component, "{}".into(), component::MEMORY), options) {
            Ok(harness) => {
                let status = harness.status();
                Loaded { built_as: Some(format!("{} {}", status.built_as, status.version)), ..Loaded::default() }
            }
            Err(errors) => match &errors[..] {
                [LoadError { fault: LoadFault::Config(reason), .. }] => {
                    Loaded { wants_config: Some(reason.clone()), ..Loaded::default() }
                }
                _ => {
                    Loaded { faults: errors.iter().map(|error| error.fault.to_string()).collect(), ..Loaded::default() }
                }
            },
        }
    }
}

/// The names of the hooks that it exports.
pub(super) fn hooks(inspection: &Inspection) -> Vec<&str> {
    let names = inspection.exports.iter().filter_map(|name| name.strip_prefix(PACKAGE));
    names.filter_map(|name| name.split('@').next()).filter(|name| !matches!(*name, "lifecycle" | "types")).collect()
}

/// The version of the WIT package that the component was built against, or all if there are several.
fn version(inspection: &Inspection) -> String {
    let names = inspection.imports.iter().chain(&inspection.exports);
    let mut versions: Vec<_> =
        names.filter_map(|name| name.strip_prefix(PACKAGE)?.split_once('@')).map(|(_, version)| version).collect();
    versions.sort_unstable();
    versions.dedup();
    listed(&versions)
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn print_field(name: &str, value: &str) {
    println!("{name:<12} {value}");
}
