//! One run of the load generator: connect, warm up, measure.

use crate::charge_point::{ChargePoint, Pace};
use crate::dialect::Dialect;
use crate::mqtt::Quality;
use crate::report::{Cost, Report};
use crate::responder::Responder;
use crate::stats::Stats;
use crate::usage::{Memory, Usage, open_file_limit};
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

#[derive(Args)]
pub(crate) struct LoadArgs {
    /// Where charge points connect, without their id
    #[arg(long, default_value = "ws://127.0.0.1:33033/ocpp")]
    url: String,
    #[arg(long, default_value = "127.0.0.1:1883")]
    broker: String,
    #[arg(short = 'n', long, default_value_t = 100)]
    charge_points: usize,
    /// Send a CALL this often, instead of as soon as the one before is answered
    #[arg(long, value_parser = humantime::parse_duration, conflicts_with = "idle")]
    interval: Option<Duration>,
    /// Connect only
    #[arg(long)]
    idle: bool,
    /// The other side is `bench floor`
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
    let gateway = tokio::net::lookup_host(host).await?.find(SocketAddr::is_ipv4);
    let load = Load {
        gateway: gateway.with_context(|| format!("{host} has no IPv4 address"))?,
        path,
        broker: args.broker,
        charge_points: args.charge_points,
        pace: match args.interval {
            _ if args.idle => Pace::Idle,
            Some(interval) => Pace::Every(interval),
            None => Pace::ClosedLoop,
        },
        dialect: if args.floor { Dialect::Raw } else { Dialect::Standard },
        quality: args.qos,
        warm_up: args.warm_up,
        window: args.measure,
        pid: args.pid,
    };
    let report = load.run().await?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}

pub(crate) struct Load {
    pub(crate) gateway: SocketAddr,
    /// What comes before `/{id}`.
    pub(crate) path: String,
    /// `host:port`.
    pub(crate) broker: String,
    pub(crate) charge_points: usize,
    pub(crate) pace: Pace,
    pub(crate) dialect: Dialect,
    pub(crate) quality: Quality,
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
    /// The process to look at.
    pub(crate) pid: Option<u32>,
}

/// Connections being set up at a time.
const CONNECTING: usize = 64;
/// How long a charge point keeps trying to connect.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);
/// Files this process needs besides its charge points' sockets.
const SPARE_FILES: u64 = 64;

impl Load {
    pub(crate) async fn run(&self) -> Result<Report> {
        let limit = open_file_limit()?;
        let needed = self.charge_points as u64 + SPARE_FILES;
        ensure!(needed <= limit, "{needed} open files are needed, {limit} are allowed: see ulimit -n");

        let stats = Arc::new(Stats::new());
        let responder =
            Responder::subscribe(&self.broker, self.dialect, self.quality, self.charge_points, Arc::clone(&stats));
        let mut tasks = JoinSet::new();
        let mut responder = tokio::spawn(responder.await?.run());
        let empty = self.pid.map(Memory::of).transpose()?;

        for (index, charge_point) in self.connect().await?.into_iter().enumerate() {
            let (pace, delay, stats) = (self.pace, self.delay(index), Arc::clone(&stats));
            tasks.spawn(async move { charge_point.run(pace, delay, &stats).await });
        }
        pass(self.warm_up, &mut responder).await?;

        let start = Instant::now();
        let (gateway, own) = self.usage()?;
        stats.measure(true);
        pass(self.window, &mut responder).await?;
        stats.measure(false);
        let (gateway_after, own_after) = self.usage()?;
        let seconds = start.elapsed().as_secs_f64();

        let latency = stats.latency();
        let cost = match (self.pid, empty) {
            (Some(pid), Some(empty)) => Some(Cost {
                usage: gateway_after.since(gateway),
                calls: latency.len(),
                seconds,
                charge_points: self.charge_points,
                empty,
                memory: Memory::of(pid)?,
            }),
            _ => None,
        };
        responder.abort();
        Ok(Report::new(self.charge_points, seconds, &latency, stats.errors(), own_after.since(own), cost))
    }

    /// CPU time and switches so far: of the gateway, and of this process.
    fn usage(&self) -> Result<(Usage, Usage)> {
        let gateway = self.pid.map(Usage::of).transpose()?;
        Ok((gateway.unwrap_or_default(), Usage::of(std::process::id())?))
    }

    /// Spreads paced charge points evenly over their interval.
    fn delay(&self, index: usize) -> Duration {
        match self.pace {
            Pace::Every(interval) => interval.mul_f64(index as f64 / self.charge_points as f64),
            Pace::ClosedLoop | Pace::Idle => Duration::ZERO,
        }
    }

    async fn connect(&self) -> Result<Vec<ChargePoint>> {
        stream::iter((0..self.charge_points).map(|index| self.connect_one(index)))
            .buffer_unordered(CONNECTING)
            .try_collect()
            .await
    }

    async fn connect_one(&self, index: usize) -> Result<ChargePoint> {
        let mut last = None;
        let keep_trying = async {
            loop {
                match ChargePoint::connect(self.gateway, &self.path, index).await {
                    Ok(charge_point) => return charge_point,
                    Err(error) => last = Some(error),
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        let connected = timeout(CONNECT_PATIENCE, keep_trying).await;
        connected.map_err(|_| {
            let reason = last.map_or_else(|| "no answer".to_owned(), |error| format!("{error:#}"));
            anyhow::anyhow!("charge point {index} cannot connect to {}: {reason}", self.gateway)
        })
    }
}

/// Lets time pass while the responder works.
async fn pass(time: Duration, responder: &mut JoinHandle<Result<()>>) -> Result<()> {
    tokio::select! {
        () = sleep(time) => Ok(()),
        ended = responder => match ended? {
            Ok(()) => bail!("the responder ended"),
            Err(error) => Err(error),
        }
    }
}
