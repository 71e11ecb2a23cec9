//! `bench load`: drives a gateway that is running already.

use crate::charge_point::{Gateway, Pace};
use crate::dialect::Dialect;
use crate::load::{Load, Work};
use crate::mqtt::Quality;
use crate::script::Script;
use anyhow::{Context as _, Result};
use clap::Args;
use std::net::SocketAddr;
use std::time::Duration;

#[derive(Args)]
pub(crate) struct LoadArgs {
    /// Where charge points connect, without their id
    #[arg(long, default_value = "ws://127.0.0.1:33033/ocpp")]
    url: String,
    #[arg(long, default_value = "127.0.0.1:1883")]
    broker: String,
    #[arg(short = 'n', long, default_value_t = 100)]
    charge_points: usize,
    /// Send a CALL this often, instead of as soon as the previous one is answered
    #[arg(long, value_parser = humantime::parse_duration, conflicts_with = "idle")]
    interval: Option<Duration>,
    /// Connect and boot only
    #[arg(long)]
    idle: bool,
    /// The CALLs of a day, instead of Heartbeats
    #[arg(long)]
    day: bool,
    /// The program under test is `bench floor`
    #[arg(long)]
    floor: bool,
    #[arg(long, default_value = "0")]
    qos: Quality,
    #[arg(long, value_parser = humantime::parse_duration, default_value = "3s")]
    warm_up: Duration,
    #[arg(long, value_parser = humantime::parse_duration, default_value = "10s")]
    measure: Duration,
    /// Process id of the gateway: adds its CPU time, context switches and memory
    #[arg(long)]
    pid: Option<u32>,
    #[arg(long)]
    json: bool,
}

pub(crate) async fn command(args: LoadArgs) -> Result<()> {
    let address = args.url.strip_prefix("ws://").context("--url is not ws://host:port/path")?;
    let (host, path) = match address.split_once('/') {
        Some((host, path)) => (host, format!("/{}", path.trim_end_matches('/'))),
        None => (address, String::new()),
    };
    let address = tokio::net::lookup_host(host).await?.find(SocketAddr::is_ipv4);
    let address = address.with_context(|| format!("{host} has no IPv4 address"))?;
    let pace = match args.interval {
        _ if args.idle => Pace::Idle,
        Some(interval) => Pace::Every(interval),
        None => Pace::ClosedLoop,
    };
    let load = Load {
        gateway: Gateway { address, path, trust: None, password: None, network: 0 },
        broker: args.broker,
        charge_points: args.charge_points,
        work: Work::Calls(pace, if args.day { Script::day() } else { Script::heartbeats() }),
        dialect: if args.floor { Dialect::Raw } else { Dialect::Standard },
        quality: args.qos,
        warm_up: args.warm_up,
        window: args.measure,
        pid: args.pid,
        broker_pid: None,
        syscalls: None,
        shadow: None,
    };
    let report = load.run().await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}
