//! Comparisons: gateway and floor, many charge points and few, with a shadow trial and without.

mod rows;
mod shadow;

use crate::charge_point::Pace;
use crate::cores::{Cores, pin_this_process};
use crate::load::Work;
use crate::script::Script;
use crate::stand::{Contestant, OtherArgs, Stand, StandArgs};
use crate::statistics::median;
use crate::transform_trial::Candidate;
use anyhow::{Context as _, Result};
use clap::Args;
use rows::{ComparisonRow, finish, progress};
use shadow::ShadowComparison;
use std::time::Duration;

#[derive(Args)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    stand: StandArgs,
    #[command(flatten)]
    others: OtherArgs,
    #[arg(short = 'n', long, default_value_t = 100)]
    charge_points: usize,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Give the contestant a core of its own
    #[arg(long)]
    pin: bool,
    /// Measure the gateway without and with a shadow trial of the mapping, instead of gateway and floor; both at half of
    /// the rate that the gateway reaches in a closed loop
    #[arg(
        long,
        value_name = "CANDIDATE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "equal",
        conflicts_with_all = ["other", "tap", "floor_threads"]
    )]
    shadow: Option<Candidate>,
    /// CALLs per second of all charge points, instead of that half
    #[arg(long, requires = "shadow")]
    rate: Option<f64>,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    stand: StandArgs,
    #[arg(short = 'n', long, default_value_t = 5000)]
    charge_points: usize,
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct PacedArgs {
    #[command(flatten)]
    stand: StandArgs,
    #[arg(short = 'n', long, default_value_t = 10_000)]
    charge_points: usize,
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30s")]
    interval: Duration,
    #[arg(long)]
    json: bool,
}

/// Number of charge points that many are compared with.
const FEW: usize = 100;

/// Measures gateway and floor alternately, so that a drift of the machine affects both, and another gateway program if
/// given.
pub(crate) async fn compare(args: CompareArgs) -> Result<()> {
    let mut stand = Stand::new(&args.stand, &args.others).await?;
    if args.pin {
        let cores = Cores::plan()?.context("there is only one core")?;
        pin_this_process(&cores.generator)?;
        stand.cores = Some(cores);
    }
    if let Some(candidate) = args.shadow {
        let CompareArgs { charge_points, rounds, rate, json, .. } = args;
        return ShadowComparison { stand: &stand, candidate, charge_points, rounds, rate, json }.run().await;
    }
    let mut contestants = vec![Contestant::Floor, Contestant::Gateway];
    contestants.extend(args.others.other.is_some().then_some(Contestant::Other));
    let (mut rows, mut to_floor, mut to_other) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=args.rounds {
        let mut costs = Vec::new();
        for &contestant in &contestants {
            let report = stand.measure(contestant, args.charge_points, Work::closed_loop()).await?;
            costs.push(report.cpu_us_per_call().context("no CALL was answered")?);
            let row = ComparisonRow { name: format!("{round} {}", contestant.name()), report };
            progress(args.json, rows.is_empty(), &row);
            rows.push(row);
        }
        to_floor.push(costs[1] / costs[0]);
        to_other.extend(costs.get(2).map(|other| costs[1] / other));
    }
    let ratio = median(&to_floor).context("no rounds")?;
    let mut figures = vec![("cpu_ratio", ratio)];
    let mut summary = format!("gateway / floor, CPU per answered CALL, median of {}: {ratio:.2}", args.rounds);
    if let Some(ratio) = median(&to_other) {
        figures.push(("cpu_ratio_to_other", ratio));
        summary += &format!("\ngateway / other gateway, the same: {ratio:.3}");
    }
    finish(args.json, &rows, &figures, &summary)
}

/// Measures the memory of a charge point that is connected and silent.
pub(crate) async fn idle(args: IdleArgs) -> Result<()> {
    let others = OtherArgs::default();
    let stand = Stand::new(&args.stand, &others).await?;
    let mut rows = Vec::new();
    for contestant in [Contestant::Floor, Contestant::Gateway] {
        let report = stand.measure(contestant, args.charge_points, Work::idle()).await?;
        let row = ComparisonRow { name: contestant.name().to_owned(), report };
        progress(args.json, rows.is_empty(), &row);
        rows.push(row);
    }
    let kib = rows.last().and_then(|row| row.report.gateway.as_ref()).map(|gateway| gateway.rss_kib_per_charge_point);
    let kib = kib.context("no figures")?;
    let summary = format!("gateway, resident memory per idle charge point: {kib:.1} KiB");
    finish(args.json, &rows, &[("rss_kib_per_charge_point", kib)], &summary)
}

/// Compares many charge points with a few that send as many CALLs in all, and with the same few in a closed loop.
pub(crate) async fn paced(args: PacedArgs) -> Result<()> {
    let others = OtherArgs::default();
    let stand = Stand::new(&args.stand, &others).await?;
    let fewer = args.interval.mul_f64(FEW as f64 / args.charge_points as f64);
    let runs = [
        ("few, closed loop", FEW, Pace::ClosedLoop),
        ("few, same rate", FEW, Pace::Every(fewer)),
        ("many", args.charge_points, Pace::Every(args.interval)),
    ];
    let mut rows = Vec::new();
    for (name, charge_points, pace) in runs {
        let work = Work::Calls(pace, Script::heartbeats());
        let report = stand.measure(Contestant::Gateway, charge_points, work).await?;
        let row = ComparisonRow { name: name.to_owned(), report };
        progress(args.json, rows.is_empty(), &row);
        rows.push(row);
    }
    let cost =
        |row: usize| rows.get(row).and_then(|row: &ComparisonRow| row.report.cpu_us_per_call()).context("no CALLs");
    let (closed, same_rate, many) = (cost(0)?, cost(1)?, cost(2)?);
    let summary = format!(
        "CPU per answered CALL, {} charge points / {FEW}: {:.2} at the same rate, {:.2} of a closed loop",
        args.charge_points,
        many / same_rate,
        many / closed
    );
    let figures = [("cpu_ratio_same_rate", many / same_rate), ("cpu_ratio_closed_loop", many / closed)];
    finish(args.json, &rows, &figures, &summary)
}
