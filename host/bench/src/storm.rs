//! A storm: all charge points connect at once, as after an outage.

use crate::charge_point::{CONNECT_TIMEOUT, ChargePoint, Gateway};
use crate::script::boot;
use crate::stats::Stats;
use anyhow::{Context as _, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Pause before a refused charge point tries again. It ignores `Retry-After`.
const PAUSE: Duration = Duration::from_millis(200);

/// Connects and boots all charge points at the same time. The latency of each is the time from the common start to the
/// answer to its BootNotification. Returns the connected charge points, and the seconds until the last had booted.
pub(crate) async fn run(
    gateway: &Gateway,
    charge_points: usize,
    stats: &Arc<Stats>,
) -> Result<(Vec<ChargePoint>, f64)> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for index in 0..charge_points {
        let (gateway, stats) = (gateway.clone(), Arc::clone(stats));
        tasks.spawn(async move { connect_and_boot(&gateway, index, start, &stats).await });
    }
    let mut connected = Vec::with_capacity(charge_points);
    while let Some(joined) = tasks.join_next().await {
        connected.push(joined??);
    }
    Ok((connected, start.elapsed().as_secs_f64()))
}

async fn connect_and_boot(gateway: &Gateway, index: usize, start: Instant, stats: &Stats) -> Result<ChargePoint> {
    let boot = boot();
    let connecting = async {
        loop {
            if let Ok(mut charge_point) = ChargePoint::connect(gateway, index).await
                && charge_point.call_once(&boot, start, stats).await.is_ok()
            {
                return charge_point;
            }
            stats.was_refused();
            sleep(PAUSE).await;
        }
    };
    let booted = timeout(CONNECT_TIMEOUT * 4, connecting).await;
    booted.with_context(|| format!("charge point {index} could not connect and boot"))
}
