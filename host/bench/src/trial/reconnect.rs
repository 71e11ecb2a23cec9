//! All charge points lose the gateway at once and reconnect as soon as they can.

use super::rig::{Rig, RigArgs};
use crate::charge_point::{ChargePoint, Gateway, identity};
use crate::load::CONNECTING;
use crate::script::boot;
use crate::stats::Stats;
use anyhow::{Context as _, Result, ensure};
use clap::Args;
use data_encoding::HEXLOWER;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tokio_tungstenite::tungstenite;

#[derive(Args)]
pub(crate) struct ReconnectArgs {
    #[command(flatten)]
    rig: RigArgs,
    #[arg(short = 'n', long, default_value_t = 10_000)]
    charge_points: usize,
    /// `ocpp.accept_rate` of the gateway; 0: no limit
    #[arg(long, default_value_t = 0)]
    accept_rate: u32,
    /// Give every charge point a password, which the gateway has as a salted SHA-256
    #[arg(long)]
    passwords: bool,
    /// Handshakes per second with wrong passwords, from one address, while charge points reconnect
    #[arg(long, default_value_t = 0, requires = "passwords")]
    wrong_passwords: u32,
    /// Time between kill and restart of the gateway
    #[arg(long, value_parser = humantime::parse_duration, default_value = "2s")]
    away: Duration,
    /// Time limit until the last charge point has reconnected
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30s")]
    within: Duration,
}

/// Pause before a charge point without a response tries again; up to twice as long for some.
const PAUSE: Duration = Duration::from_millis(500);
/// Time limit of a handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Long and random, as passwords of machines are.
const PASSWORD: &str = "5f0c2a7e9b1d4836";
const WRONG_PASSWORD: &str = "5f0c2a7e9b1d4837";
/// [`Gateway::network`] of the connections with wrong passwords.
const ATTACKER: u8 = 99;

/// Failed attempts to connect, by the response.
#[derive(Default)]
struct Refusals {
    /// An HTTP status with `Retry-After`.
    with_retry_after: AtomicU64,
    /// An HTTP status without `Retry-After`.
    without_retry_after: AtomicU64,
    /// No connection, or no response to the handshake.
    no_response: AtomicU64,
}

pub(crate) async fn reconnect(args: ReconnectArgs) -> Result<()> {
    let mut ocpp = format!("accept_rate = {}\n", args.accept_rate);
    let mut files = Vec::new();
    if args.passwords {
        ocpp += "auth = { mode = \"basic\", users = \"users\" }\n";
        files.push(("users", (0..args.charge_points).map(entry).collect()));
    }
    let mut rig = Rig::start_with(&args.rig, &ocpp, "", &files).await?;
    let (stats, refusals) = (Arc::new(Stats::new()), Arc::new(Refusals::default()));
    let responder = tokio::spawn(rig.responder(args.charge_points, &stats).await?.run());
    println!("{} charge points connect", args.charge_points);
    let endpoint = Gateway { password: args.passwords.then_some(PASSWORD), ..rig.endpoint() };
    let connecting = (0..args.charge_points).map(|index| connect_and_boot(&endpoint, index, &stats, &refusals));
    let connected: Vec<ChargePoint> = stream::iter(connecting).buffer_unordered(CONNECTING).try_collect().await?;

    // Failed attempts before the kill do not count.
    let refusals = Arc::new(Refusals::default());
    let mut tasks = JoinSet::new();
    for (index, mut charge_point) in connected.into_iter().enumerate() {
        let (endpoint, stats, refusals) = (endpoint.clone(), Arc::clone(&stats), Arc::clone(&refusals));
        tasks.spawn(async move {
            charge_point.answer_until_disconnected(&stats).await;
            connect_and_boot(&endpoint, index, &stats, &refusals).await
        });
    }
    println!("the gateway is killed, and restarted after {:?}", args.away);
    rig.kill_gateway();
    sleep(args.away).await;
    let start = Instant::now();
    rig.start_gateway().await?;
    let listening = start.elapsed();
    let attack = tokio::spawn(attack(rig.endpoint(), args.wrong_passwords));
    let mut reconnected = Vec::with_capacity(args.charge_points);
    let mut progress = Instant::now();
    while let Some(joined) = tasks.join_next().await {
        reconnected.push(joined??);
        if progress.elapsed() > Duration::from_secs(2) {
            println!("{} of {} have reconnected", reconnected.len(), args.charge_points);
            progress = Instant::now();
        }
    }
    let took = start.elapsed();
    responder.abort();
    attack.abort();

    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let without_retry_after = count(&refusals.without_retry_after);
    println!(
        "{} charge points reconnected {:.1} s after the start of the gateway, which listened after {:.2} s; \
         refused with Retry-After: {}, without: {without_retry_after}, no response: {}",
        reconnected.len(),
        took.as_secs_f64(),
        listening.as_secs_f64(),
        count(&refusals.with_retry_after),
        count(&refusals.no_response),
    );
    ensure!(without_retry_after == 0, "{without_retry_after} refusals had no Retry-After");
    ensure!(took <= args.within, "it took longer than {:?}", args.within);
    Ok(())
}

