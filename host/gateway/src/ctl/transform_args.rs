//! The definition of the `ctl transforms` commands.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum TransformsCommand {
    /// List the transforms in the order in which they handle a frame from a charge point.
    List,
    /// Show one transform: where it comes from, its settings, and the versions that a rollback can restore.
    Show {
        /// The name of the transform.
        name: String,
    },
    /// Replace the component, the program or the settings of a transform that the gateway has.
    ///
    /// A component alone keeps the settings. A program and the options --config, --settings and --match-… are settings,
    /// and replace all that were sent before.
    Put(PutArgs),
    /// Add a transform.
    Add(AddArgs),
    /// Replace the configuration of a transform: what [transforms.config] is in the file.
    Config {
        /// The name of the transform.
        name: String,
        /// A file in TOML or JSON; `-` is the standard input.
        file: PathBuf,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Restore the version before, or another one that the gateway has kept.
    Rollback {
        /// The name of the transform.
        name: String,
        /// The number of the version, as `show` lists it; by default the one that ran before.
        #[arg(long, value_name = "NUMBER")]
        version: Option<u64>,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Drop what was uploaded: the transform is again as its file or the configuration has it.
    Revert(NameArgs),
    /// Fetch the component of a transform again from the address that its settings name.
    Fetch(NameArgs),
    /// Put the transforms in this order, in which they handle a frame from a charge point.
    Order {
        /// The names of all transforms but those of the drop-in directory.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Remove a transform that was added with `add`.
    Rm(NameArgs),
}

#[derive(Debug, Args)]
pub struct NameArgs {
    /// The name of the transform.
    pub name: String,
    #[command(flatten)]
    pub change: ChangeArgs,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct ChangeArgs {
    /// Check everything and say what would change, but change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
#[command(override_usage = "ocpp-gateway ctl transforms put [OPTIONS] <NAME> [FILE|--component <COMPONENT>]")]
pub struct PutArgs {
    /// The name of the transform.
    pub name: String,
    #[command(flatten)]
    pub version: VersionArgs,
    /// Accept a component that lacks hooks which the running one has.
    #[arg(long)]
    pub allow_fewer_hooks: bool,
    #[command(flatten)]
    pub change: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(override_usage = "ocpp-gateway ctl transforms add [OPTIONS] <NAME> <FILE|--component <COMPONENT>>")]
pub struct AddArgs {
    /// The name of the transform.
    pub name: String,
    #[command(flatten)]
    pub version: VersionArgs,
    /// The name of the transform before which it handles a frame from a charge point; by default it is the last.
    #[arg(long, value_name = "NAME")]
    pub before: Option<String>,
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// What runs, and how.
#[derive(Debug, Args)]
pub struct VersionArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// The configuration of the transform, in TOML or JSON: what [transforms.config] is in the file of the gateway.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The other settings, in TOML or JSON: the keys of a [[transforms]] entry, such as match, limits and on_error.
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// The signature of FILE, as minisign writes it; by default FILE.minisig, if there is one.
    #[arg(long, value_name = "FILE", conflicts_with = "component")]
    pub signature: Option<PathBuf>,
    #[command(flatten)]
    pub matching: MatchArgs,
}

#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct SourceArgs {
    /// A component (*.wasm), or a program in jq (*.jq). A signature beside it, FILE.minisig, is sent with it.
    pub file: Option<PathBuf>,
    /// A component that the gateway has or fetches: builtin:NAME, https://… or oci://….
    #[arg(long, value_name = "COMPONENT")]
    pub component: Option<String>,
}

/// Which messages the transform handles. Each option takes several values, separated by commas.
#[derive(Debug, Args)]
pub struct MatchArgs {
    /// Only charge points whose identity is like one of these; `*` and `?` stand for any characters.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    pub match_charge_points: Vec<String>,
    /// Only these versions of OCPP, such as ocpp1.6.
    #[arg(long, value_name = "VERSION", value_delimiter = ',')]
    pub match_versions: Vec<String>,
    /// Only these actions.
    #[arg(long, value_name = "ACTION", value_delimiter = ',')]
    pub match_actions: Vec<String>,
    /// Only this direction: uplink or downlink.
    #[arg(long, value_name = "DIRECTION", value_delimiter = ',')]
    pub match_directions: Vec<String>,
}

impl MatchArgs {
    /// The keys of `match` that are given, with their values.
    pub(super) fn given(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        let keys = [
            ("charge_points", &self.match_charge_points[..]),
            ("versions", &self.match_versions),
            ("actions", &self.match_actions),
            ("directions", &self.match_directions),
        ];
        keys.into_iter().filter(|(_, values)| !values.is_empty())
    }
}
