//! Gets what the benchmark needs: the broker, the gateway, the peers' packages, a transform.

use crate::peers::{root, run};
use crate::stand::{Contestant, OtherArgs, StandArgs};
use anyhow::{Context as _, Result, ensure};
use ocpp_gateway_guest_build::GuestCrate;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Whoever of these can be started. Who cannot is named, with the reason.
pub(super) fn prepare(args: &StandArgs, others: &OtherArgs, wanted: Vec<Contestant>) -> Result<Vec<Contestant>> {
    // It says what it is and ends with an error.
    if Command::new(&args.mosquitto).arg("-h").output().is_err() {
        run(&mut Command::new(root().join(".ci/mosquitto"))).context("mosquitto is needed")?;
    }
    if !args.gateway.exists() {
        println!("building {}", args.gateway.display());
        let build = ["build", "--release", "--locked", "--package", "ocpp-gateway"];
        run(Command::new("cargo").args(build).current_dir(root()))?;
        ensure!(args.gateway.exists(), "no {}: --gateway says where it is", args.gateway.display());
    }
    let mut ready = Vec::new();
    for contestant in wanted {
        if contestant == Contestant::Other && others.other.is_none() {
            println!("other: left out, as there is no --other");
            continue;
        }
        match contestant.peer().map_or(Ok(()), |peer| peer.install()) {
            Ok(()) => ready.push(contestant),
            Err(error) => println!("{}: left out: {error:#}", contestant.name()),
        }
    }
    ensure!(!ready.is_empty(), "nobody is left to be measured");
    Ok(ready)
}

/// Builds the stage that passes everything on.
pub(super) fn passing() -> Result<PathBuf> {
    println!("building a transform that passes everything on");
    guest("passing")
}

/// Builds one that does harm, if its configuration says so.
pub(crate) fn hostile() -> Result<PathBuf> {
    println!("building a transform that does harm");
    guest("every_hook")
}

/// Builds one of the transforms that the tests use.
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
