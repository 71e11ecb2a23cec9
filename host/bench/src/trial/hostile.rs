//! A transform, a configuration or an upload does harm to a few of many charge points: measures the effect on the
//! others.
//!
//! Loads with and without a kind of harm alternate, and the medians of several rounds are compared. In every load, the
//! hostile transform is replaced once and rolled back once.

mod harm;

use self::harm::{HARMS, Harm, Trigger};
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
    /// Number of charge points, including the hostile ones
    #[arg(short = 'n', long, default_value_t = 50)]
    charge_points: usize,
    /// CALLs per second of the other charge points, all together
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    /// Duration of each load
    #[arg(long = "for", value_parser = humantime::parse_duration, default_value = "10s")]
    length: Duration,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only kinds of harm whose name contains this
    #[arg(long, default_value = "")]
    only: String,
}

/// CALLs per second of the hostile charge points, all together; or attempts to connect, if these do the harm.
const HOSTILE_RATE: f64 = 100.0;
/// Index of the first hostile charge point. The transform recognises them by the start of their identity, [`HOSTILE`].
const FIRST_HOSTILE: usize = 90_000;
const HOSTILE: &str = "CP9";
/// `shutdown.grace` of the gateway.
const GRACE: Duration = Duration::from_secs(10);
/// Time for shutdown after the grace: close frames are sent and queued messages published.
const SHUTDOWN_EXTRA: Duration = Duration::from_secs(5);
/// Time limit of a rollback.
const ROLLBACK: Duration = Duration::from_secs(1);
/// Additional memory that the gateway may use because of the harm, in KiB: `limits.memory` for each thread that may
/// call the transform at once.
const MEMORY: u64 = 12 * (16 << 10);
/// Interval of configuration reloads and memory samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(500);
/// Path of the hostile transform in the admin API.
const TRANSFORM: &str = "/api/v1/transforms/hostile";
const PASS: &str = "pass";

