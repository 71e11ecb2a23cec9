//! The broker ends and comes back while charge points send.
//!
//! Away for less than `mqtt.outage_after`, which is 20 s unless it is configured, it costs no connection and no CALL.
//! Away for longer, charge points are disconnected before any of them is told an error, and send again what was open.

use super::rig::{Rig, RigArgs};
use crate::charge_point::ChargePoint;
use crate::load::CONNECTING;
use crate::stats::Stats;
use anyhow::{Result, ensure};
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

#[derive(Args)]
pub(crate) struct OutageArgs {
    #[command(flatten)]
    rig: RigArgs,
    #[arg(short = 'n', long, default_value_t = 2000)]
    charge_points: usize,
    /// CALLs per second, of all of them
    #[arg(long, default_value_t = 2000.0)]
    rate: f64,
    /// How often the broker is restarted
    #[arg(long, default_value_t = 3)]
    times: u32,
    /// How long it is away each time
    #[arg(long, value_parser = humantime::parse_duration, default_value = "3s")]
    away: Duration,
}

/// Before the first outage, and after each.
const CALM: Duration = Duration::from_secs(5);
/// After a long outage the gateway, the back end and charge points look for each other at intervals of seconds.
const RETURN: Duration = Duration::from_secs(60);
/// `mqtt.outage_after`, as it is if nobody configures it.
const OUTAGE_AFTER: Duration = Duration::from_secs(20);
/// Of the gateway: shorter than what the charge points of this program wait.
const CALL_TIMEOUT: &str = "call_timeout = \"10s\"\n";

pub(crate) async fn outage(args: OutageArgs) -> Result<()> {
    let mut rig = Rig::start(&args.rig, CALL_TIMEOUT).await?;
    let stats = Arc::new(Stats::new());
    let responder = tokio::spawn(rig.responder(args.charge_points * 2, &stats).await?.run_through_outages());
    let entrance = rig.entrance();
    let connecting = (0..args.charge_points).map(|index| ChargePoint::connect(&entrance, index));
    let connected: Vec<ChargePoint> = stream::iter(connecting).buffer_unordered(CONNECTING).try_collect().await?;
    println!("{} charge points are connected and send {} CALLs a second", args.charge_points, args.rate);

    let interval = Duration::from_secs_f64(args.charge_points as f64 / args.rate);
    let until = Instant::now() + CALM + (args.away + CALM) * args.times;
    stats.measure(true);
    let mut tasks = JoinSet::new();
    for (index, mut charge_point) in connected.into_iter().enumerate() {
        let (stats, entrance) = (Arc::clone(&stats), entrance.clone());
        let delay = interval.mul_f64(index as f64 / args.charge_points as f64);
        tasks.spawn(async move {
            let sent = charge_point.persist_until(&entrance, until, interval, delay, &stats).await;
            (sent, charge_point)
        });
    }
    sleep(CALM).await;
    for time in 1..=args.times {
        rig.stop_broker()?;
        println!("outage {time} of {}: {} CALLs answered so far", args.times, stats.total());
        sleep(args.away).await;
        rig.start_broker().await?;
        let (before, since) = (stats.total(), Instant::now());
        while stats.total() == before {
            ensure!(since.elapsed() < RETURN, "nothing is answered any more after outage {time}");
            sleep(Duration::from_millis(100)).await;
        }
        println!("answers come again after {:.1} s", since.elapsed().as_secs_f64());
        sleep(CALM).await;
    }
    let mut sent = 0;
    // They stay connected until the last of them is done.
    let mut done = Vec::with_capacity(args.charge_points);
    while let Some(joined) = tasks.join_next().await {
        let (calls, charge_point) = joined?;
        sent += calls?;
        done.push(charge_point);
    }
    responder.abort();

    let (errors, answered, latency) = (stats.errors(), stats.total(), stats.latency());
    let told = answered + errors.call_errors;
    println!(
        "{sent} CALLs sent, {answered} answered, {} answered with a CALLERROR; {} unaccounted for; \
         slowest answer {:.1} s; {errors}",
        errors.call_errors,
        sent.abs_diff(told),
        latency.max() as f64 / 1e6,
    );
    ensure!(sent == told, "of {sent} CALLs {told} were answered");
    ensure!(errors.unexpected == 0, "{} messages that answer no CALL", errors.unexpected);
    // An answer that the back end's own client loses when it reconnects is an error that the gateway cannot help,
    // unless the charge point is disconnected before.
    let long = args.away > OUTAGE_AFTER;
    ensure!(!long || errors.call_errors == 0, "{} CALLs were answered with an error", errors.call_errors);
    ensure!(long || errors.disconnects == 0, "{} charge points lost their connection", errors.disconnects);
    Ok(())
}
