//! `ctl transforms`.

use super::client::{Answer, ApiError, Client, path, with_query};
use super::error::CtlError;
use super::new_version::{ChangeOptions, NewVersion};
use super::output::{Output, warn};
use super::settings::{read_bytes, read_object, read_text};
use super::transform_args::{AddArgs, ChangeArgs, NameArgs, PutArgs, TransformsCommand, VersionArgs};
use super::transform_summary::{ChangeAnswer, KeptVersion, TransformDetails, TransformSummary};
use crate::config::JQ;
use serde_json::{Map, Value};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use ureq::http::Method;

const SEGMENT: &str = "transforms";

pub(super) fn run(
    client: &Client,
    command: &TransformsCommand,
    output: &mut Output<impl Write>,
) -> Result<(), CtlError> {
    let answer = match command {
        TransformsCommand::List => return list(client, output),
        TransformsCommand::Show { name } => return show(client, name, output),
        TransformsCommand::Put(args) => put(client, args)?,
        TransformsCommand::Add(args) => add(client, args)?,
        TransformsCommand::Config { name, file, change } => {
            let config = Value::from(read_object(file)?).to_string();
            client.send_json(Method::PUT, &changed(&[SEGMENT, name, "config"], *change), &config)?
        }
        TransformsCommand::Rollback { name, version, change } => {
            let version = version.map(|version| version.to_string());
            let mut parameters: Vec<_> = version.iter().map(|version| ("version", version.as_str())).collect();
            parameters.extend(change.dry_run.then_some(("dry_run", "true")));
            client.post(&with_query(path(&[SEGMENT, name, "rollback"]), &parameters))?
        }
        TransformsCommand::Revert(NameArgs { name, change }) => {
            client.delete(&changed(&[SEGMENT, name, "upload"], *change))?
        }
        TransformsCommand::Fetch(NameArgs { name, change }) => {
            client.post(&changed(&[SEGMENT, name, "fetch"], *change))?
        }
        TransformsCommand::Order { names, change } => {
            let names = Value::from(names.as_slice()).to_string();
            client.send_json(Method::PUT, &changed(&[SEGMENT, "order"], *change), &names)?
        }
        TransformsCommand::Rm(NameArgs { name, change }) => client.delete(&changed(&[SEGMENT, name], *change))?,
    };
    show_change(&answer, output)
}

/// The page of a change.
fn changed(segments: &[&str], ChangeArgs { dry_run }: ChangeArgs) -> String {
    ChangeOptions { dry_run, ..ChangeOptions::default() }.of(path(segments))
}

fn list(client: &Client, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let answer = client.get(&path(&[SEGMENT]))?;
    if output.json {
        return Ok(output.json(&answer.text)?);
    }
    table(&answer.read::<Vec<TransformSummary>>()?, output)
}

/// Prints the transforms, and the faults of those that have one.
pub(super) fn table(transforms: &[TransformSummary], output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let rows: Vec<_> = transforms.iter().map(TransformSummary::row).collect();
    output.table(TransformSummary::HEAD, &rows)?;
    for fault in transforms.iter().filter_map(TransformSummary::fault) {
        output.text(&format!("\n{fault}"))?;
    }
    Ok(())
}

fn show(client: &Client, name: &str, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let answer = client.get(&path(&[SEGMENT, name]))?;
    if output.json {
        return Ok(output.json(&answer.text)?);
    }
    let TransformDetails { summary, settings, versions } = answer.read()?;
    output.pairs(&summary.pairs())?;
    if let Some(fault) = &summary.last_fault {
        output.text(fault)?;
    }
    if let Some(settings) = settings {
        let settings = serde_json::to_string_pretty(&settings).map_err(io::Error::from)?;
        output.text(&format!("settings\n{settings}"))?;
    }
    if !versions.is_empty() {
        output.table(KeptVersion::HEAD, &versions.iter().map(KeptVersion::row).collect::<Vec<_>>())?;
    }
    for fault in versions.iter().filter_map(KeptVersion::fault) {
        output.text(&fault)?;
    }
    Ok(())
}

