//! Measures a transform: the time to load it, compiled and from the cache, and the time per call.
//!
//! `cargo run -p ocpp-gateway-pipeline --example measure -- COMPONENT [MEMORY_MIB [TIME_MS]]`

use ocpp_gateway_core::{Attributes, Frame, Identity, Peer, Version};
use ocpp_gateway_pipeline::{Limits, LoadOptions, Source, TransformHarness, TransformSpec};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

const CALLS: u32 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let component = arguments.next().ok_or("usage: measure COMPONENT [MEMORY_MIB [TIME_MS]]")?;
    let memory = arguments.next().map_or(Ok(64), |text| text.parse::<usize>())? << 20;
    let time = Duration::from_millis(arguments.next().map_or(Ok(20), |text| text.parse())?);
    let spec = TransformSpec {
        name: "measured".into(),
        source: Source::File(component.into()),
        limits: Limits { memory, time: Some(time), ..Limits::default() },
        ..TransformSpec::standard()
    };
    let cache = std::env::temp_dir().join(format!("measure-{}", std::process::id()));
    let options = LoadOptions { cache: Some(cache.clone()), ..LoadOptions::default() };
    let mut last = None;
    for how in ["compiled", "from the cache"] {
        let started = Instant::now();
        let harness = TransformHarness::load(&spec, options.clone()).map_err(|errors| errors[0].to_string())?;
        println!("loaded, {how}: {:.3?}, resident: {} MiB", started.elapsed(), resident()?);
        last = Some(harness);
    }
    fs::remove_dir_all(cache)?;
    let harness = last.ok_or("nothing was loaded")?;
    let identity = Identity::new("CP1", 48)?;
    let peer = Peer { identity, version: Version::V1_6, connection: 1, attributes: Attributes::new() };
    for bytes in [100, 1_500, 64_000] {
        let text = frame_of(bytes);
        let frame = Frame::parse(&text).map_err(|fault| format!("{fault:?}"))?;
        let mut times = Vec::new();
        let mut failures = BTreeMap::<String, u32>::new();
        for _ in 0..CALLS {
            let started = Instant::now();
            let outcome = harness.uplink(&peer, &frame);
            times.push(started.elapsed());
            if let Err(failure) = outcome {
                let reason = failure.to_string().lines().next().unwrap_or_default().to_owned();
                *failures.entry(reason).or_default() += 1;
            }
        }
        let first = times[0];
        times.sort();
        let slow = times.iter().filter(|time| **time > Duration::from_millis(1)).count();
        println!(
            "{bytes} bytes: first {first:.1?}, median {:.1?}, 99 % {:.1?}, longest {:.1?}, over 1 ms {slow}, \
             failed {failures:?} of {CALLS}, resident {} MiB",
            times[times.len() / 2],
            times[times.len() * 99 / 100],
            times[times.len() - 1],
            resident()?
        );
    }
    Ok(())
}

/// A StatusNotification of this many bytes.
fn frame_of(bytes: usize) -> String {
    let head = r#"[2,"1","StatusNotification",{"connectorId":1,"status":"available","info":""#;
    format!(r#"{head}{}"}}]"#, "x".repeat(bytes.saturating_sub(head.len() + 3)))
}

/// Resident memory of this process, in MiB.
fn resident() -> Result<u64, Box<dyn Error>> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = pages.split(' ').nth(1).ok_or("no second field")?.parse()?;
    Ok(pages * 4 / 1024)
}
