//! Builds the component that ships with the gateway, `transforms/standard`, as `$OUT_DIR/standard.wasm`.

use ocpp_gateway_guest_build::GuestCrate;
use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for input in ["wit", "guest-sdk", "transforms/standard", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }
    let standard = GuestCrate {
        manifest: &workspace.join("Cargo.toml"),
        target_dir: &out.join("guest"),
        args: &["--locked", "--package", "ocpp-transform-standard", "--lib"],
        module: "ocpp_transform_standard.wasm",
    };
    fs::write(out.join("standard.wasm"), standard.build()?)?;
    Ok(())
}
