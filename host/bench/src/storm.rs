//! A storm: charge points that all come back at once, as after an outage.

use crate::charge_point::{CONNECT_TIMEOUT, ChargePoint, Gateway};
use crate::script::boot;
use crate::stats::Stats;
use anyhow::{Context as _, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A charge point that was turned away comes again after so long; it does not look at `Retry-After`.
const PAUSE: Duration = Duration::from_millis(200);

/// All of them connect at the same time, and boot. The latency of each is the time from the beginning until it has got
/// the answer to its BootNotification. Answers them all, connected, and the seconds it took.
pub(crate) async fn break_loose(
    gateway: &Gateway,
    charge_points: usize,
    stats: &Arc<Stats>,
) -> Result<(Vec<ChargePoint>, f64)> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for index in 0..charge_points {
        let (gateway, stats) = (gateway.clone(), Arc::clone(stats));
        tasks.spawn(async move { come_in(&gateway, index, start, &stats).await });
    }
    let mut connected = Vec::with_capacity(charge_points);
    while let Some(joined) = tasks.join_next().await {
        connected.push(joined??);
    }
    Ok((connected, start.elapsed().as_secs_f64()))
}

async fn come_in(gateway: &Gateway, index: usize, start: Instant, stats: &Stats) -> Result<ChargePoint> {
    let boot = boot();
    let keep_trying = async {
        loop {
            if let Ok(mut charge_point) = ChargePoint::connect(gateway, index).await
                && charge_point.call_once(&boot, start, stats).await.is_ok()
            {
                return charge_point;
            }
            stats.was_turned_away();
            sleep(PAUSE).await;
        }
    };
    let came = timeout(CONNECT_TIMEOUT * 4, keep_trying).await;
    came.with_context(|| format!("charge point {index} did not get in"))
}
