//! From a Rust crate to a component: for the build script, and for tests with guests of their own.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::Command;
use wit_component::ComponentEncoder;

const TARGET: &str = "wasm32-unknown-unknown";

/// What of this build must not reach the build of the guest: it has another target, profile and lock of its own.
const NOT_INHERITED: [&str; 10] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
];

/// Names stay, so that a trap has a readable backtrace.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "none"),
    ("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
];

/// Builds and encodes a component. `crate_args` say which crate of the workspace, in the words of `cargo build`;
/// `module` is what cargo calls its module, below the target's release directory.
pub(crate) fn build(
    workspace: &Path,
    target_dir: &Path,
    crate_args: &[&str],
    module: &str,
) -> Result<Vec<u8>, Box<dyn Error>> {
    run(&mut Command::new(workspace.join("guest-sdk/wasm-target"))).map_err(|fault| {
        format!(
            "the Rust target {TARGET} is missing and could not be added ({fault}); try `rustup target add {TARGET}`"
        )
    })?;
    let mut cargo = Command::new(env::var_os("CARGO").ok_or("cargo does not say where it is")?);
    cargo.args(["build", "--locked", "--release", "--target", TARGET]).args(crate_args);
    cargo.arg("--manifest-path").arg(workspace.join("Cargo.toml")).arg("--target-dir").arg(target_dir);
    cargo.envs(PROFILE);
    run(&mut cargo).map_err(|fault| format!("the guest does not build ({fault})"))?;
    let module = fs::read(target_dir.join(TARGET).join("release").join(module))?;
    Ok(ComponentEncoder::default().module(&module)?.validate(true).encode()?)
}

fn run(command: &mut Command) -> Result<(), Box<dyn Error>> {
    NOT_INHERITED.iter().for_each(|name| {
        command.env_remove(name);
    });
    let status = command.status().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if status.success() { Ok(()) } else { Err(status.to_string().into()) }
}
