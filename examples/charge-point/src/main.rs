//! A simulated charge point with one connector: boots, charges, and carries out the commands of its back end.
//!
//! ```console
//! cargo run -p charge-point -- --session
//! ```

mod commands;
mod connection;
mod frame;
mod messages;
mod settings;
mod station;
mod version;

use clap::Parser;
use settings::Settings;
use station::Station;
use std::process::ExitCode;
use std::time::Duration;
use version::Version;

/// A simulated charge point. Without --session it stays connected and waits for remote commands.
#[derive(Parser)]
#[command(disable_version_flag = true)]
struct Cli {
    /// URL to connect to, without the identity
    #[arg(long, default_value = "ws://127.0.0.1:33033/ocpp")]
    url: String,
    /// The charge point's identity
    #[arg(long, default_value = "chargePointSim")]
    id: String,
    /// The version of OCPP to speak
    #[arg(long, value_enum, default_value = "ocpp1.6")]
    version: Version,
    /// Run one charging session, then exit
    #[arg(long)]
    session: bool,
    /// The token that the session is authorised with
    #[arg(long, default_value = "TAG-0001")]
    token: String,
    /// Time between meter values
    #[arg(long, value_parser = humantime::parse_duration, default_value = "2s")]
    meter_interval: Duration,
    /// Meter values in the session
    #[arg(long, default_value_t = 3)]
    meter_values: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("charge-point: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let settings = Settings { meter_interval: cli.meter_interval, ..Settings::default() };
    let mut station = Station::new(cli.version, settings);
    if cli.session {
        station.plan_session(cli.token, cli.meter_values);
    }
    tokio::select! {
        done = connection::run(&mut station, &cli.url, &cli.id, cli.version) => done,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }
}
