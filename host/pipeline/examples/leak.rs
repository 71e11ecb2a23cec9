//! The memory that it takes to call a component that leaks 20 kB at each call: its instances are replaced before they
//! are out of memory.
//!
//! `cargo run --release -p ocpp-gateway-pipeline --example leak [MILLIONS]`

use ocpp_gateway_core::{Attributes, Frame, Identity, Peer, Version};
use ocpp_gateway_pipeline::{Pipeline, Source, TransformSpec};
use ocpp_gateway_testkit::guest;
use std::error::Error;
use std::fs;

const MILLION: u32 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let millions: u32 = std::env::args().nth(1).map_or(Ok(10), |text| text.parse())?;
    let directory = tempfile::tempdir()?;
    let component = guest::build("faulty", directory.path());
    let spec = TransformSpec { name: "leaking".into(), source: Source::File(component), ..TransformSpec::standard() };
    let pipeline = Pipeline::load(vec![spec]).map_err(|errors| errors[0].to_string())?;
    let identity = Identity::new("CP1", 48)?;
    let peer = Peer { identity, version: Version::V1_6, connection: 1, attributes: Attributes::new() };
    let leak = Frame::parse(r#"[2,"1","Leak",{}]"#).map_err(|fault| format!("{fault:?}"))?;
    for million in 0..=millions {
        let failures: u64 = pipeline.transforms().iter().map(|transform| transform.failures).sum();
        println!("{million} million calls: {} KiB resident, {failures} failed", resident_kib()?);
        if million < millions {
            let newest = pipeline.newest();
            (0..MILLION).for_each(|_| drop(pipeline.uplink(&newest, &peer, &leak)));
        }
    }
    Ok(())
}

/// Resident memory of this process.
fn resident_kib() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