fn put(client: &Client, args: &PutArgs) -> Result<Answer, CtlError> {
    let PutArgs { name, version, allow_fewer_hooks, change } = args;
    let options = ChangeOptions { dry_run: change.dry_run, allow_fewer_hooks: *allow_fewer_hooks };
    something_new(version)?.replace(client, name, options).map_err(|error| match error {
        ApiError::Refused(refusal) if refusal.is_not_found() => CtlError::NotThere { name: name.clone(), refusal },
        error => error.into(),
    })
}

fn add(client: &Client, args: &AddArgs) -> Result<Answer, CtlError> {
    let AddArgs { name, version, before, change } = args;
    let mut version = something_new(version)?;
    if let Some(before) = before {
        version.settings.insert("before".into(), before.as_str().into());
    }
    Ok(version.add(client, name, ChangeOptions { dry_run: change.dry_run, ..ChangeOptions::default() })?)
}

/// Reads the files that the arguments name, which have to name something.
pub(super) fn something_new(args: &VersionArgs) -> Result<NewVersion, CtlError> {
    let version = new_version(args)?;
    if version.is_empty() {
        let usage = "nothing to send: name a FILE, --component, --config, --settings or a --match-…";
        return Err(CtlError::Usage(usage.into()));
    }
    Ok(version)
}

/// Reads the files that the arguments name.
pub(super) fn new_version(args: &VersionArgs) -> Result<NewVersion, CtlError> {
    let mut settings = args.settings.as_deref().map(read_object).transpose()?.unwrap_or_default();
    if let Some(key) = ["name", "component"].into_iter().find(|key| settings.contains_key(*key)) {
        return Err(CtlError::Usage(format!("the settings have {key:?}, which is an argument of the command")));
    }
    if let Some(config) = &args.config {
        settings.insert("config".into(), read_object(config)?.into());
    }
    for (key, values) in args.matching.given() {
        object_in(&mut settings, "match")?.insert(key.into(), values.into());
    }
    let mut component = None;
    let is_program = |file: &Path| file.extension().is_some_and(|extension| extension == "jq");
    match (&args.source.file, &args.source.component) {
        (Some(file), _) if is_program(file) => add_program(&mut settings, read_text(file)?)?,
        (Some(file), _) => component = Some(read_bytes(file)?),
        (None, named) => settings.extend(named.iter().map(|named| ("component".to_owned(), named.as_str().into()))),
    }
    let beside = args.source.file.as_ref().map(|file| PathBuf::from(format!("{}.minisig", file.display())));
    let signature = args.signature.clone().or(beside.filter(|file| file.is_file()));
    let signature = signature.as_deref().map(read_bytes).transpose()?;
    Ok(NewVersion { settings, component, signature })
}

/// Makes settings those of a program in jq.
fn add_program(settings: &mut Map<String, Value>, program: String) -> Result<(), CtlError> {
    settings.insert("component".into(), JQ.into());
    let config = object_in(settings, "config")?;
    if let Some(key) = ["program", "file"].into_iter().find(|key| config.contains_key(*key)) {
        return Err(CtlError::Usage(format!(
            "the configuration has {key:?}, and FILE is the program: leave one of them out"
        )));
    }
    config.insert("program".into(), program.into());
    Ok(())
}

fn object_in<'a>(settings: &'a mut Map<String, Value>, key: &str) -> Result<&'a mut Map<String, Value>, CtlError> {
    let value = settings.entry(key).or_insert_with(|| Map::new().into());
    value.as_object_mut().ok_or_else(|| CtlError::Usage(format!("{key:?} of the settings has to be an object")))
}

/// Prints what has changed; warnings go to standard error.
pub(super) fn show_change(answer: &Answer, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    if output.json {
        return Ok(output.json(&answer.text)?);
    }
    let changed: ChangeAnswer = answer.read()?;
    warn(&changed.warnings);
    Ok(changed.lines().iter().try_for_each(|line| output.text(line))?)
}
