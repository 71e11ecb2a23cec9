//! `transform diff`: where two transforms differ on the messages of a recording.

use super::super::args::DiffArgs;
use super::super::component::{self, CompiledCode, TransformArg};
use super::super::verdict::{BadConfiguration, CommandResult, NotCompared};
use super::chain::ReplayChain;
use super::differences;
use super::groups::Groups;
use super::output;
use super::recorded::Recorded;
use super::report;
use ocpp_gateway_pipeline::SetClock;
use std::path::Path;

pub(in super::super) fn run(args: &DiffArgs) -> anyhow::Result<CommandResult> {
    component::show_log();
    try_run(args).map_err(|error| match error {
        error if error.is::<BadConfiguration>() => error,
        // Its exit code is another one than that of a difference.
        error => NotCompared(format!("{error:#}")).into(),
    })
}

fn try_run(args: &DiffArgs) -> anyhow::Result<CommandResult> {
    let clock = SetClock::default();
    let mut recorded = Recorded::open(&args.recording, clock.clone())?;
    let compiled = CompiledCode::directory()?;
    let load = |transform: &TransformArg, own: Option<&Path>| {
        let config = component::configuration(own.or(args.config.as_deref()))?;
        ReplayChain::load(transform, config, args.memory, &compiled, &clock)
    };
    let old = load(&args.old, args.old_config.as_deref())?;
    let new = load(&args.new, args.new_config.as_deref())?;
    let groups = compare(&mut recorded, &old, &new)?;
    let (messages, notes) = (recorded.messages(), recorded.skipped().notes());
    output::write(&if args.json {
        report::json(messages, &groups, &notes)? + "\n"
    } else {
        report::text(messages, &groups, &notes)
    })?;
    match (groups.different(), &recorded.skipped().unreadable) {
        (1.., _) => Ok(CommandResult::Bad),
        (0, None) => Ok(CommandResult::Good),
        (0, Some(_)) => Err(NotCompared("not all lines of the recording can be read".into()).into()),
    }
}

/// Replays a recording with both.
pub(super) fn compare(recorded: &mut Recorded, old: &ReplayChain, new: &ReplayChain) -> anyhow::Result<Groups> {
    let mut groups = Groups::default();
    recorded.replay(|message| {
        let (old, new) = (old.run(message)?, new.run(message)?);
        if !differences::is_same(&old, &new) {
            groups.note(message, |sink| differences::find(&old, &new, sink));
        }
        Ok(())
    })?;
    Ok(groups)
}
