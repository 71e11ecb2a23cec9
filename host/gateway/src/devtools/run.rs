//! From a command to an exit code.

use super::args::TransformCommand;
use super::verdict::{BadConfiguration, CommandResult};
use super::{bench, build, dev, inspect, new, test};
use std::process::ExitCode;

/// Some part of the work came out badly; what it was has been said.
const FAILED: u8 = 1;
/// A configuration cannot be used (`EX_CONFIG` of sysexits.h).
const BAD_CONFIGURATION: u8 = 78;

/// Does what was asked for.
pub fn run(command: &TransformCommand) -> ExitCode {
    let outcome = match command {
        TransformCommand::NewArgs(asked) => new::run(asked),
        TransformCommand::BuildArgs(asked) => build::run(asked),
        TransformCommand::InspectArgs(asked) => inspect::run(asked),
        TransformCommand::TestArgs(asked) => test::run(asked),
        TransformCommand::BenchArgs(asked) => bench::run(asked),
        TransformCommand::DevArgs(asked) => dev::run(asked),
    };
    match outcome {
        Ok(CommandResult::Good) => ExitCode::SUCCESS,
        Ok(CommandResult::Bad) => FAILED.into(),
        Err(error) => {
            eprintln!("ocpp-gateway: {error:#}");
            if error.is::<BadConfiguration>() { BAD_CONFIGURATION.into() } else { FAILED.into() }
        }
    }
}
