//! `ctl trial`: a new version of a transform beside the one that is live.

use super::client::{Answer, Client, path, with_query};
use super::error::CtlError;
use super::output::{Output, cell, warn};
use super::transforms::{show_change, something_new};
use super::trial_args::{StartArgs, TrialCommand};
use super::trial_difference::Difference;
use super::trial_summary::Trial;
use std::io::Write;
use ureq::http::Method;

/// How much of a trial is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// What is on trial, and for which charge points.
    Head,
    Figures,
    Differences,
}

pub(super) fn run(client: &Client, command: &TrialCommand, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    let (answer, extent) = match command {
        TrialCommand::Start(args) => (start(client, args)?, Extent::Head),
        TrialCommand::Show { name, differences: false } => (client.get(&page(name))?, Extent::Figures),
        TrialCommand::Show { name, differences: true } => (client.get(&page(name))?, Extent::Differences),
        TrialCommand::End { name } => (client.delete(&page(name))?, Extent::Figures),
        TrialCommand::Promote { name } => {
            return show_change(&client.post(&path(&["transforms", name, "trial", "promote"]))?, output);
        }
    };
    show(&answer, extent, output)
}

fn page(name: &str) -> String {
    path(&["transforms", name, "trial"])
}

fn start(client: &Client, args: &StartArgs) -> Result<Answer, CtlError> {
    let StartArgs { name, mode, percent, charge_points, version, allow_fewer_hooks, change } = args;
    let version = something_new(version)?;
    let percent = percent.map(|percent| percent.to_string());
    let mut parameters = vec![("mode", mode.name())];
    parameters.extend(percent.as_deref().map(|percent| ("percent", percent)));
    parameters.extend(charge_points.as_deref().map(|glob| ("charge_points", glob)));
    parameters.extend(allow_fewer_hooks.then_some(("allow_fewer_hooks", "true")));
    parameters.extend(change.dry_run.then_some(("dry_run", "true")));
    let upload = version.upload(version.settings.clone());
    Ok(client.upload(Method::POST, &with_query(page(name), &parameters), &upload)?)
}

/// Prints a trial; warnings go to standard error.
fn show(answer: &Answer, extent: Extent, output: &mut Output<impl Write>) -> Result<(), CtlError> {
    if output.json {
        return Ok(output.json(&answer.text)?);
    }
    let trial: Trial = answer.read()?;
    warn(&trial.warnings);
    output.pairs(&trial.pairs())?;
    if extent == Extent::Head {
        return Ok(output.text(&trial.what_next())?);
    }
    if let Some(shadow) = &trial.shadow {
        output.text("")?;
        output.pairs(&shadow.pairs())?;
    }
    if let Some(canary) = &trial.canary {
        output.text("")?;
        output.table(["", "CANDIDATE", "OTHERS"], &canary.rows())?;
    }
    if extent == Extent::Differences {
        for (place, difference) in trial.differences().iter().enumerate() {
            let difference: Difference = answer.read_part(difference.get())?;
            output.text("")?;
            difference.lines(place + 1).iter().try_for_each(|line| output.text(&cell(line)))?;
        }
    }
    if let Some(line) = trial.differences_line(extent == Extent::Differences) {
        output.text("")?;
        output.text(&line)?;
    }
    Ok(())
}
