//! `transform inspect`: shows the hooks, imports, version and faults of a component.

use super::args::InspectArgs;
use super::component::{self, CompiledCode, PACKAGE, TransformArg};
use super::verdict::CommandResult;
use data_encoding::HEXLOWER;
use ocpp_gateway_pipeline::{Builtin, Inspection, LoadError, LoadFault, LoadOptions, Source, TransformHarness};
use sha2::{Digest as _, Sha256};

pub(super) fn run(args: &InspectArgs) -> anyhow::Result<CommandResult> {
    component::show_log();
    let transform = &args.transform;
    let bytes = transform.read()?;
    let compiled = CompiledCode::directory()?;
    if let TransformArg::JqProgram(_) = transform {
        return Ok(inspect_program(transform, &bytes, compiled.options()));
    }
    let builtin = match transform {
        TransformArg::Component(Source::Builtin(name)) => Builtin::find(name),
        _ => None,
    };
    let inspection = Inspection::of(&bytes, &compiled.options());
    let loaded = Loaded::of(transform, &inspection, compiled.options());

    print_field("component", &transform.to_string());
    if let Some(builtin) = builtin {
        print_field("what it does", builtin.description);
    }
    if let Some(built_as) = &loaded.built_as {
        print_field("says it is", built_as);
    }
    print_content(&bytes);
    print_field("WIT package", &version(&inspection));
    print_field("hooks", &listed(&component::hooks(&inspection)));
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

fn inspect_program(transform: &TransformArg, text: &[u8], options: LoadOptions) -> CommandResult {
    print_field("program", &transform.to_string());
    print_field("runs in", "builtin:jq");
    print_content(text);
    match transform.hooks(options) {
        Ok(hooks) => print_field("hooks", &hooks.join(", ")),
        Err(fault) => {
            print_field("REFUSED", &fault.to_string());
            return CommandResult::Bad;
        }
    }
    CommandResult::Good
}

fn print_content(content: &[u8]) {
    print_field("size", &format!("{} bytes", content.len()));
    print_field("sha-256", &HEXLOWER.encode(&Sha256::digest(content)));
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
    fn of(transform: &TransformArg, inspection: &Inspection, options: LoadOptions) -> Self {
        if !inspection.faults.is_empty() {
            return Loaded { faults: inspection.faults.clone(), ..Loaded::default() };
        }
        match TransformHarness::load(&transform.spec("{}".into(), component::MEMORY), options) {
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
