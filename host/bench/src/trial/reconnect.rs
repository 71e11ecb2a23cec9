//! All charge points lose the gateway at once, and come back as soon as they can.

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
    /// Every charge point shows a password, which the gateway knows as a salted SHA-256
    #[arg(long)]
    passwords: bool,
    /// Handshakes per second with wrong passwords, from one address, while they come back
    #[arg(long, default_value_t = 0, requires = "passwords")]
    wrong_passwords: u32,
    /// How long the gateway is away
    #[arg(long, value_parser = humantime::parse_duration, default_value = "2s")]
    away: Duration,
    /// How long it may take until the last charge point is back
    #[arg(long, value_parser = humantime::parse_duration, default_value = "30s")]
    within: Duration,
}

/// Charge points that find nobody there try again after this long, and some up to twice as late.
const PAUSE: Duration = Duration::from_millis(500);
/// A handshake that takes longer is given up.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Long and random, as those of machines are.
const PASSWORD: &str = "5f0c2a7e9b1d4836";
const WRONG_PASSWORD: &str = "5f0c2a7e9b1d4837";
/// The network that wrong passwords come from.
const ATTACKER: u8 = 99;

/// What charge points were told instead of being let in.
#[derive(Default)]
struct Refusals {
    /// To come again after some seconds.
    advised: AtomicU64,
    /// An HTTP status, and nothing about when to come again.
    unadvised: AtomicU64,
    /// No connection, or one that ended before there was an answer to the handshake.
    unanswered: AtomicU64,
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
    let entrance = Gateway { password: args.passwords.then_some(PASSWORD), ..rig.entrance() };
    let connecting = (0..args.charge_points).map(|index| come_in(&entrance, index, &stats, &refusals));
    let connected: Vec<ChargePoint> = stream::iter(connecting).buffer_unordered(CONNECTING).try_collect().await?;

    // Those of before do not count.
    let refusals = Arc::new(Refusals::default());
    let mut tasks = JoinSet::new();
    for (index, mut charge_point) in connected.into_iter().enumerate() {
        let (entrance, stats, refusals) = (entrance.clone(), Arc::clone(&stats), Arc::clone(&refusals));
        tasks.spawn(async move {
            charge_point.rest_until_disconnected(&stats).await;
            come_in(&entrance, index, &stats, &refusals).await
        });
    }
    println!("the gateway is killed, and away for {:?}", args.away);
    rig.kill_gateway();
    sleep(args.away).await;
    let start = Instant::now();
    rig.start_gateway().await?;
    let listening = start.elapsed();
    let attack = tokio::spawn(attack(rig.entrance(), args.wrong_passwords));
    let mut back = Vec::with_capacity(args.charge_points);
    let mut progress = Instant::now();
    while let Some(joined) = tasks.join_next().await {
        back.push(joined??);
        if progress.elapsed() > Duration::from_secs(2) {
            println!("{} of {} are back", back.len(), args.charge_points);
            progress = Instant::now();
        }
    }
    let took = start.elapsed();
    responder.abort();
    attack.abort();

    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let unadvised = count(&refusals.unadvised);
    println!(
        "{} charge points back {:.1} s after the gateway was started, which listened after {:.2} s; \
         turned away with Retry-After: {}, without: {unadvised}, found nobody there: {}",
        back.len(),
        took.as_secs_f64(),
        listening.as_secs_f64(),
        count(&refusals.advised),
        count(&refusals.unanswered),
    );
    ensure!(unadvised == 0, "{unadvised} refusals said nothing about when to come again");
    ensure!(took <= args.within, "it took longer than {:?}", args.within);
    Ok(())
}

/// Of the file of users: salted SHA-256.
fn entry(index: usize) -> String {
    let (identity, salt) = (identity(index), format!("{index:016x}"));
    let hash = HEXLOWER.encode(&Sha256::digest(format!("{salt}{PASSWORD}")));
    format!("{identity}:sha256:{salt}:{hash}\n")
}

/// Tries wrong passwords at this rate, whatever becomes of them.
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
            timeout(HANDSHAKE, ChargePoint::connect(&gateway, 0)).await.is_ok_and(|it| it.is_ok())
        });
        while let Some(Ok(got_in)) = attempts.try_join_next() {
            assert!(!got_in, "a wrong password was accepted");
        }
    }
}

/// Tries until it is in and has booted.
async fn come_in(gateway: &Gateway, index: usize, stats: &Stats, refusals: &Refusals) -> Result<ChargePoint> {
    let boot = boot();
    let patience = Duration::from_secs(300);
    let start = Instant::now();
    while start.elapsed() < patience {
        let pause = match timeout(HANDSHAKE, ChargePoint::connect(gateway, index)).await {
            Ok(Ok(mut charge_point)) => match charge_point.call_once(&boot, Instant::now(), stats).await {
                Ok(()) => return Ok(charge_point),
                Err(_) => PAUSE,
            },
            Ok(Err(error)) => after(&error, refusals),
            Err(_) => {
                refusals.unanswered.fetch_add(1, Ordering::Relaxed);
                PAUSE
            }
        };
        // So that they do not all come at the same moment: what makers of charge points do as well.
        let spread = (index % 100) as f64 / 100.0;
        sleep(pause + PAUSE.mul_f64(spread)).await;
    }
    None.with_context(|| format!("charge point {index} did not get in within {patience:?}"))
}

/// When to come again.
fn after(error: &anyhow::Error, refusals: &Refusals) -> Duration {
    let Some(tungstenite::Error::Http(response)) = error.downcast_ref() else {
        refusals.unanswered.fetch_add(1, Ordering::Relaxed);
        return PAUSE;
    };
    let seconds = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    let counter = if seconds.is_some() { &refusals.advised } else { &refusals.unadvised };
    counter.fetch_add(1, Ordering::Relaxed);
    seconds.map_or(PAUSE, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::tungstenite::http::Response;

    #[test]
    fn whoever_is_told_when_to_come_again_waits_that_long() {
        let refusals = Refusals::default();
        let refused = |header: Option<&str>| {
            let mut response = Response::builder().status(503);
            if let Some(seconds) = header {
                response = response.header("Retry-After", seconds);
            }
            let response = response.body(None).expect("a response");
            anyhow::Error::from(tungstenite::Error::Http(Box::new(response)))
        };
        assert_eq!(after(&refused(Some("7")), &refusals), Duration::from_secs(7));
        assert_eq!(after(&refused(None), &refusals), PAUSE);
        assert_eq!(after(&anyhow::anyhow!("connection refused"), &refusals), PAUSE);
        let counts = [&refusals.advised, &refusals.unadvised, &refusals.unanswered];
        assert_eq!(counts.map(|counter| counter.load(Ordering::Relaxed)), [1, 1, 1]);
    }
}