/// The line of a charge point in the users file: salted SHA-256.
fn entry(index: usize) -> String {
    let (identity, salt) = (identity(index), format!("{index:016x}"));
    let hash = HEXLOWER.encode(&Sha256::digest(format!("{salt}{PASSWORD}")));
    format!("{identity}:sha256:{salt}:{hash}\n")
}

/// Tries wrong passwords at this rate (handshakes per second).
async fn attack(gateway: Gateway, rate: u32) {
    if rate == 0 {
        return;
    }
    let gateway = Gateway { password: Some(WRONG_PASSWORD), network: ATTACKER, ..gateway };
    let mut attempts = JoinSet::new();
    let mut ticks = interval(Duration::from_secs(1) / rate);
    loop {
        ticks.tick().await;
        let gateway = gateway.clone();
        attempts.spawn(async move {
            timeout(HANDSHAKE_TIMEOUT, ChargePoint::connect(&gateway, 0)).await.is_ok_and(|connected| connected.is_ok())
        });
        while let Some(Ok(accepted)) = attempts.try_join_next() {
            assert!(!accepted, "a wrong password was accepted");
        }
    }
}

/// Tries to connect until the charge point has booted.
async fn connect_and_boot(gateway: &Gateway, index: usize, stats: &Stats, refusals: &Refusals) -> Result<ChargePoint> {
    let boot = boot();
    let limit = Duration::from_secs(300);
    let start = Instant::now();
    while start.elapsed() < limit {
        let pause = match timeout(HANDSHAKE_TIMEOUT, ChargePoint::connect(gateway, index)).await {
            Ok(Ok(mut charge_point)) => match charge_point.call_once(&boot, Instant::now(), stats).await {
                Ok(()) => return Ok(charge_point),
                Err(_) => PAUSE,
            },
            Ok(Err(error)) => pause_after(&error, refusals),
            Err(_) => {
                refusals.no_response.fetch_add(1, Ordering::Relaxed);
                PAUSE
            }
        };
        // Spreads the attempts over time, as charge points do.
        let spread = (index % 100) as f64 / 100.0;
        sleep(pause + PAUSE.mul_f64(spread)).await;
    }
    None.with_context(|| format!("charge point {index} could not connect and boot within {limit:?}"))
}

/// The pause before the next attempt: `Retry-After`, or [`PAUSE`].
fn pause_after(error: &anyhow::Error, refusals: &Refusals) -> Duration {
    let Some(tungstenite::Error::Http(response)) = error.downcast_ref() else {
        refusals.no_response.fetch_add(1, Ordering::Relaxed);
        return PAUSE;
    };
    let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    let counter = if seconds.is_some() { &refusals.with_retry_after } else { &refusals.without_retry_after };
    counter.fetch_add(1, Ordering::Relaxed);
    seconds.map_or(PAUSE, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::tungstenite::http::Response;

    #[test]
    fn charge_point_waits_as_long_as_retry_after_says() {
        let refusals = Refusals::default();
        let refused = |header: Option<&str>| {
            let mut response = Response::builder().status(503);
            if let Some(seconds) = header {
                response = response.header("Retry-After", seconds);
            }
            let response = response.body(None).expect("a response");
            anyhow::Error::from(tungstenite::Error::Http(Box::new(response)))
        };
        assert_eq!(pause_after(&refused(Some("7")), &refusals), Duration::from_secs(7));
        assert_eq!(pause_after(&refused(None), &refusals), PAUSE);
        assert_eq!(pause_after(&anyhow::anyhow!("connection refused"), &refusals), PAUSE);
        let counts = [&refusals.with_retry_after, &refusals.without_retry_after, &refusals.no_response];
        assert_eq!(counts.map(|counter| counter.load(Ordering::Relaxed)), [1, 1, 1]);
    }
}
