//! One run of the load generator: connect, warm up, measure.

use crate::charge_point::{CALL_TIMEOUT, CONNECT_TIMEOUT, ChargePoint, Gateway, Pace};
use crate::dialect::Dialect;
use crate::mqtt::Quality;
use crate::report::{Cost, Report, Syscalls, TestbedUsage};
use crate::responder::{BackEnd, Responder};
use crate::script::{Script, boot};
use crate::stats::Stats;
use crate::storm;
use crate::syscalls::Counter;
use crate::this_process::open_file_limit;
use crate::transform_trial::{ShadowCounts, TransformTrial};
use crate::usage::{Memory, Usage};
use anyhow::{Result, ensure};
use futures_util::future::join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// The kind of load.
#[derive(Clone)]
pub(crate) enum Work {
    /// Charge points send CALLs, if they are not idle.
    Calls(Pace, Script),
    /// The back end sends each charge point a CALL as soon as the previous one is answered.
    Commands,
    /// All charge points connect at once and boot; those that are refused try again.
    Storm,
}

impl Work {
    pub(crate) fn idle() -> Self {
        Work::Calls(Pace::Idle, Script::heartbeats())
    }

    /// Heartbeats, each sent as soon as the previous one is answered.
    pub(crate) fn closed_loop() -> Self {
        Work::Calls(Pace::ClosedLoop, Script::heartbeats())
    }

    /// Heartbeats at `rate` CALLs per second, of all charge points together.
    pub(crate) fn at_rate(rate: f64, charge_points: usize) -> Self {
        Work::Calls(Pace::Every(Duration::from_secs_f64(charge_points as f64 / rate)), Script::heartbeats())
    }
}

pub(crate) struct Load {
    pub(crate) gateway: Gateway,
    /// `host:port`.
    pub(crate) broker: String,
    pub(crate) charge_points: usize,
    pub(crate) work: Work,
    pub(crate) dialect: Dialect,
    pub(crate) quality: Quality,
    pub(crate) warm_up: Duration,
    pub(crate) window: Duration,
    /// The process id of the gateway.
    pub(crate) pid: Option<u32>,
    /// The process id of the broker, to show whether the broker limits a run.
    pub(crate) broker_pid: Option<u32>,
    /// The counter of system calls, its time window, and a directory for its report.
    pub(crate) syscalls: Option<(Counter, Duration, PathBuf)>,
    /// A shadow trial that runs in the gateway.
    pub(crate) shadow: Option<TransformTrial>,
}

/// Number of connections set up at a time.
pub(crate) const CONNECTING: usize = 64;
/// Number of charge points that warm up the gateway before a storm, and the pause after they disconnect.
const STORM_WARM_UP: usize = 100;
const SETTLE_TIME: Duration = Duration::from_millis(500);
/// Number of files this process needs besides the sockets of its charge points.
const SPARE_FILES: u64 = 64;

/// Resource usage of the gateway, and of generator and broker.
#[derive(Clone, Copy)]
struct Used {
    gateway: Option<Usage>,
    testbed: TestbedUsage,
}

impl Used {
    /// The usage since `earlier`.
    fn since(self, earlier: Used) -> Self {
        let part = |later: Option<Usage>, earlier: Option<Usage>| Some(later?.since(earlier?));
        let testbed = TestbedUsage {
            generator: self.testbed.generator.since(earlier.testbed.generator),
            broker: part(self.testbed.broker, earlier.testbed.broker),
        };
        Used { gateway: part(self.gateway, earlier.gateway), testbed }
    }
}

impl Load {
    pub(crate) async fn run(&self) -> Result<Report> {
        let limit = open_file_limit()?;
        let needed = open_files(self.charge_points);
        ensure!(needed <= limit, "{needed} open files are needed, {limit} are allowed: see ulimit -H -n");

        let stats = Arc::new(Stats::new());
        let responder =
            Responder::subscribe(&self.broker, self.dialect, self.quality, self.charge_points, Arc::clone(&stats));
        let responder = responder.await?;
        let back_end = responder.back_end();
        let mut responder = tokio::spawn(responder.run());
        let report = match &self.work {
            Work::Storm => tokio::select! {
                report = self.storm(&stats) => report,
                ended = &mut responder => Err(ended_early(ended)),
            },
            Work::Calls(pace, script) => self.drive(*pace, script, &stats, &mut responder, None).await,
            Work::Commands => {
                self.drive(Pace::Idle, &Script::heartbeats(), &stats, &mut responder, Some(back_end)).await
            }
        };
        responder.abort();
        report
    }

