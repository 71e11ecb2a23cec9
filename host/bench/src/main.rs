//! `bench`: measures the cost of an answered CALL and of a connected charge point, compared with a floor.

mod admin;
mod charge_point;
mod child;
mod compare;
mod cores;
mod dialect;
mod floor;
mod gateway_config;
mod load;
mod load_command;
mod mqtt;
mod peers;
mod public;
mod report;
mod responder;
mod script;
mod stand;
mod statistics;
mod stats;
mod storm;
mod syscalls;
mod tap;
mod this_process;
mod tls;
mod transform_trial;
mod trial;
mod usage;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Load generator for OCPP gateways, and a minimal relay (the floor) to compare them with
#[derive(Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the floor: a relay of text between WebSocket and MQTT that uses the libraries' defaults
    Floor(floor::FloorArgs),
    #[command(flatten)]
    Drive(Drive),
}

/// Commands that drive a gateway.
#[derive(Subcommand)]
enum Drive {
    /// Drive a running gateway with charge points and a responder on MQTT
    Load(load_command::LoadArgs),
    /// Measure floor and gateway alternately, each with a fresh mosquitto; print the ratio of CPU per answered CALL
    Compare(compare::CompareArgs),
    /// Measure memory per idle charge point, of floor and gateway
    Idle(compare::IdleArgs),
    /// Compare thousands of charge points that rarely send a Heartbeat with a hundred
    Paced(compare::PacedArgs),
    /// Measure all contestants in all scenarios; write a table and pictures
    Public(Box<public::PublicArgs>),
    /// Check a property under faults or over a long time: passed or failed
    #[command(subcommand)]
    Trial(trial::Trial),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Floor(args) => {
            let mut runtime = tokio::runtime::Builder::new_multi_thread();
            let runtime = runtime.worker_threads(args.threads()).enable_all().build()?;
            runtime.block_on(floor::run(args))
        }
        Command::Drive(command) => {
            this_process::allow_open_files()?;
            // One thread, as the generator may share its cores with the measured program.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(until_stopped(drive(command)))
        }
    }
}

async fn drive(command: Drive) -> anyhow::Result<()> {
    match command {
        Drive::Load(args) => load_command::command(args).await,
        Drive::Compare(args) => compare::compare(args).await,
        Drive::Idle(args) => compare::idle(args).await,
        Drive::Paced(args) => compare::paced(args).await,
        Drive::Public(args) => public::public(*args).await,
        Drive::Trial(trial) => trial::trial(trial).await,
    }
}

/// Drops `work` on Ctrl-C, SIGTERM or SIGHUP (terminal closed), which stops every program that it started. Under nohup
/// SIGHUP is ignored.
async fn until_stopped(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = if this_process::ignores_hangup()? { None } else { Some(signal(SignalKind::hangup())?) };
    let terminal_closed = async {
        match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
        _ = terminal_closed => anyhow::bail!("the terminal was closed"),
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
