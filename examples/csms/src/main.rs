//! A small back end (charging station management system) on MQTT: answers charge points, and sends them commands.
//!
//! ```console
//! cargo run -p csms
//! cargo run -p csms -- send chargePointSim Reset '{"type":"Soft"}'
//! ```

mod answers;
mod broker;
mod message;
mod send;
mod serve;

use broker::Broker;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A small back end on MQTT. Without a command it answers every charge point, and reads commands from standard input.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[arg(long, default_value = "mqtt://127.0.0.1:1883", global = true)]
    broker: String,
    /// Prefix of the gateway's topics
    #[arg(long, default_value = "ocpp/", global = true)]
    mountpoint: String,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Send a charge point one CALL and print its answer
    Send(send::SendArgs),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    run(Cli::parse()).await.unwrap_or_else(|error| {
        eprintln!("csms: {error:#}");
        ExitCode::FAILURE
    })
}

async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let broker = Broker::parse(&cli.broker, cli.mountpoint)?;
    match cli.command {
        Some(Command::Send(args)) => send::run(&broker, args).await,
        None => tokio::select! {
            done = serve::run(&broker) => done,
            _ = tokio::signal::ctrl_c() => Ok(ExitCode::SUCCESS),
        },
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
