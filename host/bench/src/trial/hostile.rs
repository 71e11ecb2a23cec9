//! A transform, a configuration or an upload that does harm, matched to a few of many charge points: what the others feel of it.
//!
//! Each kind of harm is set beside the same load without it, in turn, and the medians of several rounds are compared. In every
//! load, with harm and without, the hostile transform is replaced once and rolled back once.

mod harm;

use self::harm::{By, HARMS, Harm};
use super::rig::{Rig, RigArgs};
use crate::charge_point::{ChargePoint, Gateway};
use crate::load::CONNECTING;
use crate::public::prepare;
use crate::script::Script;
use crate::stats::Stats;
use crate::usage::Memory;
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use ocpp_gateway_testkit::component::another_version;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout_at};

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
    /// Only kinds of harm with this in their name
    #[arg(long, default_value = "")]
    only: String,
}

/// CALLs per second of the hostile charge points, all together; attempts to connect, where these do the harm.
const HOSTILE_RATE: f64 = 100.0;
/// The first of them: by the beginning of its identity the transform knows them.
const FIRST_HOSTILE: usize = 90_000;
const HOSTILE: &str = "CP9";
/// `shutdown.grace` of the gateway.
const GRACE: Duration = Duration::from_secs(10);
/// What it adds to that: who is cut off is told why, and what waits is published.
const GOODBYE: Duration = Duration::from_secs(5);
/// How long a rollback may take.
const ROLLBACK: Duration = Duration::from_secs(1);
/// How much more memory the gateway may take than without the harm, in KiB: `limits.memory` for each of the threads that may
/// call the transform at once.
const MEMORY: u64 = 12 * (16 << 10);
/// How often the configuration is read anew, and memory looked at.
const OFTEN: Duration = Duration::from_millis(500);
/// How the hostile transform is reached in the admin API.
const TRANSFORM: &str = "/api/v1/transforms/hostile";
const PASS: &str = "pass";

/// What is felt of one load.
struct Felt {
    /// Latencies of the neighbours, in microseconds.
    p50: f64,
    p99: f64,
    /// How long the rollback took, in milliseconds.
    rollback: f64,
    /// The most resident memory that was seen, in KiB.
    memory: f64,
}

pub(crate) async fn hostile(args: HostileArgs) -> Result<()> {
    let component = prepare::hostile()?;
    let mut failures = Vec::new();
    for harm in HARMS.iter().filter(|harm| harm.what.contains(&args.only)) {
        let Harm { what, charge_points, .. } = harm;
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..args.rounds {
            without.push(load(&args, &component, harm, false).await?);
            with.push(load(&args, &component, harm, true).await.with_context(|| format!("with {what:?}"))?);
        }
        let grown = |of: fn(&Felt) -> f64| median(&with, of) / median(&without, of);
        let (p50, p99) = (grown(|felt| felt.p50), grown(|felt| felt.p99));
        let rollback = with.iter().map(|felt| felt.rollback).fold(0.0, f64::max);
        let memory = median(&with, |felt| felt.memory) - median(&without, |felt| felt.memory);
        println!(
            "{what:?} for {charge_points}: p50 {p50:.2} times that without it, p99 {p99:.2} times; rollback within \
             {rollback:.0} ms; {:.0} MiB more memory",
            memory / 1024.0
        );
        let harmless = p50 <= harm.p50
            && harm.p99.is_none_or(|most| p99 <= most)
            && rollback <= ROLLBACK.as_millis() as f64
            && memory <= MEMORY as f64;
        if !harmless {
            failures.push(*what);
        }
    }
    ensure!(failures.is_empty(), "these reach the neighbours: {failures:?}");
    Ok(())
}

