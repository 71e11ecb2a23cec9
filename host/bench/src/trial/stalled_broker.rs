//! The broker stalls without closing its connections while every charge point sends a large message.
//!
//! The gateway's resident memory may grow by `runtime.queue_memory`. When the broker continues, every CALL is answered.

use super::rig::{Rig, RigArgs};
use crate::charge_point::{ChargePoint, Socket};
use crate::load::CONNECTING;
use crate::stats::Stats;
use crate::usage::Memory;
use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

#[derive(Args)]
pub(crate) struct StalledBrokerArgs {
    #[command(flatten)]
    rig: RigArgs,
    #[arg(short = 'n', long, default_value_t = 1000)]
    charge_points: usize,
    /// Size of each charge point's message, in bytes
    #[arg(long, default_value_t = 1 << 20)]
    size: usize,
    /// runtime.queue_memory of the gateway, in MiB
    #[arg(long, default_value_t = 256)]
    queue_memory: u64,
    /// Duration of the stall, shorter than the keep-alive timeout of the gateway
    #[arg(long, value_parser = humantime::parse_duration, default_value = "20s")]
    stalled: Duration,
}

const SAMPLE: Duration = Duration::from_millis(50);
/// Time limit until every CALL is answered after the stall.
const RECOVERY: Duration = Duration::from_secs(300);
/// Longer than any CALL waits in this trial.
const CALL_TIMEOUT: &str = "call_timeout = \"10m\"\n";

pub(crate) async fn stalled_broker(args: StalledBrokerArgs) -> Result<()> {
    let runtime = format!("[runtime]\nqueue_memory = \"{}MiB\"\n", args.queue_memory);
    let rig = Rig::start_with(&args.rig, CALL_TIMEOUT, &runtime, &[]).await?;
    let stats = Arc::new(Stats::new());
    let responder = tokio::spawn(rig.responder(args.charge_points * 2, &stats).await?.run());
    let endpoint = rig.endpoint();
    let connecting = (0..args.charge_points).map(|index| ChargePoint::connect(&endpoint, index));
    let connected: Vec<ChargePoint> = stream::iter(connecting).buffer_unordered(CONNECTING).try_collect().await?;
    let pid = rig.pid()?;
    let before = Memory::of(pid)?.rss_kib;
    println!("{} charge points are connected; the gateway has {} MiB", connected.len(), before >> 10);

    rig.pause_broker()?;
    let filler: Arc<str> = "x".repeat(args.size).into();
    let mut calls = JoinSet::new();
    for charge_point in connected {
        let (filler, size) = (Arc::clone(&filler), args.size);
        calls.spawn(async move {
            let (id, mut socket) = charge_point.into_parts();
            call(&id, &mut socket, size, &filler).await.map(|()| socket)
        });
    }
    let since = Instant::now();
    let mut most = before;
    while since.elapsed() < args.stalled {
        most = most.max(Memory::of(pid)?.rss_kib);
        sleep(SAMPLE).await;
    }
    println!("after a stall of {:?}: {} MiB at most", args.stalled, most >> 10);
    rig.resume_broker()?;
    let (resumed, mut answered) = (Instant::now(), Vec::new());
    while !calls.is_empty() {
        ensure!(resumed.elapsed() < RECOVERY, "{} CALLs are not answered", calls.len());
        most = most.max(Memory::of(pid)?.rss_kib);
        if let Ok(Some(call)) = timeout(SAMPLE, calls.join_next()).await {
            // The connection stays open until the last CALL is answered.
            answered.push(call??);
        }
    }
    let grown = (most - before) >> 10;
    println!(
        "all {} CALLs are answered {:.1} s after the stall; the gateway has grown by {grown} MiB at most, {} allowed",
        answered.len(),
        resumed.elapsed().as_secs_f64(),
        args.queue_memory,
    );
    responder.abort();
    ensure!(stats.errors().reports == 0, "{} messages were reported as undeliverable", stats.errors().reports);
    ensure!(grown <= args.queue_memory, "resident memory has grown by {grown} MiB");
    Ok(())
}

/// Sends one CALL of `size` bytes, whose text is never in memory as a whole, and waits for its answer.
async fn call(id: &str, socket: &mut Socket, size: usize, filler: &str) -> Result<()> {
    let head = format!(r#"[2,"{id}-1","DataTransfer",{{"vendorId":"bench","data":""#);
    let tail = r#""}]"#;
    let filler = filler.get(..size.saturating_sub(head.len() + tail.len())).context("the size is too small")?;
    let length = head.len() + filler.len() + tail.len();
    // A final text frame, with its length in eight bytes and a mask that changes nothing (RFC 6455 section 5.2).
    let mut frame = vec![0x81, 0x80 | 127];
    frame.extend((length as u64).to_be_bytes());
    frame.extend([0; 4]);
    for part in [&frame, head.as_bytes(), filler.as_bytes(), tail.as_bytes()] {
        socket.get_mut().write_all(part).await?;
    }
    let result = format!(r#"[3,"{id}-1","#);
    loop {
        match socket.next().await.context("disconnected")?? {
            Message::Text(text) if text.starts_with(&result) => return Ok(()),
            Message::Text(text) => bail!("not the answer: {text}"),
            _ => {}
        }
    }
}
