//! Builds a component from a Rust crate: for build scripts, for tests with their own guests, and for
//! `ocpp-gateway transform build`.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use wit_component::ComponentEncoder;

/// The target of guests, for which the standard library imports nothing.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// A script for bash that adds [`TARGET`] to the installed toolchain.
const WASM_TARGET: &str = include_str!("../../../guest-sdk/wasm-target");

/// Variables of the surrounding build that must not reach the build of the guest, which has its own target, profile and
/// lock.
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

/// The release profile of guests. Names are kept, so that a trap has a readable backtrace.
const PROFILE: [(&str, &str); 5] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "none"),
    ("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
];

/// Several crates of one workspace, to be built as components at once, so that their dependencies are compiled once.
#[derive(Debug, Clone, Copy)]
pub struct GuestCrates<'a> {
    /// The `Cargo.toml` of the workspace.
    pub manifest: &'a Path,
    pub target_dir: &'a Path,
    /// Further arguments of `cargo build`: which crates, and whether the lock file binds.
    pub args: &'a [&'a str],
}

/// A crate to be built as a component.
#[derive(Debug, Clone, Copy)]
pub struct GuestCrate<'a> {
    /// The `Cargo.toml` of the crate, or of its workspace.
    pub manifest: &'a Path,
    pub target_dir: &'a Path,
    /// Further arguments of `cargo build`: which crate, and whether its lock file binds.
    pub args: &'a [&'a str],
    /// The file name of its module in the target's release directory.
    pub module: &'a str,
}

/// Why a component was not built.
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

/// Why another program failed. Its own output tells the details.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{program}: {error}")]
    NotStarted { program: String, error: io::Error },
    #[error("{program}: {status}")]
    Failed { program: String, status: ExitStatus },
}

impl GuestCrate<'_> {
    /// Compiles the crate in release mode and encodes it as a component. The output of cargo goes where that of this
    /// process goes.
    pub fn build(&self) -> Result<Vec<u8>, BuildError> {
        let &GuestCrate { manifest, target_dir, args, module } = self;
        let crates = GuestCrates { manifest, target_dir, args };
        crates.compile()?;
        crates.component(module)
    }
}

impl GuestCrates<'_> {
    /// Compiles the crates in release mode. The output of cargo goes where that of this process goes.
    pub fn compile(&self) -> Result<(), BuildError> {
        run(Command::new("bash").args(["-c", WASM_TARGET])).map_err(BuildError::Target)?;
        let mut command = Command::new(cargo());
        command.args(["build", "--release", "--target", TARGET]).args(self.args);
        command.arg("--manifest-path").arg(self.manifest).arg("--target-dir").arg(self.target_dir);
        run(command.envs(PROFILE)).map_err(BuildError::Cargo)
    }

    /// Encodes one of the crates, after [`GuestCrates::compile`], as a component. `module`: the file name of its module
    /// in the target's release directory.
    pub fn component(&self, module: &str) -> Result<Vec<u8>, BuildError> {
        let path = self.target_dir.join(TARGET).join("release").join(module);
        let module = fs::read(&path).map_err(|error| BuildError::NoModule { module: path, error })?;
        encode(&module)
    }
}

/// Makes a component of a module with the metadata of wit-bindgen.
fn encode(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let encoded = ComponentEncoder::default().module(module).and_then(|encoder| encoder.validate(true).encode());
    encoded.map_err(|error| BuildError::Encode(format!("{error:#}")))
}

/// The cargo that runs this process, or else the one of the search path.
pub fn cargo() -> OsString {
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