fn median(felt: &[Felt], of: fn(&Felt) -> f64) -> f64 {
    let mut values: Vec<f64> = felt.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What the hostile transform is configured to do.
fn deed(hook: &str, does: &str) -> String {
    format!("{{ hook = {hook:?}, does = {does:?}, to = {HOSTILE:?} }}")
}

/// One load, with the harm or without it. Every CALL of the neighbours is answered, and the gateway ends within its grace
/// and what it needs to say goodbye.
async fn load(args: &HostileArgs, component: &Path, harm: &Harm, harmful: bool) -> Result<Felt> {
    let mut rig = start(args, component, harm, harmful).await?;
    let (entrance, stats) = (rig.entrance(), Arc::new(Stats::new()));
    let mut responder = JoinSet::new();
    responder.spawn(rig.responder(args.charge_points * 2, &stats).await?.run());
    let number = args.charge_points.saturating_sub(harm.charge_points);
    let neighbours = connect(&entrance, 0..number).await?;
    let attempts = matches!(harm.by, By::Connecting);
    let few = if attempts { 0 } else { harm.charge_points };
    let hostile = connect(&entrance, FIRST_HOSTILE..FIRST_HOSTILE + few).await?;

    let until = Instant::now() + args.length;
    stats.measure(true);
    let _hostile = send(hostile, HOSTILE_RATE, until, &Arc::new(Stats::new()));
    let mut neighbours = send(neighbours, args.rate, until, &stats);
    let everything = async {
        let (mut sent, mut connected) = (0, Vec::new());
        while let Some(joined) = neighbours.join_next().await {
            let (calls, charge_point) = joined?;
            sent += calls;
            connected.push(charge_point);
        }
        ensure!(stats.total() == sent, "of {sent} CALLs of the neighbours {} were answered", stats.total());
        Ok(connected)
    };
    let (connected, seen, ()) = tokio::try_join!(everything, watch(&rig, harm, harmful, until), async {
        match harm.by {
            By::Connecting => try_to_connect(&entrance, harm.charge_points, until).await,
            By::Upload(component) if harmful => upload(&rig, &component(), until).await,
            _ => Ok(()),
        }
    })?;
    let stopping = Instant::now();
    rig.terminate_gateway()?;
    ensure!(stopping.elapsed() < GRACE + GOODBYE, "it took {:?} to stop", stopping.elapsed());
    drop(connected);
    let latency = stats.latency();
    let quantile = |quantile| latency.value_at_quantile(quantile) as f64;
    Ok(Felt { p50: quantile(0.5), p99: quantile(0.99), ..seen })
}

/// A gateway whose hostile transform has been replaced once, so that it can be rolled back.
async fn start(args: &HostileArgs, component: &Path, harm: &Harm, harmful: bool) -> Result<Rig> {
    let does = if harmful && harm.by.is_configured() { harm.what } else { PASS };
    let sections = format!(
        "[[transforms]]\nname = \"hostile\"\ncomponent = {component:?}\nconfig = {}\n[shutdown]\ngrace = \"{}s\"\n",
        deed(harm.by.hook(), does),
        GRACE.as_secs()
    );
    let rig = Rig::start_with(&args.rig, "open_calls = 1000\n", &sections, &[]).await?;
    let replaced = rig.admin("PUT", TRANSFORM, &another_version(&fs::read(component)?, 0)).await?;
    ensure!(replaced == 200, "the transform was not replaced: status {replaced}");
    Ok(rig)
}

async fn connect(gateway: &Gateway, indices: Range<usize>) -> Result<Vec<ChargePoint>> {
    stream::iter(indices.map(|index| ChargePoint::connect(gateway, index))).buffered(CONNECTING).try_collect().await
}

/// Each of them sends its share of so many CALLs per second, and answers how many these were.
fn send(charge_points: Vec<ChargePoint>, rate: f64, until: Instant, stats: &Arc<Stats>) -> JoinSet<(u64, ChargePoint)> {
    let number = charge_points.len() as f64;
    let interval = Duration::from_secs_f64(number / rate);
    let mut tasks = JoinSet::new();
    for (index, mut charge_point) in charge_points.into_iter().enumerate() {
        let (stats, delay) = (Arc::clone(stats), interval.mul_f64(index as f64 / number));
        tasks.spawn(async move {
            let sent = charge_point.run_until(until, interval, &Script::statuses(), delay, &stats).await;
            (sent, charge_point)
        });
    }
    tasks
}

/// Looks at memory, has the configuration read, and rolls the transform back in the middle of the load. Latencies are not seen.
async fn watch(rig: &Rig, harm: &Harm, harmful: bool, until: Instant) -> Result<Felt> {
    let pid = rig.pid()?;
    let middle = Instant::now() + (until - Instant::now()) / 2;
    let mut seen = Felt { p50: 0.0, p99: 0.0, rollback: 0.0, memory: 0.0 };
    while Instant::now() < until {
        seen.memory = seen.memory.max(Memory::of(pid)?.rss_kib as f64);
        if let By::Reload { hook } = harm.by
            && harmful
        {
            rig.reload_with(&deed(hook, PASS), &deed(hook, harm.what))?;
        }
        if seen.rollback == 0.0 && Instant::now() > middle {
            let asked = Instant::now();
            let status = rig.admin("POST", &format!("{TRANSFORM}/rollback"), &[]).await?;
            ensure!(status == 200, "it was not rolled back: status {status}");
            seen.rollback = asked.elapsed().as_secs_f64() * 1e3;
        }
        sleep(OFTEN).await;
    }
    Ok(seen)
}

/// Charge points that want to connect all the time, whether they are let in or not.
async fn try_to_connect(gateway: &Gateway, number: usize, until: Instant) -> Result<()> {
    let mut attempts = JoinSet::new();
    for index in (FIRST_HOSTILE..FIRST_HOSTILE + number).cycle() {
        sleep(Duration::from_secs_f64(1.0 / HOSTILE_RATE)).await;
        if Instant::now() > until {
            break;
        }
        let gateway = gateway.clone();
        attempts.spawn(async move { ChargePoint::connect(&gateway, index).await.is_ok() });
        while attempts.try_join_next().is_some() {}
    }
    Ok(())
}

/// Uploads that are refused in the end, one after the other. The last one is left alone while it is compiled.
async fn upload(rig: &Rig, component: &[u8], until: Instant) -> Result<()> {
    while let Ok(status) = timeout_at(until.into(), rig.admin("PUT", TRANSFORM, component)).await {
        let status = status?;
        ensure!(status >= 400, "a component without hooks was accepted: status {status}");
    }
    Ok(())
}
