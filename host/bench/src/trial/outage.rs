//! Outages of the broker while charge points send.
//!
//! An outage shorter than `mqtt.outage_after` (20 s by default) costs no connection and no CALL. In a longer outage
//! charge points are disconnected before any CALL is answered with an error, and repeat their open CALL.

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
    /// CALLs per second of all charge points
    #[arg(long, default_value_t = 2000.0)]
    rate: f64,
    /// Number of restarts of the broker
    #[arg(long, default_value_t = 3)]
    times: u32,
    /// Duration of each outage
    #[arg(long, value_parser = humantime::parse_duration, default_value = "3s")]
    away: Duration,
}

/// Time before the first outage, and after each.
const PAUSE: Duration = Duration::from_secs(5);
/// Time limit for the first answer after an outage: gateway, back end and charge points reconnect at intervals of
/// seconds.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(60);
/// Default of `mqtt.outage_after`.
const OUTAGE_AFTER: Duration = Duration::from_secs(20);
/// The gateway's timeout, shorter than that of the charge points here.
const CALL_TIMEOUT: &str = "call_timeout = \"10s\"\n";

pub(crate) async fn outage(args: OutageArgs) -> Result<()> {
    let mut rig = Rig::start(&args.rig, CALL_TIMEOUT).await?;
    let stats = Arc::new(Stats::new());
    let responder = tokio::spawn(rig.responder(args.charge_points * 2, &stats).await?.run_through_outages());
    let endpoint = rig.endpoint();
    let connecting = (0..args.charge_points).map(|index| ChargePoint::connect(&endpoint, index));
    let connected: Vec<ChargePoint> = stream::iter(connecting).buffer_unordered(CONNECTING).try_collect().await?;
    println!("{} charge points are connected and send {} CALLs a second", args.charge_points, args.rate);

    let interval = Duration::from_secs_f64(args.charge_points as f64 / args.rate);
    let until = Instant::now() + PAUSE + (args.away + PAUSE) * args.times;
    stats.measure(true);
    let mut tasks = JoinSet::new();
    for (index, mut charge_point) in connected.into_iter().enumerate() {
        let (stats, endpoint) = (Arc::clone(&stats), endpoint.clone());
        let delay = interval.mul_f64(index as f64 / args.charge_points as f64);
        tasks.spawn(async move {
            let sent = charge_point.run_through_outages(&endpoint, until, interval, delay, &stats).await;
            (sent, charge_point)
        });
    }
    sleep(PAUSE).await;
    for time in 1..=args.times {
        rig.stop_broker()?;
        println!("outage {time} of {}: {} CALLs answered so far", args.times, stats.total());
        sleep(args.away).await;
        rig.start_broker().await?;
        let (before, since) = (stats.total(), Instant::now());
        while stats.total() == before {
            ensure!(since.elapsed() < RECOVERY_TIMEOUT, "no CALL is answered after outage {time}");
            sleep(Duration::from_millis(100)).await;
        }
        println!("the first answer arrives after {:.1} s", since.elapsed().as_secs_f64());
        sleep(PAUSE).await;
    }
    let mut sent = 0;
    // The charge points stay connected until the last of them is done.
    let mut done = Vec::with_capacity(args.charge_points);
    while let Some(joined) = tasks.join_next().await {
        let (calls, charge_point) = joined?;
        sent += calls?;
        done.push(charge_point);
    }
    responder.abort();

    let (errors, answered, latency) = (stats.errors(), stats.total(), stats.latency());
    let answered_or_failed = answered + errors.call_errors;
    println!(
        "{sent} CALLs sent, {answered} answered, {} answered with a CALLERROR; {} without an outcome; \
         slowest answer {:.1} s; {errors}",
        errors.call_errors,
        sent.abs_diff(answered_or_failed),
        latency.max() as f64 / 1e6,
    );
    ensure!(sent == answered_or_failed, "{answered_or_failed} of {sent} CALLs were answered");
    ensure!(errors.unexpected == 0, "{} messages that answer no CALL", errors.unexpected);
    // The client of the back end may lose an answer when it reconnects, and the CALL gets an error. In a long outage
    // this cannot happen: charge points are disconnected before.
    let long = args.away > OUTAGE_AFTER;
    ensure!(!long || errors.call_errors == 0, "{} CALLs were answered with an error", errors.call_errors);
    ensure!(long || errors.disconnects == 0, "{} charge points lost their connection", errors.disconnects);
    Ok(())
}
