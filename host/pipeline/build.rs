//! Builds the component that ships with the gateway, `transforms/standard`, as `$OUT_DIR/standard.wasm`.

#[path = "build/guest.rs"]
mod guest;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build");
    for input in ["wit", "guest-sdk", "transforms/standard", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }
    let crate_args = ["--package", "ocpp-transform-standard", "--lib"];
    let standard = guest::build(&workspace, &out.join("guest"), &crate_args, "ocpp_transform_standard.wasm")?;
    fs::write(out.join("standard.wasm"), standard)?;
    Ok(())
}
