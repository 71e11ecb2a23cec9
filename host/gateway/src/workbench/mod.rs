//! The workbench of people who write transforms: `ocpp-gateway transform …`. None of it is needed to run a gateway.

mod bench;
mod build;
mod desk;
mod dev;
mod inspect;
mod new;
mod test;

use crate::config::Bytes;
use clap::{Args, Subcommand};
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

pub use new::Hook;

/// Some part of the work came out badly; what it was has been said.
const FAILED: u8 = 1;
/// A configuration cannot be used (`EX_CONFIG` of sysexits.h).
const BAD_CONFIGURATION: u8 = 78;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a transform in Rust: a folder that builds and passes its tests.
    New(New),
    /// Compile a transform in Rust, and encode it as a component.
    Build(Build),
    /// Say what a component wants, has and is, and everything this gateway would refuse it for.
    Inspect(Inspect),
    /// Run the fixtures of a component through the engine of the gateway.
    Test(Test),
    /// Measure the time per call, beside that of builtin:standard.
    Bench(Bench),
    /// Build and test at each change of a file, and push what passes to a running gateway.
    Dev(Dev),
}

#[derive(Debug, Args)]
pub struct New {
    /// The name of the crate and of its folder.
    #[arg(value_parser = new::crate_name)]
    pub name: String,
    /// What it starts with.
    #[arg(long, value_enum, default_value_t = Hook::Uplink)]
    pub hook: Hook,
}

#[derive(Debug, Args)]
pub struct Build {
    /// The folder with the Cargo.toml.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// Where the component goes; NAME.wasm in the folder if not given.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Inspect {
    /// The component.
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct Test {
    /// The component.
    pub file: PathBuf,
    /// The folder with the cases; `fixtures` beside the component, or else in this folder, if not given.
    #[arg(long, value_name = "DIR")]
    pub fixtures: Option<PathBuf>,
    /// How much linear memory an instance may use: on the desk more than a gateway gives it unasked.
    #[arg(long, value_name = "SIZE", default_value_t = desk::MEMORY)]
    pub memory: Bytes,
}

#[derive(Debug, Args)]
pub struct Bench {
    /// The component.
    pub file: PathBuf,
    /// Its configuration, in TOML: what stands under [transforms.config] in that of the gateway.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Dev {
    /// The folder with the Cargo.toml.
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The admin address of the gateway. A token is read from OCPP_GATEWAY_TOKEN.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub gateway: String,
    /// The name of the transform in the configuration of the gateway; that of the crate if not given.
    #[arg(long)]
    pub name: Option<String>,
}

/// A configuration that a transform does not take, or that is none.
#[derive(Debug)]
struct BadConfiguration(String);

impl fmt::Display for BadConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadConfiguration {}

/// Does what was asked for.
pub fn run(command: &Command) -> ExitCode {
    let outcome = match command {
        Command::New(asked) => new::run(asked),
        Command::Build(asked) => build::run(asked),
        Command::Inspect(asked) => inspect::run(asked),
        Command::Test(asked) => test::run(asked),
        Command::Bench(asked) => bench::run(asked),
        Command::Dev(asked) => dev::run(asked),
    };
    match outcome {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => FAILED.into(),
        Err(error) => {
            eprintln!("ocpp-gateway: {error:#}");
            if error.is::<BadConfiguration>() { BAD_CONFIGURATION.into() } else { FAILED.into() }
        }
    }
}

/// How the work came out, where it could be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// What is bad about it has been said.
    Bad,
}
