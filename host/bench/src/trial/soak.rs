//! All kinds of messages and reconnects over a long time.

use super::rig::{Rig, RigArgs};
use crate::charge_point::{ChargePoint, Gateway};
use crate::responder::BackEnd;
use crate::script::Script;
use crate::stats::{Errors, Stats};
use crate::usage::{Memory, Usage};
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

#[derive(Args)]
pub(crate) struct SoakArgs {
    #[command(flatten)]
    rig: RigArgs,
    #[arg(short = 'n', long, default_value_t = 500)]
    charge_points: usize,
    #[arg(long = "for", value_parser = humantime::parse_duration, default_value = "1h")]
    length: Duration,
    /// Time after which memory must not grow
    #[arg(long, value_parser = humantime::parse_duration, default_value = "10m")]
    settled: Duration,
    /// Percentage by which memory may grow after that
    #[arg(long, default_value_t = 5.0)]
    percent: f64,
    /// CALLs per second of all charge points
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    /// Interval of memory samples
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1m")]
    every: Duration,
}

/// Minimum duration of a connection; the maximum is three times as long.
const STAY: Duration = Duration::from_secs(60);
/// Interval at which the back end sends each charge point a CALL.
const COMMANDS: Duration = Duration::from_secs(10);

pub(crate) async fn soak(args: SoakArgs) -> Result<()> {
    ensure!(args.settled < args.length, "--settled is not before the end");
    let rig = Rig::start(&args.rig, "").await?;
    let stats = Arc::new(Stats::new());
    let responder = rig.responder(args.charge_points * 2, &stats).await?.without_repeats();
    let back_end = responder.back_end();
    let mut tasks = JoinSet::new();
    tasks.spawn(responder.run());
    tasks.spawn(command(back_end, args.charge_points));
    let pause = Duration::from_secs_f64(args.charge_points as f64 / args.rate);
    for index in 0..args.charge_points {
        tasks.spawn(connect_repeatedly(rig.endpoint(), index, pause, Arc::clone(&stats)));
    }
    println!("{:>8} {:>10} {:>9} {:>9} {:>7}  errors", "time", "answered", "RSS KiB", "PSS KiB", "CPU %");

    let (start, pid) = (Instant::now(), rig.pid()?);
    let mut samples = Vec::new();
    let mut usage = Usage::of(pid)?;
    while start.elapsed() < args.length {
        tokio::select! {
            () = sleep(args.every) => {}
            Some(ended) = tasks.join_next() => {
                ended??;
                anyhow::bail!("a part of the load has ended");
            }
        }
        let (memory, now, elapsed) = (Memory::of(pid)?, Usage::of(pid)?, start.elapsed());
        println!(
            "{:>7}s {:>10} {:>9} {:>9} {:>7.1}  {}",
            elapsed.as_secs(),
            stats.total(),
            memory.rss_kib,
            memory.pss_kib.map_or_else(String::new, |kib| kib.to_string()),
            now.since(usage).cpu_ns as f64 / 1e7 / args.every.as_secs_f64(),
            stats.errors(),
        );
        usage = now;
        if elapsed >= args.settled {
            samples.push(memory.rss_kib as f64);
        }
    }
    let first = *samples.first().context("no memory sample was taken")?;
    // Memory may shrink: the kernel reclaims pages of the program file.
    let grown = samples.iter().map(|kib| (kib - first) / first * 100.0).fold(0.0, f64::max);
    println!("resident memory after {:?}: {first:.0} KiB; grown by at most {grown:.1} % since", args.settled);
    ensure!(grown <= args.percent, "memory has grown by more than {} %", args.percent);
    let Errors { timeouts, call_errors, unexpected, .. } = stats.errors();
    ensure!(timeouts + call_errors + unexpected == 0, "not every CALL got a CALLRESULT: {}", stats.errors());
    Ok(())
}

/// Connects, sends CALLs for a while, disconnects without a close frame, and starts again.
async fn connect_repeatedly(gateway: Gateway, index: usize, pause: Duration, stats: Arc<Stats>) -> Result<()> {
    let script = Script::day();
    let delay = pause.mul_f64((index % 100) as f64 / 100.0);
    for visit in 0.. {
        let mut charge_point = ChargePoint::connect(&gateway, index).await?;
        let stay = STAY.mul_f64(1.0 + ((index * 37 + visit * 11) % 100) as f64 / 50.0);
        charge_point.run_until(Instant::now() + stay, pause, &script, delay, &stats).await;
    }
    Ok(())
}

async fn command(back_end: BackEnd, charge_points: usize) -> Result<()> {
    let mut ticks = interval(COMMANDS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        back_end.command_all(charge_points).await?;
    }
}
