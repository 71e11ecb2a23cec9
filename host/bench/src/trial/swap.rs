//! Hot swaps to other topics, by SIGHUP, by a drop-in file or by trials of the gateway, while charge points and a back
//! end send each other CALLs.

mod back_end;
mod candidates;
mod drop_in;
mod station;
mod tally;

use super::rig::{Rig, RigArgs};
use crate::load::CONNECTING;
use crate::transform_trial::TransformTrial;
use anyhow::{Context as _, Result, ensure};
use back_end::{MOUNT_POINTS, SwapBackEnd};
use candidates::Candidates;
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use station::Station;
use std::time::{Duration, Instant};
use tally::Tally;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

#[derive(Args)]
pub(crate) struct SwapArgs {
    #[command(flatten)]
    rig: RigArgs,
    #[arg(short = 'n', long, default_value_t = 100)]
    charge_points: usize,
    /// CALLs per second of all charge points
    #[arg(long, default_value_t = 500.0)]
    rate: f64,
    #[arg(long, default_value_t = 60)]
    swaps: u32,
    /// Pause between two swaps
    #[arg(long, value_parser = humantime::parse_duration, default_value = "300ms")]
    pause: Duration,
    /// Delay of the back end's answers
    #[arg(long, value_parser = humantime::parse_duration, default_value = "0s")]
    answer_after: Duration,
    /// Restart the broker after this many swaps, repeatedly; 0: never
    #[arg(long, default_value_t = 0)]
    restart_every: u32,
    /// Save a jq program in the drop-in directory for each swap, as different editors do, instead of a SIGHUP
    #[arg(long)]
    drop_in: bool,
    /// Try each mapping on half of the charge points, then promote it and end the trial in turn, instead of a SIGHUP;
    /// each fifth trial is a shadow
    #[arg(long, conflicts_with = "drop_in")]
    trials: bool,
}

/// The gateway's timeout, short so that lost CALLs show soon.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) async fn swap(args: SwapArgs) -> Result<()> {
    let ocpp = format!("call_timeout = \"{}s\"\n", CALL_TIMEOUT.as_secs());
    let mut rig = Rig::start(&args.rig, &ocpp).await?;
    let tally = Tally::default();
    let (calling, calling_updates) = watch::channel(true);
    // A program changes the topics that are published, and leaves those of the mapping.
    let answer_under = args.drop_in.then_some(MOUNT_POINTS[0]);
    let back_end =
        SwapBackEnd::start(rig.broker(), args.answer_after, answer_under, calling_updates.clone(), &tally).await?;
    let endpoint = rig.endpoint();
    let connecting = (0..args.charge_points).map(|index| Station::connect(&endpoint, index, &tally));
    let stations: Vec<Station> = stream::iter(connecting).buffer_unordered(CONNECTING).try_collect().await?;
    println!("{} charge points are connected and send {} CALLs a second", args.charge_points, args.rate);

    let interval = Duration::from_secs_f64(args.charge_points as f64 / args.rate);
    let mut tasks = JoinSet::new();
    for (index, station) in stations.into_iter().enumerate() {
        let delay = interval.mul_f64(index as f64 / args.charge_points as f64);
        tasks.spawn(station.run(delay, interval, calling_updates.clone()));
    }
    let mut candidates = args.trials.then(|| Candidates::new(TransformTrial(rig.admin_api()), args.charge_points));
    for number in 1..=args.swaps {
        let swapped = swap_once(&args, number, &mut rig, &back_end, candidates.as_mut()).await;
        swapped.with_context(|| format!("swap {number}"))?;
    }
    calling.send_replace(false);
    let start = Instant::now();
    while !tally.is_settled() && start.elapsed() < 2 * CALL_TIMEOUT {
        sleep(Duration::from_millis(50)).await;
    }
    // Waits for duplicates.
    sleep(Duration::from_millis(500)).await;
    let ended = tasks.try_join_next();
    match candidates {
        Some(candidates) => println!("{candidates}{tally}"),
        None => println!("{} swaps; {tally}", args.swaps),
    }
    ensure!(ended.is_none(), "a charge point lost its connection");
    tally.check(args.restart_every > 0)
}

/// Swaps to the mapping of this number, and waits until charge points use its topics. With `candidates`, that is a trial.
async fn swap_once(
    args: &SwapArgs,
    number: u32,
    rig: &mut Rig,
    back_end: &SwapBackEnd,
    candidates: Option<&mut Candidates>,
) -> Result<()> {
    let mount_point = MOUNT_POINTS[number as usize % MOUNT_POINTS.len()];
    let restarts = args.restart_every > 0 && number.is_multiple_of(args.restart_every);
    if restarts {
        rig.stop_broker()?;
    }
    match &candidates {
        Some(candidates) => candidates.start(number).await?,
        None if args.drop_in => drop_in::save(rig.directory(), mount_point, number)?,
        None => rig.reload(&format!("mountpoint = \"{mount_point}/\"\n"))?,
    }
    if restarts {
        rig.start_broker().await?;
    }
    match candidates {
        Some(candidates) => candidates.finish(number, back_end, args.pause).await,
        None => {
            back_end.wait_for_call_under(mount_point).await?;
            sleep(args.pause).await;
            Ok(())
        }
    }
}
