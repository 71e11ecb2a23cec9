//! From a command to an exit code.

use super::args::Command;
use super::verdict::{BadConfiguration, Verdict};
use super::{bench, build, dev, inspect, new, test};
use std::process::ExitCode;

/// Some part of the work came out badly; what it was has been said.
const FAILED: u8 = 1;
/// A configuration cannot be used (`EX_CONFIG` of sysexits.h).
const BAD_CONFIGURATION: u8 = 78;

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
