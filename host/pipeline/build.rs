//! Builds the components that ship with the gateway from `transforms/NAME`, and writes the table of them:
//! `$OUT_DIR/NAME.wasm` and `$OUT_DIR/builtins.rs`.

use ocpp_gateway_guest_build::GuestCrates;
use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The ready-made transforms, sorted. Each is the folder `transforms/NAME` with the crate `ocpp-transform-NAME`, whose
/// description says what it does, and with `settings.toml`.
const NAMES: [&str; 8] =
    ["flat-telemetry", "jq", "legacy-topics", "local-heartbeat", "meter-values", "redact", "standard", "topic-router"];

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let transforms = workspace.join("transforms");
    let inputs = ["Cargo.toml", "settings.toml", "src"];
    let of_transforms = NAMES.iter().flat_map(|name| inputs.map(|input| transforms.join(name).join(input)));
    for input in ["wit", "guest-sdk", "Cargo.lock"].map(|input| workspace.join(input)).into_iter().chain(of_transforms)
    {
        println!("cargo::rerun-if-changed={}", input.display());
    }
    // One cargo for all: they share most of what they are built from.
    let packages = NAMES.map(crate_name);
    let mut args = vec!["--locked", "--lib"];
    args.extend(packages.iter().flat_map(|package| ["--package", package]));
    let guests = GuestCrates { manifest: &workspace.join("Cargo.toml"), target_dir: &out.join("guest"), args: &args };
    guests.compile()?;
    let mut table = String::from("[\n");
    for name in NAMES {
        let module = format!("{}.wasm", crate_name(name).replace('-', "_"));
        let component = out.join(format!("{name}.wasm"));
        fs::write(&component, guests.component(&module)?)?;
        let settings = fs::canonicalize(transforms.join(name).join("settings.toml"))?;
        let description = description(&transforms.join(name).join("Cargo.toml"))?;
        writeln!(
            table,
            "Builtin {{ name: {name:?}, description: {description}, component: include_bytes!({component:?}), \
             settings: include_str!({settings:?}) }},"
        )?;
    }
    table.push(']');
    fs::write(out.join("builtins.rs"), table)?;
    Ok(())
}

fn crate_name(name: &str) -> String {
    format!("ocpp-transform-{name}")
}

/// The description of a crate, in quotes: TOML and Rust write such a text in the same way.
fn description(manifest: &Path) -> Result<String, Box<dyn Error>> {
    let text = fs::read_to_string(manifest)?;
    let description = text.lines().find_map(|line| line.strip_prefix("description = "));
    Ok(description.ok_or_else(|| format!("{}: there is no description", manifest.display()))?.to_owned())
}
