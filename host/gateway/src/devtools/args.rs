//! The definition of the `transform` commands.

use super::component::{self, TransformArg};
use super::hook::HookArg;
use super::language::{self, LANGUAGES, Language};
use crate::config::Bytes;
use crate::ctl::AccessArgs;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum TransformCommand {
    /// Create a transform: a folder that builds and passes its tests.
    New(NewArgs),
    /// Build the component of a transform with the tools of its language; check a program in jq.
    Build(BuildArgs),
    /// List the ready-made transforms, which are built into this program, and those of the configuration and of its
    /// drop-in directory.
    List(ListArgs),
    /// Show the hooks, imports and version of a component, and everything this gateway would refuse it for; of a
    /// ready-made one the settings too.
    Inspect(InspectArgs),
    /// Run the fixtures of a component, or the messages of a recording, through the engine of the gateway.
    Test(TestArgs),
    /// Show which messages of a recording two transforms make something else of. Exits with 0 if there are none, with 1
    /// if there are, and with 2 if they cannot be compared.
    Diff(DiffArgs),
    /// Measure the time per call, compared with builtin:standard.
    Bench(BenchArgs),
    /// Build and test after each change of a file, and push a version that passes to a running gateway.
    Dev(DevArgs),
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// The file of the configuration, in TOML.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct NewArgs {
    /// The name of the transform and of its folder.
    #[arg(value_parser = language::transform_name)]
    pub name: String,
    /// The language.
    #[arg(long, value_name = "LANGUAGE", default_value = LANGUAGES[0].name(), value_parser = language_parser())]
    pub lang: &'static dyn Language,
    /// The hooks that it has: several options, or names with commas.
    #[arg(long = "hook", value_name = "HOOK", value_enum, value_delimiter = ',', default_value = "uplink")]
    pub hooks: Vec<HookArg>,
}

#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The folder of the transform.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The file to write, or the folder for it; by default NAME.wasm in the folder of the transform. A program in jq is
    /// only written with this.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The transform: a component, builtin:NAME, or a program in jq (*.jq).
    #[arg(value_name = "FILE")]
    pub transform: TransformArg,
}

#[derive(Debug, Args)]
pub struct TestArgs {
    /// The transform: a component, builtin:NAME, or a program in jq (*.jq).
    #[arg(value_name = "FILE")]
    pub transform: TransformArg,
    /// The folder with the fixtures; by default `fixtures` beside the file, or else in this folder.
    #[arg(long, value_name = "DIR")]
    pub fixtures: Option<PathBuf>,
    /// A recording, whose messages are run instead of fixtures: what `ocpp-gateway ctl tap` prints. `-` is standard
    /// input.
    #[arg(long, value_name = "FILE", conflicts_with = "fixtures")]
    pub recording: Option<PathBuf>,
    /// Its configuration for a recording, in TOML: the content of [transforms.config] in that of the gateway.
    #[arg(long, value_name = "FILE", requires = "recording")]
    pub config: Option<PathBuf>,
    /// How much linear memory an instance may use; a gateway grants less by default.
    #[arg(long, value_name = "SIZE", default_value_t = component::MEMORY)]
    pub memory: Bytes,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The transform: a component, builtin:NAME, or a program in jq (*.jq).
    pub old: TransformArg,
    /// The one that is to replace it; the same with --new-config compares two configurations.
    pub new: TransformArg,
    /// The recording: what `ocpp-gateway ctl tap` prints. `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub recording: PathBuf,
    /// The configuration of both, in TOML: the content of [transforms.config] in that of the gateway.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// That of OLD, in place of --config.
    #[arg(long, value_name = "FILE")]
    pub old_config: Option<PathBuf>,
    /// That of NEW, in place of --config.
    #[arg(long, value_name = "FILE")]
    pub new_config: Option<PathBuf>,
    /// How much linear memory an instance may use; a gateway grants less by default.
    #[arg(long, value_name = "SIZE", default_value_t = component::MEMORY)]
    pub memory: Bytes,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The transform: a component, builtin:NAME, or a program in jq (*.jq).
    #[arg(value_name = "FILE")]
    pub transform: TransformArg,
    /// Its configuration, in TOML: the content of [transforms.config] in that of the gateway.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A fixture, whose steps are measured instead of the built-in samples, with its configuration.
    #[arg(long, value_name = "FILE", conflicts_with = "config")]
    pub fixture: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DevArgs {
    /// The folder of the transform.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The file to write a version to that has passed its fixtures, or the folder for it; by default NAME.wasm in the
    /// folder of the transform. A program in jq is only written with this.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The admin address of the gateway to upload to, by default that of the variable OCPP_GATEWAY_URL, or else
    /// http://127.0.0.1:8080. With --out, a program in jq is only uploaded with this.
    #[arg(long, value_name = "URL")]
    pub gateway: Option<String>,
    /// The name of the transform in the gateway, which gets it if it does not have it; by default its own name.
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub token: AccessArgs,
}

fn language_parser() -> impl TypedValueParser<Value = &'static dyn Language> {
    let names = PossibleValuesParser::new(LANGUAGES.map(Language::name));
    names.try_map(|name| language::find(&name).ok_or("unknown"))
}