    async fn storm(&self, stats: &Arc<Stats>) -> Result<Report> {
        let empty = self.memory()?;
        self.warm_up_for_storm(stats).await?;
        let earlier = self.used()?;
        stats.measure(true);
        // The charge points stay connected until memory is measured.
        let (_connected, seconds) = storm::run(&self.gateway, self.charge_points, stats).await?;
        let used = self.used()?.since(earlier);
        Ok(self.report(stats, empty, self.memory()?, used, seconds, None))
    }

    /// Lets some charge points connect, send CALLs and disconnect, so that a program with a JIT compiler has compiled
    /// its code.
    async fn warm_up_for_storm(&self, stats: &Stats) -> Result<()> {
        let mut charge_points = self.connect(self.charge_points.min(STORM_WARM_UP)).await?;
        let lost = run_closed_loops(&mut charge_points, &Script::heartbeats(), self.warm_up, stats).await;
        stats.failed(|errors| errors.disconnects += lost);
        drop(charge_points);
        sleep(SETTLE_TIME).await;
        Ok(())
    }

    async fn drive(
        &self,
        pace: Pace,
        script: &Script,
        stats: &Arc<Stats>,
        responder: &mut JoinHandle<Result<()>>,
        back_end: Option<BackEnd>,
    ) -> Result<Report> {
        let empty = self.memory()?;
        let mut charge_points = self.connect(self.charge_points).await?;
        if pace == Pace::Idle {
            // An answered CALL shows that the topics of the charge point are subscribed, and makes the memory that a
            // connection needs for its first message part of the figure.
            boot_all(&mut charge_points, stats).await?;
        }
        let mut warm_up = self.warm_up;
        if let Pace::Every(_) = pace {
            // At a few CALLs a second, a JIT compiler would not have compiled the code before the window.
            warm_up /= 2;
            tokio::select! {
                // `run` below counts charge points that are disconnected.
                _ = run_closed_loops(&mut charge_points, script, warm_up, stats) => {}
                ended = &mut *responder => return Err(ended_early(ended)),
            }
        }
        let mut tasks = JoinSet::new();
        for (index, charge_point) in charge_points.into_iter().enumerate() {
            let (delay, script, stats) = (self.delay(pace, index), script.clone(), Arc::clone(stats));
            tasks.spawn(async move { charge_point.run(pace, &script, delay, &stats).await });
        }
        if let Some(back_end) = back_end {
            back_end.command_all(self.charge_points).await?;
        }
        sleep_with_responder(warm_up, responder).await?;

        // The shadow is asked outside of the window: its answers have the first hundred differences.
        let shown = self.shadow_counts().await?;
        let start = Instant::now();
        let earlier = self.used()?;
        stats.measure(true);
        sleep_with_responder(self.window, responder).await?;
        stats.measure(false);
        let used = self.used()?.since(earlier);
        let seconds = start.elapsed().as_secs_f64();
        let memory = self.memory()?;
        let shadow = self.shadow_counts().await?.zip(shown).map(|(later, earlier)| later.since(earlier));
        let syscalls = self.count_syscalls(stats).await?;
        // Charge points time out by themselves before that limit; the back end does not.
        wait_for_open_calls(stats, responder, CALL_TIMEOUT + SETTLE_TIME).await?;
        Ok(Report { shadow, ..self.report(stats, empty, memory, used, seconds, syscalls) })
    }

    /// What the candidate of the shadow trial has seen so far, if one runs.
    async fn shadow_counts(&self) -> Result<Option<ShadowCounts>> {
        match self.shadow {
            Some(trial) => trial.shadow_counts().await.map(Some),
            None => Ok(None),
        }
    }

    /// Counts system calls in a separate window, in which the load continues.
    async fn count_syscalls(&self, stats: &Stats) -> Result<Option<Syscalls>> {
        let (Some(pid), Some((counter, window, dir))) = (self.pid, &self.syscalls) else { return Ok(None) };
        let (start, answered) = (Instant::now(), stats.total());
        let count = counter.count(pid, *window, dir).await.unwrap_or_else(|error| {
            eprintln!("system calls could not be counted: {error:#}");
            None
        });
        let calls_per_second = (stats.total() - answered) as f64 / start.elapsed().as_secs_f64();
        Ok(count.map(|count| Syscalls::new(*counter, count, calls_per_second)))
    }

