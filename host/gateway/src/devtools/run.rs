//! Runs a `transform` command, and turns its result into an exit code.

use super::args::TransformCommand;
use super::verdict::{BadConfiguration, CommandResult, NotCompared, WrongUsage};
use super::{bench, build, dev, inspect, list, new, replay, test};
use std::process::ExitCode;

/// The command failed, or found faults, and has reported why.
const FAILED: u8 = 1;
/// The arguments cannot be used, as clap exits when it finds that.
const WRONG_USAGE: u8 = 2;
/// What was to be compared could not be, as for `diff`.
const NOT_COMPARED: u8 = 2;
/// A configuration cannot be used (`EX_CONFIG` of sysexits.h).
const BAD_CONFIGURATION: u8 = 78;

/// Runs a command.
pub fn run(command: &TransformCommand) -> ExitCode {
    let outcome = match command {
        TransformCommand::New(args) => new::run(args),
        TransformCommand::Build(args) => build::run(args),
        TransformCommand::List(args) => list::run(args),
        TransformCommand::Inspect(args) => inspect::run(args),
        TransformCommand::Test(args) => test::run(args),
        TransformCommand::Diff(args) => replay::diff(args),
        TransformCommand::Bench(args) => bench::run(args),
        TransformCommand::Dev(args) => dev::run(args),
    };
    match outcome {
        Ok(CommandResult::Good) => ExitCode::SUCCESS,
        Ok(CommandResult::Bad) => FAILED.into(),
        Err(error) => {
            eprintln!("ocpp-gateway: {error:#}");
            match error {
                error if error.is::<BadConfiguration>() => BAD_CONFIGURATION.into(),
                error if error.is::<WrongUsage>() => WRONG_USAGE.into(),
                error if error.is::<NotCompared>() => NOT_COMPARED.into(),
                _ => FAILED.into(),
            }
        }
    }
}
