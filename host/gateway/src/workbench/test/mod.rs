//! `transform test`: cases with what must come out, run through the real engine.
//!
//! - `fixture`: a case, read from its file.
//! - `text`: payloads and frames in it, compared by what they say.
//! - `call`, `outcome`: what a step calls, and what that answers.
//! - `difference`: what was expected beside what came.

mod call;
mod difference;
mod fixture;
mod outcome;
mod text;

use super::{Test, Verdict, desk};
use crate::config::Bytes;
use anyhow::{Context as _, bail};
use fixture::Case;
use ocpp_gateway_core::Peer;
use ocpp_gateway_pipeline::Surroundings;
use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn run(asked: &Test) -> anyhow::Result<Verdict> {
    desk::show_log();
    let dir = match &asked.fixtures {
        Some(dir) => dir.clone(),
        None => fixtures_of(&asked.file)?,
    };
    run_all(&asked.file, &dir, asked.memory)
}

/// Runs every case of a folder, and says how each came out.
pub(super) fn run_all(component: &Path, dir: &Path, memory: Bytes) -> anyhow::Result<Verdict> {
    // Otherwise its absence would be the fault of every case.
    fs::metadata(component).with_context(|| component.display().to_string())?;
    // Each case has an engine of its own, but a component that takes seconds to compile is compiled for the first only.
    let compiled = desk::private_directory()?;
    let (mut passed, mut failed) = (0, 0);
    for file in cases(dir)? {
        match try_case(component, &file, memory, compiled.path()) {
            Ok(()) => passed += 1,
            Err(faults) => {
                failed += 1;
                println!("FAILED  {}\n{}\n", file.display(), indent(faults.trim_end()));
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { Verdict::Good } else { Verdict::Bad })
}

/// `fixtures` beside the component, or else in the current folder.
fn fixtures_of(component: &Path) -> anyhow::Result<PathBuf> {
    let beside = component.with_file_name("fixtures");
    let here = PathBuf::from("fixtures");
    match [&beside, &here].into_iter().find(|dir| dir.is_dir()) {
        Some(dir) => Ok(dir.clone()),
        None => bail!("there is no folder {}: say where the cases are with --fixtures", beside.display()),
    }
}

fn cases(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    let mut cases: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    if cases.is_empty() {
        bail!("there are no cases (*.toml) in {}", dir.display());
    }
    cases.sort();
    Ok(cases)
}

/// Runs one case; the error is everything that did not come out as expected.
fn try_case(component: &Path, file: &Path, memory: Bytes, compiled: &Path) -> Result<(), String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let case: Case = toml::from_str(&text).map_err(|error| error.to_string())?;
    let config = serde_json::Value::Object(case.config).to_string();
    let surroundings = Surroundings { clock: case.clock, cache: Some(compiled.to_owned()), ..Surroundings::default() };
    let probe = desk::load(&desk::spec(component, config, memory), surroundings)?;
    let peer = Peer::from(case.peer);
    let mut faults = String::new();
    for (number, step) in (1..).zip(&case.steps) {
        let fault = match step.call.run(&probe, &peer) {
            Ok(answer) if answer == step.expect => continue,
            Ok(answer) => difference::between(&step.expect, &answer),
            Err(failure) => failure.to_string(),
        };
        faults += &format!("step {number}, {}:\n{}\n", step.call.name(), indent(fault.trim_end()));
    }
    if faults.is_empty() { Ok(()) } else { Err(format!("{}\n{faults}", case.about)) }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}").trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}
