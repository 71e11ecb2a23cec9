//! Runs a `ctl` command, and turns its result into an exit code.

use super::args::{CtlArgs, CtlCommand};
use super::error::CtlError;
use super::output::Output;
use super::{charge_points, events, log_level, status, tap, transforms, trial, try_message};
use crate::operations::log::printable;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::num::NonZeroUsize;
use std::process::ExitCode;

/// The gateway refuses the request, cannot be reached, or is not ready.
const FAILED: u8 = 1;
/// The arguments cannot be used, as clap exits when it finds that.
const WRONG_USAGE: u8 = 2;

/// Runs a command.
pub fn run(args: &CtlArgs) -> ExitCode {
    let mut output = Output::new(BufWriter::new(io::stdout().lock()), args.json);
    output.is_terminal = io::stdout().is_terminal();
    let result = carry_out(args, &mut output);
    let result = result.and_then(|()| output.flush().map_err(CtlError::Output));
    let Err(error) = result else { return ExitCode::SUCCESS };
    match &error {
        // The reader of the output has enough.
        CtlError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        CtlError::Reported => {}
        _ => {
            if let Some(refusal) = error.refusal().filter(|_| args.json) {
                let _ = output.json(&refusal.body);
            }
            let _ = writeln!(io::stderr(), "ocpp-gateway: {}", printable(&error.to_string()));
        }
    }
    // Nothing is left to be said if that fails.
    let _ = output.flush();
    if matches!(error, CtlError::Usage(_)) { WRONG_USAGE.into() } else { FAILED.into() }
}

pub(super) fn carry_out(args: &CtlArgs, output: &mut Output<impl io::Write>) -> Result<(), CtlError> {
    let client = args.token.client(&args.url)?;
    match &args.command {
        CtlCommand::Status => status::run(&client, output),
        CtlCommand::ChargePoints { id: None, limit, search, listener, away } => {
            let (limit, search, listener) = (limit.map(NonZeroUsize::get), search.as_deref(), listener.as_deref());
            charge_points::list(&client, charge_points::Selection { limit, search, listener, away: *away }, output)
        }
        CtlCommand::ChargePoints { id: Some(id), .. } => charge_points::show(&client, id, output),
        CtlCommand::Kick { ids } => charge_points::kick(&client, ids),
        CtlCommand::Call { id, action, payload } => {
            charge_points::call(&client, id, action, payload.as_deref(), output)
        }
        CtlCommand::Try(args) => try_message::run(&client, args, output),
        CtlCommand::Transforms(command) => transforms::run(&client, command, output),
        CtlCommand::Trial(command) => trial::run(&client, command, output),
        CtlCommand::Tap(args) => tap::run(&client, args, output),
        CtlCommand::Events => events::run(&client, output),
        CtlCommand::LogLevel { filter } => log_level::run(&client, filter.as_deref(), output),
    }
}
