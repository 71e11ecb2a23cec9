//! Prepares the benchmark: broker, gateway, packages of the peers, transforms.

use crate::peers::{root, run};
use crate::stand::{Contestant, OtherArgs, StandArgs};
use anyhow::{Context as _, Result, ensure};
use ocpp_gateway_guest_build::GuestCrate;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The contestants of `wanted` that can be started. Prints the reason for each of the others.
pub(super) fn prepare(args: &StandArgs, others: &OtherArgs, wanted: Vec<Contestant>) -> Result<Vec<Contestant>> {
    // `mosquitto -h` prints its version and exits with an error.
    if Command::new(&args.mosquitto).arg("-h").output().is_err() {
        run(&mut Command::new(root().join(".ci/mosquitto"))).context("mosquitto is needed")?;
    }
    if !args.gateway.exists() {
        println!("building {}", args.gateway.display());
        let build = ["build", "--release", "--locked", "--package", "ocpp-gateway"];
        run(Command::new("cargo").args(build).current_dir(root()))?;
        ensure!(args.gateway.exists(), "no {}: use --gateway", args.gateway.display());
    }
    let mut ready = Vec::new();
    for contestant in wanted {
        if contestant == Contestant::Other && others.other.is_none() {
            println!("other: left out: --other is not given");
            continue;
        }
        match contestant.peer().map_or(Ok(()), |peer| peer.install()) {
            Ok(()) => ready.push(contestant),
            Err(error) => println!("{}: left out: {error:#}", contestant.name()),
        }
    }
    ensure!(!ready.is_empty(), "no contestant can be started");
    Ok(ready)
}

/// Builds the transform that passes every frame on.
pub(super) fn passing() -> Result<PathBuf> {
    println!("building a transform that passes every frame on");
    guest("passing")
}

/// Builds the transform that does harm if configured to.
pub(crate) fn hostile() -> Result<PathBuf> {
    println!("building a transform that does harm");
    guest("every_hook")
}

/// Builds a transform of `guest-sdk/tests/guests`.
fn guest(name: &str) -> Result<PathBuf> {
    let dir = root().join("target/bench");
    let guest = GuestCrate {
        manifest: &root().join("Cargo.toml"),
        target_dir: &dir.join("transforms"),
        args: &["--locked", "--quiet", "--package", "ocpp-transform", "--example", name],
        module: &format!("examples/{name}.wasm"),
    };
    let path = dir.join(format!("{name}.wasm"));
    fs::write(&path, guest.build()?).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.canonicalize()?)
}
