//! `transform inspect`: what a component wants, has and is.

use super::args::InspectArgs;
use super::component;
use super::verdict::CommandResult;
use anyhow::Context as _;
use data_encoding::HEXLOWER;
use ocpp_gateway_pipeline::{Inspection, LoadError, LoadFault, LoadOptions, TransformHarness};
use sha2::{Digest as _, Sha256};
use std::fs;

/// Of the package that transforms are written against.
const PACKAGE: &str = "ocpp-gateway:transform/";

pub(super) fn run(asked: &InspectArgs) -> anyhow::Result<CommandResult> {
    component::show_log();
    let bytes = fs::read(&asked.file).with_context(|| asked.file.display().to_string())?;
    let compiled = component::CompiledCode::directory()?;
    let options = LoadOptions { cache: Some(compiled.path.clone()), ..LoadOptions::default() };
    let inspection = Inspection::of(&bytes, &options);
    let loaded = Loaded::of(asked, &inspection, options);

    say("file", &asked.file.display().to_string());
    if let Some(says) = &loaded.says {
        say("says it is", says);
    }
    say("size", &format!("{} bytes", bytes.len()));
    say("sha-256", &HEXLOWER.encode(&Sha256::digest(&bytes)));
    say("WIT package", &version(&inspection));
    say("hooks", &listed(&hooks(&inspection)));
    say("imports", &listed(&inspection.imports.iter().map(String::as_str).collect::<Vec<_>>()));
    if let Some(wish) = &loaded.wants_config {
        say("note", &format!("without a configuration it does not start: {wish}"));
    }
    for fault in &loaded.faults {
        say("REFUSED", fault);
    }
    Ok(if loaded.faults.is_empty() { CommandResult::Good } else { CommandResult::Bad })
}

/// What became of an attempt to start it, without a configuration and with the limits of `transform` commands.
#[derive(Default)]
struct Loaded {
    /// Name and version that it gives itself.
    says: Option<String>,
    /// It is sound, but wants to be configured; this is what it said.
    wants_config: Option<String>,
    faults: Vec<String>,
}

impl Loaded {
    fn of(asked: &InspectArgs, inspection: &Inspection, options: LoadOptions) -> Self {
        if !inspection.faults.is_empty() {
            return Loaded { faults: inspection.faults.clone(), ..Loaded::default() };
        }
        match TransformHarness::load(&component::spec(&asked.file, "{}".into(), component::MEMORY), options) {
            Ok(harness) => {
                let status = harness.status();
                Loaded { says: Some(format!("{} {}", status.built_as, status.version)), ..Loaded::default() }
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
    let of_ours = inspection.exports.iter().filter_map(|name| name.strip_prefix(PACKAGE));
    of_ours.filter_map(|name| name.split('@').next()).filter(|name| !matches!(*name, "lifecycle" | "types")).collect()
}

/// The version of the WIT package that it was built against, or each, should it be more than one.
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

fn say(what: &str, it_is: &str) {
    println!("{what:<12} {it_is}");
}
