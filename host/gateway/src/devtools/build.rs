//! `transform build`: builds the transform in a folder.

use super::args::BuildArgs;
use super::candidate::{self, Candidate};
use super::language::{Product, Project};
use super::verdict::CommandResult;
use std::fs;
use std::path::Path;

pub(super) fn run(args: &BuildArgs) -> anyhow::Result<CommandResult> {
    let project = Project::open(&args.dir)?;
    let destination = candidate::destination(&project, args.out.as_deref())?;
    let candidate = Candidate::build(&project)?;
    if let Some(file) = &destination {
        candidate.write(file)?;
    }
    let file = destination.unwrap_or_else(|| project.dir.join(project.file_name()));
    println!("\n{}: {} bytes, hooks: {}", file.display(), candidate.content.len(), candidate.hooks.join(", "));
    let samples = args.dir.join("fixtures");
    let samples = samples.is_dir().then_some(samples.as_path());
    println!("\nIn the configuration of the gateway:\n\n{}", configuration(&project, &file, samples)?);
    if project.product() == Product::JqProgram {
        println!("\nOr as a drop-in file: copy it to transforms.d/50-{}.", project.file_name());
    }
    Ok(CommandResult::Good)
}

/// The configuration of a gateway that runs it, in TOML.
fn configuration(project: &Project, file: &Path, samples: Option<&Path>) -> anyhow::Result<String> {
    let path = |path| anyhow::Ok(toml::Value::from(fs::canonicalize(path)?.display().to_string()));
    let (component, program) = match project.product() {
        Product::Component => (path(file)?, None),
        Product::JqProgram => (toml::Value::from("builtin:jq"), Some(path(file)?)),
    };
    let mut keys = format!("[[transforms]]\nname = {}\ncomponent = {component}", toml::Value::from(&*project.name));
    if let Some(samples) = samples {
        keys += &format!("\nsamples = {}", path(samples)?);
    }
    if let Some(program) = program {
        keys += &format!("\n[transforms.config]\nfile = {program}");
    }
    Ok(keys)
}
