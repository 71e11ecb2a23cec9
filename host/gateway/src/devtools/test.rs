//! `transform test`: runs the fixtures of a component through the engine of the gateway.

use super::args::TestArgs;
use super::component::{self, CompiledCode, TransformArg};
use super::replay;
use super::verdict::CommandResult;
use crate::config::Bytes;
use crate::transforms::fixture::{self, Fixture};
use anyhow::{Context as _, bail};
use ocpp_gateway_pipeline::LoadOptions;
use std::path::{Path, PathBuf};

pub(super) fn run(args: &TestArgs) -> anyhow::Result<CommandResult> {
    component::show_log();
    if let Some(recording) = &args.recording {
        return replay::test(args, recording);
    }
    let dir = match &args.fixtures {
        Some(dir) => dir.clone(),
        None => fixtures_of(&args.transform)?,
    };
    run_all(&args.transform, &dir, args.memory, &CompiledCode::directory()?)
}

/// Runs every case of a folder, and reports those that fail. `compiled`: each case has its own engine, and with this the
/// component is compiled only for the first one.
pub(super) fn run_all(
    transform: &TransformArg,
    dir: &Path,
    memory: Bytes,
    compiled: &CompiledCode,
) -> anyhow::Result<CommandResult> {
    // Otherwise every case would report that a file is missing, or that a program does not compile.
    transform.read()?;
    transform.load_program(compiled.options()).with_context(|| transform.to_string())?;
    let (mut passed, mut failed) = (0, 0);
    for file in fixture::files(dir)? {
        match try_case(transform, &file, memory, compiled) {
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

/// `fixtures` beside the file of the transform, or else in the current folder.
fn fixtures_of(transform: &TransformArg) -> anyhow::Result<PathBuf> {
    let here = PathBuf::from("fixtures");
    let beside = transform.file().map_or_else(|| here.clone(), |file| file.with_file_name("fixtures"));
    match [&beside, &here].into_iter().find(|dir| dir.is_dir()) {
        Some(dir) => Ok(dir.clone()),
        None => bail!("there is no folder {}: name the folder with the fixtures, with --fixtures", beside.display()),
    }
}

/// Runs one case. The error lists everything that differs from what is expected.
fn try_case(transform: &TransformArg, file: &Path, memory: Bytes, compiled: &CompiledCode) -> Result<(), String> {
    let fixture = Fixture::read(file)?;
    let options = LoadOptions { clock: fixture.clock(), ..compiled.options() };
    let harness = component::load(&transform.spec(fixture.config(), memory), options)?;
    fixture.check(&harness)
}
