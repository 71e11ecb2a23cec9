//! `bench`: what one answered CALL and one connected charge point cost the gateway, against a floor.

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
mod this_process;
mod tls;
mod trial;
mod usage;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Load generator for OCPP gateways, and the floor to compare them with.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Relay text between WebSocket and MQTT and do nothing else, with the libraries as they come
    Floor(floor::FloorArgs),
    #[command(flatten)]
    Drive(Drive),
}

/// What drives a gateway.
#[derive(Subcommand)]
enum Drive {
    /// Drive a running gateway with charge points and a responder on MQTT
    Load(load_command::LoadArgs),
    /// Start floor and gateway in turn on a fresh mosquitto; print the ratio of their CPU per answered CALL
    Compare(compare::CompareArgs),
    /// Memory per idle charge point, of floor and gateway
    Idle(compare::IdleArgs),
    /// Thousands of charge points that heart-beat now and then, against a hundred
    Paced(compare::PacedArgs),
    /// Everything: all contestants in all scenarios, with a table and pictures
    Public(Box<public::PublicArgs>),
    /// What has to hold when something ends, or goes on for long: passed or failed
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
            // One thread: the generator shares its cores with what it measures.
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

/// Ends `work` at Ctrl-C, at SIGTERM or when its terminal is gone, by dropping it, which stops every program that it started.
/// Under nohup it goes on without a terminal.
async fn until_stopped(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = if this_process::ignores_hangup()? { None } else { Some(signal(SignalKind::hangup())?) };
    let terminal_gone = async {
        match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
        _ = terminal_gone => anyhow::bail!("its terminal is gone"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