    fn report(
        &self,
        stats: &Stats,
        empty: Option<Memory>,
        memory: Option<Memory>,
        used: Used,
        seconds: f64,
        syscalls: Option<Syscalls>,
    ) -> Report {
        let cost = match (used.gateway, empty, memory) {
            (Some(usage), Some(empty), Some(memory)) => Some(Cost { usage, empty, memory, syscalls }),
            _ => None,
        };
        Report::new(self.charge_points, seconds, stats, used.testbed, cost)
    }

    fn memory(&self) -> Result<Option<Memory>> {
        self.pid.map(Memory::of).transpose()
    }

    /// The usage of gateway, generator and broker so far.
    fn used(&self) -> Result<Used> {
        let testbed = TestbedUsage {
            generator: Usage::of(std::process::id())?,
            broker: self.broker_pid.map(Usage::of).transpose()?,
        };
        Ok(Used { gateway: self.pid.map(Usage::of).transpose()?, testbed })
    }

    /// Spreads paced charge points evenly over their interval.
    fn delay(&self, pace: Pace, index: usize) -> Duration {
        match pace {
            Pace::Every(interval) => interval.mul_f64(index as f64 / self.charge_points as f64),
            Pace::ClosedLoop | Pace::Idle => Duration::ZERO,
        }
    }

    async fn connect(&self, charge_points: usize) -> Result<Vec<ChargePoint>> {
        stream::iter((0..charge_points).map(|index| self.connect_one(index)))
            .buffer_unordered(CONNECTING)
            .try_collect()
            .await
    }

    async fn connect_one(&self, index: usize) -> Result<ChargePoint> {
        let mut last = None;
        let connecting = async {
            loop {
                match ChargePoint::connect(&self.gateway, index).await {
                    Ok(charge_point) => return charge_point,
                    Err(error) => last = Some(error),
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        let connected = timeout(CONNECT_TIMEOUT, connecting).await;
        connected.map_err(|_| {
            let reason = last.map_or_else(|| "no answer".to_owned(), |error| format!("{error:#}"));
            anyhow::anyhow!("charge point {index} cannot connect to {}: {reason}", self.gateway.address)
        })
    }
}

/// Number of files that this process needs for this many charge points.
pub(crate) fn open_files(charge_points: usize) -> u64 {
    charge_points as u64 + SPARE_FILES
}

async fn boot_all(charge_points: &mut [ChargePoint], stats: &Stats) -> Result<()> {
    let boot = &boot();
    let calls = charge_points.iter_mut().map(|charge_point| charge_point.call_once(boot, Instant::now(), stats));
    stream::iter(calls).buffer_unordered(CONNECTING).try_collect().await
}

/// Lets all charge points send in a closed loop for `time`, and waits for the answers. Returns how many were
/// disconnected.
async fn run_closed_loops(charge_points: &mut [ChargePoint], script: &Script, time: Duration, stats: &Stats) -> u64 {
    let until = Instant::now() + time;
    let all =
        join_all(charge_points.iter_mut().map(|charge_point| charge_point.run_closed_loop(until, script, stats))).await;
    all.into_iter().filter(|connected| !connected).count() as u64
}

/// Stops sending and waits until every CALL is answered. Counts those that are not after `limit` as timeouts.
async fn wait_for_open_calls(stats: &Stats, responder: &mut JoinHandle<Result<()>>, limit: Duration) -> Result<()> {
    stats.end();
    let answered = async {
        while stats.open() > 0 {
            sleep_with_responder(Duration::from_millis(10), responder).await?;
        }
        Ok(())
    };
    match timeout(limit, answered).await {
        Ok(done) => done,
        Err(_) => {
            let lost = stats.open();
            stats.failed(|errors| errors.timeouts += lost);
            Ok(())
        }
    }
}

/// Waits for `time`. Fails if the responder ends meanwhile.
async fn sleep_with_responder(time: Duration, responder: &mut JoinHandle<Result<()>>) -> Result<()> {
    tokio::select! {
        () = sleep(time) => Ok(()),
        ended = responder => Err(ended_early(ended)),
    }
}

fn ended_early(ended: Result<Result<()>, tokio::task::JoinError>) -> anyhow::Error {
    match ended {
        Ok(Ok(())) => anyhow::anyhow!("the responder ended"),
        Ok(Err(error)) => error,
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn unanswered_calls_are_counted_as_timeouts() {
        let stats = Stats::new();
        (0..3).for_each(|_| stats.sent());
        stats.answered(Instant::now());
        let mut responder = tokio::spawn(std::future::pending());
        wait_for_open_calls(&stats, &mut responder, Duration::from_millis(50)).await.expect("the responder works");
        assert_eq!((stats.total(), stats.errors().timeouts), (1, 2));
        assert!(stats.ending());
    }
}
