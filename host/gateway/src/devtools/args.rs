//! The definition of the `transform` commands.

use super::component;
use super::crate_name::crate_name;
use crate::config::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use ocpp_gateway_pipeline::Source;
use std::fmt;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum TransformCommand {
    /// Create a transform in Rust: a folder that builds and passes its tests.
    New(NewArgs),
    /// Compile a transform in Rust, and encode it as a component.
    Build(BuildArgs),
    /// List the ready-made transforms, which are built into this program, and those of the configuration and of its
    /// drop-in directory.
    List(ListArgs),
    /// Show the hooks, imports and version of a component, and everything this gateway would refuse it for; of a
    /// ready-made one the settings too.
    Inspect(InspectArgs),
    /// Run the fixtures of a component through the engine of the gateway.
    Test(TestArgs),
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
    /// The name of the crate and of its folder.
    #[arg(value_parser = crate_name)]
    pub name: String,
    /// The hook that it implements.
    #[arg(long, value_enum, default_value_t = HookArg::Uplink)]
    pub hook: HookArg,
}

#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The folder with the Cargo.toml.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The file of the component; by default NAME.wasm in the folder.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The component: a file, or builtin:NAME.
    #[arg(value_name = "FILE")]
    pub component: Source,
}

#[derive(Debug, Args)]
pub struct TestArgs {
    /// The component: a file, or builtin:NAME.
    #[arg(value_name = "FILE")]
    pub component: Source,
    /// The folder with the fixtures; by default `fixtures` beside the component, or else in this folder.
    #[arg(long, value_name = "DIR")]
    pub fixtures: Option<PathBuf>,
    /// How much linear memory an instance may use; a gateway grants less by default.
    #[arg(long, value_name = "SIZE", default_value_t = component::MEMORY)]
    pub memory: Bytes,
}

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The component: a file, or builtin:NAME.
    #[arg(value_name = "FILE")]
    pub component: Source,
    /// Its configuration, in TOML: the content of [transforms.config] in that of the gateway.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DevArgs {
    /// The folder with the Cargo.toml.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The admin address of the gateway. A token is read from OCPP_GATEWAY_TOKEN.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub gateway: String,
    /// The name of the transform in the configuration of the gateway; by default that of the crate.
    #[arg(long)]
    pub name: Option<String>,
}

/// The hooks that a new transform can implement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HookArg {
    Uplink,
    Downlink,
    Outbound,
    Inbound,
    Mapping,
    Admission,
    Events,
    Validation,
}

impl fmt::Display for HookArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_possible_value().map_or(Ok(()), |value| f.write_str(value.get_name()))
    }
}
