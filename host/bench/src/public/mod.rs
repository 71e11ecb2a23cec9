//! The public benchmark: every contestant in every scenario, with the same broker and the same generator.

mod machine;
mod picture;
pub(crate) mod prepare;
pub(crate) mod results;
mod scenario;
mod table;

use crate::cores::{Cores, pin_this_process};
use crate::load::{Work, open_files};
use crate::report::figure;
use crate::stand::{Contestant, OtherArgs, Outcome, Stand, StandArgs};
use crate::this_process::open_file_limit;
use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum as _};
use machine::Machine;
use results::Results;
use scenario::{Point, Scenario};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[derive(Args)]
pub(crate) struct PublicArgs {
    #[command(flatten)]
    stand: StandArgs,
    #[command(flatten)]
    others: OtherArgs,
    /// Scenarios to measure, separated by commas; all if absent
    #[arg(long, value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// Contestants to measure, separated by commas; all that can be started if absent
    #[arg(long, value_delimiter = ',')]
    contestant: Vec<Contestant>,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Take some minutes instead of an hour: fewer points, one round of a second each
    #[arg(long, conflicts_with_all = ["rounds", "warm_up", "measure"])]
    quick: bool,
    /// Leave out points with more charge points
    #[arg(long, default_value_t = 20_000)]
    max_charge_points: usize,
    /// Let the kernel decide which program runs on which core
    #[arg(long)]
    no_pin: bool,
    /// Exit with a failure if a run failed or a CALL was not answered
    #[arg(long)]
    strict: bool,
    /// Directory for the table and the pictures
    #[arg(long, default_value = "target/bench/results")]
    out: PathBuf,
}

pub(crate) async fn public(mut args: PublicArgs) -> Result<()> {
    if args.quick {
        args.rounds = 1;
        (args.stand.warm_up, args.stand.measure) = (Duration::from_millis(500), Duration::from_secs(1));
    }
    let scenarios = if args.scenario.is_empty() { Scenario::ALL.to_vec() } else { args.scenario.clone() };
    let contestants = prepare::prepare(&args.stand, &args.others, contestants(&args))?;
    let mut stand = Stand::new(&args.stand, &args.others).await?;
    if args.quick {
        stand.syscall_window = Duration::from_millis(500);
    }
    if scenarios.contains(&Scenario::Chain) {
        stand.passing = Some(prepare::passing()?);
    }
    stand.cores = if args.no_pin { None } else { Cores::plan()? };
    let machine = Machine::detect(&stand, &contestants, args.rounds);
    // After all other preparations, which may use every core.
    if let Some(cores) = &stand.cores {
        pin_this_process(&cores.generator)?;
    }
    let mut bench = Bench { args: &args, stand, results: Results { machine, rows: Vec::new() }, steps: Steps::new() };
    let plan = scenarios.into_iter().map(|scenario| {
        let participants: Vec<_> =
            contestants.iter().copied().filter(|contestant| scenario.supports(*contestant)).collect();
        Ok((scenario, bench.points(scenario)?, participants))
    });
    let plan = plan.collect::<Result<Vec<_>>>()?;
    bench.steps.all =
        plan.iter().map(|(_, points, participants)| points.len() * participants.len()).sum::<usize>() * args.rounds;
    for (scenario, points, participants) in plan {
        bench.measure(scenario, &points, &participants).await?;
        write(&bench.results, &args.out)?;
    }
    println!("\n{}", table::page(&bench.results));
    println!("written to {}", args.out.display());
    let faults = bench.results.faults();
    ensure!(!args.strict || faults.is_empty(), "there were faults:\n{}", faults.join("\n"));
    Ok(())
}

/// The contestants given on the command line; all if none is given.
fn contestants(args: &PublicArgs) -> Vec<Contestant> {
    if args.contestant.is_empty() { Contestant::value_variants().to_vec() } else { args.contestant.clone() }
}

/// Progress of the benchmark.
struct Steps {
    all: usize,
    done: usize,
    start: Instant,
}

impl Steps {
    fn new() -> Self {
        Steps { all: 0, done: 0, start: Instant::now() }
    }

    /// Estimate of the remaining time, from the steps done.
    fn remaining(&self) -> Duration {
        let each = self.start.elapsed().as_secs_f64() / self.done.max(1) as f64;
        Duration::from_secs((each * (self.all - self.done.min(self.all)) as f64) as u64)
    }
}

struct Bench<'a> {
    args: &'a PublicArgs,
    stand: Stand<'a>,
    results: Results,
    steps: Steps,
}

