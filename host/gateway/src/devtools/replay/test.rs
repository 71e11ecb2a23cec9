//! `transform test --recording`: what a transform makes of the messages of a recording.

use super::super::args::TestArgs;
use super::super::component::{self, CompiledCode};
use super::super::verdict::CommandResult;
use super::chain::ReplayChain;
use super::output;
use super::recorded::Recorded;
use super::summary::Summary;
use crate::operations::log::printable;
use ocpp_gateway_pipeline::SetClock;
use std::path::Path;
use std::time::Instant;

pub(in super::super) fn run(args: &TestArgs, recording: &Path) -> anyhow::Result<CommandResult> {
    let config = component::configuration(args.config.as_deref())?;
    let clock = SetClock::default();
    // Before the load: instances see the time of the recording from the beginning.
    let mut recorded = Recorded::open(recording, clock.clone())?;
    let chain = ReplayChain::load(&args.transform, config, args.memory, &CompiledCode::directory()?, &clock)?;
    let summary = summarize(&mut recorded, &chain)?;
    let notes: String = recorded.skipped().notes().iter().map(|note| format!("note: {note}\n")).collect();
    output::write(&printable(&format!("{summary}{notes}")))?;
    let is_good = summary.failed() == 0 && recorded.skipped().unreadable.is_none();
    Ok(if is_good { CommandResult::Good } else { CommandResult::Bad })
}

/// Replays a recording.
pub(super) fn summarize(recorded: &mut Recorded, chain: &ReplayChain) -> anyhow::Result<Summary> {
    let mut summary = Summary::new()?;
    let begun = Instant::now();
    recorded.replay(|message| {
        let started = Instant::now();
        let outcome = chain.run(message)?;
        summary.count(message, &outcome, started.elapsed());
        Ok(())
    })?;
    summary.end(begun.elapsed(), chain.transforms());
    Ok(summary)
}