/// The measurements of one load.
struct Measurement {
    /// Latencies of the other charge points, in microseconds.
    p50: f64,
    p99: f64,
    /// Duration of the rollback, in milliseconds.
    rollback: f64,
    /// Maximum of resident memory, in KiB.
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
        let ratio = |of: fn(&Measurement) -> f64| median(&with, of) / median(&without, of);
        let (p50, p99) = (ratio(|load| load.p50), ratio(|load| load.p99));
        let rollback = with.iter().map(|load| load.rollback).fold(0.0, f64::max);
        let memory = median(&with, |load| load.memory) - median(&without, |load| load.memory);
        println!(
            "{what:?} for {charge_points}: p50 {p50:.2} times the value without, p99 {p99:.2} times; rollback within \
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
    ensure!(failures.is_empty(), "these kinds of harm affect other charge points: {failures:?}");
    Ok(())
}

fn median(loads: &[Measurement], of: fn(&Measurement) -> f64) -> f64 {
    let mut values: Vec<f64> = loads.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The configuration of the hostile transform.
fn transform_config(hook: &str, does: &str) -> String {
    format!("{{ hook = {hook:?}, does = {does:?}, to = {HOSTILE:?} }}")
}

/// One load, with or without the harm. Fails unless every CALL of the other charge points is answered and the gateway
/// stops within `GRACE + SHUTDOWN_EXTRA`.
async fn load(args: &HostileArgs, component: &Path, harm: &Harm, harmful: bool) -> Result<Measurement> {
    let mut rig = start(args, component, harm, harmful).await?;
    let (endpoint, stats) = (rig.endpoint(), Arc::new(Stats::new()));
    let mut responder = JoinSet::new();
    responder.spawn(rig.responder(args.charge_points * 2, &stats).await?.run());
    let number = args.charge_points.saturating_sub(harm.charge_points);
    let others = connect(&endpoint, 0..number).await?;
    let attempts = matches!(harm.trigger, Trigger::Connecting);
    let few = if attempts { 0 } else { harm.charge_points };
    let hostile = connect(&endpoint, FIRST_HOSTILE..FIRST_HOSTILE + few).await?;

    let until = Instant::now() + args.length;
    stats.measure(true);
    let _hostile = send(hostile, HOSTILE_RATE, until, &Arc::new(Stats::new()));
    let mut others = send(others, args.rate, until, &stats);
    let everything = async {
        let (mut sent, mut connected) = (0, Vec::new());
        while let Some(joined) = others.join_next().await {
            let (calls, charge_point) = joined?;
            sent += calls;
            connected.push(charge_point);
        }
        ensure!(stats.total() == sent, "{} of {sent} CALLs of the other charge points were answered", stats.total());
        Ok(connected)
    };
    let (connected, seen, ()) = tokio::try_join!(everything, watch(&rig, harm, harmful, until), async {
        match harm.trigger {
            Trigger::Connecting => try_to_connect(&endpoint, harm.charge_points, until).await,
            Trigger::Upload(component) if harmful => upload(&rig, &component(), until).await,
            _ => Ok(()),
        }
    })?;
    let stopping = Instant::now();
    rig.terminate_gateway()?;
    ensure!(stopping.elapsed() < GRACE + SHUTDOWN_EXTRA, "the gateway took {:?} to stop", stopping.elapsed());
    drop(connected);
    let latency = stats.latency();
    let quantile = |quantile| latency.value_at_quantile(quantile) as f64;
    Ok(Measurement { p50: quantile(0.5), p99: quantile(0.99), ..seen })
}

/// Starts a gateway and replaces its hostile transform once, so that it can be rolled back.
async fn start(args: &HostileArgs, component: &Path, harm: &Harm, harmful: bool) -> Result<Rig> {
    let does = if harmful && harm.trigger.is_configured() { harm.what } else { PASS };
    let sections = format!(
        "[[transforms]]\nname = \"hostile\"\ncomponent = {component:?}\nconfig = {}\n[shutdown]\ngrace = \"{}s\"\n",
        transform_config(harm.trigger.hook(), does),
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

/// Each charge point sends its share of `rate` CALLs per second. Its task returns how many it sent.
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

/// Samples memory, reloads the configuration, and rolls the transform back in the middle of the load. Returns the
/// measurements without latencies.
async fn watch(rig: &Rig, harm: &Harm, harmful: bool, until: Instant) -> Result<Measurement> {
    let pid = rig.pid()?;
    let middle = Instant::now() + (until - Instant::now()) / 2;
    let mut seen = Measurement { p50: 0.0, p99: 0.0, rollback: 0.0, memory: 0.0 };
    while Instant::now() < until {
        seen.memory = seen.memory.max(Memory::of(pid)?.rss_kib as f64);
        if let Trigger::Reload { hook } = harm.trigger
            && harmful
        {
            rig.reload_with(&transform_config(hook, PASS), &transform_config(hook, harm.what))?;
        }
        if seen.rollback == 0.0 && Instant::now() > middle {
            let start = Instant::now();
            let status = rig.admin("POST", &format!("{TRANSFORM}/rollback"), &[]).await?;
            ensure!(status == 200, "the transform was not rolled back: status {status}");
            seen.rollback = start.elapsed().as_secs_f64() * 1e3;
        }
        sleep(SAMPLE_INTERVAL).await;
    }
    Ok(seen)
}

/// Connects hostile charge points repeatedly, whether they are accepted or refused.
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

/// Uploads a component that is refused after compilation, repeatedly. Abandons the last upload while it is compiled.
async fn upload(rig: &Rig, component: &[u8], until: Instant) -> Result<()> {
    while let Ok(status) = timeout_at(until.into(), rig.admin("PUT", TRANSFORM, component)).await {
        let status = status?;
        ensure!(status >= 400, "a component without hooks was accepted: status {status}");
    }
    Ok(())
}
