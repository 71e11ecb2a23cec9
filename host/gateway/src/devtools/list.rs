//! `transform list`: the ready-made transforms, and those of the configuration and of its drop-in directory.

use super::args::ListArgs;
use super::verdict::{BadConfiguration, CommandResult};
use crate::config;
use crate::transforms::{self, DropInStatus, Store};
use ocpp_gateway_pipeline::{BUILTINS, TransformStatus, short_hashes};
use std::sync::Arc;

pub(super) fn run(args: &ListArgs) -> anyhow::Result<CommandResult> {
    let width = BUILTINS.iter().map(|builtin| builtin.name.len()).max().unwrap_or_default();
    for builtin in BUILTINS {
        println!("builtin:{:<width$}  {}", builtin.name, builtin.description);
    }
    let config = config::load(args.config.as_deref(), config::variables())
        .map_err(|faults| BadConfiguration(faults.to_string()))?;
    let store = Store::read(&config.storage).map_err(|error| BadConfiguration(error.to_string()))?;
    let store = Arc::new(store);
    if !transforms::has_any(&config, &store) {
        return Ok(CommandResult::Good);
    }
    println!("\nOf this configuration:");
    match transforms::load(&config, &store, None) {
        Ok((pipeline, drop_ins)) => {
            pipeline.transforms().iter().for_each(print);
            let faults: Vec<_> =
                drop_ins.statuses().into_iter().filter_map(|DropInStatus { fault, .. }| fault).collect();
            faults.iter().for_each(|fault| println!("FAULT {}", fault.text));
            Ok(if faults.is_empty() { CommandResult::Good } else { CommandResult::Bad })
        }
        Err(faults) => {
            faults.0.iter().for_each(|fault| println!("FAULT {fault}"));
            Ok(CommandResult::Bad)
        }
    }
}

fn print(TransformStatus { name, component, sha256, program_sha256, .. }: &TransformStatus) {
    println!("{name}: {component}, {}", short_hashes(sha256, program_sha256.as_deref()));
}
