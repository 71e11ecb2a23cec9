//! The definition of the `ctl trial` commands.

use super::transform_args::{ChangeArgs, VersionArgs};
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum TrialCommand {
    /// Start a trial: run a new version of a transform beside the one that is live.
    ///
    /// `ocpp-gateway ctl trial start quirk quirk.jq --shadow` compares the two on every message; with
    /// `--canary --percent 5`, the new version is live for five of a hundred charge points.
    Start(Box<StartArgs>),
    /// Show a trial: who takes part, its state, and how the new version does beside the other.
    ///
    /// A trial that has ended is shown until the next one of the transform starts, or until `end` forgets it.
    Show {
        /// The name of the transform.
        name: String,
        /// Show each difference that was kept: the message, and what both versions did with it.
        #[arg(long)]
        differences: bool,
    },
    /// Make the new version the one that runs, and end the trial. `ctl transforms rollback` takes it back.
    Promote {
        /// The name of the transform.
        name: String,
    },
    /// End a trial: the version that was live before goes on for all. One that has ended already is forgotten.
    End {
        /// The name of the transform.
        name: String,
    },
}

#[derive(Debug, Args)]
#[command(
    override_usage = "ocpp-gateway ctl trial start [OPTIONS] <--shadow|--canary> <NAME> [FILE|--component <COMPONENT>]"
)]
pub struct StartArgs {
    /// The name of the transform that the new version is tried for.
    pub name: String,
    #[command(flatten)]
    pub mode: ModeArgs,
    /// Only so many of a hundred charge points take part, chosen by a hash of the identity, so always the same ones.
    #[arg(long, value_name = "NUMBER")]
    pub percent: Option<u32>,
    /// Only charge points whose identity matches take part: `*` is any text, `?` one character.
    #[arg(long, value_name = "GLOB")]
    pub charge_points: Option<String>,
    #[command(flatten)]
    pub version: VersionArgs,
    /// Accept a component that lacks hooks which the running one has.
    #[arg(long)]
    pub allow_fewer_hooks: bool,
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// What the new version is for during the trial.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ModeArgs {
    /// Show the new version copies of the messages, and compare what both versions do. Nothing that it does has an
    /// effect. By default all charge points take part.
    #[arg(long)]
    pub shadow: bool,
    /// Let the new version handle the messages of some charge points, which --percent, --charge-points or both select.
    #[arg(long)]
    pub canary: bool,
}

impl ModeArgs {
    /// The mode, as the API names it.
    pub(super) fn name(&self) -> &'static str {
        if self.canary { "canary" } else { "shadow" }
    }
}