impl Bench<'_> {
    fn points(&self, scenario: Scenario) -> Result<Vec<Point>> {
        let limit = open_file_limit()?;
        let fits = |point: &Point| {
            let charge_points = point.run.charge_points;
            let possible = open_files(charge_points) <= limit;
            if !possible {
                println!("{}, {}: left out: only {limit} files may be open", scenario.title(), point.label);
            }
            possible && charge_points <= self.args.max_charge_points
        };
        Ok(scenario.points(self.args.quick).into_iter().filter(fits).collect())
    }

    /// Measures the contestants one after the other within each round, so that a drift of the machine affects all. Each
    /// round begins with another one, so that none always follows the same.
    async fn measure(&mut self, scenario: Scenario, points: &[Point], contestants: &[Contestant]) -> Result<()> {
        println!("\n{}", scenario.title());
        let mut measured = Vec::new();
        for point in points {
            match self.resolve_rate(scenario, point).await {
                Some(point) => measured.push(point),
                None => self.steps.all -= self.args.rounds * contestants.len(),
            }
        }
        for round in 1..=self.args.rounds {
            for point in &measured {
                for &contestant in contestants.iter().cycle().skip(round - 1).take(contestants.len()) {
                    self.step(scenario, point, contestant, round).await?;
                }
            }
        }
        Ok(())
    }

    /// The point with its rate, if that is a share of what the floor reaches. `None`, with a remark, if the floor
    /// fails.
    async fn resolve_rate(&mut self, scenario: Scenario, point: &Point) -> Option<Point> {
        if point.share_of_floor.is_none() {
            return Some(point.clone());
        }
        match self.floor_calls_per_second(point.run.charge_points).await {
            Ok(calls_per_second) => Some(point.at_share(calls_per_second)),
            Err(error) => {
                println!("{}: left out: {error:#}", point.label);
                let row = self.results.row(scenario, &point.label, point.x, Contestant::Floor);
                row.remark(1, &format!("failed in a closed loop: {error:#}"));
                None
            }
        }
    }

    /// One run. A failure is recorded as a remark on the contestant and does not end the benchmark.
    async fn step(&mut self, scenario: Scenario, point: &Point, contestant: Contestant, round: usize) -> Result<()> {
        let outcome = self.stand.run(contestant, &point.run).await;
        self.steps.done += 1;
        let place = format!(
            "[{}/{}, {} left] {} {}, round {round}",
            self.steps.done,
            self.steps.all,
            humantime::format_duration(self.steps.remaining()),
            point.label,
            contestant.name(),
        );
        let row = self.results.row(scenario, &point.label, point.x, contestant);
        match outcome {
            Ok(Outcome::Measured(report)) => {
                println!(
                    "{place}: {:.0} CALLs/s, {} µs CPU per CALL, {} system calls, {} switches, p99 {:.2} ms, {} KiB per charge point, {} errors; broker {} %, generator {:.0} % of a core",
                    report.calls_per_second,
                    figure(report.cpu_us_per_call(), 1),
                    figure(report.syscalls_per_call(), 2),
                    figure(report.switches_per_call(), 2),
                    report.latency_us.p99 as f64 / 1e3,
                    figure(report.gateway.as_ref().map(|gateway| gateway.rss_kib_per_charge_point), 1),
                    report.errors.total(),
                    figure(report.broker_cpu_percent, 0),
                    report.generator_cpu_percent,
                );
                if report.errors.total() > 0 {
                    row.remark(round, &report.errors.to_string());
                }
                row.add(*report);
            }
            Ok(Outcome::Refused(reason)) => {
                println!("{place}: skipped: {reason}");
                row.skip(&reason);
            }
            Err(error) => {
                println!("{place}: failed: {error:#}");
                row.remark(round, &format!("failed: {error:#}"));
            }
        }
        Ok(())
    }

    /// The floor's CALLs per second in a closed loop; measured now, unless the results have it.
    async fn floor_calls_per_second(&self, charge_points: usize) -> Result<f64> {
        let label = charge_points.to_string();
        let closed = self.results.summary(Scenario::Closed, &label, Contestant::Floor);
        if let Some(summary) = closed.filter(|summary| summary.calls_per_second > 0.0) {
            return Ok(summary.calls_per_second);
        }
        println!("measuring the floor in a closed loop, of which the load is a share");
        let report = self.stand.measure(Contestant::Floor, charge_points, Work::closed_loop()).await?;
        ensure!(report.calls > 0, "the floor answered no CALL");
        Ok(report.calls_per_second)
    }
}

fn write(results: &Results, out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let put = |name: &str, text: String| {
        fs::write(out.join(name), text).with_context(|| format!("cannot write {}", out.join(name).display()))
    };
    put("results.json", serde_json::to_string_pretty(results)?)?;
    put("results.md", table::page(results))?;
    picture::pictures(results)?.into_iter().try_for_each(|(name, svg)| put(name, svg))
}
