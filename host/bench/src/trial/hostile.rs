//! A transform that does harm, matched to a few of many charge points: what the others feel of it.
//!
//! Each kind of harm is set beside the same load without it, in turn, and the medians of several rounds are compared.

use super::rig::{Rig, RigArgs};
use crate::charge_point::{ChargePoint, Gateway};
use crate::load::CONNECTING;
use crate::public::prepare;
use crate::script::Script;
use crate::stats::Stats;
use anyhow::{Result, ensure};
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

#[derive(Args)]
pub(crate) struct HostileArgs {
    #[command(flatten)]
    rig: RigArgs,
    /// All of them, the hostile ones included
    #[arg(short = 'n', long, default_value_t = 50)]
    charge_points: usize,
    /// CALLs per second of the neighbours, all together
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    /// How long each load lasts
    #[arg(long = "for", value_parser = humantime::parse_duration, default_value = "10s")]
    length: Duration,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// What the transform does to its charge points, how many these are, and by how much p50 and p99 of the others may grow.
const HARMS: [(&str, usize, f64, Option<f64>); 6] = [
    ("panic", 1, 1.2, Some(2.0)),
    ("panic", 3, 1.5, None),
    ("take 9 ms", 3, 1.5, None),
    ("take 18 ms", 3, 1.5, None),
    ("take memory", 3, 1.5, None),
    ("count with many labels", 3, 1.5, None),
];
/// CALLs per second of the hostile charge points, all together.
const HOSTILE_RATE: f64 = 100.0;
/// The first of them: by the beginning of its identity the transform knows them.
const FIRST_HOSTILE: usize = 90_000;
const HOSTILE: &str = "CP9";
/// `shutdown.grace` of the gateway, and what it adds to it for what waits to be published.
const GRACE: Duration = Duration::from_secs(10);

/// How long it may take until charge points are let in.
const READY: Duration = Duration::from_secs(20);

/// Latencies of the neighbours, in microseconds.
struct Felt {
    p50: f64,
    p99: f64,
}

pub(crate) async fn hostile(args: HostileArgs) -> Result<()> {
    let component = prepare::hostile()?;
    let mut failures = 0;
    for (does, number, p50, p99) in HARMS {
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..args.rounds {
            without.push(load(&args, &component, "pass", number).await?);
            with.push(load(&args, &component, does, number).await?);
        }
        let grown = |of: fn(&Felt) -> f64| median(&with, of) / median(&without, of);
        let (grown50, grown99) = (grown(|felt| felt.p50), grown(|felt| felt.p99));
        println!("{does:?} for {number}: p50 {grown50:.2} times that without it, p99 {grown99:.2} times");
        if grown50 > p50 || p99.is_some_and(|p99| grown99 > p99) {
            failures += 1;
        }
    }
    ensure!(failures == 0, "{failures} of {} kinds of harm reach the neighbours", HARMS.len());
    Ok(())
}

/// The gateway refuses charge points until it has reached the broker.
async fn connect(gateway: &Gateway, index: usize) -> Result<ChargePoint> {
    let since = Instant::now();
    loop {
        match ChargePoint::connect(gateway, index).await {
            Err(_) if since.elapsed() < READY => sleep(READY / 100).await,
            connected => return connected,
        }
    }
}

fn median(felt: &[Felt], of: fn(&Felt) -> f64) -> f64 {
    let mut values: Vec<f64> = felt.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn load(args: &HostileArgs, component: &Path, does: &str, hostile: usize) -> Result<Felt> {
    let transform = format!(
        "[[transforms]]\nname = \"hostile\"\ncomponent = {component:?}\n\
         config = {{ hook = \"uplink\", does = {does:?}, to = {HOSTILE:?} }}\n\
         [shutdown]\ngrace = \"{}s\"\n",
        GRACE.as_secs()
    );
    let mut rig = Rig::start_with(&args.rig, "open_calls = 1000\n", &transform).await?;
    let (stats, theirs) = (Arc::new(Stats::new()), Arc::new(Stats::new()));
    let mut responder = JoinSet::new();
    responder.spawn(rig.responder(args.charge_points * 2, &stats).await?.run());
    let entrance = rig.entrance();
    let neighbours = args.charge_points.saturating_sub(hostile);
    let indices = (0..neighbours).chain(FIRST_HOSTILE..FIRST_HOSTILE + hostile);
    let connecting = indices.map(|index| connect(&entrance, index));
    let connected: Vec<ChargePoint> = stream::iter(connecting).buffered(CONNECTING).try_collect().await?;
    let until = Instant::now() + args.length;
    stats.measure(true);
    let mut tasks = JoinSet::new();
    for (index, mut charge_point) in connected.into_iter().enumerate() {
        let is_neighbour = index < neighbours;
        let (number, rate) = if is_neighbour { (neighbours, args.rate) } else { (hostile, HOSTILE_RATE) };
        let interval = Duration::from_secs_f64(number as f64 / rate);
        let delay = interval.mul_f64((index % number) as f64 / number as f64);
        let stats = Arc::clone(if is_neighbour { &stats } else { &theirs });
        tasks.spawn(async move {
            let script = Script::statuses();
            let sent = charge_point.run_until(until, interval, &script, delay, &stats).await;
            (if is_neighbour { sent } else { 0 }, charge_point)
        });
    }
    let (mut sent, mut done) = (0, Vec::new());
    while let Some(joined) = tasks.join_next().await {
        let (calls, charge_point) = joined?;
        sent += calls;
        done.push(charge_point);
    }
    ensure!(stats.total() == sent, "{does:?}: of {sent} CALLs of the neighbours {} were answered", stats.total());
    let stopping = Instant::now();
    rig.terminate_gateway()?;
    ensure!(stopping.elapsed() < GRACE, "{does:?}: it took {:?} to stop", stopping.elapsed());
    let latency = stats.latency();
    Ok(Felt { p50: latency.value_at_quantile(0.5) as f64, p99: latency.value_at_quantile(0.99) as f64 })
}
