//! From a Rust crate to a component: for build scripts, for tests with guests of their own, and for
//! `ocpp-gateway transform build`.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use wit_component::ComponentEncoder;

/// What guests are compiled for. With it the standard library imports nothing.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Makes the installed toolchain able to compile for [`TARGET`]; a script for bash.
const WASM_TARGET: &str = include_str!("../../../guest-sdk/wasm-target");

/// What of the build around must not reach the build of the guest: it has another target, profile and lock of its own.
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

/// A crate that is to become a component.
#[derive(Debug, Clone, Copy)]
pub struct GuestCrate<'a> {
    /// The `Cargo.toml` of the crate, or of its workspace.
    pub manifest: &'a Path,
    pub target_dir: &'a Path,
    /// Which crate, and whether its lock file binds, in the words of `cargo build`.
    pub args: &'a [&'a str],
    /// What cargo calls its module, below the target's release directory.
    pub module: &'a str,
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the Rust target {TARGET} is missing and could not be added ({0}); try `rustup target add {TARGET}`")]
    Target(CommandError),
    #[error("the crate does not build ({0})")]
    Cargo(CommandError),
    #[error("cargo made no {}: {error}; does Cargo.toml say crate-type = [\"cdylib\"]?", .module.display())]
    NoModule { module: PathBuf, error: io::Error },
    #[error("the module cannot be made a component: {0}")]
    Encode(String),
}

/// Why another program did not do its work. What it had to say it has said itself.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{program}: {error}")]
    NotStarted { program: String, error: io::Error },
    #[error("{program}: {status}")]
    Failed { program: String, status: ExitStatus },
}

impl GuestCrate<'_> {
    /// Compiles the crate, release, and encodes it as a component. The output of cargo goes where ours goes.
    pub fn build(&self) -> Result<Vec<u8>, BuildError> {
        run(Command::new("bash").args(["-c", WASM_TARGET])).map_err(BuildError::Target)?;
        let mut command = Command::new(cargo());
        command.args(["build", "--release", "--target", TARGET]).args(self.args);
        command.arg("--manifest-path").arg(self.manifest).arg("--target-dir").arg(self.target_dir);
        run(command.envs(PROFILE)).map_err(BuildError::Cargo)?;
        let path = self.target_dir.join(TARGET).join("release").join(self.module);
        let module = fs::read(&path).map_err(|error| BuildError::NoModule { module: path, error })?;
        encode(&module)
    }
}

/// Makes a component of a module that wit-bindgen has left its notes in.
fn encode(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let encoded = ComponentEncoder::default().module(module).and_then(|encoder| encoder.validate(true).encode());
    encoded.map_err(|error| BuildError::Encode(format!("{error:#}")))
}

/// The cargo that runs us, or else the one of the search path.
fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn run(command: &mut Command) -> Result<(), CommandError> {
    NOT_INHERITED.iter().for_each(|name| {
        command.env_remove(name);
    });
    let program = command.get_program().display().to_string();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(CommandError::Failed { program, status }),
        Err(error) => Err(CommandError::NotStarted { program, error }),
    }
}
