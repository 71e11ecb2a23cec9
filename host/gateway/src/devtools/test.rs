//! `transform test`: runs the fixtures of a component through the engine of the gateway.

use super::args::TestArgs;
use super::component;
use super::verdict::CommandResult;
use crate::config::Bytes;
use crate::transforms::fixture::{self, Fixture};
use anyhow::bail;
use ocpp_gateway_pipeline::{LoadOptions, Source};
use std::path::{Path, PathBuf};

pub(super) fn run(args: &TestArgs) -> anyhow::Result<CommandResult> {
    component::show_log();
    let dir = match &args.fixtures {
        Some(dir) => dir.clone(),
        None => fixtures_of(&args.component)?,
    };
    run_all(&args.component, &dir, args.memory)
}

/// Runs every case of a folder, and reports those that fail.
pub(super) fn run_all(component: &Source, dir: &Path, memory: Bytes) -> anyhow::Result<CommandResult> {
    // Otherwise every case would report that the component is missing.
    component::read(component)?;
    // Each case has its own engine. With this cache, the component is compiled only for the first case.
    let compiled = component::CompiledCode::directory()?;
    let (mut passed, mut failed) = (0, 0);
    for file in fixture::files(dir)? {
        match try_case(component, &file, memory, &compiled.path) {
            Ok(()) => passed += 1,
            Err(faults) => {
                failed += 1;
                println!("FAILED  {}\n{}\n", file.display(), fixture::indent(faults.trim_end()));
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { CommandResult::Good } else { CommandResult::Bad })
}

/// `fixtures` beside the file of the component, or else in the current folder.
fn fixtures_of(component: &Source) -> anyhow::Result<PathBuf> {
    let here = PathBuf::from("fixtures");
    let beside = match component {
        Source::File(file) => file.with_file_name("fixtures"),
        _ => here.clone(),
    };
    match [&beside, &here].into_iter().find(|dir| dir.is_dir()) {
        Some(dir) => Ok(dir.clone()),
        None => bail!("there is no folder {}: name the folder with the fixtures, with --fixtures", beside.display()),
    }
}

/// Runs one case. The error lists everything that differs from what is expected.
fn try_case(component: &Source, file: &Path, memory: Bytes, compiled: &Path) -> Result<(), String> {
    let fixture = Fixture::read(file)?;
    let options = LoadOptions { clock: fixture.clock(), cache: Some(compiled.to_owned()), ..LoadOptions::default() };
    let harness = component::load(&component::spec(component, fixture.config(), memory), options)?;
    fixture.check(&harness)
}
